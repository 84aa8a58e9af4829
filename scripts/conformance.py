#!/usr/bin/env python3
"""The official XSD and Schematron over the five documents of the demonstration. Fails when the kit is absent.

    conformance.py [KIT_DIR]        (default: SUNES_ANS_KIT, else ../shared/ans-kit)

Also proves that the judge judges: a document with a code out of its value set must be refused. Then 200 generated
documents of each kind (SUNES_GENERATED), and the kit on every mutation that the native rules accept, of our documents
and of the headers of the official examples (SUNES_DIFFERENTIAL=300 draws that many): half an hour on two cores. Last,
the reader makes nothing up of our documents without each of their parts in turn (SUNES_REMOVALS).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from sunes_sdk.cda import Issuer
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.testing import samples
from sunes_sdk.testing.demo import discharge_documents

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    given = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SUNES_ANS_KIT")
    kit = Path(given) if given else ROOT.parent / "shared" / "ans-kit"
    if not kit.is_dir():
        print(f"The ANS conformance kit is not at {kit}. Set SUNES_ANS_KIT to its folder.")
        return 2
    author = samples.physician().at(samples.hospital())
    drafts = discharge_documents(
        samples.patient(), samples.stay(), author=author, recipient=samples.general_practitioner()
    )
    failed = 0
    oracle = Oracle(kit)
    documents = [draft.render(Issuer(oid_root=samples.DOCUMENT_ROOT)) for draft in drafts]
    for document in documents:
        report = oracle.check(document.content)
        failed += not report.ok
        print(f"{document.type_code.code:8} {document.title[:60]:60} {len(report.errors)} errors")
        for finding in report.errors:
            print(f"         {finding}")
    spoiled = documents[0].content.replace(b'code="11490-0"', b'code="11490-9"')
    if oracle.check(spoiled).ok:
        print("The oracle accepted a document whose type code does not exist: it judges nothing.")
        return 1
    print(f"{len(documents) - failed} passed, {failed} failed")
    return 1 if failed else _generated(kit)


def _generated(kit: Path) -> int:
    """Documents that no one wrote: made from the models, and ours with one thing changed or taken away."""
    tests = [str(ROOT / "tests/conformance" / f"test_cda_{name}.py") for name in ("generated_kit", "differential")]
    tests += [str(ROOT / "tests/unit" / f"test_cda_{name}_invents_nothing.py") for name in ("header", "reader")]
    asked = {"SUNES_GENERATED": "200", "SUNES_DIFFERENTIAL": "all", "SUNES_REMOVALS": "all"} | os.environ
    asked["SUNES_ANS_KIT"] = str(kit)
    command = [sys.executable, "-m", "pytest", "-n", "2", "-q", "-rP", *tests]
    return subprocess.run(command, cwd=ROOT, check=False, env=asked).returncode


if __name__ == "__main__":
    sys.exit(main())
