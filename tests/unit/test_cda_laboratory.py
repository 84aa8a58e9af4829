"""Laboratory report: what it says, and every refusal with its code, place and fix."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError, ModelError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import Issuer, check, read_header
from sunes_sdk.cda.datatypes import TA_ASIP
from sunes_sdk.cda.documents.attachments import AttachedPdf, Picture
from sunes_sdk.cda.documents.clinical import Problem
from sunes_sdk.cda.documents.laboratory_content import (
    AWAITING_LOINC,
    BIOCHEMISTRY,
    Antibiogram,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    PreviousResult,
    ReferenceRange,
    Specimen,
    SubChapter,
    Validation,
)
from sunes_sdk.cda.documents.laboratory_context import ExaminationReason, Vaccination
from sunes_sdk.cda.documents.measures import Interval, Measure
from sunes_sdk.cda.documents.treatments import Medicine
from sunes_sdk.cda.header import II
from sunes_sdk.model import Actor, Code, Identifier
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

NS = {"c": "urn:hl7-org:v3", "lab": "urn:oid:1.3.6.1.4.1.19376.1.3.2"}
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
LOCAL = Code(code="X1", system=AWAITING_LOINC, display="Examen local")
MG = Measure(value=Decimal("1.0"), unit="mg/L")


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


@pytest.fixture(scope="module")
def full() -> etree._Element:
    return parse(reports.laboratory_report().render(issuer()).content)


def texts(root: etree._Element, path: str) -> list[str]:
    return [str(found) for found in root.xpath(path, namespaces=NS)]


def test_the_header_names_the_laboratory_and_its_people(full: etree._Element) -> None:
    event = "/c:ClinicalDocument/c:documentationOf[1]/c:serviceEvent"
    assert texts(full, f"{event}/c:code/@code") == ["18719-5"]
    assert texts(full, "/c:ClinicalDocument/c:documentationOf/c:serviceEvent/c:code/@code") == [
        "18719-5", "18723-7", "18718-7", "18725-2",
    ]  # fmt: skip
    assert texts(full, f"{event}/lab:statusCode/@code") == ["completed"]
    assert texts(full, f"{event}/c:effectiveTime/c:low/@value") == ["20260114081500+0100"]
    assert texts(full, f"{event}/c:performer/c:time/c:high/@value") == ["20260114153500+0100"]
    assert texts(full, "//c:healthCareFacility/c:code/@code") == ["SA25"]
    assert texts(full, "//c:responsibleParty//c:family/text()") == ["CAMPARINI"]
    assert texts(full, "/c:ClinicalDocument/c:inFulfillmentOf/c:order/c:id/@extension") == ["2026123456"]
    assert texts(full, "/c:ClinicalDocument/c:participant/@typeCode") == ["REF", "PRF", "INF"]
    assert texts(full, "/c:ClinicalDocument/c:participant/c:functionCode/@code") == ["PRELV", "PCP"]
    # A validation that several chapters share, by the same person at the same time, is written once.
    assert texts(full, "/c:ClinicalDocument/c:authenticator/c:templateId/@root") == ["1.3.6.1.4.1.19376.1.3.3.1.5"] * 2


def test_the_header_reads_back_as_it_was_given() -> None:
    document = reports.laboratory_report().render(issuer())
    header = read_header(document.content)
    assert header == document.header
    assert header.orders[0].id == II(reports.REQUEST_ROOT, "2026123456")
    assert document.format_code.code == "urn:ihe:lab:xd-lab:2008"
    assert document.cda_level == 3


def test_a_result_says_the_same_in_entry_and_narrative(full: etree._Element) -> None:
    (tsh,) = full.xpath("//c:observation[c:code/@code='3016-3' and c:interpretationCode]", namespaces=NS)
    value = tsh.find("c:value", NS)
    assert (value.get("value"), value.get("unit")) == ("1.950", "m[IU]/L")
    place = tsh.find("c:code/c:originalText/c:reference", NS).get("value")[1:]
    (row,) = full.xpath(f"//c:tr[@ID='{place}']", namespaces=NS)
    assert ["".join(cell.itertext()) for cell in row] == [
        "Thyréostimuline (TSH)(ECL Modular)", "1,950 mUI/L", "0,270 - 4,200 mUI/L", "Normal", "2,1 mUI/L (16/10/2025)",
    ]  # fmt: skip
    assert texts(tsh, "c:referenceRange//c:low/@value") == ["0.270"]
    assert texts(tsh, "c:entryRelationship[@typeCode='REFR']/c:observation/c:value/@value") == ["2.1"]


def test_every_value_type_is_written_as_such(full: etree._Element) -> None:
    below = full.xpath("//c:observation[c:code/c:translation/@code='CRP-US']/c:value", namespaces=NS)[0]
    assert below.get(XSI_TYPE) == "IVL_PQ"
    assert texts(below, "c:high/@value") == ["0.6"]
    assert texts(below, "c:high/@inclusive") == ["false"]
    text = full.xpath("//c:observation[c:code/@code='5767-9']/c:value", namespaces=NS)[0]
    assert (text.get(XSI_TYPE), text.text) == ("ST", "clair")
    aborted = full.xpath("//c:observation[c:code/@code='17849-1']", namespaces=NS)[0]
    assert aborted.find("c:value", NS) is None
    assert texts(aborted, "c:statusCode/@code") == ["aborted"]
    coded = reports.tsh(value=Code(code="260385009", system="2.16.840.1.113883.6.96", display="négatif"))
    report = reports.minimal_laboratory_report(chapters=(Chapter(code=BIOCHEMISTRY, results=(coded,)),))
    root = parse(report.render(issuer()).content)
    assert texts(root, "//c:observation/c:value[@code='260385009']/@displayName") == ["négatif"]
    assert "négatif" in texts(root, "//c:td/text()")


def test_microbiology_holds_its_isolate_specimen_and_validation(full: etree._Element) -> None:
    act = full.xpath("//c:act[c:code/@code='18725-2']", namespaces=NS)[0]
    assert texts(act, "c:participant[@typeCode='AUTHEN']//c:family/text()") == ["CAMPARINI"]
    assert texts(act, ".//c:procedure//c:playingEntity/c:code/@displayName") == ["Urine"]
    assert texts(act, ".//c:act[c:code/@code='SPRECEIVE']/c:effectiveTime/@value") == ["20260114081500+0100"]
    assert texts(act, ".//c:organizer[@classCode='CLUSTER']//c:specimenPlayingEntity/c:code/@code") == ["112283007"]
    assert texts(act, ".//c:organizer[@classCode='BATTERY']//c:interpretationCode/@code") == ["R", "I", "S"]
    shown = "".join(full.xpath("//c:section[c:code/@code='18725-2']/c:text", namespaces=NS)[0].itertext())
    assert "Isolat : Escherichia coli" in shown
    assert "≥ 0,512 µg/mL" in shown
    assert "Résultats validés par Marcel CAMPARINI le 14/01/2026 à 15:35" in shown


def test_sub_chapters_keep_their_own_results_and_the_chapter_has_no_text(full: etree._Element) -> None:
    chapter = full.xpath("//c:structuredBody/c:component[2]/c:section", namespaces=NS)[0]
    assert chapter.find("c:text", NS) is None
    assert texts(chapter, "c:component/c:section/c:title/text()") == ["Bilan thyroïdien", "Inflammation"]
    assert texts(chapter, "c:component/c:section/c:entry/@typeCode") == ["DRIV", "DRIV"]


def test_results_to_come_make_the_report_partial() -> None:
    chapter = Chapter(code=BIOCHEMISTRY, results=(reports.tsh(),), status="active")
    root = parse(reports.minimal_laboratory_report(chapters=(chapter,)).render(issuer()).content)
    assert texts(root, "//lab:statusCode/@code") == ["active"]
    assert not reports.minimal_laboratory_report().is_partial
    inner = SubChapter(code=BIOCHEMISTRY, results=(reports.tsh(),), status="active")
    nested = Chapter(code=BIOCHEMISTRY, sub_chapters=(inner,))
    assert reports.minimal_laboratory_report(chapters=(nested,)).is_partial


def test_the_same_report_gives_the_same_bytes_and_a_revision_replaces() -> None:
    report = reports.laboratory_report()
    first = report.render(issuer())
    assert report.render(issuer()).content == first.content
    second = report.revise(first, comment="Corrigé.").render(issuer(2))
    assert (second.set_id, second.version_number, second.replaces) == (first.set_id, 2, first.unique_id)
    assert second.unique_id != first.unique_id


def test_what_was_measured_does_not_show_in_repr() -> None:
    text = repr(reports.laboratory_report())
    for secret in ("1.950", "Escherichia", "À contrôler", "téléphone", "%PDF"):
        assert secret not in text
    assert "1.950" not in repr(reports.tsh())


def test_a_laboratory_that_did_the_work_for_another_is_named(full: etree._Element) -> None:
    chapter = full.xpath("//c:section[c:title='Électrophorèse des protéines']", namespaces=NS)[0]
    names = texts(chapter, ".//c:performer/c:assignedEntity/c:representedOrganization/c:name/text()")
    assert names == ["Laboratoire des Charmes"] * 3  # of the act, of a result, of a battery
    assert texts(chapter, "c:entry/c:act/c:participant//c:family/text()") == ["CAMPARINI", "DE SANTS"]
    (proteins,) = chapter.xpath(".//c:observation[c:code/@code='2885-2']", namespaces=NS)
    assert texts(proteins, "c:participant[@typeCode='AUTHEN']//c:family/text()") == ["DE SANTS"]
    shown = "".join(chapter.find("c:text", NS).itertext())
    assert "Examens réalisés par Laboratoire des Charmes le 14/01/2026 à 11:35" in shown
    assert "Protéines totales : Résultats validés par Jean DE SANTS le 14/01/2026 à 11:35" in shown
    # The header names both biologists, each with the time of his validation.
    assert texts(full, "/c:ClinicalDocument/c:authenticator//c:assignedPerson//c:family/text()") == [
        "CAMPARINI", "DE SANTS",
    ]  # fmt: skip


def test_the_header_has_the_last_validation_of_each_biologist() -> None:
    def by(biologist: Actor, hours: int) -> tuple[Validation, ...]:
        return (Validation(biologist=biologist, at=reports.RELEASED + timedelta(hours=hours)),)

    one, other = reports.biologist(), reports.reference_biologist()
    battery = Battery(title="x", results=(reports.tsh(validations=by(one, 3)),), validations=by(other, 1))
    isolate = Isolate(
        organism="x", identified_at=reports.OBSERVED, items=(reports.tsh(validations=by(other, 2)),),
        validations=by(one, 1),
    )  # fmt: skip
    inner = SubChapter(code=BIOCHEMISTRY, results=(battery, isolate), validations=by(one, 2))
    report = reports.minimal_laboratory_report(chapters=(Chapter(code=BIOCHEMISTRY, sub_chapters=(inner,)),))
    root = parse(report.render(issuer()).content)
    assert texts(root, "/c:ClinicalDocument/c:authenticator/c:time/@value") == [
        "20260114183500+0100", "20260114173500+0100",
    ]  # fmt: skip
    assert texts(root, "/c:ClinicalDocument/c:authenticator//c:assignedPerson//c:family/text()") == [
        "CAMPARINI", "DE SANTS",
    ]  # fmt: skip


def test_a_range_holds_for_one_sex_or_is_only_a_text(full: etree._Element) -> None:
    (bounded,) = full.xpath("//c:observation[c:code/@code='2885-2']/c:referenceRange", namespaces=NS)
    assert texts(bounded, ".//lab:precondition/lab:criterion/lab:value/@value") == ["F"]
    assert "64 - 83 g/L(femme)" in ["".join(cell.itertext()) for cell in full.iter("{urn:hl7-org:v3}td")]
    (text,) = full.xpath("//c:observation[c:code/c:translation/@code='IMMUNO']/c:referenceRange", namespaces=NS)
    assert texts(text, ".//c:observationRange/c:text/text()") == ["Absence"]
    assert text.find(".//c:value", NS) is None
    assert texts(text, ".//c:interpretationCode/@code") == ["N"]


def test_a_picture_is_shown_under_its_caption(full: etree._Element) -> None:
    (media,) = full.xpath("//c:act/c:entryRelationship/c:observationMedia", namespaces=NS)
    assert texts(media, "c:value/@mediaType") == ["image/jpeg"]
    assert texts(full, "//c:renderMultiMedia/@referencedObject").count(media.get("ID")) == 1
    assert b64decode(texts(media, "c:value/text()")[0]) == reports.JPEG


def test_an_antibiogram_gives_each_susceptibility(full: etree._Element) -> None:
    (organizer,) = full.xpath("//c:organizer[c:code/@code='18769-0']", namespaces=NS)
    assert texts(organizer, "c:component/c:observation/c:interpretationCode/@code") == ["R", "I", "S"]
    assert texts(organizer, "c:component/c:act[c:code/@code='48767-8']/c:statusCode/@code") == ["completed"]
    assert organizer.xpath("c:component[3]/c:observation/c:value", namespaces=NS) == []
    isolate = organizer.xpath("ancestor::c:organizer[1]", namespaces=NS)[0]
    assert texts(isolate, "c:specimen/c:specimenRole/c:id/@extension") == ["I-260114-1"]


def test_a_specimen_says_where_and_by_whom(full: etree._Element) -> None:
    (procedure,) = full.xpath("//c:procedure", namespaces=NS)
    assert texts(procedure, "c:targetSiteCode/@code") == ["64033007"]
    assert texts(procedure, "c:performer//c:family/text()") == ["BLEEDER"]
    row = "".join(procedure.xpath("ancestor::c:section[1]/c:text//c:tr[c:td][1]", namespaces=NS)[0].itertext())
    for said in ("Prélèvement au sondage.", "Urine", "rein", "par Roberta BLEEDER"):
        assert said in row


def test_reports_of_second_intention_are_attached(full: etree._Element) -> None:
    (section,) = full.xpath("//c:section[c:code/@code='101792-0']", namespaces=NS)
    assert b64decode(texts(section, ".//c:observationMedia/c:value/text()")[0]) == reports.PDF
    assert "Compte rendu du centre national de référence" in "".join(section.find("c:text", NS).itertext())


def test_the_reason_and_the_vaccinations_are_said_and_coded(full: etree._Element) -> None:
    reason = "//c:section[c:templateId/@root='1.2.250.1.213.1.1.2.128']"
    assert texts(full, f"{reason}/c:entry/c:observation/c:value/@code") == ["R53"]
    assert texts(full, f"{reason}/c:text/c:paragraph/c:content/text()") == [
        "Bilan d'une asthénie fébrile", "Asthénie fébrile depuis dix jours",
    ]  # fmt: skip
    section = "//c:section[c:templateId/@root='1.2.250.1.213.1.1.2.147']"
    assert texts(full, f"{section}/c:entry/c:substanceAdministration/@negationInd") == ["true", "false"]
    assert texts(full, f"{section}/c:entry/c:substanceAdministration/c:effectiveTime/@*") == ["NA", "20090928"]
    assert texts(full, f"{section}//c:observation[c:code/@code='30973-2']/c:value/@value") == ["2"]
    assert texts(full, f"{section}//c:lotNumberText/text()") == ["4456672"]
    rows = full.xpath(f"{section}/c:text//c:tbody/c:tr", namespaces=NS)
    assert [[" ".join(cell.itertext()) for cell in row] for row in rows] == [
        ["Vaccin contre le papillomavirus", "Non", "Vaccination sans autre précision", "", "", "", ""],
        ["VACCIN TETANIQUE PASTEUR", "Oui", "Rappel de vaccin", "28/09/2009", "2", "4456672", "Bien toléré."],
    ]


def test_a_reason_may_be_a_code_and_a_vaccination_of_unknown_date() -> None:
    code = Code(code="MED-1210", system=TA_ASIP, display="Test HPV-HR de dépistage primaire", system_name="TA_ASIP")
    model = reports.minimal_laboratory_report(
        reason=ExaminationReason(reason=code, problems=(Problem(description="Papillomavirus"),)),
        vaccinations=(Vaccination(vaccine=Medicine(name="Vaccin antitétanique")),),
    )
    root = parse(model.render(issuer()).content)
    assert texts(root, "//c:observation[c:code/@code='42349-1']/c:value/@code") == ["MED-1210"]
    assert texts(root, "//c:substanceAdministration/c:effectiveTime/@nullFlavor") == ["UNK"]
    assert texts(root, "//c:substanceAdministration//c:manufacturedMaterial/c:code/@nullFlavor") == ["UNK"]
    assert "Papillomavirus" not in repr(model)
    assert "tétanique" not in repr(model)


def test_version_2021_has_no_pdf_copy() -> None:
    document = reports.laboratory_report(**reports.OF_2021).render(issuer())
    root = parse(document.content)
    assert texts(root, "/c:ClinicalDocument/c:templateId[@root='1.2.250.1.213.1.1.1.55']/@extension") == ["2021.01"]
    assert "55108-5" not in texts(root, "//c:structuredBody/c:component/c:section/c:code/@code")
    assert document.format_code.code == "urn:ihe:lab:xd-lab:2008"
    assert not check(document.content).findings
    second = reports.laboratory_report(**reports.OF_2021).revise(document).render(issuer(2))
    assert second.header.template_ids[-1] == II("1.2.250.1.213.1.1.1.55", "2021.01")
    # Each version refuses the body of the other.
    as_2024 = check(document.content.replace(b'extension="2021.01"', b'extension="2024.01"'))
    assert [f.code for f in as_2024] == ["CDA_B08"]
    other = reports.minimal_laboratory_report().render(issuer())
    as_2021 = check(other.content.replace(b'extension="2024.01"', b'extension="2021.01"'))
    assert [f.code for f in as_2021] == ["CDA_B07"]


Build = Callable[[], object]
REFUSED: list[tuple[str, Build, str, str]] = [
    ("unit spelt in French", lambda: Measure(value=1, unit="mUI/l"), "CDA_UNIT", "m[IU]/L"),
    ("unit with a micro sign", lambda: Measure(value=1, unit="µg/ml"), "CDA_UNIT", "ug/mL"),
    ("giga per litre", lambda: Measure(value=1, unit="G/L"), "CDA_UNIT", "10*9/L"),
    ("unit of nowhere", lambda: Measure(value=1, unit="zorg"), "CDA_UNIT", "UCUM"),
    ("no unit", lambda: Measure(value=1), "MODEL_MISSING", "give this field"),
    ("empty unit", lambda: Measure(value=1, unit=""), "MODEL_STRING_TOO_SHORT", ""),
    ("not a number", lambda: Measure(value="NaN", unit="g/L"), "MODEL_FINITE_NUMBER", ""),
    ("interval without a bound", lambda: Interval(unit="g/L"), "CDA_INTERVAL", "low, high"),
    ("bounds swapped", lambda: ReferenceRange(low=2, high=1), "CDA_INTERVAL", "swap"),
    ("no code", lambda: LaboratoryResult(value=MG), "BIO_RESULT_CODE", "LOINC"),
    ("local code as LOINC", lambda: LaboratoryResult(code=LOCAL, value=MG), "BIO_RESULT_CODE", "local_code"),
    ("LOINC code without label", lambda: reports.tsh(code=samples.loinc("3016-3", "")), "BIO_RESULT_CODE", ""),
    ("local code without label", lambda: reports.tsh(local_code=Code(code="X", system="1.2")), "BIO_RESULT_CODE", ""),
    ("no value", lambda: reports.tsh(value=None), "BIO_VALUE", "aborted"),
    ("empty value", lambda: reports.tsh(value=""), "BIO_VALUE", "aborted"),
    ("bare number", lambda: reports.tsh(value=1.95), "BIO_VALUE", "Measure"),
    ("measure without a unit", lambda: reports.tsh(value={"value": "1.95"}), "MODEL_MISSING", "give this field"),
    ("range of a text", lambda: reports.tsh(value="x", reference=ReferenceRange(low=1)), "BIO_REFERENCE", "Measure"),
    ("unknown interpretation", lambda: reports.tsh(interpretation="Haut"), "TERMINOLOGY", "H"),
    ("status of nowhere", lambda: reports.tsh(status="active"), "MODEL_LITERAL_ERROR", ""),
    ("empty battery", lambda: Battery(title="NFS", results=()), "BIO_EMPTY", "results"),
    (
        "germ not in SNOMED CT",
        lambda: Isolate(organism="E. coli", code=LOCAL, identified_at=reports.OBSERVED),
        "BIO_ORGANISM",
        "SNOMED",
    ),
    (
        "germ not in NCBI",
        lambda: Isolate(organism="E. coli", ncbi=LOCAL, identified_at=reports.OBSERVED),
        "BIO_ORGANISM",
        "2.16.840.1.113883.3.9471",
    ),
    (
        "unknown specimen",
        lambda: Specimen(
            identifier=Identifier(value="1", root="1.2"), specimen_type="urine", collected_at=reports.COLLECTED
        ),
        "TERMINOLOGY",
        "UR",
    ),
    (
        "specimen received first",
        lambda: Specimen(
            identifier=Identifier(value="1", root="1.2"),
            specimen_type="UR",
            collected_at=reports.RECEIVED,
            received_at=reports.COLLECTED,
        ),
        "BIO_TIMES",
        "swap",
    ),
    ("empty chapter", lambda: Chapter(code=BIOCHEMISTRY), "BIO_EMPTY", "leave"),
    ("chapter not in LOINC", lambda: Chapter(code=LOCAL, results=(reports.tsh(),)), "BIO_CHAPTER_CODE", "18719-5"),
    (
        "results beside sub-chapters",
        lambda: Chapter(
            code=BIOCHEMISTRY,
            results=(reports.tsh(),),
            sub_chapters=(SubChapter(code=BIOCHEMISTRY, results=(reports.tsh(),)),),
        ),
        "BIO_CHAPTER",
        "sub-chapters",
    ),
    (
        "validation beside sub-chapters",
        lambda: Chapter(
            code=BIOCHEMISTRY,
            validations=(Validation(biologist=reports.biologist(), at=reports.RELEASED),),
            sub_chapters=(SubChapter(code=BIOCHEMISTRY, results=(reports.tsh(),)),),
        ),
        "BIO_CHAPTER",
        "sub-chapters",
    ),
    (
        "picture beside sub-chapters",
        lambda: Chapter(
            code=BIOCHEMISTRY,
            pictures=(Picture(data=reports.JPEG, caption="x"),),
            sub_chapters=(SubChapter(code=BIOCHEMISTRY, results=(reports.tsh(),)),),
        ),
        "BIO_CHAPTER",
        "sub-chapters",
    ),
    ("picture of no known kind", lambda: Picture(data=b"BM", caption="x"), "CDA_PICTURE", "DICOM"),
    (
        "antibiotic left without an answer",
        lambda: Antibiogram(results=(reports.tsh(),)),
        "BIO_SUSCEPTIBILITY",
        "S, SDD",
    ),
    (
        "antibiotic that is high",
        lambda: Antibiogram(results=(reports.tsh(interpretation="H"),)),
        "BIO_SUSCEPTIBILITY",
        "S, SDD",
    ),
    ("range of nothing", lambda: ReferenceRange(sex="F"), "CDA_INTERVAL", "low, high"),
    ("range of a third sex", lambda: ReferenceRange(low=1, sex="I"), "MODEL_LITERAL_ERROR", ""),
    ("version of nowhere", lambda: reports.minimal_laboratory_report(version="2099.01"), "MODEL_LITERAL_ERROR", ""),
    ("2024.01 without copy", lambda: reports.minimal_laboratory_report(pdf_copy=None), "BIO_PDF_COPY", "2021.01"),
    ("2021.01 with a copy", lambda: reports.minimal_laboratory_report(version="2021.01"), "BIO_PDF_COPY", "2021.01"),
    ("free title", lambda: reports.minimal_laboratory_report(title="Biologie"), "BIO_TITLE", "leave"),
    (
        "reason without a problem",
        lambda: ExaminationReason(reason="Bilan", problems=()),
        "BIO_REASON",
        "Problem",
    ),
    (
        "compounded vaccine",
        lambda: Vaccination(vaccine=Medicine(name="x", compounded=True)),
        "BIO_VACCINATION",
        "cis",
    ),
    (
        "vaccinations in 2021.01",
        lambda: reports.minimal_laboratory_report(**reports.OF_2021 | {"vaccinations": reports.vaccinations()}),
        "BIO_SECTION",
        "2024.01",
    ),
    ("no chapter", lambda: reports.minimal_laboratory_report(chapters=()), "BIO_EMPTY", "chapter"),
    (
        "released first",
        lambda: reports.minimal_laboratory_report(released_at=reports.COLLECTED),
        "BIO_TIMES",
        "swap",
    ),
    (
        "naive time",
        lambda: reports.minimal_laboratory_report(received_at=reports.RECEIVED.replace(tzinfo=None)),
        "MODEL_TIMEZONE_AWARE",
        "",
    ),
]


@pytest.mark.parametrize(("build", "code", "hint"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_is_refused_with_its_place_and_fix(build: Build, code: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.code == code
    assert caught.value.path
    assert hint in caught.value.hint


def test_an_unreadable_pdf_copy_is_refused() -> None:
    with pytest.raises(CdaError) as caught:
        reports.minimal_laboratory_report(pdf_copy=b"%PDF-1.4 cut")
    assert caught.value.code == "CDA_PDF_UNREADABLE"
    with pytest.raises(CdaError) as caught:
        AttachedPdf(title="x", data=b"%PDF-1.4 cut")
    assert caught.value.code == "CDA_PDF_UNREADABLE"


@pytest.mark.parametrize(
    ("measured", "shown"),
    [
        (Measure(value=Decimal("1.950"), unit="m[IU]/L"), "1,950 mUI/L"),
        (Measure(value=Decimal("245"), unit="10*9/L"), "245 ×10⁹/L"),
        (Measure(value=Decimal("3"), unit="ug/L"), "3 µg/L"),
        (Measure(value=Decimal("3"), unit="umol/L"), "3 µmol/L"),
        (Measure(value=Decimal("120"), unit="mm[Hg]"), "120 mmHg"),
        (Measure(value=Decimal("2.5"), unit="{inr}"), "2,5 inr"),
        (Measure(value=Decimal("7.40"), unit="[pH]"), "7,40"),
        (Measure(value=Decimal("1E+3"), unit="/mL"), "1000 /mL"),
        (Interval(high=Decimal("0.6"), unit="mg/L", high_inclusive=False), "< 0,6 mg/L"),
        (Interval(high=Decimal("0.6"), unit="mg/L"), "≤ 0,6 mg/L"),
        (Interval(low=Decimal("5"), unit="mg/L", low_inclusive=False), "> 5 mg/L"),
        (Interval(low=Decimal("5"), high=Decimal("7"), unit="mg/L"), "5 - 7 mg/L"),
    ],
)
def test_values_are_shown_as_a_french_reader_expects(measured: Measure | Interval, shown: str) -> None:
    assert measured.text == shown


def test_the_native_check_agrees() -> None:
    for report in (reports.minimal_laboratory_report(), reports.laboratory_report()):
        assert check(report.render(issuer())).ok


def test_the_release_is_the_time_of_writing_when_not_given() -> None:
    late = samples.WRITTEN + timedelta(hours=1)
    root = parse(reports.minimal_laboratory_report(written_at=late).render(issuer()).content)
    assert texts(root, "//c:documentationOf//c:performer/c:time/c:high/@value") == ["20260115113000+0100"]
    assert texts(root, "//c:observation[c:code/@code='3016-3']/c:effectiveTime/@value") == ["20260115113000+0100"]


def test_a_number_without_dimension_is_a_real() -> None:
    inr = LaboratoryResult(
        code=samples.loinc("6301-6", "Temps de quick INR"),
        value=Measure(value=Decimal("2.0"), unit="1"),
        reference=ReferenceRange(low=Decimal("2"), high=Decimal("3")),
        previous=(PreviousResult(value=Interval(high=Decimal("4.5"), unit="1"), observed_at=reports.OBSERVED),),
    )
    report = reports.minimal_laboratory_report(chapters=(Chapter(code=BIOCHEMISTRY, results=(inr,)),))
    document = report.render(issuer())
    (observation,) = parse(document.content).xpath("//c:observation[c:referenceRange]", namespaces=NS)
    value = observation.find("c:value", NS)
    assert (value.get(XSI_TYPE), value.get("value"), value.get("unit")) == ("REAL", "2.0", None)
    assert observation.find("c:referenceRange//c:value", NS).get(XSI_TYPE) == "IVL_REAL"
    assert "2,0" in texts(observation, "ancestor::c:section[1]/c:text//c:td/text()")
    assert "2 - 3" in texts(observation, "ancestor::c:section[1]/c:text//c:td/text()")
    assert not check(document.content).findings


def test_a_unit_is_missed_wherever_a_number_is() -> None:
    content = reports.laboratory_report().render(issuer()).content
    assert b'<low unit="m[IU]/L" value="0.270">' in content
    for given, bare in (
        (b'<low unit="m[IU]/L" value="0.270">', b'<low value="0.270">'),
        (b'<high inclusive="false" unit="mg/L" value="0.6">', b'<high inclusive="false" value="0.6">'),
    ):
        assert [f.code for f in check(content.replace(given, bare))] == ["CDA_B17"]


def test_values_may_come_as_plain_data() -> None:
    assert reports.tsh(value={"value": "1.950", "unit": "m[IU]/L"}).value == reports.tsh().value
    assert reports.tsh(value={"high": "2", "unit": "mg/L"}).value == Interval(high=Decimal(2), unit="mg/L")
    coded = {"code": "260385009", "system": "2.16.840.1.113883.6.96", "display": "négatif"}
    assert reports.tsh(value=coded).value == Code(**coded)
