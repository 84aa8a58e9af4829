"""TD0.3, TD0.4 and TD1.6: what is asked, what is read, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from sunes_sdk._core.errors import DmpError, InsError, ModelError
from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import specific, td03, td04, td16
from sunes_sdk.dmp.td03 import AuthorizationAction
from sunes_sdk.dmp.td04 import Since
from sunes_sdk.dmp.td16 import AuthorizationMode
from sunes_sdk.model import Environment, Ins, InsOid, check_environment

RIGHTS, PATIENTS = "urn:si-dmp-habilitations", "urn:si-dmp-patients"
MATRICULE = "207058575627097"


def accept(_: Ins) -> None:
    """Every environment."""


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_an_authorisation_is_asked_for() -> None:
    start, end = f'<setAuthorization xmlns="{RIGHTS}">', "</setAuthorization>"
    assert td03.body(AuthorizationAction.ADD).decode() == f"{start}<action>AJOUT</action>{end}"
    assert (
        td03.body(AuthorizationAction.REMOVE, attending=True).decode()
        == f"{start}<action>SUPPRESSION</action><role>MEDECIN_TRAITANT</role>{end}"
    )


def test_authorised_patients_are_asked_for_in_utc() -> None:
    at = datetime(2026, 1, 15, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    for what in Since:
        assert td04.body(at, what).decode() == (
            f'<patientList xmlns="{PATIENTS}"><startDate>20260114233000</startDate>'
            f"<dateType>{what.value}</dateType></patientList>"
        )
    with pytest.raises(ModelError) as caught:
        td04.body(datetime(2026, 1, 15), Since.DOCUMENT)  # noqa: DTZ001  refused for that
    assert caught.value.code == "DMP_SINCE"


def test_authorisations_are_asked_for() -> None:
    assert td16.body(AuthorizationMode.BLOCKED).decode() == (
        f'<listAuthorizationByPatient xmlns="{RIGHTS}"><mode>INTERDITE</mode></listAuthorizationByPatient>'
    )


# --- what is read -----------------------------------------------------------------------------------------------------


def answered(name: str, content: str, namespace: str = RIGHTS) -> bytes:
    return f'<a:{name} xmlns:a="{namespace}"><a:output>{content}</a:output></a:{name}>'.encode()


def tagged(**values: str) -> str:
    return "".join(f"<a:{name}>{value}</a:{name}>" for name, value in values.items())


@pytest.mark.parametrize(
    ("context", "already"),
    [
        ("", False),
        ("Autorisation ajoutée", False),
        ("Autorisation déjà présente aucune action effectuée", True),
        ("AUTORISATION DEJA PRESENTE", True),
    ],
)
def test_only_its_words_tell_that_nothing_changed(context: str, already: bool) -> None:
    said = td03.decode(parse(answered("setAuthorizationResponse", tagged(status="DMPOk", context=context))), ("W",))
    assert (said.already, said.remark, said.warnings) == (already, context, ("W",))


def test_times_are_utc_and_what_cannot_be_read_is_said() -> None:
    row = tagged(nationalId="8", startOfAuthorization="20260115103000", lastActionDate="hier", mode="ACTIVE")
    found = td16.decode(
        parse(
            answered(
                "listAuthorizationByPatientResponse",
                f"<a:listOfAuthorizationByPatient>{row}</a:listOfAuthorizationByPatient>{tagged(status='DMPOk')}",
            )
        ),
        ("W",),
    )
    assert found[0].since == datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
    assert found[0].last_action is None
    assert found.warnings == ("W", specific.TIME_UNREADABLE)


@pytest.mark.parametrize("written", ["20260115", "2026011510", "99999999999999", "20260230100000", "1" * 500])
def test_a_time_of_another_precision_is_none(written: str) -> None:
    said: list[str] = []
    assert specific.time(written, said) is None
    assert said == [specific.TIME_UNREADABLE]


def test_an_authorisation_with_several_specialties_and_rights() -> None:
    row = tagged(nationalId="8", codeSpeciality="G15_10/SM26") + tagged(codeSpeciality="X", libSpeciality="Médecin")
    row += tagged(mode="INTERDITE", specificRight="MEDECIN_TRAITANT")
    body = f"<a:listOfAuthorizationByPatient>{row}</a:listOfAuthorizationByPatient>{tagged(status='DMPOk')}"
    (found,) = td16.decode(parse(answered("listAuthorizationByPatientResponse", body)))
    assert found.specialties == (("G15_10/SM26", "Médecin"), ("X", ""))
    assert (found.is_blocked, found.attending) == (True, True)


def patient_row(*ids: tuple[str, str], **values: str) -> bytes:
    identifiers = "".join(
        f"<a:patientIdentifier>{tagged(nationalId=value, nationalIdType=root)}</a:patientIdentifier>"
        for root, value in ids
    )
    body = f"<a:patientlistData>{identifiers}{tagged(**values)}</a:patientlistData>{tagged(status='DMPOk')}"
    return answered("patientListResponse", body, PATIENTS)


def test_a_patient_and_what_its_repr_hides() -> None:
    xml = patient_row(
        ("1.2.250.1.213.1.4.2", "0740724093302701701806"), (InsOid.NIR_TEST, MATRICULE),
        civility="M", lastName="USUEL", patronymicalName="NAISSANCE", firstName="LAURENCE", dateOfBirth="19070525",
        MT="1", message="true", lastAddDate="20260115103000",
    )  # fmt: skip
    (patient,) = td04.decode(parse(xml), accept)
    assert patient.ins == Ins.of(MATRICULE, InsOid.NIR_TEST)
    assert (patient.family, patient.birth_family, patient.civility) == ("USUEL", "NAISSANCE", "M")
    assert (patient.attending, patient.has_message) == (True, True)
    for secret in (MATRICULE, "USUEL", "NAISSANCE", "LAURENCE", "19070525", "0740724093302701701806"):
        assert secret not in repr(patient)


def test_a_name_that_the_dmp_does_not_know_is_empty() -> None:
    (patient,) = td04.decode(parse(patient_row(lastName="NON RENSEIGNE", patronymicalName="X")), accept)
    assert (patient.family, patient.birth_family, patient.ins) == ("", "X", None)


@pytest.mark.parametrize(
    "ids",
    [
        ((InsOid.NIR_TEST, "12345"),),
        ((InsOid.NIR_TEST, ""),),
        ((InsOid.NIR_TEST, MATRICULE), (InsOid.NIR_TEST, "153078987658513")),
    ],
)
def test_an_ins_that_cannot_be_read_is_said(ids: tuple[tuple[str, str], ...]) -> None:
    """One patient does not hide the others."""
    found = td04.decode(parse(patient_row(*ids)), accept)
    assert [p.ins for p in found] == [None]
    assert found.warnings == ("DMP_INS",)


def test_a_patient_of_another_environment_is_refused() -> None:
    with pytest.raises(InsError) as caught:
        td04.decode(
            parse(patient_row((InsOid.NIR, MATRICULE))), lambda ins: check_environment(ins, Environment.INTEGRATION)
        )
    assert caught.value.code == "ENVIRONMENT_IDENTITY"
    assert MATRICULE not in str(caught.value)


# --- what is refused --------------------------------------------------------------------------------------------------

READERS: dict[str, tuple[str, Callable[[etree._Element], object]]] = {
    "setAuthorizationResponse": (RIGHTS, td03.decode),
    "listAuthorizationByPatientResponse": (RIGHTS, td16.decode),
    "patientListResponse": (PATIENTS, lambda element: td04.decode(element, accept)),
}


@pytest.mark.parametrize("name", READERS)
def test_a_status_other_than_ok_is_a_refusal(name: str) -> None:
    namespace, decode = READERS[name]
    refused = answered(name, tagged(status="DMPAccessDeniedByRightsService", context="M. DUPONT"), namespace)
    with pytest.raises(DmpError) as caught:
        decode(parse(refused))
    error = caught.value
    assert (error.code, error.remote_code) == ("DMP_REFUSED", "DMPAccessDeniedByRightsService")
    assert error.hint
    assert error.hint_fr
    assert "DUPONT" not in f"{error} {error!r}"
    with pytest.raises(DmpError) as long:
        decode(parse(answered(name, tagged(status="X Y\n" * 1000), namespace)))
    assert len(long.value.remote_code) <= 80


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "content", ["<a:output/>", "<a:output><a:status/></a:output>", "", "<output><status>DMPOk</status></output>"]
)
def test_an_answer_that_is_another_one(name: str, content: str) -> None:
    namespace, decode = READERS[name]
    with pytest.raises(DmpError) as caught:
        decode(parse(f'<a:{name} xmlns:a="{namespace}">{content}</a:{name}>'.encode()))
    assert caught.value.code == "DMP_ANSWER"
    with pytest.raises(DmpError) as other:
        decode(parse(answered("otherResponse", tagged(status="DMPOk"), namespace)))
    assert other.value.code == "DMP_ANSWER"
