"""What importing costs, and what it must not drag in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_PROBE = """
import json, sys, time
start = time.perf_counter()
{statement}
print(json.dumps({{"ms": (time.perf_counter() - start) * 1e3, "modules": sorted(sys.modules)}}))
"""
_HEAVY = {"requests", "urllib3", "sqlalchemy", "matplotlib", "weasyprint", "typer", "hl7apy", "saxonche"}


def probe(statement: str) -> tuple[float, set[str]]:
    """The least of five runs: the machine may be busy, it is never faster than it is."""
    runs = []
    for _ in range(5):
        out = subprocess.run(
            [sys.executable, "-I", "-c", _PROBE.format(statement=statement)], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(out.stdout))
    return min(r["ms"] for r in runs), set(runs[0]["modules"])


@pytest.mark.parametrize("statement", ["import sunes_sdk", "from sunes_sdk import Patient"])
def test_no_heavy_module_is_loaded(statement: str) -> None:
    _, modules = probe(statement)
    assert not modules & _HEAVY


def test_the_package_alone_loads_neither_pydantic_nor_lxml() -> None:
    _, modules = probe("import sunes_sdk")
    assert not modules & {"pydantic", "lxml", "cryptography"}


@pytest.mark.parametrize("module", ["cda", "dmp", "mss", "outbox", "usage", "ins", "xds", "hl7v2"])
def test_subpackages_load_what_they_use_only(module: str) -> None:
    _, modules = probe(f"import sunes_sdk.{module}")
    assert not modules & {"matplotlib", "weasyprint", "typer", "saxonche"}


def test_public_names_are_sorted_and_real() -> None:
    import sunes_sdk

    assert sunes_sdk.__all__ == sorted(sunes_sdk.__all__)
    assert set(sunes_sdk.__all__) <= set(dir(sunes_sdk))
    for name in sunes_sdk.__all__:
        assert getattr(sunes_sdk, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    import sunes_sdk

    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = sunes_sdk.Nothing  # type: ignore[attr-defined]  # it does not exist: that is the test
