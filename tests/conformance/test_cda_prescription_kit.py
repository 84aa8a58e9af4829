"""Prescriptions and files before the official judge: each variant of the volet by its own profile."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import (
    CdaDocument,
    Issuer,
    MedicationPrescription,
    OperativeReport,
    PrescribedTreatment,
    PrescriptionFlag,
    Quantity,
    UnstructuredDocument,
    ccam,
    check,
)
from sunes_sdk.cda.documents.imaging import PregnancyStatus
from sunes_sdk.cda.documents.measures import VITAL_SIGN_UNITS, Measure
from sunes_sdk.cda.documents.prescription import VERSIONS
from sunes_sdk.cda.documents.treatments import (
    ATC,
    EDQM,
    EMDN,
    MEDICABASE,
    SMS,
    TUBE,
    DoseStep,
    DosingMode,
    Ingredient,
    Medicine,
    PrescribedDevice,
    QuantityRange,
    TimingEvent,
    Treatment,
)
from sunes_sdk.cda.documents.vital_signs import VitalSign, VitalSignKind
from sunes_sdk.cda.header_writer import Participant
from sunes_sdk.cda.oracle import Oracle
from sunes_sdk.cda.reader import clinical_document
from sunes_sdk.cda.rules import RULES
from sunes_sdk.model import Code
from sunes_sdk.testing import samples

pytestmark = pytest.mark.kit
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
ORAL = Code(code="20053000", system=EDQM, display="Voie orale", system_name="EDQM")
CUTANEOUS = Code(code="20003000", system=EDQM, display="Voie cutanée", system_name="EDQM")


@pytest.fixture(scope="module")
def oracle(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(kit, cache=tmp_path_factory.mktemp("kit"), terminologies=True)


def issuer() -> Issuer:
    return Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(3), clock=FixedClock(samples.WRITTEN))


def shared() -> dict[str, Any]:
    physician = samples.physician().at(samples.hospital())
    return {
        "patient": samples.patient(),
        "author": physician,
        "custodian": samples.hospital(),
        "stay": samples.stay(responsible=physician),
    }


def prescription(*treatments: PrescribedTreatment, **changes: Any) -> CdaDocument:
    values: dict[str, Any] = {
        "treatments": treatments,
        "valid_until": samples.WRITTEN + timedelta(days=90),
        "pdf_copy": PDF,
        "barcode": b"\xff\xd8\xff\xe0",
        "barcode_media_type": "image/jpeg",
    }
    return MedicationPrescription(**shared() | values | changes).render(issuer())


def quantity(value: float | str, unit: str = "") -> Quantity:
    return Quantity(value=Decimal(str(value)), unit=unit)


def tablets(low: int, high: int) -> QuantityRange:
    return QuantityRange(low=Decimal(low), high=Decimal(high), unit="{tablet}")


def line(**changes: Any) -> PrescribedTreatment:
    values: dict[str, Any] = {
        "name": "PARACETAMOL MYLAN 500 mg, comprimé",
        "cis": "63107752",
        "cip": "3400933516390",
        "posology": "1 à 2 comprimés 3 fois par jour, puis 2 fois par jour",
        "start": date(2026, 1, 15),
        "end": date(2026, 1, 20),
    }
    return PrescribedTreatment(**values | changes)


def tapered() -> CdaDocument:
    return prescription(
        line(
            mode=DosingMode.TAPERED,
            route=ORAL,
            max_dose=quantity(4, "g"),
            repeats=3,
            steps=(
                DoseStep(
                    start=date(2026, 1, 15),
                    lasting=quantity(2, "d"),
                    every=quantity(8, "h"),
                    flexible_hours=True,
                    dose=tablets(1, 2),
                    rate=QuantityRange(low=Decimal(1500), high=Decimal(3000), unit="mg/d"),
                ),
                DoseStep(
                    start=date(2026, 1, 17), lasting=quantity(4, "d"), every=quantity(12, "h"), dose=tablets(1, 1)
                ),
                DoseStep(text="puis 1 comprimé au coucher", events=(TimingEvent.BEDTIME,), dose=tablets(1, 1)),
            ),
        )
    )


def split() -> CdaDocument:
    return prescription(
        line(
            mode=DosingMode.SPLIT,
            posology="¼ comprimé les jours pairs, ½ les jours impairs",
            steps=(
                DoseStep(start=date(2026, 1, 16), every=quantity(2, "d"), dose=quantity("0.25", "{tablet}")),
                DoseStep(start=date(2026, 1, 17), every=quantity(2, "d"), dose=quantity("0.5", "{tablet}")),
            ),
        )
    )


def conditional() -> CdaDocument:
    return prescription(
        line(
            mode=DosingMode.CONDITIONAL,
            posology="selon la glycémie",
            precondition="Glycémie mesurée avant chaque repas",
            steps=(
                DoseStep(
                    condition="Glycémie de 1,5 à 2 g/L", dose=quantity(4, "[IU]"), events=(TimingEvent.BEFORE_MEALS,)
                ),
                DoseStep(condition="Glycémie au-dessus de 2 g/L", dose=quantity(6, "[IU]")),
            ),
        )
    )


def combined() -> CdaDocument:
    return prescription(
        line(
            name="Amoxicilline et métronidazole",
            cis=None,
            cip=None,
            mode=DosingMode.COMBINED,
            every=quantity(8, "h"),
            steps=(
                DoseStep(product=Medicine(name="AMOXICILLINE 1 g", cis="60090763"), dose=quantity(1, "g")),
                DoseStep(product=Medicine(name="METRONIDAZOLE 500 mg"), dose=quantity(500, "mg")),
            ),
        )
    )


def delayed() -> CdaDocument:
    return prescription(
        line(
            mode=DosingMode.DELAYED, start=None, end=None, lasting=quantity(3, "d"), posology="3 jours avant le voyage"
        ),
        line(mode=DosingMode.DELAYED, posology="la veille de l'intervention"),
    )


def normal() -> CdaDocument:
    """Every part of a line that has one dose."""
    morning_and_night = (TimingEvent.BEFORE_BREAKFAST, TimingEvent.BEDTIME)
    return prescription(
        line(
            dose=tablets(1, 2),
            every=quantity(2, "d"),
            events=morning_and_night,
            rate=quantity(100, "mg/d"),
            max_dose=quantity(3, "g"),
            route=ORAL,
            medicabase=Code(
                code="MV00002306", system=MEDICABASE, display="Paracétamol 500 mg comprimé", system_name="MV"
            ),
            form=Code(code="10219000", system=EDQM, display="Comprimé", system_name="EDQM"),
            generic=Code(code="N02BE01", system=ATC, display="paracétamol", system_name="ATC"),
            ingredients=(
                Ingredient(
                    name="Paracetamol",
                    code=Code(code="100000090270", system=SMS, display="Paracetamol", system_name="SMS"),
                    strength=quantity(500, "mg"),
                ),
            ),
            repeats=None,
            renewal_period=quantity(6, "mo"),
            boxes=2,
            chronic_disease=True,
            work_accident=True,
            not_reimbursable=True,
            off_label=True,
            prevention=True,
            substitution_allowed=False,
            no_substitution_reason="Marge thérapeutique étroite",
            patient_instructions="À prendre au cours d'un repas",
            dispenser_instructions="Conditionnement trimestriel",
            precondition="Bilan hépatique normal",
            comment="Réévaluer à un mois",
        ),
        line(events=morning_and_night, site=Code(code="46862004", system="2.16.840.1.113883.6.96", display="fesse")),
        line(every=quantity(1, "d"), flexible_hours=True, repeats=2, renewal_until=date(2026, 6, 30)),
        line(events=(TimingEvent.WAKING,)),
        line(),
    )


def compounded() -> CdaDocument:
    return prescription(
        PrescribedTreatment(
            name="Préparation magistrale :\n- 30 g de diprosone\n- 70 g de cérat frais de Galien",
            compounded=True,
            posology="2 applications par jour",
            every=quantity(12, "h"),
            route=CUTANEOUS,
            site="visage",
            form=Code(code="50015000", system=EDQM, display="pommade", system_name="EDQM"),
            boxes=1,
            packaging=TUBE,
        )
    )


BED = PrescribedDevice(
    name="Lit médical + 135 kg",
    emdn=Code(code="V0806", system=EMDN, display="LITS MÉDICAUX"),
    lpp="1215702",
    lpp_label="lit médical, lit + 135 kg, forfait de livraison du lit et accessoires",
    start=date(2026, 1, 15),
    end=date(2026, 3, 15),
    rental=quantity(60, "d"),
    chronic_disease=True,
    work_accident=True,
    prevention=True,
    not_reimbursable=True,
    comment="À livrer avant la sortie",
    repeats=1,
)
DEVICES = (BED, PrescribedDevice(name="Bas de contention", quantity=2, lpp="1215702"), PrescribedDevice(name="Canne"))


def devices_only() -> CdaDocument:
    return prescription(devices=DEVICES, discharge=True)


MEASURED = {"/min": 60, "%": 98, "mm[Hg]": 120, "Cel": 37, "cm": 170, "kg": 55, "kg/m2": 19}


def everything() -> CdaDocument:
    practice = samples.hospital(name="Cabinet médical")
    return prescription(
        line(),
        devices=DEVICES,
        comment="Prescription faite à la sortie",
        replaced=samples.general_practitioner().at(practice),
        dispenser=samples.physician(profession="21", specialty="A", rpps="01234534765").at(practice),
        dispense_by=samples.WRITTEN + timedelta(days=3),
        epu="01S2TBPZ2JCNZZYGHZ",
        flags=frozenset(PrescriptionFlag),
        vital_signs=[
            VitalSign(kind=kind, measure=Measure(value=MEASURED[units[0]], unit=units[0]), at=samples.ADMITTED)
            for kind in VitalSignKind
            if (units := VITAL_SIGN_UNITS[kind])
        ],
        pregnancy=PregnancyStatus.PREGNANT,
    )


def version_2022() -> CdaDocument:
    return prescription(line(), devices=DEVICES, version="2022.01", pdf_copy=None)


def version_2023() -> CdaDocument:
    return prescription(line(), version="2023.01")


def letter_with_dosages() -> CdaDocument:
    """The same dosages, of a treatment that is taken rather than prescribed."""
    full = Treatment(
        name="PARACETAMOL MYLAN 500 mg, comprimé",
        cis="63107752",
        form=Code(code="10219000", system=EDQM, display="Comprimé", system_name="EDQM"),
        generic=Code(code="N02BE01", system=ATC, display="paracétamol", system_name="ATC"),
        ingredients=(Ingredient(name="Paracetamol", strength=quantity(500, "mg")),),
        dose=tablets(1, 2),
        every=quantity(2, "d"),
        events=(TimingEvent.BEFORE_BREAKFAST, TimingEvent.BEDTIME),
        rate=quantity(100, "mg/d"),
        max_dose=quantity(3, "g"),
        route=ORAL,
        site=Code(code="46862004", system="2.16.840.1.113883.6.96", display="fesse"),
    )
    compounded = Treatment(name="Crème :\n- cérat", compounded=True, events=(TimingEvent.WAKING,), site="visage")
    return samples.discharge_letter(discharge_treatments=(full, compounded)).render(issuer())


def operative_report() -> CdaDocument:
    """Several acts, the surgeon, the anaesthetist as a participant."""
    hospital = samples.hospital()
    anaesthetist = samples.physician(family="DURAND", specialty="SM02", rpps="01234534765").at(hospital)
    return OperativeReport(
        **shared(),
        body=PDF,
        act=ccam("HHFA001", "Appendicectomie, par abord de la fosse iliaque"),
        other_acts=(ccam("ZZLP025", "Anesthésie générale ou locorégionale complémentaire niveau 1"),),
        performer=samples.physician(family="MARTIN", specialty="SM04").at(hospital),
        performed_at=samples.ADMITTED + timedelta(hours=4),
        ended_at=samples.ADMITTED + timedelta(hours=5),
        participants=(Participant(type_code="CON", actor=anaesthetist),),
    ).render(issuer())


def file(body: bytes, media_type: str, **changes: Any) -> CdaDocument:
    values: dict[str, Any] = {"document_type": "11488-4", "title": "Compte rendu", "body": body}
    return UnstructuredDocument(**shared() | values | changes, media_type=media_type).render(issuer())


def english_text() -> CdaDocument:
    return file("Coût".encode("cp1252"), "text/plain", language="en-GB")


def rtf() -> CdaDocument:
    return file(b"{\\rtf1 Bonjour}", "text/rtf")


def jpeg() -> CdaDocument:
    return file(b"\xff\xd8\xff\xe0\xff\xd9", "image/jpeg")


def tiff() -> CdaDocument:
    return file(b"II*\x00\x08\x00\x00\x00\x00\x00\x00", "image/tiff")


DOCUMENTS: list[Callable[[], CdaDocument]] = [
    tapered, split, conditional, combined, delayed, normal, compounded, devices_only, everything, version_2022,
    version_2023, letter_with_dosages, operative_report, english_text, rtf, jpeg, tiff,
]  # fmt: skip


@pytest.mark.parametrize("make", DOCUMENTS, ids=[m.__name__ for m in DOCUMENTS])
def test_the_official_kit_accepts_each_variant(make: Callable[[], CdaDocument], oracle: Oracle) -> None:
    document = make()
    report = oracle.check(document)
    assert report.ok, str(report)
    assert not check(document.content).findings, str(check(document.content))


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_is_judged_by_its_own_profile(version: str, oracle: Oracle) -> None:
    """And what that profile makes mandatory is what it refuses to miss."""
    document = prescription(line(), version=version)
    assert oracle.volet_of(clinical_document(document.content)) == f"CI-SIS_EP-MED-DM_{version}"
    needs = VERSIONS[version]
    for section, needed in (("223", needs.barcode), ("243", needs.pdf_copy)):
        template = f'<templateId root="1.2.250.1.213.1.1.2.{section}"></templateId>'.encode()
        assert template in document.content
        report = oracle.check(document.content.replace(template, b""))
        assert report.ok != needed, (section, str(report))


SILENCES: list[tuple[str, Callable[[], CdaDocument], str, str]] = [
    ("CDA_E00", normal, 'root="1.2.250.1.213.1.1.1.39"', 'root="1.2.3"'),
    ("CDA_E05", normal, '<templateId root="1.2.250.1.213.1.1.2.223"></templateId>', ""),
    ("CDA_E09", normal, r'(substitution permise"[^>]*>)<originalText>.*?</originalText>', r"\1"),
    ("CDA_E14", everything, 'root="1.2.250.1.215.500.1.1"', 'root="1.2.250.1.215.500.1.2"'),
    ("CDA_E15", tapered, '<sequenceNumber value="2">', '<sequenceNumber value="1">'),
    ("CDA_E15", conditional, "<precondition>.*?</precondition>", ""),
    ("CDA_E16", tapered, '(<doseQuantity><low unit="{tablet}" value=")1', r"\g<1>9"),
    ("CDA_E17", tapered, '<high value="20260120">', '<high value="20260101">'),
    ("CDA_E18", everything, 'code="MED-1095"', 'code="MED-1"'),
    ("CDA_N01", jpeg, r'(B64">)[^<]*', r"\1UEsDBA=="),
    ("CDA_N03", operative_report, 'codeSystem="1.2.250.1.215.300.1"', 'codeSystem="1.2.250.1.213.9"'),
]


@pytest.mark.parametrize(
    ("code", "make", "pattern", "replacement"), SILENCES, ids=[f"{s[0]}-{s[1].__name__}" for s in SILENCES]
)
def test_a_rule_marked_so_is_one_that_the_kit_does_not_have(
    code: str, make: Callable[[], CdaDocument], pattern: str, replacement: str, oracle: Oracle
) -> None:
    assert {r.code: r.kit_is_silent for r in RULES}[code]
    mutated, count = re.subn(pattern, replacement, make().content.decode(), count=1, flags=re.DOTALL)
    assert count == 1
    assert oracle.check(mutated.encode()).ok, str(oracle.check(mutated.encode()))
    assert code in {f.code for f in check(mutated.encode())}
