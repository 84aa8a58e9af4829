#!/usr/bin/env python3
"""CDA against bare tools, all measured in this run.

    cda.py [--rounds N] [--json]

The document is an LDL-SES of about 775 elements. `render` is compared with a string writer that walks a list of the
same elements and joins their text (it knows nothing, escapes nothing); `read_header` and the typed `read` with
lxml's parse of the same bytes; `check` is told in milliseconds, of the document that was rendered and of its bytes as
any document that is received (`check_bytes`). An N1 of 20 MB is rendered under tracemalloc.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable
from datetime import timedelta

from lxml import etree

from sunes_sdk.cda import (
    Allergy,
    DischargeLetter,
    EntryMode,
    ExitMode,
    Issuer,
    OperativeReport,
    Quantity,
    Synthesis,
    Treatment,
    ccam,
    check,
    read,
    read_header,
)
from sunes_sdk.testing import samples
from sunes_sdk.testing.sample_reports import PDF

ISSUER = Issuer(oid_root=samples.DOCUMENT_ROOT)
Tape = tuple[str, str, str, str, list["Tape"]]  # name, attributes, text, tail, children


def letter() -> DischargeLetter:
    """About 775 elements, as the official example."""
    hospital = samples.hospital()
    day = samples.DISCHARGED.date()
    return DischargeLetter(
        patient=samples.patient(),
        author=samples.physician().at(hospital),
        custodian=hospital,
        stay=samples.stay(),
        recipients=(samples.general_practitioner().at(samples.hospital(name="Cabinet du Dr Dupont")),),
        reason="Pneumopathie aiguë communautaire",
        synthesis=Synthesis(
            entry_mode=EntryMode.EMERGENCY,
            exit_mode=ExitMode.HOME,
            medical_summary="Évolution favorable sous antibiothérapie. " * 45,
            mdro_search=False,
            transfusion=False,
            blood_derivatives=False,
        ),
        discharge_treatments=tuple(
            Treatment(
                name=f"MEDICAMENT {n} 100 mg, comprimé",
                cis=f"6255{n:04d}",
                posology="1 comprimé matin et soir",
                start=day,
                end=day + timedelta(days=30),
                dose=Quantity(value=1, unit="{tbl}"),
            )
            for n in range(9)
        ),
        allergies=tuple(Allergy(substance=f"Substance {n}") for n in range(6)),
    )


def tape(element: etree._Element) -> Tape:
    attributes = "".join(f' {etree.QName(k).localname}="{v}"' for k, v in element.attrib.items())
    children = [tape(c) for c in element]
    return etree.QName(element).localname, attributes, element.text or "", element.tail or "", children


def write(node: Tape, out: list[str]) -> None:
    """As the floor writes its documents."""
    name, attributes, text, tail, children = node
    out.append(f"<{name}{attributes}>{text}")
    for child in children:
        write(child, out)
    out.append(f"</{name}>{tail}")


def string_writer(root: Tape) -> bytes:
    out: list[str] = []
    write(root, out)
    return "".join(out).encode()


def once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def large() -> dict[str, float]:
    """What a 20 MB body costs beyond its bytes, in MB, at the worst moment."""
    hospital = samples.hospital()
    body = PDF.replace(b"startxref", b"%" + b"x" * 20_000_000 + b"\nstartxref", 1)
    report = OperativeReport(
        patient=samples.patient(),
        author=samples.physician().at(hospital),
        custodian=hospital,
        stay=samples.stay(),
        title="Compte rendu opératoire",
        body=body,
        act=ccam("HHFA001", "Appendicectomie"),
        performed_at=samples.ADMITTED,
    )
    gc.collect()
    tracemalloc.start()
    document = report.render(ISSUER)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {"n1_megabytes": round(document.size / 1e6, 1), "n1_beyond_mb": round((peak - document.size) / 1e6, 2)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=400)
    arguments.add_argument("--json", action="store_true")
    a = arguments.parse_args()
    model = letter()
    document = model.render(ISSUER)
    content = document.content
    tree = etree.fromstring(content)
    root = tape(tree)
    works: dict[str, Callable[[], object]] = {
        "render": lambda: model.render(ISSUER),
        "string_writer": lambda: string_writer(root),
        "check": lambda: check(document),
        "check_bytes": lambda: check(content),
        "read_header": lambda: read_header(content),
        "read": lambda: read(content).typed(),
        "parse": lambda: etree.fromstring(content),
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(a.rounds):  # turn by turn: the machine's speed moves
        for name, work in works.items():
            times[name].append(once(work))
    median = {name: statistics.median(values) for name, values in times.items()}
    row = {
        "elements": sum(1 for _ in tree.iter()),
        "bytes": len(content),
        "check_ms": round(median["check"], 2),
        "check_p99_ms": round(statistics.quantiles(times["check"], n=100)[98], 2),
        "check_bytes_ms": round(median["check_bytes"], 2),
        "check_bytes_p99_ms": round(statistics.quantiles(times["check_bytes"], n=100)[98], 2),
        "render_ms": round(median["render"], 3),
        "render_to_string_writer": round(median["render"] / median["string_writer"], 2),
        "read_header_to_parse": round(median["read_header"] / median["parse"], 2),
        "read_to_parse": round(median["read"] / median["parse"], 2),
        **large(),
    }
    print(json.dumps(row) if a.json else "\n".join(f"{k:28}{v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
