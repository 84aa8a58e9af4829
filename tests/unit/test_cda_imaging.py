"""Imaging report: what it says, and every refusal with its code, place and fix."""

from __future__ import annotations

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
from sunes_sdk.cda.documents.imaging import (
    AdministeredProduct,
    ClinicalInformation,
    Contraindication,
    ImagingFinding,
    Instance,
    PregnancyStatus,
    RadiationExposure,
    RadiationQuantity,
    ReferencePurpose,
    Series,
)
from sunes_sdk.cda.documents.measures import Measure
from sunes_sdk.cda.documents.treatments import Quantity
from sunes_sdk.cda.header import II
from sunes_sdk.model import Code
from sunes_sdk.terminology import value_set
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

NS = {"c": "urn:hl7-org:v3", "ps": "urn:dicom-org:ps3-20"}
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
WRONG = Code(code="X1", system="1.2.3", display="Ailleurs")


def issuer(seed: int = 1) -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(seed), clock=FixedClock(samples.WRITTEN))


def rendered(**changes: object) -> etree._Element:
    return parse(reports.minimal_imaging_report(**changes).render(issuer()).content)


@pytest.fixture(scope="module")
def full() -> etree._Element:
    return parse(reports.imaging_report().render(issuer()).content)


def texts(root: etree._Element, path: str) -> list[str]:
    return [str(found) for found in root.xpath(path, namespaces=NS)]


def test_each_act_is_a_service_event_with_its_study_modality_and_region(full: etree._Element) -> None:
    event = "/c:ClinicalDocument/c:documentationOf[1]/c:serviceEvent"
    assert texts(full, "/c:ClinicalDocument/c:documentationOf/c:serviceEvent/c:code/@code") == ["24727-0", "24842-7"]
    assert texts(full, f"{event}/c:id/@root") == [reports.STUDY_UID]
    assert not texts(full, f"{event}/c:id/@extension")
    assert texts(full, f"{event}/c:code/c:translation/@code") == ["ACQH004", "CT", "774007", "737561001"]
    names = texts(full, f"{event}/c:code/c:translation/c:qualifier/c:name/@code")
    assert names == ["121139", "39111-0", "39111-0"]
    assert texts(full, f"{event}/c:effectiveTime/*/@value") == ["20260114073500+0100", "20260114080000+0100"]
    assert texts(full, f"{event}/c:performer//c:family/text()") == ["BIDEAULT"]


def test_orders_carry_the_accession_number(full: etree._Element) -> None:
    order = "/c:ClinicalDocument/c:inFulfillmentOf/c:order"
    assert texts(full, f"{order}/c:id/@extension") == ["984375862"]
    assert texts(full, f"{order}/ps:accessionNumber/@extension") == ["105234751"]
    header = read_header(reports.imaging_report().render(issuer()).content)
    assert header.orders[0].accession == II(reports.ACCESSION_ROOT, "105234751")


def test_the_header_reads_back_as_it_was_given() -> None:
    for report in (reports.minimal_imaging_report(), reports.imaging_report()):
        document = report.render(issuer())
        assert read_header(document.content) == document.header
        assert document.format_code.code == "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013"


def test_the_title_is_free_and_has_a_default() -> None:
    assert texts(rendered(), "/c:ClinicalDocument/c:title/text()") == ["CR d'imagerie médicale"]
    assert texts(rendered(title="IRM"), "/c:ClinicalDocument/c:title/text()") == ["IRM"]


def test_an_act_says_the_same_in_entry_and_narrative(full: etree._Element) -> None:
    procedure = full.xpath("//c:procedure[c:code/@code='24727-0']", namespaces=NS)[0]
    place = procedure.find("c:text/c:reference", NS).get("value")[1:]
    (row,) = full.xpath(f"//c:tr[@ID='{place}']", namespaces=NS)
    cells = ["".join(cell.itertext()) for cell in row]
    assert cells[0].startswith("[LOINC : 24727-0] CT tête avec contraste IV[CCAM : ACQH004] Scanographie")
    assert cells[1:] == [
        "Acquisition hélicoïdale après injection.", "Tomodensitométrie", "Scanner de démonstration, 64 barrettes",
        "tête entière",
    ]  # fmt: skip
    assert texts(procedure, "c:methodCode/@code") == ["CT"]
    assert texts(procedure, "c:targetSiteCode/@code") == [reports.WHOLE_HEAD]
    other = full.xpath("//c:procedure[c:code/@code='24842-7']", namespaces=NS)[0]
    assert texts(other, "c:targetSiteCode/c:qualifier/c:name/@code") == ["106233006"]
    assert texts(other, "c:targetSiteCode/c:qualifier/c:value/@displayName") == ["bilatéral"]


