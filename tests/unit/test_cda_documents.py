"""Rendering: what a document says, what it must not say, versions, determinism, refusals."""

from __future__ import annotations

import base64
import re
import tracemalloc
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError, ConfigurationError, ModelError, XmlSecurityError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import canonical_document, parse
from sunes_sdk.cda import (
    CdaDocument,
    DischargeLetter,
    DocumentStatus,
    EntryMode,
    ExitMode,
    Issuer,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    PrescriptionFlag,
    Quantity,
    Synthesis,
    Treatment,
    UnstructuredDocument,
    ccam,
    read,
    read_header,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.treatments import EDQM
from sunes_sdk.model import Code, Identifier, Identity, IdentityStatus, Ins, InsOid, StayClass
from sunes_sdk.testing import samples
from sunes_sdk.testing.sample_reports import RECEIVED, minimal_laboratory_report

NS = {"c": "urn:hl7-org:v3"}
PDF = b"%PDF-1.4\nx\nstartxref\n0\n%%EOF\n"
MATRICULE = "279035121518989"


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


def shared() -> dict[str, object]:
    return {
        "patient": samples.patient(),
        "author": samples.physician().at(samples.hospital()),
        "custodian": samples.hospital(),
        "stay": samples.stay(),
    }


def synthesis(**changes: object) -> Synthesis:
    values: dict[str, object] = {
        "entry_mode": EntryMode.EMERGENCY,
        "exit_mode": ExitMode.HOME,
        "medical_summary": "Évolution favorable",
        "mdro_search": False,
        "transfusion": False,
        "blood_derivatives": False,
    }
    return Synthesis(**values | changes)


def letter(**changes: object) -> DischargeLetter:
    values: dict[str, object] = {"reason": "Pneumopathie", "synthesis": synthesis(), "discharge_treatments": ()}
    return DischargeLetter(**shared() | values | changes)


def line(**changes: object) -> PrescribedTreatment:
    return PrescribedTreatment(**{"name": "PARACETAMOL", "posology": "1 par jour"} | changes)


def prescription(**changes: object) -> MedicationPrescription:
    values: dict[str, object] = {
        "treatments": (line(),),
        "valid_until": samples.WRITTEN + timedelta(days=90),
        "pdf_copy": PDF,
    }
    return MedicationPrescription(**shared() | values | changes)


def operative_report(**changes: object) -> OperativeReport:
    values: dict[str, object] = {"body": PDF, "performed_at": samples.ADMITTED}
    return OperativeReport(**shared() | values | changes)


def xml(document: CdaDocument) -> etree._Element:
    return etree.fromstring(document.content)


def texts(document: CdaDocument, path: str) -> list[str]:
    return [str(found) for found in xml(document).xpath(path, namespaces=NS)]


# --- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [letter(), prescription(), operative_report()], ids=["ldl", "ep", "cro"])
def test_same_ids_and_clock_give_the_same_bytes(model: DischargeLetter) -> None:
    first, second = model.render(issuer()), model.render(issuer())
    assert first.content == second.content
    assert first.sha256 == second.sha256
    assert model.render(issuer(2)).unique_id != first.unique_id


def test_text_is_escaped_and_its_lines_kept() -> None:
    document = letter(
        reason='<b>"A" & B</b>\nsuite', synthesis=synthesis(medical_summary="1 < 2 & 3 > 2\r\nfin")
    ).render(issuer())
    (section,) = xml(document).xpath("//c:section[c:code/@code='42349-1']/c:text", namespaces=NS)
    assert section.text == '<b>"A" & B</b>'
    assert [c.tag for c in section] == ["{urn:hl7-org:v3}br"]
    assert texts(document, "//c:observation[c:code/@code='MED-142']/c:value/text()") == ["1 < 2 & 3 > 2\r\nfin"]


def test_a_control_character_is_refused() -> None:
    with pytest.raises(XmlSecurityError) as caught:
        letter(reason="a\x00b").render(issuer())
    assert caught.value.code == "XML_CHARACTER"


def test_the_mark_of_embedded_files_cannot_be_smuggled_in_by_text() -> None:
    with pytest.raises(XmlSecurityError):
        prescription(treatments=(line(name="\x000\x00"),)).render(issuer())


def test_every_identifier_of_the_document_differs() -> None:
    document = prescription(treatments=(line(), line())).render(issuer())
    roots = texts(document, "//c:section/c:id/@root | //c:entry//c:id/@root")
    assert len(roots) == len(set(roots)) > 10
    ids = texts(document, "//@ID")
    assert len(ids) == len(set(ids)) > 10


# --- identity --------------------------------------------------------------------------------------------------------


def with_status(status: IdentityStatus) -> object:
    known = status in (IdentityStatus.QUALIFIEE, IdentityStatus.RECUPEREE)
    return samples.patient(
        identity=Identity(traits=samples.traits(), status=status, ins=samples.ins() if known else None)
    )


@pytest.mark.parametrize("status", [s for s in IdentityStatus if s is not IdentityStatus.QUALIFIEE])
def test_an_identity_that_is_not_qualified_never_shows_a_matricule(status: IdentityStatus) -> None:
    for model in (letter(patient=with_status(status)), prescription(patient=with_status(status))):
        document = model.render(issuer())
        assert MATRICULE.encode() not in document.content
        assert b"1.2.250.1.213.1.4." not in document.content.split(b"</recordTarget>")[0]
        assert document.ins is None
        assert document.ins_status is status
        assert [i.root for i in document.header.patient.ids] == [samples.IPP_ROOT]
        assert document.header.patient.birth_family == "PAT-TROIS"


def test_a_qualified_identity_gives_the_ins_first() -> None:
    document = letter().render(issuer())
    assert texts(document, "//c:patientRole/c:id/@extension") == [MATRICULE, "1234567890121"]
    assert document.ins == samples.ins()


def test_without_any_identifier_the_document_is_refused() -> None:
    nobody = samples.patient(
        identity=Identity(traits=samples.traits(), status=IdentityStatus.PROVISOIRE), identifiers=()
    )
    with pytest.raises(CdaError) as caught:
        letter(patient=nobody).render(issuer())
    assert caught.value.code == "CDA_PATIENT_ID"
    assert caught.value.hint_fr


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("1979-03-28", "19790328"), ("1950-00-00", "1950"), ("1950-05-00", "195005"), ("1979-02-31", "197902"),
        ("1950-13-01", "1950"), ("2000-02-29", "20000229"),
    ],
)  # fmt: skip
def test_a_lunar_birth_date_is_cut_to_what_is_known(given: str, written: str) -> None:
    traits = samples.traits().model_copy(update={"birth_date": given})
    known = samples.patient(identity=Identity(traits=traits, status=IdentityStatus.QUALIFIEE, ins=samples.ins()))
    assert texts(letter(patient=known).render(issuer()), "//c:birthTime/@value") == [written]


