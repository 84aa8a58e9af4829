"""A received document as its model: which one, and what is said of all that the model has no place for."""

from __future__ import annotations

import re
import runpy
from datetime import timedelta
from pathlib import Path

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    DischargeLetter,
    ImagingReport,
    Issuer,
    LaboratoryReport,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    UnstructuredDocument,
    read,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.clinical import NoAllergy
from sunes_sdk.cda.reading.normal import normalised
from sunes_sdk.cda.reading.people import UNKNOWN_PROFESSION, UNKNOWN_VISIT
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "howto" / "check_a_received_document.md"


def rendered(model: ClinicalDocument) -> bytes:
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))
    return model.render(issuer).content


def changed(data: bytes, old: str, new: str) -> bytes:
    assert old.encode() in data, old
    return data.replace(old.encode(), new.encode(), 1)


HOSPITAL = samples.hospital()
PEOPLE = {
    "patient": samples.patient(),
    "author": samples.physician().at(HOSPITAL),
    "custodian": HOSPITAL,
    "stay": samples.stay(),
}
LETTER = rendered(samples.discharge_letter())
PRESCRIPTION = rendered(
    MedicationPrescription(
        **PEOPLE, pdf_copy=reports.PDF,
        treatments=tuple(PrescribedTreatment(name=n, posology="1 par jour") for n in ("DOLIPRANE", "ASPIRINE")),
        valid_until=samples.WRITTEN + timedelta(days=30),
    )
)  # fmt: skip
MODELS: list[tuple[bytes, type[ClinicalDocument]]] = [
    (LETTER, DischargeLetter),
    (PRESCRIPTION, MedicationPrescription),
    (rendered(reports.laboratory_report()), LaboratoryReport),
    (rendered(reports.imaging_report()), ImagingReport),
    (rendered(OperativeReport(**PEOPLE, body=reports.PDF, performed_at=samples.ADMITTED)), OperativeReport),
    (
        rendered(
            UnstructuredDocument(**PEOPLE, body=b"t", media_type="text/plain", document_type="11488-4", title="t")
        ),
        UnstructuredDocument,
    ),
]


@pytest.mark.parametrize(("data", "kind"), MODELS, ids=[k.__name__ for _, k in MODELS])
def test_each_document_has_its_model(data: bytes, kind: type[ClinicalDocument]) -> None:
    document = read(data)
    assert type(document.typed()) is kind
    assert len(document.unread()) == 0, str(document.unread())
    assert document.typed(strict=True) is document.typed()


@pytest.mark.parametrize("report", [reports.laboratory_report, reports.imaging_report])
def test_the_full_reports_come_back(report: object) -> None:
    model = report()  # type: ignore[operator]  # a constructor, parametrized as object
    document = model.render(samples.issuer())
    assert read(document.content).typed() == normalised(model, document)


EXTRA_OBSERVATION = (
    '<entry><observation classCode="OBS" moodCode="EVN"><code code="X1" codeSystem="1.2.3"></code>'
    "</observation></entry>"
)


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("</structuredBody>", "<component><section><title>Autre</title><text>x</text></section></component>"
         "</structuredBody>", "CDA_UNREAD_SECTION", "component/structuredBody/component[5]/section"),
        ("</section></component></structuredBody>", f"{EXTRA_OBSERVATION}</section></component></structuredBody>",
         "CDA_UNREAD_ENTRY", "component/structuredBody/component[4]/section/entry[3]/observation"),
        ("</substanceAdministration>", '<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN"><code '
         'code="X" codeSystem="1.2"></code></act></entryRelationship></substanceAdministration>', "CDA_UNREAD_ENTRY",
         "component/structuredBody/component[4]/section/entry[1]/substanceAdministration/entryRelationship/act"),
        ("</substanceAdministration>", '<precondition><criterion><text>x</text></criterion></precondition>'
         "</substanceAdministration>", "CDA_UNREAD_VALUE",
         "component/structuredBody/component[4]/section/entry[1]/substanceAdministration/precondition"),
        ('<low value="20260115"></low>', '<low value="202601"></low>', "CDA_UNREAD",
         "component/structuredBody/component[4]/section/entry[1]/substanceAdministration/effectiveTime/low"),
        ('<id extension="2600012345" root="1.2.250.1.213.9.1.2"></id>', "", "CDA_UNREAD_HEADER",
         "componentOf/encompassingEncounter/id"),
        ("<family>DUPONT</family>", "<family></family>", "CDA_UNREAD_HEADER", "informationRecipient"),
    ],
)  # fmt: skip
def test_what_the_model_has_no_place_for_is_listed(old: str, new: str, code: str, place: str) -> None:
    document = read(changed(LETTER, old, new))
    (found,) = document.unread()
    assert (found.code, found.path) == (code, place)
    assert found.hint
    assert found.message_fr
    with pytest.raises(CdaError) as caught:
        document.typed(strict=True)
    assert caught.value.code == code