def test_each_series_has_a_study_entry_of_its_own(full: etree._Element) -> None:
    """The official validator takes one series per study entry, one object per series."""
    studies = full.xpath("//c:act[c:code/@code='113014']", namespaces=NS)
    assert len(studies) == 2
    for n, study in enumerate(studies, 1):
        assert texts(study, "c:id/@root") == [reports.STUDY_UID]
        assert texts(study, ".//c:act[c:code/@code='113015']/c:id/@root") == [f"{reports.STUDY_UID}.{n}"]
        assert texts(study, ".//c:observation/c:id/@root") == [f"{reports.STUDY_UID}.{n}.1"]
        assert texts(study, ".//c:text[@mediaType='application/dicom']/c:reference/@value")[0].endswith(f".{n}")
    assert check(reports.imaging_report().render(issuer())).ok


def test_without_series_the_catalogue_still_names_the_study() -> None:
    root = rendered()
    assert not texts(root, "//c:act[c:code/@code='113014']/c:id/@root")
    catalogue = root.xpath("//c:section[c:code/@code='121181']/c:text", namespaces=NS)[0]
    assert "".join(catalogue.itertext()) == f"Examen : {reports.STUDY_UID}"


def test_the_exposure_says_who_authorised_it_and_the_doses(full: etree._Element) -> None:
    section = full.xpath("//c:section[c:code/@code='73569-6']", namespaces=NS)[0]
    assert texts(section, ".//c:participantRole//c:family/text()") == ["BIDEAULT"]
    assert texts(section, ".//c:observation[c:code/@code='364320009']/c:value/@code") == ["60001007"]
    assert texts(section, ".//c:observation[c:code/@code='113813']/c:value/@value") == ["1140.26"]
    assert texts(section, ".//c:observation[c:code/@code='113813']/c:value/@unit") == ["mGy.cm"]
    assert texts(section, ".//c:substanceAdministration/c:doseQuantity/@unit") == ["MBq"]
    assert "1140,26 mGy.cm" in texts(section, ".//c:td/text()")


def test_an_act_may_have_several_modalities() -> None:
    root = rendered(acts=(reports.head_ct(modality="PT", more_modalities=("CT",)),))
    assert texts(root, "//c:procedure/c:methodCode/@code") == ["PT", "CT"]
    qualified = "//c:serviceEvent/c:code/c:translation[c:qualifier/c:name/@code='121139']/@code"
    assert texts(root, qualified) == ["PT", "CT"]


@pytest.mark.parametrize(
    ("kind", "value", "unit", "coded", "coded_unit", "shown"),
    [
        ("113839", "2.4", "mSv", "0.0024", "Sv", "2,4 mSv"),
        ("113507", "200", "MBq", "200000000", "Bq", "200 MBq"),
        ("111636", "350", "uGy", "0.000350", "Gy", "350 µGy"),
        ("111637", "1.95", "mGy", "1.95", "mGy", "1,95 mGy"),
        ("113730", "42", "s", "42", "s", "42 s"),
        ("113731", "12", "{images}", "12", "{images}", "12 images"),
    ],
)
def test_a_dose_is_coded_in_a_listed_unit_and_shown_as_given(
    kind: str, value: str, unit: str, coded: str, coded_unit: str, shown: str
) -> None:
    dose = Quantity(value=Decimal(value), unit=unit)
    quantity = RadiationQuantity(kind=kind, measure=dose, location=reports.WHOLE_HEAD, laterality="66459002")
    exposure = RadiationExposure(pregnancy=PregnancyStatus.ABSENT, quantities=(quantity,))
    document = reports.minimal_imaging_report(acts=(reports.head_ct(exposure=exposure),)).render(issuer())
    (observation,) = parse(document.content).xpath(f"//c:observation[c:code/@code='{kind}']", namespaces=NS)
    written = observation.find("c:value", NS)
    assert (written.get("value"), written.get("unit")) == (coded, coded_unit)
    assert shown in texts(observation, "ancestor::c:section[1]/c:text//c:td/text()")
    assert texts(observation, "c:targetSiteCode/c:qualifier/c:value/@code") == ["66459002"]
    assert not check(document.content).findings


