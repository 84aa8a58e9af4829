"""The national services together, on this machine, with a PKI and settings that reach them."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..settings import Settings
from . import samples
from .fake_dmp import FakeDmp
from .fake_insi import TEST_PEOPLE, FakeInsi
from .fake_mss import FakeMss
from .pki import TestPki


class Fakes:
    """`with Fakes() as fakes:` a fake DMP, INSi and MSSanté operator, and the settings of a hospital that uses them.

    pki: made in a temporary folder when not given; sections: replace sections of the settings. The DMP of the sample
    patient is open; the published test people of INSi, who bear production OIDs, are allowed. Leaving the context fails
    when a fake broke, so that a test cannot pass by accident.
    """

    def __init__(self, pki: TestPki | None = None, **sections: Any) -> None:
        self._stack = ExitStack()
        if pki is None:
            folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sunes-pki-"))
            pki = TestPki(Path(folder))
        self.pki = pki
        self.insi = self._stack.enter_context(FakeInsi(pki))
        self.dmp = self._stack.enter_context(FakeDmp(pki))
        self.mss = self._stack.enter_context(FakeMss(pki))
        self.dmp.open_dmp(samples.ins(), traits=samples.traits())
        own = {
            "insi": self.insi.settings(pki), "dmp": self.dmp.settings(), "mss": self.mss.settings(),
            "test_people": TEST_PEOPLE,
        }  # fmt: skip
        self.settings: Settings = samples.settings(**own | sections)

    def close(self) -> None:
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, at)
