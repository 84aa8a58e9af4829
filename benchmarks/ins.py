#!/usr/bin/env python3
"""Matricules against python-stdnum, in this run; a CSV file of identities in bounded memory.

    ins.py [--rounds N] [--identities N] [--json]

`times_stdnum` is how many times as many numbers as `stdnum.fr.nir.is_valid` in the same time, on the same numbers, turn
by turn: plain ones (random, right key, all parts possible), then as people and registers have them (spaces, Corsica,
wrong keys). The CSV file holds a matricule, its OID and the traits that it can be compared with; the growth is that of
the process's greatest resident size, after a thousand rows of warming up. One million is the size that must hold:
`--identities 1000000`.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from stdnum.fr import nir

from sunes_sdk.cli.ins_csv import check_csv
from sunes_sdk.ins import check_matricule, is_valid
from sunes_sdk.model import InsOid, expected_key

COUNT = 20_000
WARM_UP = 1_000


def number(chance: random.Random, *, corsican: bool = False) -> str:
    place = f"2{chance.choice('AB')}" if corsican else f"{chance.randint(21, 95):02d}"
    body = (
        f"{chance.randint(1, 2)}{chance.randrange(100):02d}{chance.randint(1, 12):02d}{place}"
        f"{chance.randint(1, 900):03d}{chance.randint(1, 999):03d}"
    )
    return body + expected_key(body)


def as_found(chance: random.Random) -> str:
    """One in four has spaces, one in fifty is Corsican, one in a hundred has a wrong key."""
    text = number(chance, corsican=chance.random() < 0.02)
    if chance.random() < 0.01:
        text = text[:13] + f"{chance.randint(1, 97):02d}"
    return nir.format(text) if chance.random() < 0.25 else text


def seconds(work: Callable[[str], object], numbers: list[str]) -> float:
    start = time.perf_counter()
    for text in numbers:
        work(text)
    return time.perf_counter() - start


def ratios(numbers: list[str], rounds: int) -> dict[str, float]:
    works: dict[str, Callable[[str], object]] = {
        "stdnum": nir.is_valid,
        "is_valid": is_valid,
        "report": check_matricule,
    }
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):  # turn by turn: the machine's speed moves
        for name, work in works.items():
            times[name].append(seconds(work, numbers))
    median = {name: statistics.median(values) for name, values in times.items()}
    return {
        "is_valid_times_stdnum": round(median["stdnum"] / median["is_valid"], 2),
        "report_times_stdnum": round(median["stdnum"] / median["report"], 2),
        "is_valid_millions_per_s": round(len(numbers) / median["is_valid"] / 1e6, 2),
        "stdnum_millions_per_s": round(len(numbers) / median["stdnum"] / 1e6, 2),
    }


def write_identities(path: Path, count: int, chance: random.Random) -> None:
    def lines() -> Iterable[str]:
        yield "matricule;oid;sexe;date_naissance;lieu_naissance_cog\n"
        for _ in range(count):
            text = number(chance)
            sex = "M" if text[0] == "1" else "F"
            yield f"{text};{InsOid.NIR_TEST};{sex};19{text[1:3]}-{text[3:5]}-01;{text[5:10]}\n"

    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines())


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def csv_file(count: int, chance: random.Random) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "identities.csv", Path(folder) / "result.csv"
        write_identities(source, WARM_UP, chance)
        check_csv(source, out)
        write_identities(source, count, chance)
        before, start = resident_mb(), time.perf_counter()
        summary = check_csv(source, out)
        spent = time.perf_counter() - start
        assert summary.verdicts.total() == count, "a row got no verdict"
        return {
            "csv_identities": count,
            "csv_identities_per_s": round(count / spent),
            "csv_file_mb": round(source.stat().st_size / 1e6, 1),
            "csv_growth_mb": round(resident_mb() - before, 1),
        }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--identities", type=int, default=100_000)
    arguments.add_argument("--json", action="store_true")
    a = arguments.parse_args()
    chance = random.Random(4)
    row = csv_file(a.identities, chance)  # first: the greatest size is never given back
    row |= ratios([number(chance) for _ in range(COUNT)], a.rounds)
    found = ratios([as_found(chance) for _ in range(COUNT)], a.rounds)
    row |= {f"as_found_{name}": value for name, value in found.items() if "times" in name}
    print(json.dumps(row) if a.json else "\n".join(f"{k:34}{v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