def test_a_dose_that_no_code_takes_is_still_shown(full: etree._Element) -> None:
    section = full.xpath("//c:section[c:code/@code='73569-6']", namespaces=NS)[0]
    assert "PDS 12,3 Gy.cm² (repérage)" in "".join(section.find("c:text", NS).itertext())


def test_findings_key_images_and_documents(full: etree._Element) -> None:
    results = full.xpath("//c:section[c:code/@code='59776-5']", namespaces=NS)[0]
    cyst, negative = results.xpath("c:entry/c:observation", namespaces=NS)
    assert cyst.find("c:value", NS).text == "Kyste arachnoïdien"
    assert texts(cyst, "c:targetSiteCode/@code") == [reports.WHOLE_HEAD]
    assert texts(negative, "c:value/@code") == ["260385009"]
    assert texts(negative, "c:targetSiteCode/@nullFlavor") == ["NA"]
    shown = "".join(results.find("c:text", NS).itertext())
    for said in ("Pas de prise", "Kyste arachnoïdien (tête entière, unilatéral)", "négatif", "Coupe axiale"):
        assert said in shown
    media = texts(results, "c:entry/c:observationMedia/@ID")
    assert texts(results, "c:text//c:renderMultiMedia/@referencedObject") == media
    documents = full.xpath("//c:section[c:title='Documents ajoutés']", namespaces=NS)[0]
    assert texts(documents, ".//c:observationMedia/c:value/@mediaType") == ["application/pdf"]
    assert "Questionnaire avant injection" in "".join(documents.find("c:text", NS).itertext())
    # Either of them is enough to make the section of results.
    only = rendered(findings=(ImagingFinding(code=samples.loinc("18782-3", "Observation"), value="Rien."),))
    assert texts(only, "//c:section[c:code/@code='59776-5']/c:entry/c:observation/c:value/text()") == ["Rien."]


def test_a_key_image_says_why_it_is_shown(full: etree._Element) -> None:
    purposes = texts(full, "//c:observation[@classCode='DGIMG']/c:entryRelationship[@typeCode='RSON']//c:value/@code")
    assert purposes == ["121080"]
    assert any("Meilleure illustration" in "".join(row.itertext()) for row in full.iter("{urn:hl7-org:v3}td"))


@pytest.mark.parametrize(
    ("given", "mutated"),
    [
        (b'<templateId root="1.2.250.1.213.1.1.3.163"></templateId>', b""),
        (b'<value code="121080"', b'<value code="121081"'),
        (b'<value code="121080"', b'<value nullFlavor="NA"></value><value code="121080"'),
    ],
)
def test_a_purpose_that_says_nothing_is_refused(given: bytes, mutated: bytes) -> None:
    content = reports.imaging_report().render(issuer()).content
    assert given in content
    assert "CDA_I22" in [f.code for f in check(content.replace(given, mutated))]


def test_every_purpose_is_of_the_value_set() -> None:
    assert {p.value for p in ReferencePurpose} == {c.code for c in value_set("JDV_OBJECTIF_REFERENCE").concepts}


def test_history_that_was_not_asked_for_is_told_from_none() -> None:
    def value(information: ClinicalInformation) -> tuple[str | None, str | None]:
        root = rendered(clinical_information=information)
        found = root.xpath("//c:observation[c:code/@code='64100-1']/c:value", namespaces=NS)[0]
        return found.get(XSI_TYPE), found.text

    assert value(ClinicalInformation(request_reason="Chute")) == ("ST", "Non renseignées")
    none = ClinicalInformation(request_reason="Chute", contraindications=())
    assert value(none) == ("ST", "Aucune contre-indication connue")


