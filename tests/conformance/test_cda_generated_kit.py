"""Documents that no one thought of: any mix of fields passes our rules and the official kit.

SUNES_GENERATED says how many of each kind (5; `make conformance` asks for 200).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cda_strategies import DOCUMENTS
from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import Issuer, check
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit
HOW_MANY = int(os.environ.get("SUNES_GENERATED", "5"))


@pytest.fixture(scope="module")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


@pytest.mark.parametrize("kind", DOCUMENTS)
@settings(
    max_examples=HOW_MANY,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example costs a second: shrinking would take for ever
)
@given(data=st.data())
def test_any_document_of_ours_passes_our_rules_and_the_kit(kind: str, oracle: Oracle, data: st.DataObject) -> None:
    document = data.draw(DOCUMENTS[kind])
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))
    rendered = document.render(issuer)
    ours = check(rendered.content)
    assert not ours.errors, str(ours)
    official = oracle.check(rendered.content)
    assert not official.errors, str(official)
