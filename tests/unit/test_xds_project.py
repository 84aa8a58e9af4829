"""The projection of a CDA header into XDS metadata."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sunes_sdk import xds
from sunes_sdk._core.errors import MetadataError, SunesError
from sunes_sdk.cda.header import (
    II,
    CdaDocument,
    CdaHeader,
    HeaderEncounter,
    HeaderName,
    HeaderOrder,
    HeaderOrganization,
    HeaderParty,
    HeaderPatient,
    HeaderServiceEvent,
)
from sunes_sdk.model import Code, IdentityStatus, StayClass
from sunes_sdk.testing import samples
from sunes_sdk.xds import ebrim
from sunes_sdk.xds.datatypes import escape, xcn, xon
from sunes_sdk.xds.project import source_patient_info

LOINC = "2.16.840.1.113883.6.1"
HOSPITAL = HeaderOrganization(id=II("1.2.250.1.71.4.2.2", "10B0127189"), name="Hôpital & fils")
DOCTOR = HeaderParty(
    time="20260115103000+0100",
    ids=(II("1.2.250.1.71.4.2.1", "801234567897"),),
    code=Code(code="G15_10/SM27", system="1.2.250.1.213.1.1.4.5", display="Médecin - Médecine interne (SM)"),
    function=Code(code="ATTPHYS", system="2.16.840.1.113883.5.88", display="Référent"),
    name=HeaderName(family="DAVID", given="Charles"),
    organization=HOSPITAL,
)
PATIENT = HeaderPatient(
    ids=(II("1.2.250.1.213.1.4.10", "279035121518989"), II("1.2.250.1.213.9.1.1", "1234567890121")),
    birth_family="PAT-TROIS",
    birth_givens="DOMINIQUE MARIE-LOUISE",
    first_given="DOMINIQUE",
    used_family="PAT-TROIS",
    used_given="DOMINIQUE",
    sex="F",
    birth_time="19790328",
    birth_place="51215",
)
IMP = Code(code="IMP", system="2.16.840.1.113883.5.4", display="Hospitalisation")
HEADER = CdaHeader(
    template_ids=(II("1.2.250.1.213.1.1.1.29", "2022.01"),),
    id=II("1.2.250.1.213.9.2.1.7"),
    code=Code(code="11490-0", system=LOINC, display="Lettre de liaison à la sortie"),
    title="Lettre de liaison",
    effective_time="20260115103000+0100",
    confidentiality=Code(code="N", system="2.16.840.1.113883.5.25", display="Normal"),
    language="fr-FR",
    set_id=II("1.2.250.1.213.9.2.1.8"),
    version_number=1,
    patient=PATIENT,
    authors=(DOCTOR,),
    custodian=HOSPITAL,
    legal_authenticator=DOCTOR,
    service_events=(
        HeaderServiceEvent(
            code=IMP,
            start="20260110",
            stop="20260115100000+0100",
            practice_setting=Code(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9", display="Etablissement"),
        ),
    ),
    encounter=HeaderEncounter(facility=Code(code="SA01", system="1.2.250.1.71.4.2.4", display="Public")),
)


def document(header: CdaHeader = HEADER) -> CdaDocument:
    return CdaDocument(
        content=b"<ClinicalDocument/>",
        unique_id=header.id.root,
        set_id=header.set_id.root,
        version_number=1,
        type_code=header.code,
        title=header.title,
        created_at=samples.WRITTEN,
        organization=samples.hospital(),
        ins=samples.ins(),
        ins_status=IdentityStatus.QUALIFIEE,
        format_code=Code(code="urn:asip:ci-sis:ldl-ses:2017", system="1.2.250.1.213.1.1.4.2.282", display="LDL"),
        header=header,
    )


def test_projects_each_attribute() -> None:
    entry = xds.project(document())
    assert entry.unique_id == "1.2.250.1.213.9.2.1.7"
    assert entry.patient_id == "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH"
    assert entry.source_patient_id == "1234567890121^^^&1.2.250.1.213.9.1.1&ISO^PI"
    assert entry.creation_time == "20260115093000"
    assert (entry.service_start, entry.service_stop) == ("20260110", "20260115090000")
    assert entry.class_code is not None
    assert entry.class_code.code == "10"
    assert entry.event_codes == (IMP,)
    assert entry.practice_setting is not None
    assert entry.practice_setting.code == "ETABLISSEMENT"
    assert entry.hash == document().sha1.hex()
    assert entry.size == 19
    assert entry.legal_authenticator == "801234567897^DAVID^Charles^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS"
    assert entry.authors == (
        xds.Author(
            person="801234567897^DAVID^Charles^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
            institution="Hôpital \\T\\ fils^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^10B0127189",
            roles=("Référent",),
            specialties=("G15_10/SM27^Médecin - Médecine interne (SM)^1.2.250.1.213.1.1.4.5",),
        ),
    )


def test_imaging_report_is_of_class_31() -> None:
    entry = xds.project(document(replace(HEADER, code=Code(code="18748-4", system=LOINC, display="CR d'imagerie"))))
    assert entry.class_code is not None
    assert entry.class_code.code == "31"


def test_visibility_is_added_and_n_stays() -> None:
    masked = Code(code="MASQUE_PS", system="1.2.250.1.213.1.1.4.13", display="Masqué")
    assert [c.code for c in xds.project(document(), visibility=(masked,)).confidentiality] == ["N", "MASQUE_PS"]


def test_source_patient_id_falls_back_on_the_ins() -> None:
    entry = xds.project(document(replace(HEADER, patient=replace(PATIENT, ids=PATIENT.ids[:1]))))
    assert entry.source_patient_id == entry.patient_id != ""


def test_patient_without_ins_has_no_patient_id() -> None:
    entry = xds.project(document(replace(HEADER, patient=replace(PATIENT, ids=PATIENT.ids[1:]))))
    assert entry.patient_id == ""
    assert "entries[0].patient_id" in [f.path for f in xds.check(xds.Submission(entries=(entry,))).errors]


def test_source_patient_info_as_the_official_archives() -> None:
    assert source_patient_info(PATIENT) == (
        "PID-5|PAT-TROIS^DOMINIQUE^DOMINIQUE MARIE-LOUISE^^^^L",
        "PID-5|PAT-TROIS^DOMINIQUE^^^^^D",
        "PID-7|19790328",
        "PID-8|F",
        "PID-11|^^^^^^BDL^^51215",
    )


def test_unknown_sex_is_u_in_pid_8() -> None:
    assert "PID-8|U" in source_patient_info(replace(PATIENT, sex="UN"))


@pytest.mark.parametrize(
    ("party", "expected"),
    [
        (
            HeaderParty(
                time="",
                ids=(II("1.2.250.1.71.4.2.1", "3750100125/1453"),),
                name=HeaderName(family="MARTIN", given="Philippe"),
            ),
            "3750100125/1453^MARTIN^Philippe^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^EI",
        ),
        (
            HeaderParty(
                time="",
                ids=(II("1.2.250.1.71.4.2.1", "3750100125/9762"),),
                device_software="Automate de laboratoire X",
                device_model="waralab1000",
            ),
            "3750100125/9762^Automate de laboratoire X^waralab1000^^^^^^&1.2.250.1.71.4.2.1&ISO^U^^^RI",
        ),
        (
            HeaderParty(
                time="",
                ids=(II("1.2.250.1.213.1.4.8", "124018852493334"),),
                name=HeaderName(family="FORM-TROIS", given="Gérard"),
            ),
            "124018852493334^FORM-TROIS^Gérard^^^^^^&1.2.250.1.213.1.4.8&ISO^D^^^NH",
        ),
    ],
    ids=["local id", "device", "patient"],
)
def test_xcn_by_kind_of_actor(party: HeaderParty, expected: str) -> None:
    """Vectors of the ANS examples of the CI-SIS metadata model."""
    assert xcn(party) == expected


def test_a_name_cannot_add_components() -> None:
    evil = replace(DOCTOR, name=HeaderName(family="X^Y&Z~\\|", given="A\r\nB"))
    assert xcn(evil).count("^") == xcn(DOCTOR).count("^")
    assert escape("^&~\\|") == "\\S\\\\T\\\\R\\\\E\\\\F\\"
    assert "\n" not in xcn(evil)


def test_xon_without_identifier_is_the_name() -> None:
    assert xon(HeaderOrganization(id=None, name="Cabinet")) == "Cabinet"
    assert xon(None) == ""


def test_order_and_accession_become_reference_ids() -> None:
    order = HeaderOrder(id=II("1.2.3", "42"), accession=II("1.2.4", "A^1"))
    assert xds.project(document(replace(HEADER, orders=(order,)))).reference_ids == (
        "A\\S\\1^^^&1.2.4&ISO^urn:ihe:iti:xds:2013:accession",
        "42^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:order",
    )


@pytest.mark.parametrize(
    ("stay_class", "code"),
    [
        (StayClass.INPATIENT, "03"),
        (StayClass.OUTPATIENT, "07"),
        (StayClass.EMERGENCY, "07"),
        (StayClass.RECURRING, "19"),
        (StayClass.NOT_APPLICABLE, "97"),
    ],
)
def test_content_type_follows_pv1_2(stay_class: StayClass, code: str) -> None:
    assert xds.content_type(stay_class).code == code


def test_content_type_comes_from_the_encounter_then_the_act() -> None:
    assert xds.content_type_of(HEADER).code == "03"
    emergency = replace(HEADER, encounter=HeaderEncounter(code=IMP.model_copy(update={"code": "EMER"})))
    assert xds.content_type_of(emergency).code == "07"
    act = replace(HEADER.service_events[0], code=Code(code="ZBQH001", system="1.2.250.1.215.300.1"))
    assert xds.content_type_of(replace(HEADER, service_events=(act,))).code == "97"


def submission() -> xds.Submission:
    entry = xds.project(document())
    s = xds.submission_set(
        entry,
        id="SubmissionSet01",
        unique_id="1.2.250.1.213.9.2.2.1",
        source_id="1.2.250.1.213.9.3",
        content_type=xds.content_type_of(HEADER),
        submitted_at=datetime(2026, 1, 15, 11, 0, tzinfo=UTC),
    )
    return xds.Submission(submission_set=s, entries=(entry,))


def test_a_complete_submission_has_no_finding() -> None:
    assert xds.check(submission()).findings == ()


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"title": ""}, "XDS_MISSING", "entries[0].title"),
        ({"service_start": ""}, "XDS_MISSING", "entries[0].service_start"),
        ({"practice_setting": None}, "XDS_MISSING", "entries[0].practice_setting"),
        ({"confidentiality": ()}, "XDS_MISSING", "entries[0].confidentiality"),
        ({"authors": ()}, "XDS_MISSING", "entries[0].authors"),
        ({"size": 0}, "XDS_MISSING", "entries[0].size"),
        ({"unique_id": "1.02.3"}, "XDS_UNIQUE_ID", "entries[0].unique_id"),
        ({"patient_id": "1^^^&1.2.250.1.213.1.4.10&ISO^NH"}, "XDS_PATIENTS", "patient_id"),
        ({"unique_id": "1.2.250.1.213.9.2.2.1"}, "XDS_DUPLICATE", "unique_id"),
    ],
)
def test_each_defect_is_named(change: dict[str, object], code: str, path: str) -> None:
    good = submission()
    bad = replace(good, entries=(replace(good.entries[0], **change),))  # type: ignore[arg-type]  # a field of any kind, wrong on purpose
    assert (code, path) in [(f.code, f.path) for f in xds.check(bad).errors]


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"author": None}, "XDS_MISSING", "submission_set.author"),
        ({"content_type": None}, "XDS_MISSING", "submission_set.content_type"),
        ({"source_id": ""}, "XDS_MISSING", "submission_set.source_id"),
        ({"unique_id": "x"}, "XDS_UNIQUE_ID", "submission_set.unique_id"),
    ],
)
def test_each_defect_of_the_set_is_named(change: dict[str, object], code: str, path: str) -> None:
    good = submission()
    assert good.submission_set is not None
    bad = replace(good, submission_set=replace(good.submission_set, **change))  # type: ignore[arg-type]  # a field of any kind, wrong on purpose
    assert (code, path) in [(f.code, f.path) for f in xds.check(bad).errors]


def test_repr_hides_people() -> None:
    shown = repr(submission())
    assert "DAVID" not in shown
    assert "279035121518989" not in shown
    assert "PAT-TROIS" not in shown


def test_the_two_profiles_write_what_each_channel_wants() -> None:
    good = submission()
    entry = replace(good.entries[0], uri="DOC0001.XML", action="C", reference_ids=("1^^^&2&ISO^x",))
    dmp, xdm = (xds.encode(replace(good, entries=(entry,)), profile) for profile in (xds.DMP, xds.XDM))
    assert f"<rim:Value>{entry.hash}</rim:Value>" in dmp
    assert f"<rim:Value>{entry.hash.upper()}</rim:Value>" in xdm
    assert entry.hash != entry.hash.upper()
    for only_xdm in ('name="URI"', 'name="urn:action:extraMetadataSlot"', "StatusType:Approved", "<rim:Description>"):
        assert only_xdm in xdm
        assert only_xdm not in dmp
    assert "referenceIdList" in dmp
    assert "referenceIdList" not in xdm
    assert 'id="cla1"' in dmp
    assert 'id="cla1"' not in xdm


def test_every_id_of_a_message_is_its_own() -> None:
    for profile in (xds.DMP, xds.XDM):
        ids = re.findall(r' id="([^"]+)"', xds.encode(submission(), profile))
        assert len(ids) == len(set(ids)) > 15


def test_what_is_kept_of_a_kind_of_document_is_of_that_kind() -> None:
    """Whatever was written before, a message is the one that a fresh process writes."""
    good = submission()
    first = good.entries[0]
    other = Code(code="autre", system="1.2.3", display="Autre")
    entries = [
        first,
        *(replace(first, **{name: other}) for name in ("class_code", "type_code", "format_code", "practice_setting")),
        replace(first, facility_type=None),
        replace(first, confidentiality=(*first.confidentiality, other)),
        replace(first, event_codes=(*first.event_codes, other.model_copy(update={"display": "Autre libellé"}))),
        replace(first, event_codes=(*first.event_codes, other)),
        replace(first, authors=first.authors * 2),
        replace(first, id="Document02"),
    ]
    messages = [replace(good, entries=(entry, first)) for entry in entries]
    after_others = [xds.encode(message, xds.DMP) for message in messages]
    for message, written in zip(messages, after_others, strict=True):
        ebrim._kept_classes.cache_clear()
        assert xds.encode(message, xds.DMP) == written
    assert len(set(after_others)) == len(entries)


def test_a_submission_without_a_set_is_not_written() -> None:
    with pytest.raises(MetadataError) as caught:
        xds.encode(xds.Submission(entries=submission().entries), xds.DMP)
    assert caught.value.code == "XDS_NO_SET"


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (b'<x xmlns="urn:oasis:names:tc:ebxml-regrep:registry:xsd:2.1"/>', "XDS_OLD_EBXML"),
        (b"<x/>", "XDS_NO_METADATA"),
        (b"<!DOCTYPE x><x/>", "XML_DTD"),
        (b"<x", "XML_MALFORMED"),
    ],
)
def test_what_is_no_metadata_is_named(xml: bytes, code: str) -> None:
    with pytest.raises(SunesError) as caught:
        xds.decode(xml)
    assert caught.value.code == code