def test_nothing_personal_in_a_repr() -> None:
    for value in (letter(), letter().render(issuer()), prescription(), operative_report()):
        shown = repr(value)
        for datum in (MATRICULE, "PAT-TROIS", "DOMINIQUE", "Pneumopathie", "Évolution", "DAVID", "%PDF"):
            assert datum not in shown


# --- header ----------------------------------------------------------------------------------------------------------


def test_the_projection_of_a_letter() -> None:
    document = letter().render(issuer())
    assert document.type_code.code == "11490-0"
    assert document.type_code.display == "Lettre de liaison à la sortie d'un établissement de soins"
    assert document.format_code.code == "urn:asip:ci-sis:ldl-ses:2017"
    assert document.cda_level == 3
    assert document.created_at == samples.WRITTEN
    assert document.stay == samples.stay().visit
    assert document.unit == "6268"
    assert document.unique_id.startswith(samples.DOCUMENT_ROOT + ".")
    assert document.set_id != document.unique_id
    assert document.header.service_events[0].start == "20260110090000+0100"
    assert document.header.encounter.facility is not None
    assert document.header.encounter.facility.code == "SA01"


def test_the_projection_of_a_file() -> None:
    document = operative_report(act=ccam("HHFA001", "Appendicectomie")).render(issuer())
    assert (document.type_code.code, document.cda_level) == ("34874-8", 1)
    assert document.format_code.code == "urn:ihe:iti:xds-sd:pdf:2008"
    assert document.header.body_media_type == "application/pdf"
    assert document.header.service_events[0].code == ccam("HHFA001", "Appendicectomie")


