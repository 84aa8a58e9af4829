"""The table of rights: each decision of it, and what the two policies make of a refusal."""

from __future__ import annotations

import logging

import pytest

from sunes_sdk._core.errors import ConfigurationError, DmpError, RemoteError, SoapFault
from sunes_sdk._core.findings import Severity
from sunes_sdk._core.retry import RetryAdvice
from sunes_sdk.dmp import rights
from sunes_sdk.dmp.rights import Caller, Mode, Right, Transaction

T = Transaction
REFUSED: dict[Caller, set[Transaction]] = {
    "INDIRECTE": {
        T.SET_AUTHORIZATION, T.WEB, T.FIND, T.RETRIEVE, T.MASK, T.VISIBILITY, T.ARCHIVE, T.AUTHORIZATIONS,
        T.FEED_BY_SECRETARIAT,
    },
    "INDIRECTE_RENFORCEE": {T.WEB},
    "DIRECTE": {T.FEED_BY_SECRETARIAT},
    "CPE": {
        T.SEARCH_PATIENT, T.AUTHORIZATIONS, T.FEED, T.FIND, T.RETRIEVE, T.MASK, T.VISIBILITY, T.ARCHIVE,
    },
}  # fmt: skip
ALLOWED: dict[Caller, set[Transaction]] = {
    "INDIRECTE": {
        T.EXISTENCE, T.PATIENTS, T.FEED, T.FIND_REFERENCE, T.DELETE, T.ADMINISTRATIVE_DATA, T.SEARCH_PATIENT,
    },
    "INDIRECTE_RENFORCEE": set(),
    "DIRECTE": set(T) - {T.FEED_BY_SECRETARIAT},
    "CPE": {
        T.EXISTENCE, T.SET_AUTHORIZATION, T.PATIENTS, T.WEB, T.ADMINISTRATIVE_DATA, T.UPDATE_ADMINISTRATIVE_DATA,
        T.CLOSE, T.FEED_BY_SECRETARIAT, T.FIND_REFERENCE, T.DELETE,
    },
}  # fmt: skip


@pytest.mark.parametrize("transaction", T)
@pytest.mark.parametrize("mode", rights.RIGHTS)
def test_each_cell(mode: Caller, transaction: Transaction) -> None:
    """PDT-INF-526 as read, cell by cell; what no readable text says is unknown."""
    found = rights.rule(mode, transaction)
    expected = Right.ALLOWED if transaction in ALLOWED[mode] else Right.UNKNOWN
    if transaction in REFUSED[mode]:
        expected = Right.REFUSED
    assert found.right is expected
    assert found.source
    finding = rights.check(mode, transaction, purpose="centre_15" if transaction is T.SEARCH_PATIENT else "normal")
    assert (finding is not None) == (expected is Right.REFUSED)
    if finding is not None:
        assert (finding.code, finding.severity) == ("DMP_RIGHTS", Severity.WARNING)
        assert finding.hint
        assert finding.message_fr
        assert transaction.value in finding.path


@pytest.mark.parametrize("purpose", ["bris_de_glace", "centre_15"])
def test_an_emergency_access_sets_no_authorisation(purpose: str) -> None:
    assert rights.check("DIRECTE", T.SET_AUTHORIZATION) is None
    finding = rights.check("DIRECTE", T.SET_AUTHORIZATION, purpose=purpose)
    assert finding is not None
    assert purpose in finding.message
    assert rights.check("DIRECTE", T.FIND, purpose=purpose) is None


@pytest.mark.parametrize("mode", ["INDIRECTE", "DIRECTE"])
def test_a_search_by_traits_is_for_medical_regulation(mode: Mode) -> None:
    for purpose in ("normal", "bris_de_glace"):
        finding = rights.check(mode, T.SEARCH_PATIENT, purpose=purpose)
        assert finding is not None
        assert "TD0.5" in finding.message
    assert rights.check(mode, T.SEARCH_PATIENT, purpose="centre_15") is None


def test_what_a_regulation_centre_and_an_emergency_may_not_do() -> None:
    assert rights.check("INDIRECTE", T.PATIENTS, purpose="centre_15") is not None
    for purpose in ("bris_de_glace", "centre_15"):
        for transaction in (T.AUTHORIZATIONS, T.MASK, T.VISIBILITY):
            assert rights.check("DIRECTE", transaction, purpose=purpose) is not None
            assert rights.check("DIRECTE", transaction) is None


def test_warn_logs_and_gives_the_code(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "sunes_sdk.dmp"):
        assert rights.enforce("INDIRECTE", T.ARCHIVE, "warn") == ("DMP_RIGHTS",)
        assert rights.enforce("INDIRECTE", T.DELETE, "warn") == ()
    (record,) = caplog.records
    assert "DMP_RIGHTS" in record.getMessage()
    assert "TD3.3d" in record.getMessage()


def test_refuse_raises_only_for_what_the_table_refuses() -> None:
    with pytest.raises(ConfigurationError) as caught:
        rights.enforce("INDIRECTE", T.RETRIEVE, "refuse")
    assert caught.value.code == "DMP_RIGHTS"
    assert "TD3.2" in str(caught.value)
    assert caught.value.hint_fr
    for transaction in T:  # a mode whose table cannot be read is not refused by us
        if transaction is not T.WEB:
            assert rights.enforce("INDIRECTE_RENFORCEE", transaction, "refuse") == ()


def test_a_refusal_that_was_foreseen_says_what_to_use_instead() -> None:
    def raised(error: RemoteError, mode: Mode, transaction: Transaction) -> RemoteError:
        with pytest.raises(RemoteError) as caught, rights.foreseen(mode, transaction):
            raise error
        return caught.value

    denied = raised(SoapFault("no", remote_code=rights.DENIED, hint="x", hint_fr="y"), "INDIRECTE", Transaction.FIND)
    assert "mode INDIRECTE call TD3.1: ask with find_entry_uuid" in denied.hint
    assert "; x" not in denied.hint
    assert denied.hint_fr.startswith("Un établissement ne peut pas lister")
    other = raised(DmpError("no", remote_code="XDSRegistryError", hint="x", hint_fr="y"), "INDIRECTE", Transaction.FIND)
    assert other.hint.endswith("; x")
    assert other.hint_fr.endswith(" y")
    busy = raised(DmpError("no", retry=RetryAdvice.after(60), hint="x"), "INDIRECTE", Transaction.FIND)
    allowed = raised(SoapFault("no", remote_code=rights.DENIED, hint="x"), "DIRECTE", Transaction.FIND)
    assert (busy.hint, allowed.hint) == ("x", "x")