def test_optional_sections_come_only_when_asked() -> None:
    present = texts(rendered(), "//c:structuredBody/c:component/c:section/c:code/@code")
    assert present == ["55111-9", "19005-8"]
    root = parse(reports.imaging_report().render(issuer()).content)
    assert texts(root, "//c:structuredBody/c:component/c:section/c:code/@code") == [
        "55107-7", "55752-0", "55111-9", "55111-9", "30954-2", "18834-2", "59776-5", "19005-8", "46264-8", "55112-7",
        "34895-3", "55107-7", "55108-5",
    ]  # fmt: skip


def test_the_performer_may_be_another_than_the_author() -> None:
    other = reports.general_practitioner()
    root = rendered(acts=(reports.head_ct(performer=other),))
    assert texts(root, "//c:documentationOf//c:performer//c:family/text()") == ["DUPONT"]
    assert texts(root, "//c:healthCareFacility/c:code/@code") == ["SA07"]


def test_the_same_report_gives_the_same_bytes_and_a_revision_replaces() -> None:
    report = reports.imaging_report()
    first = report.render(issuer())
    assert report.render(issuer()).content == first.content
    second = report.revise(first, conclusion="Autre.").render(issuer(2))
    assert (second.set_id, second.version_number, second.replaces) == (first.set_id, 2, first.unique_id)


def test_what_was_seen_does_not_show_in_repr() -> None:
    text = repr(reports.imaging_report())
    for secret in ("anomalie", "Céphalées", "MED-1109", "Relu", "expliqué", "%PDF", "hélicoïdale"):
        assert secret not in text


