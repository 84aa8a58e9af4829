"""Where tests find the published data that is not part of the project, and shared expensive things."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sunes_sdk.testing.pki import TestPki

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(variable: str, default: str) -> Path:
    folder = Path(os.environ.get(variable, _SHARED / default))
    if not folder.is_dir():
        pytest.skip(f"{variable} is not set and the default folder is absent")
    return folder


@pytest.fixture(scope="session")
def kit() -> Path:
    """The ANS conformance kit (SUNES_ANS_KIT)."""
    return _folder("SUNES_ANS_KIT", "ans-kit")


@pytest.fixture(scope="session")
def samples() -> Path:
    """Published sample messages (SUNES_SAMPLES)."""
    return _folder("SUNES_SAMPLES", "samples")


@pytest.fixture(scope="session")
def dmp_message() -> Callable[[str], bytes]:
    """The official DMP sample message whose file has this name (a glob): in the folder SUNES_DMP_MESSAGES, laid out as
    GIE SESAM-Vitale publishes it, or among the samples (dmp/gie)."""

    def read(name: str) -> bytes:
        named = os.environ.get("SUNES_DMP_MESSAGES")
        folder = Path(named) if named else _folder("SUNES_SAMPLES", "samples") / "dmp" / "gie"
        found = sorted(folder.rglob(name))
        if not found:
            pytest.skip(f"no {name} in SUNES_DMP_MESSAGES, nor in dmp/gie of SUNES_SAMPLES")
        return found[0].read_bytes()

    return read


@pytest.fixture(scope="session")
def vectors(samples: Path) -> Path:
    """Test vectors, beside the samples."""
    folder = samples.parent / "vectors"
    if not folder.is_dir():
        pytest.skip("no vectors folder beside SUNES_SAMPLES")
    return folder


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(tmp_path_factory.mktemp("pki"))