def test_the_projection_of_a_prescription() -> None:
    document = prescription(discharge=True, flags={PrescriptionFlag.SECURED}, epu="01S2TBPZ2JCNZZYGHZ").render(issuer())
    assert document.format_code.code == "urn:ihe:pharm:pre:2010"
    assert document.title == "Prescription de médicaments et/ou de dispositifs médicaux - ordonnance de sortie"
    principal, flag = document.header.service_events
    assert principal.ids[0].extension == "01S2TBPZ2JCNZZYGHZ"
    assert flag.code is not None
    assert flag.code.code == "MED-1098"


def test_the_author_signs_unless_someone_else_does() -> None:
    other = samples.general_practitioner().at(samples.hospital())
    assert letter().render(issuer()).header.legal_authenticator.ids[0].extension == "801234567897"
    signed = letter(legal_authenticator=other).render(issuer())
    assert signed.header.legal_authenticator.ids[0].extension == "801234567905"


def test_recipients_are_listed_with_their_mailbox() -> None:
    document = letter(recipients=(samples.general_practitioner().at(samples.hospital()),)).render(issuer())
    path = "//c:informationRecipient/c:intendedRecipient/c:telecom/@value"
    assert texts(document, path) == ["mailto:jeanne.dupont@medecin.mssante.fr"]


@pytest.mark.parametrize(
    ("stay_class", "code"),
    [
        (StayClass.INPATIENT, ["IMP"]),
        (StayClass.EMERGENCY, ["EMER"]),
        (StayClass.OUTPATIENT, ["EXTERNE"]),
        (StayClass.RECURRING, ["SEANCE"]),
        (StayClass.NOT_APPLICABLE, []),
    ],
)
def test_the_class_of_the_stay_gives_the_encounter(stay_class: StayClass, code: list[str]) -> None:
    document = letter(stay=samples.stay(stay_class=stay_class)).render(issuer())
    assert texts(document, "//c:encompassingEncounter/c:code/@code") == code


def test_a_stay_that_lasts_has_no_end() -> None:
    document = letter(stay=samples.stay(discharged_at=None)).render(issuer())
    assert texts(document, "//c:encompassingEncounter/c:effectiveTime/c:high") == []
    assert document.header.encounter.stop == ""


def test_local_time_follows_the_zone_of_the_producer() -> None:
    document = letter(written_at=datetime(2026, 7, 1, 8, 30, 15, 999, tzinfo=UTC)).render(issuer())
    assert texts(document, "/c:ClinicalDocument/c:effectiveTime/@value") == ["20260701103015+0200"]
    assert document.created_at == datetime(2026, 7, 1, 8, 30, 15, tzinfo=UTC)


def test_a_role_out_of_its_value_set_is_refused() -> None:
    stranger = samples.physician(specialty="SM99").at(samples.hospital())
    with pytest.raises(ModelError) as caught:
        letter(author=stranger).render(issuer())
    assert caught.value.code == "TERMINOLOGY"


def test_a_title_over_128_characters_is_refused() -> None:
    assert letter(title="x" * 128).title == "x" * 128
    with pytest.raises(ModelError) as caught:
        letter(title="x" * 129)
    assert caught.value.code == "CDA_TITLE"


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_revision_replaces_keeps_the_set_and_counts() -> None:
    first = letter().render(issuer())
    revised = letter().revise(first, reason="Pneumopathie hypoxémiante")
    second = revised.render(issuer(2))
    assert second.set_id == first.set_id
    assert second.version_number == 2
    assert second.replaces == first.unique_id
    assert second.unique_id != first.unique_id
    assert texts(second, "//c:relatedDocument[@typeCode='RPLC']/c:parentDocument/c:id/@root") == [first.unique_id]
    third = revised.revise(second).render(issuer(3))
    assert (third.version_number, third.replaces, third.set_id) == (3, second.unique_id, first.set_id)


def test_a_revision_is_written_now() -> None:
    old = letter(written_at=samples.WRITTEN - timedelta(days=1))
    assert old.revise(old.render(issuer())).render(issuer(2)).created_at == samples.WRITTEN


