"""Where tests find the published data that is not part of the project, and shared expensive things."""

from __future__ import annotations

import os
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
def vectors(samples: Path) -> Path:
    """Test vectors, beside the samples."""
    folder = samples.parent / "vectors"
    if not folder.is_dir():
        pytest.skip("no vectors folder beside SUNES_SAMPLES")
    return folder


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(tmp_path_factory.mktemp("pki"))
