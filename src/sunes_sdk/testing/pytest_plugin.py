"""Fixtures for the test suites of those who use the library. Nothing is imported until a fixture asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .fake_dmp import FakeDmp
    from .fake_insi import FakeInsi
    from .fakes import Fakes
    from .pki import TestPki


@pytest.fixture(scope="session")
def sunes_pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    """A throw-away PKI, made once a session (it takes half a second)."""
    from .pki import TestPki

    return TestPki(tmp_path_factory.mktemp("sunes-pki"))


@pytest.fixture
def sunes_fakes(sunes_pki: TestPki) -> Iterator[Fakes]:
    """A fake DMP, INSi and MSSanté operator, and `.settings` that reach them; empty for each test."""
    from .fakes import Fakes

    with Fakes(sunes_pki) as fakes:
        yield fakes


@pytest.fixture
def sunes_insi(sunes_fakes: Fakes) -> FakeInsi:
    """The fake INSi of `sunes_fakes`: the published test people, and whom the test adds."""
    return sunes_fakes.insi


@pytest.fixture
def sunes_dmp(sunes_fakes: Fakes) -> FakeDmp:
    """The fake DMP of `sunes_fakes`: the sample patient has an open DMP, that nobody may read yet."""
    return sunes_fakes.dmp