Build = Callable[[], object]
REFUSED: list[tuple[str, Build, str, str]] = [
    ("act not in LOINC", lambda: reports.head_ct(code=WRONG), "IMG_ACT_CODE", "ccam"),
    ("act without label", lambda: reports.head_ct(code=samples.loinc("24727-0", "")), "IMG_ACT_CODE", ""),
    ("CCAM of elsewhere", lambda: reports.head_ct(ccam=WRONG), "IMG_CCAM", "1.2.250.1.215.300.1"),
    ("wrong modality", lambda: reports.head_ct(modality="SCANNER"), "TERMINOLOGY", ""),
    ("modality by its label", lambda: reports.head_ct(modality="Tomodensitométrie"), "TERMINOLOGY", "CT"),
    ("wrong region", lambda: reports.head_ct(region=reports.WHOLE_HEAD), "TERMINOLOGY", ""),
    ("wrong location", lambda: reports.head_ct(location="tête"), "TERMINOLOGY", "302548004"),
    ("wrong laterality", lambda: reports.head_ct(laterality="gauche"), "TERMINOLOGY", "66459002"),
    ("study UID that is no OID", lambda: reports.head_ct(study_uid="1.02.3"), "OID", "digits"),
    ("study UID too long", lambda: reports.head_ct(study_uid="1." + "2" * 63), "OID", ""),
    ("ends first", lambda: reports.head_ct(ended_at=reports.COLLECTED - timedelta(minutes=1)), "IMG_TIMES", "mend"),
    ("ends at once", lambda: reports.head_ct(ended_at=reports.COLLECTED), "IMG_TIMES", "mend"),
    ("no act", lambda: reports.minimal_imaging_report(acts=()), "IMG_EMPTY", "one act"),
    ("no conclusion", lambda: reports.minimal_imaging_report(conclusion=" "), "MODEL_STRING_TOO_SHORT", ""),
    ("title too long", lambda: reports.minimal_imaging_report(title="x" * 129), "CDA_TITLE", "shorten"),
    ("unknown contraindication", lambda: Contraindication(code="pacemaker"), "TERMINOLOGY", "MED-1117"),
    (
        "link that is none",
        lambda: Instance(uid="1.2", sop_class=reports.CT_IMAGE_STORAGE, url="javascript:alert(1)"),
        "MODEL_STRING_PATTERN_MISMATCH",
        "",
    ),
    ("unknown SOP class", lambda: Instance(uid="1.2", sop_class="CT Image Storage"), "TERMINOLOGY", "1.2.840"),
    (
        "series of a wrong modality",
        lambda: Series(uid="1.2", modality="XX", instance=Instance(uid="1.2.3", sop_class=reports.CT_IMAGE_STORAGE)),
        "TERMINOLOGY",
        "",
    ),
    ("CIP with letters", lambda: AdministeredProduct(name="X", cip="34009ABC"), "IMG_CIP", "digits"),
    ("CIP in other digits", lambda: AdministeredProduct(name="X", cip="٣٤٠٠٩٣٦"), "IMG_CIP", "digits"),
    ("ATC of elsewhere", lambda: AdministeredProduct(name="X", atc=WRONG), "IMG_ATC", "2.16.840.1.113883.6.73"),
    (
        "dose in a unit of nowhere",
        lambda: AdministeredProduct(name="X", dose=Quantity(value=1, unit="zorg")),
        "CDA_UNIT",
        "",
    ),
    (
        "dose of an unknown kind",
        lambda: RadiationQuantity(
            kind="PDL", measure=Measure(value=Decimal(1), unit="mGy.cm"), location=reports.WHOLE_HEAD
        ),
        "TERMINOLOGY",
        "113813",
    ),
    (
        "dose area product, which has no unit in the list",
        lambda: RadiationQuantity(kind="113722", measure=Quantity(value=1, unit="Gy.cm2"), location=reports.WHOLE_HEAD),
        "CDA_UNIT",
        "UCUM",
    ),
    (
        "finding without a label",
        lambda: ImagingFinding(code=Code(code="X", system="1.2"), value="y"),
        "IMG_FINDING",
        "label",
    ),
    (
        "finding on a side of nothing",
        lambda: ImagingFinding(code=samples.loinc("18782-3", "x"), value="y", laterality="66459002"),
        "IMG_FINDING",
        "location",
    ),
    (
        "pregnant by the history, not by the exposure",
        lambda: reports.minimal_imaging_report(
            acts=(reports.head_ct(exposure=RadiationExposure(pregnancy=PregnancyStatus.ABSENT)),),
            clinical_information=ClinicalInformation(
                request_reason="Chute.", contraindications=(Contraindication(code=PregnancyStatus.PREGNANT),)
            ),
        ),
        "IMG_PREGNANCY",
        "same status",
    ),
    (
        "pregnant for one act, not for another",
        lambda: reports.minimal_imaging_report(
            acts=tuple(
                reports.head_ct(exposure=RadiationExposure(pregnancy=status))
                for status in (PregnancyStatus.ABSENT, PregnancyStatus.PREGNANT)
            )
        ),
        "IMG_PREGNANCY",
        "same status",
    ),
    ("exposure without pregnancy status", lambda: RadiationExposure(), "MODEL_MISSING", "give this field"),
    ("exposure with a pregnancy of nowhere", lambda: RadiationExposure(pregnancy="non"), "MODEL_ENUM", ""),
]


@pytest.mark.parametrize(("build", "code", "hint"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_is_refused_with_its_place_and_fix(build: Build, code: str, hint: str) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.code == code
    assert caught.value.path
    assert hint in caught.value.hint


def test_the_place_of_an_error_deep_in_a_report_is_named() -> None:
    data = {"code": samples.loinc("24727-0", "CT"), "modality": "CT", "region": "x"}
    with pytest.raises(ModelError) as caught:
        reports.minimal_imaging_report(acts=(data,))
    assert caught.value.path.startswith("ImagingReport.acts.0")


def test_an_unreadable_pdf_copy_is_refused() -> None:
    with pytest.raises(CdaError) as caught:
        reports.minimal_imaging_report(pdf_copy=b"<html></html>")
    assert caught.value.code == "CDA_PDF_UNREADABLE"


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: reports.head_ct(modality="SCANNER"), "ImagingAct.modality"),
        (lambda: reports.head_ct(region="x"), "ImagingAct.region"),
        (lambda: reports.head_ct(laterality="x"), "ImagingAct.laterality"),
        (lambda: Contraindication(code="x"), "Contraindication.code"),
        (lambda: reports.tsh(interpretation="x"), "LaboratoryResult.interpretation"),
    ],
)
def test_a_code_out_of_its_set_names_the_field(build: Build, path: str) -> None:
    with pytest.raises(ModelError) as caught:
        build()
    assert caught.value.path == path
    assert "JDV_" in caught.value.rule
