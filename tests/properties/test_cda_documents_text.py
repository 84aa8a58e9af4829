"""Whatever is typed into a free text of any document, the XML is well-formed and a reader finds the same text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import XmlSecurityError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import canonical_document, parse
from sunes_sdk.cda import (
    AdmissionLetter,
    Allergy,
    AllergyStatus,
    Appointment,
    Certainty,
    Criticality,
    DischargeLetter,
    DoseStep,
    DosingMode,
    EntryMode,
    ExitMode,
    FollowUp,
    Ingredient,
    Issuer,
    MedicalDevice,
    MedicationPrescription,
    Medicine,
    OperativeReport,
    PrescribedDevice,
    PrescribedTreatment,
    Priority,
    Problem,
    ProblemStatus,
    Procedure,
    Quantity,
    Reaction,
    Severity,
    Synthesis,
    TimingEvent,
    Treatment,
    ccam,
    check,
    read_header,
)
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.attachments import AttachedPdf, Picture
from sunes_sdk.cda.documents.imaging import (
    Addendum,
    AdministeredProduct,
    ClinicalInformation,
    Contraindication,
    ImagingFinding,
    PregnancyStatus,
    RadiationExposure,
)
from sunes_sdk.cda.documents.laboratory_content import (
    AWAITING_LOINC,
    BIOCHEMISTRY,
    NABM,
    Antibiogram,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    PerformingLaboratory,
    PreviousResult,
    ReferenceRange,
    Specimen,
    SubChapter,
    Validation,
)
from sunes_sdk.cda.documents.treatments import ATC, EDQM, EMDN, SMS
from sunes_sdk.model import Code, Identifier
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

V3 = "{urn:hl7-org:v3}"
PIECES = st.sampled_from(
    ["&", "<", ">", '"', "'", "]]>", "<!--", "&amp;", "<br/>", "{0}", "%s", "é", "Œ", "ß", "日本", "🩺", "e\u0301", " "]
)
LINES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=12) | PIECES
FREE = st.lists(LINES | st.sampled_from(["\n", "\r\n", "\t"]), min_size=1, max_size=6).map("".join)
TEXTS = FREE.filter(lambda t: bool(t.strip()))
LABELS = st.lists(LINES, min_size=1, max_size=4).map("".join).filter(lambda t: bool(t.strip()))
"""What goes on one line: names, titles, labels."""

Texts = Callable[[], str]


def code(label: Texts) -> Code:
    return Code(code="X1", system="1.2.250.1.213.9.9", display=label(), system_name="local")


def allergy(text: Texts, label: Texts) -> Allergy:
    reaction = Reaction(description=text(), code=code(label), severity=Severity.MILD, comment=text())
    return Allergy(
        substance=text(),
        substance_code=code(label),
        description=text(),
        status=AllergyStatus.ACTIVE,
        criticality=Criticality.LOW,
        severity=Severity.SEVERE,
        certainty=Certainty.CONFIRMED,
        reactions=(reaction, Reaction(description=text())),
        comment=text(),
    )


def procedure(text: Texts, label: Texts) -> Procedure:
    return Procedure(name=text(), code=code(label), priority=Priority.URGENT, site=code(label), comment=text())


def letter(text: Texts, label: Texts) -> ClinicalDocument:
    treatment = Treatment(name=label(), posology=text(), comment=text())
    device = MedicalDevice(
        name=text(),
        code=code(label),
        translations=(code(label),),
        udi=Identifier(value=label(), root="1.2.250.1.213.9.9"),
    )
    return DischargeLetter(
        **shared(label),
        reason=text(),
        synthesis=Synthesis(
            entry_mode=EntryMode.OTHER,
            exit_mode=ExitMode.HOME,
            medical_summary=text(),
            mdro_search=True,
            transfusion=True,
            blood_derivatives=True,
            mdro_identification=text(),
            adverse_events=text(),
            transfusion_accidents=text(),
            blood_derivative_events=text(),
        ),
        discharge_treatments=(treatment,),
        administered_treatments=(Treatment(name=label()),),
        exam_results=text(),
        care_plan=(
            procedure(text, label),
            FollowUp(text=text(), code=code(label)),
            Appointment(text=text(), practitioner=samples.physician().at(samples.hospital())),
        ),
        devices=(device, MedicalDevice(name=text())),
        allergies=(allergy(text, label), Allergy(substance=text())),
        pdf_copy=reports.PDF,
    )


def admission_letter(text: Texts, label: Texts) -> ClinicalDocument:
    problem = Problem(
        description=text(),
        code=code(label),
        status=ProblemStatus.REMISSION,
        severity=Severity.MILD,
        certainty=Certainty.REFUTED,
        comment=text(),
    )
    return AdmissionLetter(
        **shared(label),
        reason=text(),
        treatments=(Treatment(name=label(), posology=text()),),
        allergies=(allergy(text, label),),
        medical_history=(problem, Problem(description=text())),
        surgical_history=(procedure(text, label), Procedure(name=text())),
        further_information=text(),
        pdf_copy=reports.PDF,
    )


def prescription(text: Texts, label: Texts) -> ClinicalDocument:
    def code(system: str) -> Code:
        return Code(code="X1", system=system, display=label())

    line = PrescribedTreatment(
        name=label(),
        posology=text(),
        comment=text(),
        substitution_allowed=False,
        no_substitution_reason=text(),
        patient_instructions=text(),
        dispenser_instructions=text(),
        precondition=text(),
        route=code(EDQM),
        form=code(EDQM),
        generic=code(ATC),
        ingredients=(Ingredient(name=label(), code=code(SMS), strength=Quantity(value=1, unit="mg")),),
        boxes=1,
        packaging=code(EDQM),
        mode=DosingMode.CONDITIONAL,
        steps=(
            DoseStep(text=text(), condition=text(), dose=Quantity(value=1, unit="mg")),
            DoseStep(condition=text(), events=(TimingEvent.BEDTIME,)),
        ),
    )
    mixture = PrescribedTreatment(
        name=text(),
        compounded=True,
        posology=text(),
        site=label(),
        mode=DosingMode.COMBINED,
        steps=(DoseStep(product=Medicine(name=label(), ingredients=(Ingredient(name=label()),))),),
    )
    device = PrescribedDevice(name=text(), emdn=code(EMDN), lpp="1215702", lpp_label=label(), comment=text())
    return MedicationPrescription(
        **shared(label),
        treatments=(line, mixture),
        devices=(device,),
        comment=text(),
        valid_until=samples.WRITTEN + timedelta(days=90),
        pdf_copy=reports.PDF,
    )


def operative_report(text: Texts, label: Texts) -> ClinicalDocument:
    return OperativeReport(
        **shared(label),
        title=label(),
        body=reports.PDF,
        act=ccam("HHFA001", label()),
        other_acts=(ccam("ZZLP025", label()),),
        performed_at=samples.ADMITTED,
    )


def laboratory_report(text: Texts, label: Texts) -> ClinicalDocument:
    def result() -> LaboratoryResult:
        return LaboratoryResult(
            local_code=Code(code="X", system=AWAITING_LOINC, display=label()),
            label=label(),
            value=text(),
            method=label(),
            comment=text(),
            previous=(PreviousResult(value=text(), observed_at=reports.OBSERVED),),
            reference=ReferenceRange(text=label()),
            performer=elsewhere,
            validations=(validation,),
        )

    biologist = samples.physician(family=label(), given=label()).at(samples.hospital(name=label()))
    elsewhere = PerformingLaboratory(director=biologist, performed_at=reports.OBSERVED)
    validation = Validation(biologist=biologist, at=reports.OBSERVED)
    measured = reports.tsh(reference=ReferenceRange(low=1, text=label()), label=label())
    specimen = Specimen(
        identifier=Identifier(value=label(), root=reports.SPECIMEN_ROOT),
        specimen_type="UR",
        collected_at=reports.COLLECTED,
        act=Code(code="5201", system=NABM, display=label()),
        site=Code(code="64033007", system="2.16.840.1.113883.6.96", display=label()),
        collector=biologist,
        comment=text(),
    )
    isolate = Isolate(
        organism=label(),
        identifier=Identifier(value=label(), root=reports.SPECIMEN_ROOT),
        identified_at=reports.OBSERVED,
        items=(result(), Antibiogram(title=label(), results=(reports.tsh(interpretation="S"),), comment=text())),
        comment=text(),
        performer=elsewhere,
        validations=(validation,),
    )
    chapters = (
        Chapter(
            code=BIOCHEMISTRY,
            title=label(),
            specimens=(specimen,),
            results=(measured, Battery(title=label(), results=(result(),), comment=text()), isolate),
            pictures=(Picture(data=reports.JPEG, caption=text()),),
            performer=elsewhere,
            comment=text(),
        ),
        Chapter(code=BIOCHEMISTRY, sub_chapters=(SubChapter(code=BIOCHEMISTRY, title=label(), results=(result(),)),)),
    )
    second = (AttachedPdf(title=label(), data=reports.PDF),)
    return reports.minimal_laboratory_report(
        **shared(label), chapters=chapters, comment=text(), second_intention=second
    )  # fmt: skip


def imaging_report(text: Texts, label: Texts) -> ClinicalDocument:
    product = AdministeredProduct(name=label(), lot=label(), comment=text())
    act = reports.head_ct(
        code=samples.loinc("24727-0", label()),
        description=text(),
        parameters=text(),
        products=(product,),
        complications=text(),
        exposure=RadiationExposure(
            pregnancy=PregnancyStatus.ABSENT, radiopharmaceuticals=(product,), other_measures=text()
        ),
    )
    finding = ImagingFinding(code=samples.loinc("18782-3", label()), value=text(), location=reports.WHOLE_HEAD)
    return reports.minimal_imaging_report(
        **shared(label),
        title=label(),
        acts=(act,),
        conclusion=text(),
        clinical_information=ClinicalInformation(
            request_reason=text(),
            purpose=text(),
            medical_history=text(),
            surgical_history=text(),
            contraindications=(Contraindication(code="MED-1109", comment=text()),),
        ),
        results=text(),
        findings=(finding,),
        key_images=(Picture(data=reports.JPEG, caption=text()),),
        documents=(AttachedPdf(title=label(), data=reports.PDF),),
        devices=(MedicalDevice(name=label()),),
        comparison=text(),
        earlier_results=text(),
        addendum=Addendum(text=text(), author=reports.radiologist(), at=reports.RELEASED),
        patient_information=text(),
        comment=text(),
    )


def shared(label: Texts) -> dict[str, Any]:
    """People and places, whose names are free too."""
    hospital = samples.hospital(name=label())
    return {
        "patient": samples.patient(birth_city=label(), used_name=label()),
        "author": samples.physician(family=label(), given=label()).at(hospital),
        "custodian": hospital,
        "stay": samples.stay(),
    }


DOCUMENTS = [letter, admission_letter, prescription, operative_report, laboratory_report, imaging_report]


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN))


def readable(element: etree._Element) -> str:
    """The text of an element as a person sees it: a line break where the narrative has one."""
    parts = [element.text or ""]
    for child in element:
        parts += ["\n" if child.tag == f"{V3}br" else readable(child), child.tail or ""]
    return "".join(parts)


def seen(root: etree._Element) -> list[str]:
    """Every text of the document, and every label of a code."""
    texts = [readable(e) for e in root.iter() if isinstance(e.tag, str)]
    values = [str(v) for name in ("displayName", "extension") for v in root.xpath(f"//@{name}")]
    return [t.replace("\r\n", "\n") for t in (*texts, *values)]


@pytest.mark.parametrize("build", DOCUMENTS, ids=[b.__name__ for b in DOCUMENTS])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_each_text_is_found_again(build: Callable[[Texts, Texts], ClinicalDocument], data: st.DataObject) -> None:
    given_texts: list[str] = []

    def draw(strategy: st.SearchStrategy[str]) -> str:
        # A mark makes each text its own, so that none is found in the place of another.
        text = f"{len(given_texts)}:{data.draw(strategy).strip()}."
        given_texts.append(text)
        return text

    document = build(lambda: draw(TEXTS), lambda: draw(LABELS)).render(issuer())
    root = parse(document.content)
    found = seen(root)
    for text in given_texts:
        expected = text.replace("\r\n", "\n")
        assert any(expected in there for there in found), (text, build.__name__)
    assert read_header(document.content) == document.header
    assert document.canonical() == canonical_document(root)
    assert check(document.content).ok, str(check(document.content))


@pytest.mark.parametrize("build", DOCUMENTS, ids=[b.__name__ for b in DOCUMENTS])
@pytest.mark.parametrize("forbidden", ["\x00", "\x1b", "\ud800"])
def test_a_character_that_xml_cannot_hold_is_refused_wherever_it_is(
    build: Callable[[Texts, Texts], ClinicalDocument], forbidden: str
) -> None:
    count = 0

    def counting() -> str:
        nonlocal count
        count += 1
        return "texte"

    build(counting, counting).render(issuer())
    for target in range(count):
        at = -1

        def text(target: int = target) -> str:
            nonlocal at
            at += 1
            return f"a{forbidden}b" if at == target else "texte"

        with pytest.raises((XmlSecurityError, ValueError)) as caught:
            build(text, text).render(issuer())
        assert getattr(caught.value, "code", "") in ("XML_CHARACTER", "CONTROL_CHARACTER", "MODEL_STRING_UNICODE"), (
            target
        )