def test_a_revision_is_of_the_same_type_and_patient() -> None:
    first = letter().render(issuer())
    with pytest.raises(CdaError) as caught:
        prescription().revise(first)
    assert caught.value.code == "CDA_REVISE_TYPE"
    stranger = samples.patient(
        identity=Identity(traits=samples.traits(), status=IdentityStatus.PROVISOIRE),
        identifiers=(Identifier(value="other", root=samples.IPP_ROOT),),
    )
    with pytest.raises(CdaError) as caught:
        letter(patient=stranger).revise(first)
    assert caught.value.code == "CDA_REVISE_PATIENT"
    # The IPP alone does not make two records one: the first version would stay in the other person's.
    other = Ins.of("279035121518989", InsOid.NIR_DEMO)

    def identity_with(number: Ins, **more: Any) -> Identity:
        return Identity(traits=samples.traits(), status=IdentityStatus.QUALIFIEE, ins=number, **more)

    corrected = identity_with(other)
    with pytest.raises(CdaError) as caught:
        letter(patient=samples.patient(identity=corrected)).revise(first)
    assert caught.value.code == "CDA_REVISE_PATIENT"
    renumbered = identity_with(other, former_ins=(samples.ins(),))
    assert letter(patient=samples.patient(identity=renumbered)).revise(first).replaces == first.unique_id
    # An identity qualified in between is the same patient: the IPP says so.
    before = letter(patient=with_status(IdentityStatus.PROVISOIRE)).render(issuer())
    assert letter().revise(before).replaces == before.unique_id


def test_an_act_with_an_end_has_a_start() -> None:
    values = shared() | {"title": "Consultation", "document_type": "11488-4", "body": PDF}
    with pytest.raises(ModelError) as caught:
        UnstructuredDocument(**values, ended_at=samples.DISCHARGED)
    assert caught.value.path == "UnstructuredDocument.performed_at"
    with pytest.raises(ModelError) as caught:
        operative_report(ended_at=samples.ADMITTED)
    assert caught.value.code == "CDA_ACT_TIMES"


def test_a_first_version_replaces_nothing() -> None:
    assert texts(letter().render(issuer()), "//c:relatedDocument") == []


# --- bodies ----------------------------------------------------------------------------------------------------------


def test_a_letter_without_treatment_says_so() -> None:
    document = letter().render(issuer())
    section = "//c:section[c:code/@code='10183-2']"
    assert texts(document, f"{section}/c:text//text()") == ["Aucun traitement à la sortie"]
    assert texts(document, f"{section}//c:manufacturedMaterial/c:code/@nullFlavor") == ["NA"]


def test_the_narrative_says_what_the_entries_say() -> None:
    document = letter(
        synthesis=synthesis(transfusion=True, transfusion_accidents="Frissons"),
        discharge_treatments=(
            Treatment(
                name="LEPONEX 100 mg", dose=Quantity(value=1, unit="{tbl}"), every=Quantity(value=1, unit="d"),
                start=date(2026, 1, 15), end=date(2026, 2, 15),
            ),
        ),
        status=DocumentStatus.CLOSED,
    ).render(issuer())  # fmt: skip
    root = xml(document)
    for observation in root.iterfind(".//c:observation", NS):
        reference = observation.find("c:text/c:reference", NS)
        assert reference is not None
        found = root.xpath(f"//c:*[@ID='{(reference.get('value') or '')[1:]}']", namespaces=NS)
        assert len(found) == 1
        said = "".join(found[0].itertext())
        value = observation.find("c:value", NS)
        assert value is not None
        expected = {"true": "Oui", "false": "Non"}.get(value.get("value") or "", value.get("displayName") or value.text)
        assert said.lower().endswith(str(expected).lower())  # a mode says its time before
    row = root.xpath("//c:section[c:code/@code='10183-2']//c:tr[@ID]/c:td/text()", namespaces=NS)
    assert row == [
        "LEPONEX 100 mg", "1 comprimé", "une prise par période de 1 jour", "15/01/2026", "15/02/2026",
    ]  # fmt: skip


def test_a_structured_posology_says_so() -> None:
    structured = "1.3.6.1.4.1.19376.1.9.1.3.6"
    plain = prescription().render(issuer())
    dosed = prescription(treatments=(line(dose=Quantity(value="0.5", unit="{tbl}")),)).render(issuer())
    assert structured.encode() not in plain.content
    assert structured.encode() in dosed.content
    assert texts(dosed, "//c:doseQuantity/c:low/@value") == ["0.5"]


