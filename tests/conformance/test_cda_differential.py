"""Native rules against the official kit, over single mutations drawn systematically from our own documents, and from
the headers of the official examples.

What the kit refuses, a native rule must refuse too: `EXCEPTIONS` says what is left, and why. SUNES_DIFFERENTIAL says
how many mutations are drawn (`all` in `make conformance`); a sample otherwise. The kit is asked of all that the native
rules accept, and of a few that they refuse.
"""

from __future__ import annotations

import copy
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from lxml import etree

from cda_headers import full_header
from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.findings import Report
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import CdaDocument, Issuer, check
from sunes_sdk.cda.oracle import OracleWorker, Outcome, Verdict
from sunes_sdk.cda.reader import clinical_document
from sunes_sdk.testing import demo, sample_letters, sample_reports, samples

pytestmark = pytest.mark.kit

V3 = "{urn:hl7-org:v3}"
SAMPLE = 24
_UNJUDGED = frozenset({"displayName", "codeSystemName", "styleCode"})
"""Attributes that neither judge looks at everywhere: not mutated."""

EXCEPTIONS: dict[str, str] = {}
"""Pattern of a mutation's name → why a native rule need not see what the kit refuses."""


def documents() -> dict[str, CdaDocument]:
    """The five kinds as the demonstration writes them, and richer ones."""
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(5), clock=FixedClock(samples.WRITTEN))
    stay = demo.discharge_documents(
        samples.patient(),
        samples.stay(),
        author=samples.physician().at(samples.hospital()),
        recipient=samples.general_practitioner(),
    )
    richer = (
        samples.discharge_letter(), sample_reports.laboratory_report(), sample_reports.imaging_report(),
        samples.discharge_letter(**full_header()), sample_letters.admission_letter(),
    )  # fmt: skip
    names = (
        "letter", "prescription", "operative", "biology", "imaging", "full-letter", "full-biology", "full-imaging",
        "full-header", "admission",
    )  # fmt: skip
    return {name: model.render(issuer) for name, model in zip(names, (*stay, *richer), strict=True)}


def examples(kit: Path) -> dict[str, bytes]:
    """The official examples, out of their envelope and without comments."""
    bare = etree.XMLParser(remove_comments=True, remove_pis=True, huge_tree=True)
    return {
        f"official:{path.stem}": etree.tostring(
            etree.fromstring(etree.tostring(clinical_document(path.read_bytes()), with_tail=False), bare)
        )
        for path in sorted((kit / "ExemplesCDA").glob("*.xml"))
    }


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    """`document operation path`, the same from one run to the next."""
    document: str
    root: etree._Element
    position: int
    operation: str
    codes: list[str]

    @property
    def content(self) -> bytes:
        mutated = copy.deepcopy(self.root)
        target = next(e for i, e in enumerate(mutated.iter(etree.Element)) if i == self.position)
        dict(operations(target, self.codes))[self.operation](target)
        return etree.tostring(mutated, encoding="UTF-8", xml_declaration=True)


def _drop(e: etree._Element) -> None:
    e.getparent().remove(e)  # type: ignore[union-attr]  # the root is never mutated


def _double(e: etree._Element) -> None:
    e.addnext(copy.deepcopy(e))


def _swap_with_next(e: etree._Element) -> None:
    following = e.getnext()
    assert following is not None
    following.addnext(e)


def _empty(e: etree._Element) -> None:
    e.text = ""


def _drop_attribute(name: str) -> Callable[[etree._Element], None]:
    def run(e: etree._Element) -> None:
        del e.attrib[name]

    return run


def _set_attribute(name: str, value: str) -> Callable[[etree._Element], None]:
    def run(e: etree._Element) -> None:
        e.set(name, value)

    return run


def _null(e: etree._Element) -> None:
    for child in list(e):
        e.remove(child)
    e.text = None
    e.attrib.clear()
    e.set("nullFlavor", "UNK")


def operations(e: etree._Element, other_codes: list[str]) -> Iterator[tuple[str, Callable[[etree._Element], None]]]:
    """Every single change that makes sense on this element."""
    yield "drop", _drop
    yield "double", _double
    yield "null", _null
    following = e.getnext()
    if following is not None and following.tag != e.tag:
        yield "swap", _swap_with_next
    if (e.text or "").strip():
        yield "empty", _empty
    for name in e.attrib:
        short = etree.QName(name).localname
        if short in _UNJUDGED:
            continue
        yield f"drop@{short}", _drop_attribute(name)
        yield f"alter@{short}", _set_attribute(name, "ZZ9" if short != "root" else "1.2.3.4")
    code = e.get("code")
    others = [c for c in other_codes if c != code]
    if code and others:
        yield "swap@code", _set_attribute("code", others[len(code) % len(others)])


def _kind(e: etree._Element) -> str:
    """Where an element is, up to repetition: names from the root, and the last template of each templated ancestor."""
    steps = []
    node: etree._Element | None = e
    while node is not None:
        templates = [t.get("root", "") for t in node.findall(f"{V3}templateId")]
        mark = f"[{templates[-1]}]" if templates and node.getparent() is not None else ""
        steps.append(etree.QName(node).localname + mark)
        node = node.getparent()
    own = next((e.get(a) for a in ("qualifier", "root", "typeCode", "{http://www.w3.org/2001/XMLSchema-instance}type")
                if e.get(a)), "")  # fmt: skip
    if e.tag == f"{V3}id" or (own and own[0].isdigit() and e.tag != f"{V3}templateId"):
        own = ""
    return "/".join(reversed(steps)) + (f"={own}" if own else "")


