"""The layers of docs/architecture.md, held by walking every import of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sunes_sdk

ROOT = Path(sunes_sdk.__file__).parent
PACKAGE = "sunes_sdk"

# A unit may import units of a strictly lower rank only.
RANK = {
    "_version": 0, "_core": 0, "errors": 0.5, "model": 1.0, "terminology": 1.1, "settings": 1.2,
    "ins": 2, "security": 2, "cda": 3, "transport": 3, "xds": 4, "insi": 4, "dmp": 5, "mss": 5, "hl7v2": 5,
    "outbox": 6, "usage": 6, "flows": 7, "testing": 8, "cli": 9, "__main__": 10,
}  # fmt: skip

# Modules that do I/O, read the time or draw randomness, and nothing else may.
IO_UNITS = {"testing", "cli", "transport"}
IO_MODULES = {
    "settings", "terminology.__init__", "security.keys", "security.files", "cda.oracle", "mss.smtp",
    "outbox.store", "usage.ledger", "usage.profile", "usage.report",
}  # fmt: skip
TIME_MODULES = {"_core.clock"}
RANDOM_MODULES = {"_core.ids"}


def modules() -> list[tuple[str, Path]]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append((".".join(parts), path))
    return found


def imported_units(name: str, tree: ast.AST, is_package: bool) -> set[tuple[str, int]]:
    """(unit, line) for every import of our own package, absolute or relative."""
    parents = name.split(".") if is_package else name.split(".")[:-1]
    parents = [p for p in parents if p != "__init__"]
    units = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            units |= {(a.name.split(".")[1], node.lineno) for a in node.names if a.name.startswith(f"{PACKAGE}.")}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = parents[: len(parents) - (node.level - 1)]
                target = [*base, *(node.module.split(".") if node.module else [])]
                names = [target] if target else [[a.name] for a in node.names]
            elif node.module == PACKAGE:
                names = [[a.name] for a in node.names]
            elif node.module and node.module.startswith(f"{PACKAGE}."):
                names = [node.module.split(".")[1:]]
            else:
                continue
            units |= {(n[0], node.lineno) for n in names}
    return units


def test_every_unit_has_a_rank() -> None:
    units = {p.stem if p.is_file() else p.name for p in ROOT.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert units - {"__init__", "__pycache__", "py"} <= set(RANK)


@pytest.mark.parametrize(("name", "path"), modules(), ids=[n for n, _ in modules()])
def test_imports_go_down(name: str, path: Path) -> None:
    unit = name.split(".")[0]
    if unit == "__init__":
        return  # the package re-exports lazily
    tree = ast.parse(path.read_text())
    is_package = path.name == "__init__.py"
    for target, line in imported_units(name.removesuffix(".__init__") if is_package else name, tree, is_package):
        if target in RANK and target != unit:
            assert RANK[target] < RANK[unit], f"{name}:{line} ({unit}) imports {target}, which is not below it"


def test_the_named_io_modules_exist() -> None:
    assert {n for n, _ in modules()} >= IO_MODULES


def test_nothing_imports_testing_but_the_cli() -> None:
    for name, path in modules():
        unit = name.split(".")[0]
        if unit in ("testing", "cli"):
            continue
        targets = imported_units(name, ast.parse(path.read_text()), path.name == "__init__.py")
        assert not {t for t, _ in targets} & {"testing", "cli"}, name


_IO_CALLS = {"open", "socket", "urlopen"}
_IO_IMPORTS = {
    "socket", "requests", "urllib3", "smtplib", "imaplib", "sqlite3", "subprocess", "urllib.request", "http.client",
}  # fmt: skip
_PATH_CALLS = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "touch"}


@pytest.mark.parametrize(("name", "path"), modules(), ids=[n for n, _ in modules()])
def test_io_time_and_randomness_enter_at_named_seams(name: str, path: Path) -> None:
    unit = name.split(".")[0]
    tree = ast.parse(path.read_text())
    may_do_io = unit in IO_UNITS or name in IO_MODULES
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            level = 0 if isinstance(node, ast.Import) else node.level
            for imported in names:
                if level:
                    continue
                assert may_do_io or imported not in _IO_IMPORTS, f"{name}:{node.lineno} imports {imported}"
                if unit not in ("testing", "cli"):
                    assert imported not in ("random", "secrets") or name in RANDOM_MODULES, f"{name}:{node.lineno}"
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name):
                assert may_do_io or called.id not in _IO_CALLS, f"{name}:{node.lineno} calls {called.id}"
            elif isinstance(called, ast.Attribute):
                assert may_do_io or called.attr not in _PATH_CALLS, f"{name}:{node.lineno} calls .{called.attr}()"
                if unit not in ("testing", "cli") and name not in TIME_MODULES:
                    assert called.attr not in ("utcnow", "today"), f"{name}:{node.lineno}"
                    now = called.attr == "now" and isinstance(called.value, ast.Name) and called.value.id == "datetime"
                    slept = called.attr in ("time", "sleep", "monotonic") and (
                        isinstance(called.value, ast.Name) and called.value.id == "time"
                    )
                    assert not now, f"{name}:{node.lineno} reads the time"
                    assert not slept, f"{name}:{node.lineno} reads the time"
                if name not in RANDOM_MODULES and unit not in ("testing", "cli"):
                    assert called.attr not in ("uuid4", "uuid1", "token_hex", "randbits"), f"{name}:{node.lineno}"