def test_no_part_of_a_dosage_is_lost() -> None:
    """Each part is in the entry and in the text, of a letter and of a prescription alike."""
    dosage: dict[str, object] = {
        "dose": Quantity(value="1.5", unit="{tbl}"),
        "every": Quantity(value=8, unit="h"),
        "rate": Quantity(value=100, unit="mg/d"),
        "max_dose": Quantity(value=3, unit="g"),
        "route": Code(code="20053000", system=EDQM, display="Voie orale"),
        "comment": "Avec un repas",
    }
    written = {
        "dose": "//c:doseQuantity/c:low[@value='1.5']",
        "every": "//c:period[@value='8']",
        "rate": "//c:rateQuantity/c:low[@value='100']",
        "max_dose": "//c:maxDoseQuantity/c:numerator[@value='3']",
        "route": "//c:routeCode[@code='20053000']",
    }
    said = {
        "dose": "1,5 comprimé",
        "every": "8 heures",
        "rate": "100 mg/d",
        "max_dose": "3 g par période de 1 jour",
        "route": "Voie orale",
        "comment": "Avec un repas",
    }
    for part, value in dosage.items():
        for document in (
            letter(discharge_treatments=(Treatment(name="X", **{part: value}),)).render(issuer()),
            prescription(treatments=(line(**{part: value}),)).render(issuer()),
        ):
            assert said[part] in "".join(texts(document, "//c:text//text()")), part
            if part in written:
                assert len(xml(document).xpath(written[part], namespaces=NS)) == 1, part


def test_a_refused_substitution_needs_its_reason() -> None:
    with pytest.raises(ModelError) as caught:
        line(substitution_allowed=False)
    assert caught.value.code == "PRESCRIPTION_SUBSTITUTION"
    assert caught.value.path == "PrescribedTreatment.no_substitution_reason"


def test_a_prescription_that_expires_before_it_starts_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        prescription(written_at=samples.WRITTEN, valid_until=samples.WRITTEN)
    assert caught.value.code == "PRESCRIPTION_VALIDITY"


LATER = FixedClock(samples.WRITTEN + timedelta(days=400))
EARLIER = FixedClock(samples.WRITTEN - timedelta(days=400))


@pytest.mark.parametrize(
    ("model", "clock", "path"),
    [
        (minimal_laboratory_report(), EARLIER, "LaboratoryReport.received_at"),
        (minimal_laboratory_report(released_at=RECEIVED), LATER, "LaboratoryReport.released_at"),
        (prescription(), LATER, "MedicationPrescription.valid_until"),
    ],
    ids=["written before the samples came", "released when they came", "written after the end of validity"],
)
def test_a_time_that_the_writing_contradicts_is_refused_under_its_own_name(
    model: ClinicalDocument, clock: FixedClock, path: str
) -> None:
    with pytest.raises(ModelError) as caught:
        model.render(Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=clock))
    error = caught.value
    assert (error.code, error.path) == ("CDA_INTERVAL", path)
    assert path.rpartition(".")[2] in error.hint
    assert error.message
    assert error.hint_fr


def test_a_treatment_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        Treatment(name="x", start=date(2026, 1, 2), end=date(2026, 1, 1))
    assert caught.value.code == "TREATMENT_DATES"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\n%PDF-1.4\nstartxref\n0\n%%EOF\n",
        b"%PDF-1.4\n",
        b"%PDF-1.4\ntrailer << /Encrypt 5 0 R >>\nstartxref\n0\n%%EOF\n",
        b"%PDF-1.4\nstartxref\n0\n%%EOF\n" + b"x" * 5000,
    ],
)
def test_a_pdf_that_nobody_can_open_is_refused(body: bytes) -> None:
    with pytest.raises((CdaError, ModelError)) as caught:
        operative_report(body=body)
    assert caught.value.code in ("CDA_PDF_UNREADABLE", "CDA_BODY_EMPTY")
    assert caught.value.hint


def test_the_refusal_of_a_pdf_names_it() -> None:
    with pytest.raises(CdaError) as caught:
        operative_report(body=b"hello")
    assert caught.value.code == "CDA_PDF_UNREADABLE"
    assert caught.value.path == "body"
    assert caught.value.hint_fr


def test_a_body_comes_back_as_it_was() -> None:
    body = PDF[:-7] + bytes(range(256)) * 5000 + PDF[-24:]
    document = operative_report(body=body).render(issuer())
    assert base64.b64decode(texts(document, "//c:nonXMLBody/c:text/text()")[0], validate=True) == body


def test_several_files_keep_their_places() -> None:
    document = prescription(barcode=b"\xff\xd8\xffimage", barcode_media_type="image/jpeg").render(issuer())
    values = {
        media.get("mediaType"): base64.b64decode(media.text or "")
        for media in xml(document).iterfind(".//c:observationMedia/c:value", NS)
    }
    assert values == {"image/jpeg": b"\xff\xd8\xffimage", "application/pdf": PDF}


