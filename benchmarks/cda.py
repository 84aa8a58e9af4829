#!/usr/bin/env python3
"""CDA against bare tools, all measured in this run.

    cda.py [--rounds N] [--json]

The document is an LDL-SES of about 775 elements. The hospital and its professionals are built once, as in an
application; the patient, the stay and all the content are new for each document, built before its time is taken
(`model_ms`), and each document is rendered once: what `render` makes once is reused only where real life reuses it. It
draws its identifiers. `render` is compared with a string writer that walks a list of the same elements and joins their
text (it knows nothing, escapes nothing): ten documents at a time each, as a worker meets them, and then one of each
after other work (`render_alone_to_string_writer`: the processor's caches hold other things). `read_header` and the
typed `read` are compared with lxml's parse of the same bytes; `check` is told in milliseconds, of the document that was
rendered and of its bytes as any document that is received (`check_bytes`). An N1 of 20 MB is rendered under
tracemalloc.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

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
HOSPITAL = samples.hospital()
DOCTOR = samples.physician().at(HOSPITAL)
RECIPIENT = samples.general_practitioner().at(samples.hospital(name="Cabinet du Dr Dupont"))
TOGETHER = 10
Tape = tuple[str, str, str, str, list["Tape"]]  # name, attributes, text, tail, children


def letter(number: int) -> DischargeLetter:
    """About 775 elements, as the official example."""
    day = samples.DISCHARGED.date() + timedelta(days=number % 300)
    return DischargeLetter(
        patient=samples.patient(),
        author=DOCTOR,
        custodian=HOSPITAL,
        stay=samples.stay(organization=HOSPITAL),
        recipients=(RECIPIENT,),
        reason="Pneumopathie aiguë communautaire",
        synthesis=Synthesis(
            entry_mode=EntryMode.EMERGENCY,
            exit_mode=ExitMode.HOME,
            medical_summary=f"Séjour {number}. " + "Évolution favorable sous antibiothérapie. " * 45,
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
                dose=Quantity(value=Decimal(1), unit="{tbl}"),
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


def once(*works: Callable[[], object]) -> float:
    """Milliseconds of processor that each takes, on average: what other processes take is not counted."""
    start = time.process_time()
    for work in works:
        work()
    return (time.process_time() - start) * 1e3 / len(works)


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
    document = letter(0).render(ISSUER)
    content = document.content
    tree = etree.fromstring(content)
    root = tape(tree)
    works: dict[str, Callable[[], object]] = {
        "check": lambda: check(document),
        "check_bytes": lambda: check(content),
        "read_header": lambda: read_header(content),
        "read": lambda: read(content).typed(),
        "parse": lambda: etree.fromstring(content),
    }
    times: defaultdict[str, list[float]] = defaultdict(list)
    write_once = partial(string_writer, root)
    for work in works.values():
        work()
    for number in range(a.rounds):  # turn by turn: the machine's speed moves
        times["model"].append(once(partial(letter, number)))
        renders = [partial(letter(number).render, ISSUER) for _ in range(TOGETHER)]
        times["render"].append(once(*renders))
        times["string_writer"].append(once(*[write_once] * TOGETHER))
        alone = partial(letter(number).render, ISSUER)
        works["parse"]()
        times["render_alone"].append(once(alone))
        works["parse"]()
        times["string_writer_alone"].append(once(write_once))
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
        "model_ms": round(median["model"], 3),
        "render_ms": round(median["render"], 3),
        "render_to_string_writer": round(median["render"] / median["string_writer"], 2),
        "render_alone_to_string_writer": round(median["render_alone"] / median["string_writer_alone"], 2),
        "read_header_to_parse": round(median["read_header"] / median["parse"], 2),
        "read_to_parse": round(median["read"] / median["parse"], 2),
        **large(),
    }
    print(json.dumps(row) if a.json else "\n".join(f"{k:32}{v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
