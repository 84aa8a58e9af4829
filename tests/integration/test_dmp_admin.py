"""Administrative transactions against the fake DMP, over mutual TLS."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sunes_sdk._core.errors import (
    ConfigurationError,
    DmpError,
    InsError,
    MetadataError,
    OutcomeUnknown,
    SoapFault,
    TransportError,
)
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.dmp import (
    AuthorizationAction,
    AuthorizationMode,
    DmpClient,
    PatientCriteria,
    Since,
    WebPage,
)
from sunes_sdk.dmp.hl7v3 import ContactPoint
from sunes_sdk.dmp.rights import Mode
from sunes_sdk.model import Identity, IdentityStatus, Ins, InsOid
from sunes_sdk.security import vihf
from sunes_sdk.settings import DmpPaths
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import CallName, FakeDmp
from sunes_sdk.testing.pki import Card, TestPki

IDENTITY = samples.patient().identity
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
SECRETS = (samples.ins().value, "PAT-TROIS", "DOMINIQUE", "19790328", "0601020304")


def client(
    dmp: FakeDmp,
    *,
    mode: Mode = "INDIRECTE_RENFORCEE",
    card: Card | None = None,
    changed: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> DmpClient:
    """A professional, unless the mode is that of an establishment. changed: settings of the DMP."""
    settings = dmp.settings(mode=mode, card=card).model_copy(
        update={"web_domain": "web.dmp.test"} | dict(changed or {})
    )
    actor = samples.physician().at(samples.hospital())
    return DmpClient(samples.settings(dmp=settings), actor=actor, **arguments)


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins(), traits=samples.traits(), attached_to_ens=False)
        yield fake


@pytest.fixture
def professional(dmp: FakeDmp) -> Iterator[DmpClient]:
    with client(dmp) as made:
        yield made


# --- TD0.3, TD1.6, TD0.4 ----------------------------------------------------------------------------------------------


def test_an_authorisation_is_given_once_and_taken_back(dmp: FakeDmp, professional: DmpClient) -> None:
    first = professional.set_authorization(IDENTITY)
    assert not first.already
    again = professional.set_authorization(IDENTITY)
    assert again.already
    assert again.remark
    assert again.remark not in repr(again)
    (row,) = professional.authorizations(IDENTITY)
    assert row.mode == "ACTIVE"
    assert not row.attending
    assert row.since is not None
    assert abs(datetime.now(UTC) - row.since) < timedelta(minutes=5)
    professional.set_authorization(IDENTITY, attending=True)
    assert [a.attending for a in professional.authorizations(IDENTITY, AuthorizationMode.ACTIVE)] == [True]
    assert not professional.set_authorization(IDENTITY, AuthorizationAction.REMOVE).already
    assert professional.authorizations(IDENTITY) == ()


def test_an_authorisation_whose_answer_was_lost_is_asked_for_again(dmp: FakeDmp, professional: DmpClient) -> None:
    dmp.spoil_next("empty", call="TD0.3")
    with pytest.raises(OutcomeUnknown) as caught:
        professional.set_authorization(IDENTITY)
    assert caught.value.retry.kind is RetryKind.SAFE
    assert professional.set_authorization(IDENTITY).already
    assert len(professional.authorizations(IDENTITY)) == 1


def test_the_patients_who_gave_access(dmp: FakeDmp, professional: DmpClient) -> None:
    assert professional.authorized_patients(LONG_AGO) == ()
    professional.set_authorization(IDENTITY)
    (patient,) = professional.authorized_patients(LONG_AGO)
    assert patient.ins == samples.ins()
    assert (patient.birth_family, patient.given, patient.birth_date) == ("PAT-TROIS", "DOMINIQUE", "19790328")
    assert not any(secret in repr(patient) for secret in SECRETS)
    assert professional.authorized_patients(LONG_AGO, Since.DOCUMENT) == ()
    assert professional.authorized_patients(datetime(2999, 1, 1, tzinfo=UTC)) == ()


def test_whom_a_patient_blocked(dmp: FakeDmp, professional: DmpClient) -> None:
    dmp.block(samples.ins())
    (row,) = professional.authorizations(IDENTITY, AuthorizationMode.BLOCKED)
    assert row.is_blocked
    assert professional.authorizations(IDENTITY, AuthorizationMode.ACTIVE) == ()
    with pytest.raises(SoapFault) as caught:
        professional.set_authorization(IDENTITY)
    assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
    assert caught.value.hint_fr


def test_an_establishment_is_warned_and_the_dmp_decides(dmp: FakeDmp, caplog: pytest.LogCaptureFixture) -> None:
    with client(dmp, mode="INDIRECTE") as establishment, caplog.at_level(logging.WARNING, "sunes_sdk.dmp"):
        with pytest.raises(SoapFault) as caught:
            establishment.set_authorization(IDENTITY)
        assert caught.value.remote_code == "DMPAccessDeniedByRightsService"
        assert "TD0.3" in caplog.text
        assert dmp.requests[-1].call == "TD0.3"
        assert establishment.authorized_patients(LONG_AGO) == ()


def test_an_establishment_may_refuse_by_setting(dmp: FakeDmp) -> None:
    with client(dmp, mode="INDIRECTE", changed={"rights": "refuse"}) as establishment:
        for call in (
            lambda: establishment.set_authorization(IDENTITY),
            lambda: establishment.authorizations(IDENTITY),
            lambda: establishment.search_patient(PatientCriteria(family="PAT-TROIS")),
        ):
            with pytest.raises(ConfigurationError) as caught:
                call()
            assert caught.value.code == "DMP_RIGHTS"
    assert dmp.requests == []


def test_a_doctor_with_a_card(dmp: FakeDmp, pki: TestPki) -> None:
    with client(dmp, mode="DIRECTE", card=pki.card(samples.physician().national_id)) as doctor:
        assert doctor.set_authorization(IDENTITY, attending=True).warnings == ()
        (row,) = doctor.authorizations(IDENTITY)
        assert (row.national_id, row.attending) == (samples.physician().national_id, True)
        assert [p.attending for p in doctor.authorized_patients(LONG_AGO)] == [True]
        assert doctor.administrative_data(IDENTITY).warnings == ()
        assert doctor.web_url(WebPage.DASHBOARD) == "https://web.dmp.test/AccesDirect/TableauDeBord"
        assert not doctor.close_record(IDENTITY).is_open


# --- TD0.5, TD0.9 -----------------------------------------------------------------------------------------------------


def test_a_patient_is_searched_by_traits(dmp: FakeDmp) -> None:
    criteria = PatientCriteria(family="PAT-TROIS", given="DOMINIQUE", birth_date="19790328", sex=samples.traits().sex)
    with client(dmp, purpose=vihf.REGULATION_ACCESS) as regulation:
        (found,) = regulation.search_patient(criteria)
        assert found.ins == samples.ins()
        assert found.is_open
        assert found.name.birth_family == "PAT-TROIS"
        assert found.name.usual_family == ""
        assert found.match_percent == 100
        assert not any(secret in repr(found) + repr(criteria) for secret in SECRETS)
        assert regulation.search_patient(replace(criteria, given="AUTRE")) == ()


def test_the_address_of_the_web_site_calls_nobody(dmp: FakeDmp, professional: DmpClient) -> None:
    with pytest.raises(ConfigurationError) as caught:
        professional.web_url(WebPage.RECORD, IDENTITY)
    assert caught.value.code == "DMP_RIGHTS"
    url = professional.web_url(WebPage.RECORD, IDENTITY, mode="DIRECTE")
    assert url == f"https://web.dmp.test/AccesDirect/DossierPatient/{samples.ins().value}"
    with pytest.raises(InsError) as refused:
        professional.web_url(WebPage.RECORD, unqualified(), mode="DIRECTE")
    assert refused.value.code == "INS_NOT_QUALIFIED"
    assert dmp.requests == []


# --- TD1.3, TD1.4 -----------------------------------------------------------------------------------------------------


def test_administrative_data_are_read_changed_and_read_again(dmp: FakeDmp, professional: DmpClient) -> None:
    data = professional.administrative_data(IDENTITY)
    assert data.is_open
    assert data.name.birth_family == "PAT-TROIS"
    assert data.name.usual_family == ""
    assert (data.opposes_break_glass, data.opposes_emergency) == (False, False)
    changed = replace(
        data,
        telecoms=(ContactPoint(value="tel:0601020304", use="MC"),),
        name=replace(data.name, usual_family="L'ÉPÉE & <FILS>"),
    )
    assert professional.update_administrative_data(IDENTITY, changed).is_open
    after = professional.administrative_data(IDENTITY)
    assert [point.value for point in after.telecoms] == ["tel:0601020304"]
    assert after.name.usual_family == "L'ÉPÉE & <FILS>"
    assert not any(secret in repr(after) for secret in SECRETS)


def test_the_data_of_another_patient_are_not_sent(dmp: FakeDmp, professional: DmpClient) -> None:
    data = professional.administrative_data(IDENTITY)
    other = Ins.of("207058575627097", InsOid.NIR_TEST)
    asked = len(dmp.requests)
    with pytest.raises(MetadataError) as caught:
        professional.update_administrative_data(
            Identity(traits=samples.traits(), status=IdentityStatus.QUALIFIEE, ins=other), data
        )
    assert caught.value.code == "DMP_PATIENT_MISMATCH"
    assert len(dmp.requests) == asked


@pytest.mark.parametrize("usual_name", ["", "PAT-TROIS"])
def test_a_record_is_closed(dmp: FakeDmp, professional: DmpClient, usual_name: str) -> None:
    assert not professional.close_record(IDENTITY, usual_name=usual_name, civility="MME").is_open
    patient = dmp.patient(samples.ins())
    assert patient is not None
    assert (patient.is_open, patient.closing_reason) == (False, "FERMETURE_DEMANDE_PATIENT")
    assert not professional.existence(IDENTITY).is_open
    with pytest.raises(SoapFault) as caught:
        professional.close_record(IDENTITY)
    assert caught.value.remote_code == "DMPClosed"


def test_a_patient_without_record(dmp: FakeDmp, professional: DmpClient) -> None:
    stranger = Identity(
        traits=samples.traits(), status=IdentityStatus.QUALIFIEE, ins=Ins.of("207058575627097", InsOid.NIR_TEST)
    )
    for call in (professional.administrative_data, professional.set_authorization, professional.close_record):
        with pytest.raises((SoapFault, DmpError)) as caught:
            call(stranger)
        assert caught.value.remote_code == "XDSUnknownPatientId"
        assert not any(secret in f"{caught.value} {caught.value!r}" for secret in (*SECRETS, "207058575627097"))


# --- before and after the call ----------------------------------------------------------------------------------------


def unqualified() -> Identity:
    return Identity(traits=samples.traits(), status=IdentityStatus.RECUPEREE, ins=samples.ins())


def test_every_call_about_a_patient_passes_the_gate(dmp: FakeDmp, professional: DmpClient) -> None:
    data = professional.administrative_data(IDENTITY)
    real = Identity(
        traits=samples.traits(), status=IdentityStatus.QUALIFIEE, ins=Ins.of(samples.ins().value, InsOid.NIR)
    )
    asked = len(dmp.requests)
    for identity, code in ((unqualified(), "INS_NOT_QUALIFIED"), (real, "ENVIRONMENT_IDENTITY")):
        for call in (
            professional.set_authorization,
            professional.administrative_data,
            professional.authorizations,
            professional.close_record,
            lambda of: professional.update_administrative_data(of, data),
        ):
            with pytest.raises(InsError) as caught:
                call(identity)
            assert caught.value.code == code
    assert len(dmp.requests) == asked


def test_a_path_that_is_missing_is_asked_for(dmp: FakeDmp) -> None:
    with client(
        dmp, changed={"paths": DmpPaths(repository="r", registry="r", patients="p"), "web_domain": None}
    ) as bare:
        for call, name in (
            (lambda: bare.set_authorization(IDENTITY), "dmp.paths.habilitations"),
            (lambda: bare.authorizations(IDENTITY), "dmp.paths.habilitations"),
            (lambda: bare.search_patient(PatientCriteria(family="X")), "dmp.paths.patients_pdq"),
            (lambda: bare.authorized_patients(LONG_AGO), "dmp.paths.patients_specific"),
            (lambda: bare.web_url(WebPage.SETTINGS, mode="DIRECTE"), "dmp.web_domain"),
        ):
            with pytest.raises(ConfigurationError) as caught:
                call()
            assert (caught.value.code, caught.value.path) == ("SETTING_MISSING", name)
            assert caught.value.hint
    assert dmp.requests == []


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "plain_fault"])
def test_answers_that_cannot_be_read(dmp: FakeDmp, professional: DmpClient, kind: Any) -> None:
    """Coded errors; a call that can be made again says so, one that closes a record does not."""
    calls: tuple[tuple[CallName, Callable[[], object], RetryKind], ...] = (
        ("TD1.6", lambda: professional.authorizations(IDENTITY), RetryKind.SAFE),
        ("TD0.3", lambda: professional.set_authorization(IDENTITY), RetryKind.SAFE),
        ("TD0.2", lambda: professional.administrative_data(IDENTITY), RetryKind.SAFE),
        ("TD1.3", lambda: professional.close_record(IDENTITY), RetryKind.RECONCILE_FIRST),
    )
    for name, call, retry in calls:
        dmp.spoil_next(kind, call=name)
        with pytest.raises((TransportError, OutcomeUnknown, SoapFault)) as caught:
            call()
        assert caught.value.code
        assert isinstance(caught.value, SoapFault) is (kind == "plain_fault")
        if kind != "plain_fault":
            assert isinstance(caught.value, OutcomeUnknown) is (name in ("TD0.3", "TD1.3"))
            assert caught.value.retry.kind is retry
        assert not any(secret in str(caught.value) for secret in SECRETS)


def test_nothing_about_the_patient_is_logged(
    dmp: FakeDmp, professional: DmpClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        professional.set_authorization(IDENTITY)
        professional.authorized_patients(LONG_AGO)
        professional.administrative_data(IDENTITY)
        with client(dmp, purpose=vihf.REGULATION_ACCESS) as regulation:
            regulation.search_patient(PatientCriteria(family="PAT-TROIS", birth_date="19790328"))
    assert not any(secret in caplog.text for secret in SECRETS)