def test_a_document_of_any_type_as_text() -> None:
    values = shared() | {"title": "Consultation", "document_type": "11488-4"}
    document = UnstructuredDocument(**values, body="Ça va".encode(), media_type="text/plain").render(issuer())
    assert document.type_code.code == "11488-4"
    assert document.format_code.code == "urn:ihe:iti:xds-sd:text:2008"
    with pytest.raises(ModelError) as caught:
        UnstructuredDocument(**shared(), document_type="11488-4", body=b"x", media_type="text/plain")
    assert caught.value.code == "CDA_TITLE"


def test_a_large_body_costs_little_beyond_its_bytes() -> None:
    body = PDF[:10] + b"x" * 20_000_000 + PDF[-24:]
    model = operative_report(body=body)
    tracemalloc.start()
    try:
        document = model.render(issuer())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - document.size < 5_000_000


# --- issuer ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["", "hello", "1.02.3", "1." + "2" * 60])
def test_an_issuer_needs_an_arc(root: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Issuer(oid_root=root)
    assert caught.value.code == "OID_ROOT"


def test_an_issuer_from_settings() -> None:
    assert Issuer.from_settings(samples.settings()).oid_root == samples.DOCUMENT_ROOT


# --- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [letter(), prescription(), operative_report()], ids=["ldl", "ep", "cro"])
def test_what_was_written_is_read_back(model: DischargeLetter) -> None:
    document = model.render(issuer())
    again = read(document.content)
    assert again.header == document.header
    assert (again.unique_id, again.set_id, again.version_number) == (document.unique_id, document.set_id, 1)
    assert (again.type_code, again.format_code) == (document.type_code, document.format_code)
    assert (again.title, again.created_at, again.cda_level) == (document.title, document.created_at, document.cda_level)
    assert again.ins == document.ins
    assert again.sha1 == document.sha1
    assert again.organization.national_id == document.organization.national_id


def test_a_document_in_an_envelope_is_read() -> None:
    content = letter().render(issuer()).content.split(b"?>", 1)[1]
    wrapped = b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><d xmlns="urn:x">'
    header = read_header(wrapped + content + b"</d></xsl:stylesheet>")
    assert header.title == "Lettre de liaison à la sortie de l'établissement de santé"


def test_the_reader_is_lenient() -> None:
    header = read_header(
        b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"></id><code code="x" codeSystem="1.2"></code>'
        b'<unknown/><recordTarget><patientRole><telecom value="01 02"/><addr/></patientRole></recordTarget>'
        b'<versionNumber value="many"></versionNumber></ClinicalDocument>'
    )
    assert header.set_id == header.id
    assert header.version_number == 1
    assert header.patient.telecoms == ()
    assert header.authors == ()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"<html></html>", "CDA_NOT_CDA"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"></ClinicalDocument>', "CDA_UNREADABLE"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2"></id></ClinicalDocument>', "CDA_UNREADABLE"),
    ],
)
def test_what_cannot_be_read_says_why(data: bytes, code: str) -> None:
    with pytest.raises(CdaError) as caught:
        read_header(data)
    assert caught.value.code == code


def test_a_document_of_no_known_structure_is_read_by_its_header_only() -> None:
    content = letter().render(issuer()).content.replace(b'extension="10B0127189"', b'extension="9X"')
    assert read_header(content).custodian.name
    document = read(content)
    assert document.organization is None
    assert [f.code for f in document.report.warnings] == ["CDA_NO_STRUCTURE"]


def test_public_names_are_there() -> None:
    import sunes_sdk.cda as cda

    assert all(getattr(cda, name) is not None for name in cda.__all__)
    assert set(cda.__all__) <= set(dir(cda))
    with pytest.raises(AttributeError):
        _ = cda.Nothing  # type: ignore[attr-defined]  # it does not exist: that is the test


def test_bytes_that_render_did_not_write_are_looked_at_whole() -> None:
    ours = letter().render(issuer())
    assert ours.is_ours
    misplaced = re.sub(rb"(<title>.*?</title>)(<effectiveTime [^>]*></effectiveTime>)", rb"\2\1", ours.content, count=1)
    changed = replace(ours, content=misplaced)
    assert not changed.is_ours
    assert not changed.check().ok
    assert changed.canonical() == canonical_document(parse(misplaced))
