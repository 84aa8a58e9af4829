"""One rule, one code, one mutated document that it refuses. The unmutated documents give no finding."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from cda_headers import full_header
from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.findings import Severity
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    Allergy,
    CdaDocument,
    DischargeLetter,
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
    check,
)
from sunes_sdk.cda.documents.measures import Measure
from sunes_sdk.cda.documents.treatments import DoseStep, DosingMode, PrescribedDevice
from sunes_sdk.cda.documents.vital_signs import VitalSign, VitalSignKind
from sunes_sdk.cda.rules import RULES
from sunes_sdk.testing import sample_letters, sample_reports, samples

PDF_A = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
JPEG = b"\xff\xd8\xff\xe0jpeg"


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(7), clock=FixedClock(samples.WRITTEN))


def shared() -> dict[str, object]:
    physician = samples.physician().at(samples.hospital())
    return {
        "patient": samples.patient(),
        "author": physician,
        "custodian": samples.hospital(),
        "stay": samples.stay(responsible=physician),
        "recipients": (samples.general_practitioner().at(samples.hospital(name="Cabinet médical")),),
    }


def letter(**changes: object) -> CdaDocument:
    synthesis = Synthesis(
        entry_mode=EntryMode.EMERGENCY,
        exit_mode=ExitMode.HOME,
        medical_summary="Évolution favorable.",
        mdro_search=False,
        transfusion=False,
        blood_derivatives=False,
    )
    values: dict[str, object] = {
        "reason": "Pneumopathie",
        "synthesis": synthesis,
        "discharge_treatments": (Treatment(name="LEPONEX 100 mg", cis="62552920", posology="1 comprimé par jour"),),
        "exam_results": "Radiographie normale",
        "allergies": (Allergy(substance="Pénicilline"),),
        "pdf_copy": PDF_A,
    }
    return DischargeLetter(**shared() | values | changes).render(issuer())


def prescription() -> CdaDocument:
    line = PrescribedTreatment(
        name="PARACETAMOL 500 mg",
        cis="63107752",
        posology="1 comprimé 3 fois par jour",
        substitution_allowed=False,
        no_substitution_reason="Marge thérapeutique étroite",
    )
    return MedicationPrescription(
        **shared(),
        treatments=(line,),
        valid_until=samples.WRITTEN + timedelta(days=90),
        pdf_copy=PDF_A,
        barcode=JPEG,
        barcode_media_type="image/jpeg",
    ).render(issuer())


def full_prescription() -> CdaDocument:
    """Steps, a device, a flag, a number: of the version that needs a bar code."""
    step = DoseStep(
        condition="Glycémie > 2 g/L", dose=Quantity(value=4, unit="[IU]"), every=Quantity(value=1, unit="d")
    )
    line = PrescribedTreatment(
        name="INSULINE",
        posology="selon la glycémie",
        start=samples.ADMITTED.date(),
        end=samples.DISCHARGED.date(),
        mode=DosingMode.CONDITIONAL,
        steps=(step, step),
    )
    return MedicationPrescription(
        **shared(),
        treatments=(line,),
        devices=(PrescribedDevice(name="Lecteur de glycémie"),),
        valid_until=samples.WRITTEN + timedelta(days=90),
        version="2023.01",
        barcode=JPEG,
        barcode_media_type="image/jpeg",
        epu="01S2TBPZ2JCNZZYGHZ",
        flags={PrescriptionFlag.URGENT},
        vital_signs=(VitalSign(kind=VitalSignKind.WEIGHT, measure=Measure(value=55, unit="kg"), at=samples.ADMITTED),),
    ).render(issuer())


def report() -> CdaDocument:
    return OperativeReport(
        **shared(), body=PDF_A, act=ccam("HHFA001", "Appendicectomie"), performed_at=samples.ADMITTED
    ).render(issuer())


def file() -> CdaDocument:
    return UnstructuredDocument(
        **shared(),
        document_type="11488-4",
        title="Consultation",
        body="Évolution favorable".encode("cp1252"),
        media_type="text/plain",
    ).render(issuer())


def replacement() -> CdaDocument:
    first = letter()
    model = DischargeLetter(
        **shared(),
        reason="Pneumopathie",
        synthesis=Synthesis(
            entry_mode=EntryMode.PLANNED,
            exit_mode=ExitMode.HOME,
            medical_summary="x",
            mdro_search=True,
            transfusion=False,
            blood_derivatives=False,
        ),
        discharge_treatments=(),
    )
    other = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(8), clock=FixedClock(samples.WRITTEN))
    return model.revise(first).render(other)


def header() -> CdaDocument:
    """A letter whose header says everything."""
    return letter(**full_header())


def laboratory() -> CdaDocument:
    return sample_reports.laboratory_report().render(issuer())


def imaging() -> CdaDocument:
    return sample_reports.imaging_report().render(issuer())


def full_letter() -> CdaDocument:
    return sample_letters.discharge_letter().render(issuer())


def admission() -> CdaDocument:
    return sample_letters.admission_letter().render(issuer())


DOCUMENTS: dict[str, Callable[[], CdaDocument]] = {
    "letter": letter,
    "header": header,
    "prescription": prescription,
    "full_prescription": full_prescription,
    "report": report,
    "file": file,
    "replacement": replacement,
    "laboratory": laboratory,
    "imaging": imaging,
    "full_letter": full_letter,
    "admission": admission,
}


@pytest.fixture(scope="module")
def rendered() -> dict[str, bytes]:
    return {name: make().content for name, make in DOCUMENTS.items()}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_we_render_has_no_finding(name: str, rendered: dict[str, bytes]) -> None:
    assert not check(rendered[name]).findings, str(check(rendered[name]))


Mutation = tuple[str, str, str, str]
"""Rule, document, pattern, replacement (of the first match)."""

_OBS = r'<entry><observation classCode="OBS" moodCode="EVN">(?:(?!</entry>).)*?code="{}"(?:(?!</entry>).)*</entry>'

SNOMED = "2.16.840.1.113883.6.96"

MUTATIONS: list[Mutation] = [
    ("CDA_S01", "letter", r"(<setId [^>]*></setId>)(<versionNumber [^>]*></versionNumber>)", r"\2\1"),
    ("CDA_S02", "letter", 'classCode="OBS"', 'classCode="OBZ"'),
    ("CDA_S03", "letter", ' xsi:type="BL"', ""),
    ("CDA_S04", "letter", r'(<structuredBody>.*?<effectiveTime) value="[^"]*"', r"\1"),
    ("CDA_S05", "letter", r"<city>[^<]*", "<city>"),
    ("CDA_S06", "letter", r"(<intendedRecipient.*?)(<telecom [^>]*></telecom>)", r"\1\2\2"),
    ("CDA_S07", "letter", r"(<legalAuthenticator.*?)(<name>.*?</name>)", r"\1\2\2"),
    ("CDA_S08", "letter", r'(<confidentialityCode [^>]*?) displayName="[^"]*"', r"\1"),
    ("CDA_S09", "letter", r'(<value mediaType="application/pdf") representation="B64"', r"\1"),
    ("CDA_S10", "letter", r"(<encompassingEncounter>.*?)<code [^>]*>", r'\1<code nullFlavor="UNK">'),
    ("CDA_S11", "letter", r'(<templateId root="1.2.250.1.213.1.1.3.48"></templateId>)', r"\1\1"),
    ("CDA_T05", "prescription", '<templateId root="1.2.250.1.213.1.1.3.48.12"></templateId>', ""),
    ("CDA_T06", "letter", r'<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.7.1"></templateId>', ""),
    ("CDA_T01", "letter", '<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.13"></templateId>', ""),
    ("CDA_T02", "letter", r'(code="10183-2" codeSystem=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_T03", "letter", r"(<substanceAdministration .*?)<id [^>]*></id>", r"\1"),
    ("CDA_T04", "letter", r'(<substanceAdministration .*?statusCode code=")completed', r"\1active"),
    ("CDA_H02", "letter", 'realmCode code="FR"', 'realmCode code="US"'),
    ("CDA_H03", "letter", '<templateId root="1.2.250.1.213.1.1.1.1"></templateId>', ""),
    (
        "CDA_H04",
        "report",
        '<templateId root="1.3.6.1.4.1.19376.1.2.20"></templateId>',
        '<templateId root="1.2.3"></templateId>',
    ),
    ("CDA_H05", "letter", r"<setId [^>]*></setId>", ""),
    ("CDA_H06", "letter", 'code="11490-0" codeSystem', 'code="11490-9" codeSystem'),
    ("CDA_H07", "letter", r"<title>Lettre[^<]*", "<title>"),
    ("CDA_H08", "letter", r'<effectiveTime value="\d+\+0100"', '<effectiveTime value="20261315"'),
    ("CDA_H09", "letter", 'confidentialityCode code="N"', 'confidentialityCode code="X"'),
    ("CDA_H10", "letter", 'languageCode code="fr-FR"', 'languageCode code="fr"'),
    ("CDA_H11", "letter", 'versionNumber value="1"', 'versionNumber value="un"'),
    ("CDA_H12", "letter", "<recordTarget>.*</recordTarget>", ""),
    ("CDA_H13", "letter", r'(<id extension="\d+" root="1.2.250.1.213.9.1.1"></id>)', r"\1\1"),
    ("CDA_H14", "letter", r"<given>DOMINIQUE MARIE-LOUISE</given>", ""),
    ("CDA_H15", "letter", 'family qualifier="BR"', 'family qualifier="SP"'),
    ("CDA_H16", "letter", 'given qualifier="CL"', 'given qualifier="SP"'),
    ("CDA_H17", "letter", 'administrativeGenderCode code="F"', 'administrativeGenderCode code="X"'),
    ("CDA_H18", "letter", 'birthTime value="19790328"', 'birthTime value="19790231"'),
    ("CDA_H19", "letter", "<county>51215</county>", "<county>PARIS</county>"),
    ("CDA_H20", "letter", 'extension="279035121518989"', 'extension="279035121518988"'),
    ("CDA_H21", "letter", r"(<author>)<time [^>]*></time>", r"\1"),
    ("CDA_H22", "letter", 'code="G15_10/SM27"', 'code="G15_10/SM99"'),
    ("CDA_H23", "letter", "<given>Charles</given>", "<given>Charles</given><given>A</given>"),
    ("CDA_H24", "letter", "<prefix>M</prefix>", "<prefix>Mr</prefix>"),
    ("CDA_H25", "letter", r"(<assignedAuthor.*?)<addr nullFlavor=\"NAV\"></addr>", r"\1"),
    ("CDA_H26", "letter", r"(<representedCustodianOrganization>)<id [^>]*></id>", r"\1"),
    ("CDA_H27", "letter", '<signatureCode code="S"></signatureCode>', '<signatureCode code="X"></signatureCode>'),
    (
        "CDA_H28",
        "letter",
        "<documentationOf>",
        "<authenticator><assignedEntity></assignedEntity></authenticator><documentationOf>",
    ),
    ("CDA_H29", "letter", "<documentationOf>", '<participant typeCode="XX"></participant><documentationOf>'),
    ("CDA_H30", "letter", r"(<author>)", r'\1<functionCode code="NONE" codeSystem="1.2.3"></functionCode>'),
    ("CDA_H31", "letter", "<documentationOf>", "<inFulfillmentOf><order></order></inFulfillmentOf><documentationOf>"),
    ("CDA_H32", "letter", r"(<serviceEvent>.*?<effectiveTime>)<low [^>]*></low>", r"\1"),
    ("CDA_H33", "letter", 'standardIndustryClassCode code="ETABLISSEMENT"', 'standardIndustryClassCode code="NONE"'),
    ("CDA_H34", "replacement", r"<parentDocument><id [^>]*></id>", "<parentDocument>"),
    ("CDA_H35", "letter", '(healthCareFacility><code code=)"SA01"', r'\1"SA11"'),
    ("CDA_H36", "letter", r'(<encompassingEncounter>.*?<high value=")20260115', r"\g<1>20260109"),
    ("CDA_H37", "letter", r"(<responsibleParty><assignedEntity>)<id [^>]*></id>", r"\1"),
    ("CDA_H38", "letter", r'value="tel:\+33144534551"', 'value="tel:01 44 53 45 51"'),
    ("CDA_H39", "letter", r'<addr use="H">', '<addr use="H">x'),
    ("CDA_H40", "report", 'mediaType="application/pdf"', 'mediaType="application/msword"'),
    ("CDA_H41", "letter", r'<low value="20260110090000\+0100"></low>', '<low value="20260110090000"></low>'),
    ("CDA_H42", "letter", r'<id (root="1\.2\.250\.1\.213\.9\.2\.1\.\d+")', r'<id extension="1" \1'),
    ("CDA_H43", "letter", '<addr nullFlavor="NAV"></addr>', '<addr nullFlavor="NAV" use="H"></addr>'),
    ("CDA_H44", "header", r'<low value="20260110090000\+0100"></low>', '<low value="20260231"></low>'),
    ("CDA_H45", "header", r"<assignedAuthor .*?</assignedAuthor>", r'<assignedAuthor nullFlavor="UNK"/>'),
    ("CDA_H46", "letter", r"<title>Lettre", "<title>" + "x" * 128 + "Lettre"),
    ("CDA_H47", "letter", r'<effectiveTime value="\d+\+0100"', '<effectiveTime value="20260115"'),
    ("CDA_H48", "letter", 'confidentialityCode code="N"', 'confidentialityCode code="U"'),
    ("CDA_H49", "letter", 'versionNumber value="1"', 'versionNumber value="0"'),
    ("CDA_H50", "letter", r'(<assignedAuthor [^>]*><id extension="8)\d+"', r'\g<1>12"'),
    ("CDA_H51", "letter", r"(<legalAuthenticator>.*?)<code [^>]*></code>", r"\1"),
    ("CDA_H52", "letter", r'(<representedCustodianOrganization><id extension=")1', r"\g<1>9"),
    ("CDA_H53", "header", 'relatedDocument typeCode="XFRM"', 'relatedDocument typeCode="APND"'),
    ("CDA_H74", "letter", r"(<serviceEvent>.*?<effectiveTime>)<low [^>]*></low>", r"\1"),
    ("CDA_H54", "letter", r'(<serviceEvent>.*?<high value=")2026', r"\g<1>2020"),
    ("CDA_H55", "letter", r'(healthCareFacility><code code="SA01" codeSystem=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H75", "header", r'(<translation code=")355', r"\g<1>356"),
    ("CDA_H56", "letter", r'<addr use="H">', '<addr use="H"><streetAddressLine>x</streetAddressLine>'),
    ("CDA_H57", "letter", '<addr nullFlavor="NAV"></addr>', '<addr nullFlavor="NI"></addr>'),
    ("CDA_H58", "letter", r'(<assignedAuthor .*?displayName=")', r"\1Faux "),
    ("CDA_H59", "letter", 'root="1.2.250.1.213.1.4.10"', 'root="1.2.250.1.213.1.4.8"'),
    ("CDA_H60", "header", r'(POSTE-12"[^>]*></id>)<code [^>]*></code>', r"\1"),
    ("CDA_H61", "header", 'relatedEntity classCode="NOK"', 'relatedEntity classCode="GUARD"'),
    ("CDA_H62", "header", 'encounterParticipant typeCode="ADM"', 'encounterParticipant typeCode="PRF"'),
    ("CDA_H63", "header", r'(dischargeDispositionCode code="[^"]*" codeSystem=")[^"]*', r"\g<1>1.2.3"),
    ("CDA_H64", "header", r"(<consent .*?)<statusCode [^>]*></statusCode>", r"\1"),
    ("CDA_H65", "letter", r"(<birthTime [^>]*></birthTime>)", r'\1<raceCode code="x"></raceCode>'),
    ("CDA_H67", "letter", 'performer typeCode="PRF"', 'performer typeCode="SPRF"'),
    ("CDA_H68", "letter", "<given>DOMINIQUE MARIE-LOUISE</given>", '<given nullFlavor="UNK"></given>'),
    ("CDA_H69", "header", r'<telecom use="DIR" value="[^"]*">', '<telecom nullFlavor="UNK">'),
    (
        "CDA_H70",
        "letter",
        r"(<legalAuthenticator>.*?<representedOrganization>.*?)(</representedOrganization>)",
        r'\1<standardIndustryClassCode code="X" codeSystem="1.2.3" displayName="x"></standardIndustryClassCode>\2',
    ),
    ("CDA_H71", "letter", r'(<encompassingEncounter>.*?<code code=")IMP', r"\1XXX"),
    ("CDA_H72", "header", "<guardianPerson><name>", "<guardianPerson><name><prefix>M</prefix><prefix>MME</prefix>"),
    ("CDA_H73", "imaging", "<qualifier><name [^>]*></name></qualifier>", "<qualifier></qualifier>"),
    ("CDA_H66", "header", r"<guardianPerson>.*?</guardianPerson>", ""),
    ("CDA_PDF_UNREADABLE", "report", r'(B64">)[^<]*', r"\1JVBERi0xLjQK"),
    ("CDA_PDF_NOT_PDFA", "report", r'(B64">)[^<]*', r"\1JVBERi0xLjQKc3RhcnR4cmVmCjAKJSVFT0YK"),
    (
        "CDA_PDF_ACTIVE",
        "report",
        r'(B64">)[^<]*',
        r"\1JVBERi0xLjQKL0phdmFTY3JpcHQgKHgpCnN0YXJ0eHJlZgowCiUlRU9GCg==",
    ),
    ("CDA_MEDIA_BASE64", "prescription", r'(image/jpeg" representation="B64">)[^<]*', r"\1*not base64*"),
    ("CDA_REF_DANGLING", "letter", r'<reference value="#t1"></reference>', '<reference value="t1"></reference>'),
    ("CDA_ID_DUPLICATE", "letter", 'ID="t2"', 'ID="t1"'),
    ("CDA_ENTRY_ID_DUPLICATE", "letter", r"", ""),  # written below
    ("CDA_PDF_COPY", "prescription", "<title>Copie du document</title>", "<title>Copie</title>"),
    ("CDA_L00", "letter", 'root="1.2.250.1.213.1.1.1.29"', 'root="1.2.250.1.213.1.1.1.28"'),
    ("CDA_L01", "letter", 'code="11490-0" codeSystem', 'code="11488-4" codeSystem'),
    ("CDA_L02", "letter", '<templateId root="1.3.6.1.4.1.19376.1.5.3.1.3.1"></templateId>', ""),
    ("CDA_L03", "letter", 'code="183452005"', 'code="160849004"'),
    ("CDA_L04", "letter", 'code="MED-142"', 'code="MED-999"'),
    ("CDA_L05", "letter", r"(Traitements à la sortie</title>.*?)<entry>.*?</entry>", r"\1"),
    ("CDA_L06", "letter", r"(Radiographie normale</text>)", r"\1<entry><act></act></entry>"),
    ("CDA_L08", "letter", '<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.5.3"></templateId>', ""),
    ("CDA_L09", "letter", _OBS.format("MED-145"), ""),
    ("CDA_L10", "letter", 'code="160849004"', 'code="183452005"'),
    ("CDA_L11", "letter", 'code="9571008"', 'code="9571009"'),
    ("CDA_L12", "letter", '(<serviceEvent><code code=)"IMP"', r'\1"AMB"'),
    ("CDA_L13", "letter", "<title>Lettre de liaison à la sortie", "<title>Lettre de sortie"),
    ("CDA_L14", "letter", r'(code="MED-145".*?<value )value="false" xsi:type="BL"', r'\1xsi:type="ST"'),
    ("CDA_L15", "letter", f"({_OBS.format('MED-147')})", r"\1\1"),
    ("CDA_L16", "letter", r"(<component><section>(?:(?!</section>).)*Motif.*?</component>)", r"\1\1"),
    ("CDA_L17", "full_letter", 'moodCode="GOL"', 'moodCode="RQO"'),
    ("CDA_L18", "full_letter", r"(<title>Dispositifs médicaux</title>.*?</text>).*?(</section>)", r"\1\2"),
    ("CDA_C01", "full_letter", 'code="414285001"', 'code="414285009"'),
    ("CDA_C02", "full_letter", r'<participant typeCode="CSM">.*?</participant>', ""),
    ("CDA_C03", "full_letter", r'(<value code=)"6736007"', r'\1"6736009"'),
    ("CDA_C04", "full_letter", r'(code nullFlavor="NA"></code><statusCode code=)"active"', r'\1"completed"'),
    ("CDA_C05", "admission", 'code="282291009"', 'code="282291000"'),
    ("CDA_C06", "full_letter", 'classCode="PROC" moodCode="INT"', 'classCode="PROC" moodCode="EVN"'),
    ("CDA_C07", "full_letter", 'priorityCode code="UR"', 'priorityCode code="XX"'),
    ("CDA_C08", "full_letter", r'(t\d+"></reference></text>)<priorityCode [^>]*></priorityCode>', r"\1"),
    ("CDA_C09", "full_letter", 'participant typeCode="DEV"', 'participant typeCode="CSM"'),
    ("CDA_C10", "full_letter", r'(<value code=)"active"', r'\1"on"'),
    ("CDA_C11", "full_letter", r"(<playingDevice[^>]*>)<code.*?</code>", r"\1"),
    ("CDA_C12", "letter", r'(root="(\S*4)\.7\.1"></templateId>)', r'\1<templateId root="\2.8"></templateId>'),
    ("CDA_C13", "letter", 'code="62552920"', 'code="6255292"'),
    (
        "CDA_C15",
        "letter",
        r'(codeSystem="1.2.250.1.213.2.3.1"[^>]*>)<originalText>.*?</originalText>',
        r"\1",
    ),
    ("CDA_C14", "full_letter", 'code="L50.0"', 'code="Urticaire"'),
    ("CDA_A00", "admission", 'root="1.2.250.1.213.1.1.1.21"', 'root="1.2.250.1.213.1.1.1.22"'),
    ("CDA_A01", "admission", '(<serviceEvent><code code=)"IMP"', r'\1"AMB"'),
    ("CDA_A02", "admission", '<templateId root="1.3.6.1.4.1.19376.1.4.1.2.16"></templateId>', ""),
    ("CDA_A03", "admission", r"(<title>Traitements à l'admission</title>.*?)<entry>.*?</entry>", r"\1"),
    ("CDA_A04", "admission", "<title>Lettre de liaison à l'entrée", "<title>Lettre d'entrée"),
    ("CDA_A05", "admission", r"(<component><section>(?:(?!</section>).)*Autres informations.*?</component>)", r"\1\1"),
    ("CDA_A06", "admission", r"(<title>Antécédents chirurgicaux</title>.*?</text>).*?(</section>)", r"\1\2"),
    ("CDA_E01", "prescription", '<templateId root="1.3.6.1.4.1.19376.1.9.1.1.1"></templateId>', ""),
    ("CDA_E02", "prescription", r"(<patientRole.*?)<telecom [^>]*></telecom>", r"\1"),
    ("CDA_E03", "prescription", r"(<serviceEvent>.*?<low [^>]*></low>)<high [^>]*></high>", r"\1"),
    ("CDA_E05", "prescription", '<templateId root="1.2.250.1.213.1.1.2.223"></templateId>', ""),
    ("CDA_E06", "prescription", '<templateId root="1.2.250.1.213.1.1.2.243"></templateId>', ""),
    ("CDA_E07", "prescription", '<templateId root="1.2.250.1.213.1.1.2.171"></templateId>', ""),
    ("CDA_E08", "prescription", 'code="MED-574"', 'code="MED-575"'),
    ("CDA_E09", "prescription", r'(substitution permise"[^>]*>)<originalText>.*?</originalText>', r"\1"),
    ("CDA_E10", "prescription", 'classCode="SBADM" moodCode="INT"', 'classCode="SBADM" moodCode="EVN"'),
    ("CDA_E11", "prescription", r"(<representedOrganization>)<id [^>]*></id>", r"\1"),
    ("CDA_E00", "prescription", 'root="1.2.250.1.213.1.1.1.39"', 'root="1.2.250.1.213.1.1.1.38"'),
    ("CDA_E12", "full_prescription", '<templateId root="1.2.250.1.213.1.1.2.223"></templateId>', ""),
    ("CDA_E13", "full_prescription", r'(<supply [^>]*"INT">.*?)code="GEN-295"', r'\1code="GEN-296"'),
    (
        "CDA_E21",
        "full_prescription",
        r'(<substanceAdministration [^>]*moodCode="INT">)(.*?<low [^>]*></low>)<high [^>]*></high>',
        r'\1<templateId root="1.3.6.1.4.1.19376.1.5.3.1.4.21"></templateId>\2<high nullFlavor="UNK"></high>',
    ),
    ("CDA_E20", "full_prescription", 'root="1.2.250.1.213.1.1.3.48.34"', 'root="1.2.3.4"'),
    ("CDA_E14", "full_prescription", 'root="1.2.250.1.215.500.1.1"', 'root="1.2.250.1.215.500.1.2"'),
    ("CDA_E15", "full_prescription", '<sequenceNumber value="2">', '<sequenceNumber value="1">'),
    ("CDA_E16", "full_prescription", r'<high unit="\[IU\]" value="4">', '<high unit="[IU]" value="3">'),
    ("CDA_E17", "full_prescription", r'<low value="20260110"></low>', '<low value="20260210"></low>'),
    ("CDA_E19", "full_prescription", 'unit="kg" value="55"', 'unit="mg" value="55"'),
    ("CDA_N01", "file", r'(B64">)[^<]*', r"\1UEsDBA=="),
    (
        "CDA_N02",
        "report",
        r'(B64">)[^<]*',
        r"\g<1>JVBERi0xLjQKPHggcGRmYWlkOnBhcnQ9JzEnLz4KPDwvVHlwZS9PYmpTdG0+"
        r"PgpzdGFydHhyZWYKMAolJUVPRgo=",
    ),
    ("CDA_N03", "report", 'codeSystem="1.2.250.1.215.300.1"', 'codeSystem="1.2.250.1.213.2.5"'),
    ("CDA_E18", "full_prescription", 'code="MED-1095"', 'code="MED-1"'),
    ("CDA_UNIT", "laboratory", r'unit="m\[IU\]/L"', 'unit="mUI/L"'),
    ("CDA_B00", "laboratory", 'root="1.2.250.1.213.1.1.1.55"', 'root="1.2.250.1.213.1.1.1.56"'),
    ("CDA_B01", "laboratory", "<title>Compte rendu d'examens biologiques", "<title>Compte rendu de biologie"),
    ("CDA_B05", "laboratory", r'(<performer typeCode="PRF">.*?)<time>.*?</time>', r"\1"),
    ("CDA_B06", "laboratory", "<responsibleParty>.*</responsibleParty>", ""),
    ("CDA_B07", "laboratory", r'<templateId root="1.3.6.1.4.1.19376.1.4.1.2.16"></templateId>', ""),
    ("CDA_B08", "laboratory", '<templateId root="1.2.250.1.213.1.1.2.243"></templateId>', ""),
    ("CDA_B09", "laboratory", r"(19376\.1\.3\.3\.2\.1\"></templateId>.*?</title>)(<component>)", r"\1<text>x</text>\2"),
    ("CDA_B12", "laboratory", r"(19376\.1\.3\.1\.6\"></templateId>.*?)<originalText>.*?</originalText>", r"\1"),
    ("CDA_B13", "laboratory", r'classCode="SPEC"', 'classCode="PAT"'),
    ("CDA_B02", "laboratory", r'<telecom use="H" value="[^"]*">', '<telecom nullFlavor="NAV">'),
    ("CDA_B03", "laboratory", r'<templateId root="1.3.6.1.4.1.19376.1.3.3.1.5"></templateId>(<time value)', r"\1"),
    ("CDA_B14", "laboratory", 'classCode="BATTERY"', 'classCode="CLUSTER"'),
    ("CDA_B15", "laboratory", 'classCode="MIC"', 'classCode="ENT"'),
    ("CDA_B16", "laboratory", 'code="48767-8"', 'code="48767-9"'),
    ("CDA_B19", "laboratory", r'(<component><observation.*?<code code="[^"]*" codeSystem=)"[^"]*"', r'\1"1.2.3"'),
    ("CDA_B20", "laboratory", 'interpretationCode code="N"', 'interpretationCode code="ZZ"'),
    ("CDA_B21", "laboratory", r'(typeCode="REFR"><observation.*?)<effectiveTime [^>]*></effectiveTime>', r"\1"),
    ("CDA_B22", "laboratory", 'code="SPRECEIVE" codeSystem="1.3.5', 'code="SPRECEIVE" codeSystem="1.3.6'),
    (
        "CDA_B23",
        "laboratory",
        r'(<performer typeCode="PRF"><templateId [^>]*></templateId>)<time><high value="2026011411[^>]*><[^>]*></time>',
        r"\1",
    ),
    ("CDA_B24", "laboratory", r'<code code="101792-0"[^>]*></code>', ""),
    ("CDA_B25", "laboratory", r'(3\.2\.1"></templateId>.*?<code code="18719-5" codeSystem=)"[^"]*"', r'\1"1.2.3"'),
    ("CDA_B27", "laboratory", 'moodCode="EVN" negationInd="true"', 'moodCode="EVN"'),
    ("CDA_B26", "laboratory", 'extension="2024.01"', 'extension="2099.01"'),
    ("CDA_B17", "laboratory", r'<value unit="[^"]*"( value="[^"]*" xsi:type="PQ")', r"<value\1"),
    ("CDA_B18", "laboratory", r'(<act classCode="ACT" moodCode="EVN"><code .*?)<statusCode [^>]*></statusCode>', r"\1"),
    ("CDA_I00", "imaging", 'root="1.2.250.1.213.1.1.1.45"', 'root="1.2.250.1.213.1.1.1.46"'),
    ("CDA_I01", "imaging", '<templateId root="1.2.840.10008.9.20"></templateId>', ""),
    ("CDA_I02", "imaging", r"<ps3-20:accessionNumber [^>]*></ps3-20:accessionNumber>", ""),
    ("CDA_I03", "imaging", 'name code="121139"', 'name code="121138"'),
    ("CDA_I04", "imaging", r'name code="39111-0"(.*?)name code="39111-0"', r'name code="1"\1name code="1"'),
    ("CDA_I05", "imaging", r'(<serviceEvent><id root="[^"]*")', r'\1 extension="1"'),
    ("CDA_I06", "imaging", '<templateId root="1.2.250.1.213.1.1.2.217"></templateId>', ""),
    ("CDA_I07", "imaging", '<templateId root="1.2.250.1.213.1.1.2.209"></templateId>', ""),
    ("CDA_I08", "imaging", 'targetSiteCode code="302548004"', 'targetSiteCode code="1"'),
    ("CDA_I10", "imaging", r"(<serviceEvent>.*?<representedOrganization>)<id [^>]*></id>", r"\1"),
    ("CDA_I11", "imaging", '(<serviceEvent>.*?<code code="24727-0" codeSystem=)"[^"]*"', r'\1"1.2.3"'),
    ("CDA_I12", "imaging", '<code code="59776-5"', '<code code="59776-6"'),
    ("CDA_I13", "imaging", r"(<component><section>(?:(?!</section>).)*59776-5.*?</section></component>)", r"\1\1"),
    ("CDA_I14", "imaging", '<code code="47519-4"', '<code code="47519-5"'),
    ("CDA_I15", "imaging", 'value code="MED-1109"', 'value code="MED-9999"'),
    ("CDA_I16", "imaging", r"(Addendum</title>.*?)<assignedPerson>.*?</assignedPerson>", r"\1"),
    ("CDA_I17", "imaging", '<value code="60001007"', '<value code="60001008"'),
    ("CDA_I18", "imaging", '<code code="113813"', '<code code="113814"'),
    ("CDA_I19", "imaging", '<targetSiteCode nullFlavor="NA"></targetSiteCode>', ""),
    ("CDA_I20", "imaging", '<code code="113014"', '<code code="113016"'),
    ("CDA_I21", "imaging", r'(<code code="113015".*?<value code=)"CT"', r'\1"XX"'),
    ("CDA_I22", "imaging", 'mediaType="application/dicom"', 'mediaType="image/jpeg"'),
    ("CDA_I23", "imaging", '<code code="440252007"', '<code code="440252008"'),
    ("CDA_I24", "imaging", '<name code="106233006"', '<name code="106233007"'),
    ("CDA_I25", "imaging", '<code code="99622-3"', '<code code="99622-4"'),
    ("CDA_I26", "imaging", 'value code="MED-1109" codeSystem="[^"]*"', f'value code="77386006" codeSystem="{SNOMED}"'),
    (
        "CDA_I09",
        "imaging",
        r'(10008\.9\.17"></templateId>.*?)(<entryRelationship typeCode="COMP"><observation.*?</entryRelationship>)',
        r"\1\2\2",
    ),
]


def mutate(document: bytes, mutation: Mutation) -> bytes:
    code, _, pattern, replacement = mutation
    text = document.decode()
    if code == "CDA_ENTRY_ID_DUPLICATE":
        ids = re.findall(r'<id root="([0-9a-f-]{36})"></id><code code="(?:ORG|MED)-', text)
        return text.replace(ids[0], ids[1]).encode()
    mutated, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
    assert count == 1, f"{code}: the pattern is not in the document"
    return mutated.encode()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[m[0] for m in MUTATIONS])
def test_each_rule_refuses_its_mutation(mutation: Mutation, rendered: dict[str, bytes]) -> None:
    code, document, *_ = mutation
    findings = [f for f in check(mutate(rendered[document], mutation)) if f.code == code]
    assert findings
    for finding in findings:
        assert finding.path
        assert finding.rule
        assert finding.source
        assert finding.hint


def test_every_rule_has_its_mutation_and_one_code() -> None:
    codes = [r.code for r in RULES]
    assert len(codes) == len(set(codes))
    assert {m[0] for m in MUTATIONS} == set(codes)


def test_findings_hold_no_personal_datum(rendered: dict[str, bytes]) -> None:
    for mutation in MUTATIONS:
        said = str(check(mutate(rendered[mutation[1]], mutation)))
        for datum in ("PAT-TROIS", "DOMINIQUE", "27903512151898", "DUPONT", "DAVID"):
            assert datum not in said, mutation[0]


def test_bytes_that_are_not_cda_give_one_finding() -> None:
    assert [f.code for f in check(b"<html></html>")] == ["CDA_NOT_CDA"]
    assert [f.code for f in check(b"<a>")] == ["XML_MALFORMED"]
    assert [f.code for f in check(b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')] == ["XML_DTD"]


def test_a_document_checks_itself() -> None:
    document = letter()
    assert document.check() == check(document)
    document.check().raise_for_errors()


def test_a_warning_is_not_an_error() -> None:
    report_ = check(letter(pdf_copy=PDF_A.replace(b"pdfaid:part='1'", b"pdfaid:part='3'")))
    assert report_.ok
    assert [f.severity for f in report_] == [Severity.WARNING]


def test_times_of_another_zone_are_kept_apart_from_errors() -> None:
    assert check(letter(written_at=datetime(2026, 7, 1, 12, tzinfo=UTC))).ok


def test_a_relaxed_check_warns_of_what_the_official_validator_lets_pass(rendered: dict[str, bytes]) -> None:
    silent = {r.code for r in RULES if r.kit_is_silent}
    for mutation in MUTATIONS:
        if not mutation[0].startswith("CDA_H"):
            continue
        mutated = mutate(rendered[mutation[1]], mutation)
        strict, relaxed = check(mutated), check(mutated, relaxed=True)
        assert [f.code for f in strict] == [f.code for f in relaxed]
        for finding, softened in zip(strict, relaxed, strict=True):
            expected = Severity.WARNING if finding.code in silent else finding.severity
            assert softened.severity is expected, finding.code