def test_what_is_not_said_is_marked() -> None:
    letter = read(changed(LETTER, '<id extension="2600012345" root="1.2.250.1.213.9.1.2"></id>', "")).typed()
    assert (letter.stay.visit.root, letter.stay.visit.value) == (UNKNOWN_VISIT.root, UNKNOWN_VISIT.extension)
    assert [r.professional.profession for r in letter.recipients] == [UNKNOWN_PROFESSION]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('root="1.2.250.1.213.1.1.1.29"', 'root="1.2.250.1.213.1.1.1.99"', "CDA_NO_MODEL"),
        ('root="1.2.250.1.213.1.1.2.127"', 'root="1.2.3"', "CDA_NOT_TYPED"),  # the reason for the stay
        ('root="1.2.250.1.213.1.1.2.163"', 'root="1.2.3"', "CDA_NOT_TYPED"),  # the synthesis
        ('code="MED-142"', 'code="MED-000"', "CDA_NOT_TYPED"),  # its summary
        ('root="1.2.250.1.213.1.1.2.146"', 'root="1.2.3"', "CDA_NOT_TYPED"),  # treatments at discharge
        ('<birthTime value="19790328">', "<birthTime>", "CDA_NOT_TYPED"),
        (
            'CustodianOrganization><id extension="1',
            'CustodianOrganization><id extension="x',
            "CDA_NOT_TYPED",
        ),  # custodian
    ],
)
def test_a_document_that_says_too_little_has_no_model(old: str, new: str, code: str) -> None:
    with pytest.raises(CdaError) as caught:
        read(changed(LETTER, old, new)).typed()
    assert caught.value.code == code
    assert caught.value.hint
    assert caught.value.hint_fr


def test_treatments_that_are_not_coded_are_not_no_treatment() -> None:
    """An empty tuple would say that the patient leaves without any treatment."""
    narrative_only = re.sub(rb"<entry><substanceAdministration.*?</substanceAdministration></entry>", b"", LETTER)
    with pytest.raises(CdaError) as caught:
        read(narrative_only).typed()
    assert caught.value.code == "CDA_NOT_TYPED"
    none = read(rendered(samples.discharge_letter(discharge_treatments=()))).typed()
    assert isinstance(none, DischargeLetter)
    assert none.discharge_treatments == ()


@pytest.mark.parametrize("absent", NoAllergy)
def test_no_allergy_is_never_read_as_one(absent: NoAllergy) -> None:
    letter = read(rendered(samples.discharge_letter(allergies=(), no_allergy=absent))).typed(strict=True)
    assert isinstance(letter, DischargeLetter)
    assert (letter.allergies, letter.no_allergy) == ((), absent)


def test_what_is_neither_yes_nor_no_is_not_read_as_no() -> None:
    data = rendered(samples.discharge_letter())
    with pytest.raises(CdaError) as e:
        read(changed(data, '<value value="false" xsi:type="BL">', '<value xsi:type="BL">')).typed()
    assert e.value.code == "CDA_NOT_TYPED"


def test_a_dose_that_is_not_said_is_not_a_dose_of_zero() -> None:
    report = reports.imaging_report()
    data = rendered(report)
    dose = re.search(rb'<value unit="[^"]*" value="[^"]*" xsi:type="PQ">.*?</value>', data, re.DOTALL)
    assert dose is not None
    received = read(data.replace(dose[0], b'<value nullFlavor="UNK" xsi:type="PQ"></value>', 1))
    model = received.typed()
    assert isinstance(model, ImagingReport)
    doses = [q for act in model.acts if act.exposure for q in act.exposure.quantities]
    known = [q for act in report.acts if act.exposure for q in act.exposure.quantities]
    assert len(doses) == len(known) - 1
    assert all(q.measure.value for q in doses)
    assert any("the dose has no value" in str(f) for f in received.unread())


def test_a_prescription_line_that_cannot_be_is_listed() -> None:
    document = read(changed(PRESCRIPTION, "<name>DOLIPRANE</name>", "<name></name>"))
    prescription = document.typed()
    assert isinstance(prescription, MedicationPrescription)
    assert [line.name for line in prescription.treatments] == ["ASPIRINE"]
    places = {f.path for f in document.unread()}
    assert "component/structuredBody/component[1]/section/entry[1]/substanceAdministration" in places


def test_the_how_to_runs_as_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    program = tmp_path / "received.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    runpy.run_path(str(program))
    shown = capsys.readouterr().out
    assert "Pneumopathie aiguë communautaire" in shown
    assert "no error" in shown
    assert "AMOXICILLINE 1 g, comprimé 1 comprimé matin, midi et soir pendant 5 jours" in shown
