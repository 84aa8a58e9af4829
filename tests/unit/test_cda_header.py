"""The common header: every element and variant is written, canonical, and read back; what cannot be is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cda_headers import (
    HOME,
    MUTATIONS,
    PHONE,
    dead_on_a_day,
    device,
    foreign_birth,
    full_header,
    full_patient,
    issuer,
    letter,
    report,
    snr,
)
from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import ModelError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import canonical_document, parse
from sunes_sdk.cda import CdaDocument, Issuer, check, read_header
from sunes_sdk.cda.header import II, HeaderRelative
from sunes_sdk.cda.header_writer import (
    Authenticator,
    EncounterParticipant,
    Participant,
    ServiceEvent,
    header_xml,
)
from sunes_sdk.model import (
    Address,
    Code,
    Device,
    Environment,
    Guardian,
    Identifier,
    Ins,
    InsOid,
    Organization,
    RelatedPerson,
    Telecom,
    expected_key,
)
from sunes_sdk.testing import samples

V3 = "{urn:hl7-org:v3}"
PRACTITIONER = samples.general_practitioner().at(samples.hospital())
BARE = samples.patient(
    addresses=(), telecoms=(), used_name=None, used_given_name=None, birth_city=None
)  # fmt: skip


def of_ins(oid: InsOid) -> dict[str, Any]:
    identity = samples.patient().identity
    number = "1800175056123"
    ins = Ins(matricule=number + expected_key(number), oid=oid)
    return {"patient": samples.patient(identity=identity.model_copy(update={"ins": ins}), identifiers=())}


VARIANTS: dict[str, dict[str, Any]] = {
    "least": {"recipients": (), "patient": BARE, "stay": samples.stay(discharged_at=None)},
    "full": full_header(),
    "parts of the patient": {"patient": full_patient()},
    "born abroad": {"patient": foreign_birth()},
    "dead on a day": {"patient": dead_on_a_day()},
    "NIA": of_ins(InsOid.NIA),
    "NIR": of_ins(InsOid.NIR),
    "demonstration": of_ins(InsOid.NIR_DEMO),
    "a device writes": {"authors": (device(),)},
    "an SNR writes and answers": {"authors": (snr(),), "legal_authenticator": snr()},
    "the patient writes and answers": {"authors": (samples.patient(),), "legal_authenticator": samples.patient()},
    "the DMP keeps it": {
        "authors": (samples.patient(),),
        "legal_authenticator": samples.patient(),
        "kept_by_dmp": True,
    },
    "another doctor answers": {"legal_authenticator": PRACTITIONER},
    "a bare structure": {"custodian": samples.hospital(address=None, telecoms=())},
    "in another form": {"transforms": "1.2.250.1.213.9.2.1.77"},
}
VARIANTS |= {f"only {name}": {name: value} for name, value in full_header().items()}
MAKERS: dict[str, Callable[..., Any]] = {"letter": letter, "report": report}


def rendered(kind: str, name: str) -> CdaDocument:
    real = name in ("NIA", "NIR")
    by = issuer(environment=Environment.PRODUCTION if real else Environment.FAKE)
    document: CdaDocument = MAKERS[kind](**VARIANTS[name]).render(by)
    return document


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", VARIANTS)
def test_a_header_is_read_back_whole_and_breaks_no_rule(kind: str, name: str) -> None:
    document = rendered(kind, name)
    assert read_header(document.content) == document.header
    assert document.canonical() == canonical_document(parse(document.content))
    assert not check(document.content).findings, str(check(document.content))


@pytest.mark.parametrize("kind", MAKERS)
def test_a_header_that_was_read_is_written_again_the_same(kind: str) -> None:
    document = rendered(kind, "full")
    assert header_xml(read_header(document.content)) in document.content.decode()


def test_a_full_header_says_everything() -> None:
    header = rendered("letter", "full").header
    assert [a.device_model for a in header.authors] == ["", "", "Moniteur", "Service de suivi", ""]
    assert [len(a.ids) for a in header.authors] == [2, 1, 1, 1, 1]
    assert header.authors[4].organization is None
    assert header.authors[4].code is None
    assert header.data_enterer is not None
    assert header.informants[2] == HeaderRelative(
        name=header.informants[2].name, class_code="NOK", code=header.patient.guardians[0].code,
        addresses=(HOME,), telecoms=(PHONE,),
    )  # fmt: skip
    assert [p.type_code for p in header.participants] == ["INF", "REF", "CON", "VRF"]
    assert header.encounter.place is not None
    assert header.transforms is not None
    assert header.consents
    assert header.encounter.discharge is not None
    assert header.patient.guardians[1].organization is not None


def test_elements_follow_the_order_of_the_schema() -> None:
    root = parse(rendered("letter", "full").content)
    order = [
        "realmCode", "typeId", "templateId", "id", "code", "title", "effectiveTime", "confidentialityCode",
        "languageCode", "setId", "versionNumber", "recordTarget", "author", "dataEnterer", "informant", "custodian",
        "informationRecipient", "legalAuthenticator", "authenticator", "participant", "inFulfillmentOf",
        "documentationOf", "relatedDocument", "authorization", "componentOf", "component",
    ]  # fmt: skip
    found = list(dict.fromkeys(str(child.tag).removeprefix(V3) for child in root))
    assert found == order


def test_a_replacement_no_longer_transforms() -> None:
    first = rendered("letter", "in another form")
    second = letter(transforms="1.2.250.1.213.9.2.1.77").revise(first).render(issuer(2))
    assert second.header.transforms is None
    assert second.header.replaces is not None
    assert second.header.replaces.root == first.unique_id
    assert read_header(second.content) == second.header


def test_absent_parts_leave_no_trace() -> None:
    text = rendered("letter", "least").content.decode()
    for name in ("sdtc", "guardian", "informant>", "dataEnterer", "authenticator>", "participant", "authorization",
                 "encounterParticipant", "dischargeDispositionCode", "relatedDocument", "inFulfillmentOf"):  # fmt: skip
        assert name not in text.replace("legalAuthenticator", ""), name


WEB = Telecom(value="https://hopital.example")


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"patient": samples.patient(telecoms=(WEB,))}, "CDA_TELECOM", "patient.telecoms"),
        ({"patient": samples.patient(guardians=(Guardian(family="X", telecoms=(WEB,)),))}, "CDA_TELECOM",
         "patient.guardians.telecoms"),
        ({"custodian": samples.hospital(telecoms=(WEB,))}, "CDA_TELECOM", "custodian.telecoms"),
        ({"author": samples.physician(telecoms=(WEB,)).at(samples.hospital())}, "CDA_TELECOM",
         "author.professional.telecoms"),
        ({"co_authors": (samples.physician().at(samples.hospital(telecoms=(WEB,))),)}, "CDA_TELECOM",
         "co_authors.organization.telecoms"),
        ({"informants": (RelatedPerson(relation="NOK", family="X", telecoms=(WEB,)),)}, "CDA_TELECOM",
         "informants.telecoms"),
        ({"replaces": "1.2.3", "transforms": "1.2.4"}, "CDA_RELATED", "transforms"),
        ({"discharge_disposition": Code(code="x", system="1.2.3")}, "CDA_DISPOSITION", "discharge_disposition"),
        ({"author": PRACTITIONER.model_copy(update={"function": Code(code="X", system="1.2.3")})}, "CDA_FUNCTION",
         "author.function"),
    ],
)  # fmt: skip
def test_what_the_header_cannot_say_is_refused_when_the_document_is_made(
    changes: dict[str, Any], code: str, path: str
) -> None:
    with pytest.raises(ModelError) as caught:
        letter(**changes)
    error = caught.value
    assert error.code == code
    assert error.path.endswith(path)
    assert error.rule
    assert error.hint


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: ServiceEvent(start=samples.DISCHARGED, stop=samples.ADMITTED), "CDA_INTERVAL"),
        (lambda: ServiceEvent(start=samples.ADMITTED, stop=samples.ADMITTED), "CDA_INTERVAL"),
        (lambda: ServiceEvent(ids=(II("L:", "7"),)), "CDA_ACT_ID"),
        (lambda: Participant(type_code="CON", actor=PRACTITIONER, low=samples.ADMITTED, high=samples.ADMITTED),
         "CDA_INTERVAL"),
        (lambda: EncounterParticipant(type_code="ADM", actor=PRACTITIONER, low=samples.DISCHARGED,
                                      high=samples.ADMITTED), "CDA_INTERVAL"),
        (lambda: Participant(type_code="XX", actor=PRACTITIONER), "MODEL_LITERAL_ERROR"),
        (lambda: Participant(type_code="CON", actor=PRACTITIONER, class_code="PAT"), "MODEL_LITERAL_ERROR"),
        (lambda: EncounterParticipant(type_code="PRF", actor=PRACTITIONER), "MODEL_LITERAL_ERROR"),
        (lambda: Participant(type_code="INF", actor=PRACTITIONER.model_copy(
            update={"function": Code(code="PCP", system="1.2.3")})), "CDA_FUNCTION"),
        (lambda: Authenticator(actor=PRACTITIONER, time=samples.WRITTEN.replace(tzinfo=None)),
         "MODEL_TIMEZONE_AWARE"),
        (lambda: Guardian(family="X", organization=samples.hospital()), "GUARDIAN"),
        (lambda: Guardian(given="X"), "GUARDIAN"),
        (lambda: RelatedPerson(relation="GUARD", family="X"), "MODEL_LITERAL_ERROR"),
        (lambda: samples.patient(deceased_at=samples.ADMITTED), "PATIENT_DECEASED"),
        (lambda: samples.patient(birth_order=1), "PATIENT_BIRTH_ORDER"),
        (lambda: Device(identifier=Identifier(value="x", root="1.2"), role="AUTOMATE", model="m", software="s"),
         "DEVICE_ORGANIZATION"),
        (lambda: Address(lines=("1 rue X", " ")), "ADDRESS_LINES"),
    ],
)  # fmt: skip
def test_a_part_that_cannot_be_is_refused(make: Callable[[], object], code: str) -> None:
    with pytest.raises(ModelError) as caught:
        make()
    assert caught.value.code == code
    assert caught.value.path


def test_a_code_out_of_its_set_is_refused_when_written() -> None:
    informant = RelatedPerson(relation="NOK", family="X", relationship="NOBODY")
    with pytest.raises(ModelError) as caught:
        letter(informants=(informant,)).render(issuer())
    assert caught.value.code == "TERMINOLOGY"


def test_people_of_the_header_stay_out_of_reprs() -> None:
    header = rendered("letter", "full").header
    said = repr(full_patient()) + repr(header.informants) + repr(header.patient.guardians) + repr(header.authors)
    for datum in ("PAT-UN", "Ruth", "44534551", "Breteuil", "27903512151898"):
        assert datum not in said, datum


def test_a_custodian_keeps_one_telecom() -> None:
    two = Organization(
        name="X", siret="12345678901234", telecoms=(Telecom(value="tel:+331"), Telecom(value="fax:+332"))
    )  # fmt: skip
    document = letter(custodian=two).render(issuer())
    assert len(document.header.custodian.telecoms) == 1
    assert read_header(document.content) == document.header


def test_times_of_participants_keep_their_bounds() -> None:
    visit = Participant(
        type_code="CON", actor=PRACTITIONER, low=samples.ADMITTED, high=samples.ADMITTED + timedelta(hours=1)
    )  # fmt: skip
    (found,) = letter(participants=(visit,)).render(issuer()).header.participants
    assert (found.start, found.stop) == ("20260110090000+0100", "20260110100000+0100")


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    first = letter().render(issuer())
    made = {
        "letter": letter(stay=samples.stay(responsible=PRACTITIONER)).render(issuer()),
        "header": rendered("letter", "full"),
        "report": report().render(issuer()),
        "replacement": letter().revise(first).render(issuer(2)),
    }
    return {name: document.content.decode() for name, document in made.items()}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[f"{m[0]}-{n}" for n, m in enumerate(MUTATIONS)])
def test_what_producers_get_wrong_is_refused(mutation: tuple[str, str, str, str], documents: dict[str, str]) -> None:
    code, document, pattern, replacement = mutation
    mutated, count = re.subn(pattern, replacement, documents[document], count=1, flags=re.DOTALL)
    assert count == 1
    assert code in {f.code for f in check(mutated.encode())}


def test_times_are_local_to_the_producer() -> None:
    """Guadeloupe is four hours behind UTC all year; a winter instant of Paris is written in its time."""
    overseas = Issuer(
        oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN),
        zone=ZoneInfo("America/Guadeloupe"),
    )  # fmt: skip
    document = letter(**full_header()).render(overseas)
    assert document.header.effective_time == "20260115053000-0400"
    assert document.header.encounter.start == "20260110040000-0400"
    assert read_header(document.content) == document.header
    assert not check(document).findings


def test_a_guardian_and_its_structure_say_the_same_contacts_once() -> None:
    structure = samples.hospital()
    address = structure.address
    assert address is not None
    guardian = Guardian(organization=structure, addresses=(address,), telecoms=structure.telecoms)
    rendered = samples.discharge_letter(patient=samples.patient(guardians=(guardian,))).render(samples.issuer())
    assert not check(rendered.content).errors
    (written,) = rendered.header.patient.guardians
    assert (written.addresses, written.telecoms) == ((address,), structure.telecoms)