def mutants(name: str, document: bytes, kinds: set[tuple[str, str]], *, header: bool = False) -> Iterator[Mutant]:
    """One mutation of each kind; `kinds` holds those that another document gave. header: not those of the body."""
    root = etree.fromstring(document)
    codes = list(dict.fromkeys(c for c in root.xpath("//@code") if c))
    for position, element in enumerate(root.iter(etree.Element)):
        if element is root:
            continue
        if header and element.tag == f"{V3}component":
            break  # the body comes last
        kind = _kind(element)
        for operation, _ in operations(element, codes):
            key = (operation, re.sub(r"^ClinicalDocument", "", kind))
            if key in kinds:
                continue
            kinds.add(key)
            yield Mutant(f"{name} {operation} {kind}", name, root, position, operation, codes)


@cache
def all_mutants(kit: Path | None = None) -> list[Mutant]:
    kinds: set[tuple[str, str]] = set()
    found = [m for name, d in documents().items() for m in mutants(name, d.content, kinds)]
    for name, content in examples(kit).items() if kit else ():
        found += mutants(name, content, kinds, header=True)
    return found


def _errors(report: Report) -> set[tuple[str, str, str]]:
    return {(f.code, f.path, f.rule) for f in report.errors}


def wanted(mutations: list[Mutant]) -> list[Mutant]:
    """Those of this run: all, or some of them by a fixed seed."""
    asked = os.environ.get("SUNES_DIFFERENTIAL", str(SAMPLE))
    if asked == "all":
        return mutations
    return random.Random(20240101).sample(mutations, min(int(asked), len(mutations)))


def test_the_mutations_are_many_and_of_every_kind() -> None:
    found = all_mutants()
    assert len(found) >= 300
    assert len({m.name for m in found}) == len(found)
    operations_done = {m.name.split()[1].partition("@")[0] for m in found}
    assert operations_done == {"drop", "double", "null", "swap", "empty", "alter"}
    assert {m.name.split()[0] for m in found} >= {"letter", "prescription", "operative", "biology", "imaging"}


@pytest.fixture(scope="module")
def worker(kit: Path, pytestconfig: pytest.Config) -> Iterator[OracleWorker]:
    # The compiled kit outlives the run: it depends on nothing but the kit.
    cache = pytestconfig.cache.mkdir("ans-kit") if pytestconfig.cache else None
    processes = 2 if "SUNES_DIFFERENTIAL" in os.environ else 1
    with OracleWorker(kit, cache=cache, terminologies=True, workers=processes) as found:
        yield found


def test_what_the_kit_refuses_a_native_rule_refuses(worker: OracleWorker, kit: Path) -> None:
    mutations = wanted(all_mutants(kit))
    started, counts, unnoticed = time.monotonic(), Counter[str](), []
    whole = {name: d.content for name, d in documents().items()} | examples(kit)
    # What is wrong before any mutation: the official examples have real defects, of which the tests of each tell.
    known = {name: _errors(check(content)) for name, content in whole.items()}
    accepted = {m.name: not _errors(check(m.content)) - known[m.document] for m in mutations}
    refused = [m for m in mutations if not accepted[m.name]]
    asked = [m for m in mutations if accepted[m.name]] + refused[:SAMPLE]
    for mutant, verdict in zip(asked, worker.judge_all(m.content for m in asked), strict=True):
        assert verdict.outcome is not Outcome.INCOMPLETE, verdict.missing
        ours = accepted[mutant.name]
        counts[f"kit {'accepts' if verdict.report.ok else 'refuses'}, native {'accepts' if ours else 'refuses'}"] += 1
        if ours and not verdict.report.ok and not any(re.search(e, mutant.name) for e in EXCEPTIONS):
            unnoticed.append(f"{mutant.name}: {_said(verdict)}")
    print(
        f"{len(mutations)} mutations, {len(refused)} refused by the native rules, {len(asked)} asked of the kit in "
        f"{time.monotonic() - started:.0f} s: {dict(counts)}"
    )
    assert not unnoticed, f"{len(unnoticed)} of {len(mutations)} unnoticed\n" + "\n".join(unnoticed)
    assert counts["kit refuses, native refuses"], "the kit refused nothing: it did not judge"


def _said(verdict: Verdict) -> str:
    return "; ".join(f"{f.code} {f.message[:120]}" for f in verdict.report.errors[:2])


def test_what_is_not_mutated_passes_both(worker: OracleWorker, kit: Path) -> None:
    made = documents()
    for name, document in made.items():
        assert not check(document).errors, f"{name}: {check(document)}"
    # The kit judges every kind in the tests of each; here two, to know that the starting point is right.
    judged = {name: document.content for name, document in made.items()} | examples(kit)
    if "SUNES_DIFFERENTIAL" not in os.environ:
        judged = dict(islice(judged.items(), 2))
    for name, verdict in zip(judged, worker.judge_all(judged.values()), strict=True):
        assert verdict.outcome is Outcome.VALID, f"{name}: {verdict.report}"
