"""Dosage of a prescription line: what each mode writes, that text and entry agree, what is refused and why."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.errors import ModelError
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import Issuer, MedicationPrescription, PrescribedTreatment, Quantity, check
from sunes_sdk.cda.documents.treatments import (
    EDQM,
    DoseStep,
    DosingMode,
    Ingredient,
    Medicine,
    QuantityRange,
    TimingEvent,
)
from sunes_sdk.model import Code
from sunes_sdk.testing import samples

NS = {"c": "urn:hl7-org:v3", "pharm": "urn:ihe:pharm:medication", "xsi": "http://www.w3.org/2001/XMLSchema-instance"}
PDF = b"%PDF-1.4\n<x pdfaid:part='1'/>\nstartxref\n0\n%%EOF\n"
DAY = Quantity(value=Decimal(1), unit="d")
TABLET = Quantity(value=Decimal(1), unit="{tablet}")
STEP = DoseStep(dose=TABLET, every=DAY)


def line(**changes: Any) -> PrescribedTreatment:
    return PrescribedTreatment(**{"name": "PARACETAMOL", "posology": "selon le schéma"} | changes)


def root(*lines: PrescribedTreatment) -> etree._Element:
    physician = samples.physician().at(samples.hospital())
    document = MedicationPrescription(
        patient=samples.patient(),
        author=physician,
        custodian=samples.hospital(),
        stay=samples.stay(responsible=physician),
        treatments=lines,
        valid_until=samples.WRITTEN + timedelta(days=90),
        pdf_copy=PDF,
        barcode=b"\x89PNG",
    ).render(Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(1), clock=FixedClock(samples.WRITTEN)))
    assert not check(document.content).findings, str(check(document.content))
    return etree.fromstring(document.content)


def found(tree: etree._Element, path: str) -> list[str]:
    return [str(each) for each in tree.xpath(path, namespaces=NS)]


def said(tree: etree._Element, reference: str) -> str:
    """What the narrative says where an entry points."""
    return "".join(found(tree, f"//*[@ID='{reference.removeprefix('#')}']//text()"))


# --- frequency -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "kind", "text"),
    [
        ({"every": DAY}, "PIVL_TS", "une prise par période de 1 jour"),
        ({"events": (TimingEvent.BEDTIME,)}, "EIVL_TS", "au coucher"),
        ({"events": (TimingEvent.WAKING, TimingEvent.BEDTIME)}, "SXPR_TS", "au lever, au coucher"),
        ({"every": DAY, "events": (TimingEvent.BEDTIME,)}, "SXPR_TS", "une prise par période de 1 jour, au coucher"),
    ],
)
def test_a_frequency_has_the_type_of_what_it_says(parts: dict[str, Any], kind: str, text: str) -> None:
    tree = root(line(**parts))
    assert found(tree, "//c:substanceAdministration/c:effectiveTime[@operator='A']/@xsi:type") == [kind]
    assert text in "".join(found(tree, "//c:text//text()"))


def test_several_moments_are_a_union_inside_what_limits_them() -> None:
    events = (TimingEvent.WAKING, TimingEvent.BEDTIME)
    tree = root(line(mode=DosingMode.TAPERED, steps=(DoseStep(start=date(2026, 1, 15), lasting=DAY, events=events),)))
    outer = "//c:substanceAdministration//c:substanceAdministration/c:effectiveTime"
    assert found(tree, f"{outer}/c:comp/@xsi:type") == ["IVL_TS", "SXPR_TS"]
    assert found(tree, f"{outer}/c:comp/@operator") == ["A", "A"]
    assert found(tree, f"{outer}/c:comp/c:comp/c:event/@code") == ["WAKE", "HS"]
    assert found(tree, f"{outer}/c:comp/c:comp/@operator") == []


def test_hours_left_to_the_patient_are_said() -> None:
    tree = root(line(every=Quantity(value=8, unit="h"), flexible_hours=True))
    assert found(tree, "//c:effectiveTime/@institutionSpecified") == ["true"]
    assert "8 heures (horaires libres)" in "".join(found(tree, "//c:text//text()"))


def test_every_moment_has_its_french_text() -> None:
    texts = {DoseStep(events=(event,)).shown for event in TimingEvent}
    assert len(texts) == len(TimingEvent)


# --- doses -----------------------------------------------------------------------------------------------------------


def test_both_bounds_are_written_and_point_at_the_text() -> None:
    dose = QuantityRange(low=Decimal(1), high=Decimal(2), unit="{tablet}")
    tree = root(line(dose=dose, rate=Quantity(value=5, unit="mL/h")))
    assert found(tree, "//c:doseQuantity/*/@value") == ["1", "2"]
    assert found(tree, "//c:rateQuantity/*/@value") == ["5", "5"]
    for tag, text in (("doseQuantity", "1 à 2 comprimés"), ("rateQuantity", "5 mL/h")):
        references = found(tree, f"//c:{tag}/*/c:translation/c:originalText/c:reference/@value")
        assert [said(tree, r) for r in references] == [text, text]


@pytest.mark.parametrize(
    ("parts", "code", "path"),
    [
        ({"dose": Quantity(value=1, unit="comprimé")}, "CDA_UNIT", "dose"),
        ({"rate": Quantity(value=1, unit="ml/heure")}, "CDA_UNIT", "rate"),
        ({"max_dose": Quantity(value=1, unit="UI")}, "CDA_UNIT", "max_dose"),
        ({"max_dose_period": Quantity(value=1, unit="mg")}, "DOSING_DURATION", "max_dose_period"),
        ({"every": Quantity(value=1, unit="mg")}, "DOSING_DURATION", "every"),
        ({"every": Quantity(value=0, unit="d")}, "DOSING_DURATION", "every"),
        ({"renewal_period": TABLET, "repeats": None}, "DOSING_DURATION", "renewal_period"),
    ],
)
def test_a_dosage_that_cannot_be_is_refused(parts: dict[str, Any], code: str, path: str) -> None:
    refused(parts, code, path)


def refused(parts: dict[str, Any], code: str, path: str) -> None:
    with pytest.raises(ModelError) as caught:
        line(**parts)
    error = caught.value
    assert (error.code, error.path) == (code, f"PrescribedTreatment.{path}")
    assert error.rule
    assert error.hint
    assert error.hint_fr


def test_a_range_upside_down_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        QuantityRange(low=Decimal(2), high=Decimal(1), unit="mg")
    assert caught.value.code == "CDA_INTERVAL"
    assert caught.value.hint_fr


# --- modes -----------------------------------------------------------------------------------------------------------


def test_steps_are_numbered_and_each_says_what_its_text_says() -> None:
    steps = (
        DoseStep(start=date(2026, 1, 15), lasting=Quantity(value=2, unit="d"), dose=TABLET, every=DAY),
        DoseStep(text="puis un demi le soir", dose=Quantity(value="0.5", unit="{tablet}")),
    )
    tree = root(line(mode=DosingMode.TAPERED, steps=steps))
    nested = "//c:entryRelationship[c:sequenceNumber]"
    assert found(tree, f"{nested}/c:sequenceNumber/@value") == ["1", "2"]
    assert [said(tree, r) for r in found(tree, f"{nested}/c:substanceAdministration/c:text/c:reference/@value")] == [
        "1 comprimé, une prise par période de 1 jour, à partir du 15/01/2026, pendant 2 jours",
        "puis un demi le soir",
    ]
    assert found(tree, f"{nested}//c:manufacturedMaterial/c:code/@nullFlavor") == ["NA", "NA"]
    assert "1.3.6.1.4.1.19376.1.9.1.3.6" in found(tree, "//c:substanceAdministration/c:templateId/@root")


def test_a_conditional_step_points_at_its_condition() -> None:
    steps = (DoseStep(condition="Glycémie > 2 g/L", dose=Quantity(value=4, unit="[IU]")),)
    tree = root(line(mode=DosingMode.CONDITIONAL, steps=steps, precondition="À jeun"))
    references = found(tree, "//c:precondition/c:criterion/c:text/c:reference/@value")
    assert [said(tree, r) for r in references] == ["Glycémie > 2 g/L", "À jeun"]


def test_a_component_of_a_mixture_is_a_product() -> None:
    product = Medicine(name="METRONIDAZOLE 500 mg", cis="60090763", ingredients=(Ingredient(name="Métronidazole"),))
    tree = root(line(mode=DosingMode.COMBINED, steps=(DoseStep(product=product),)))
    assert found(tree, "//c:substanceAdministration//c:substanceAdministration//c:name/text()") == [product.name]
    assert "Composition (METRONIDAZOLE 500 mg)" in "".join(found(tree, "//c:text//text()"))


def test_a_delayed_start_has_a_length_instead_of_dates() -> None:
    tree = root(line(mode=DosingMode.DELAYED, lasting=Quantity(value=3, unit="d")))
    assert found(tree, "//c:substanceAdministration/c:effectiveTime/c:low/@nullFlavor") == ["UNK"]
    assert found(tree, "//c:substanceAdministration/c:effectiveTime/c:width/@value") == ["3"]
    assert "pendant 3 jours" in "".join(found(tree, "//c:text//text()"))


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"steps": (STEP,)}, "steps"),
        ({"mode": DosingMode.DELAYED, "steps": (STEP,)}, "steps"),
        ({"mode": DosingMode.TAPERED}, "steps"),
        ({"mode": DosingMode.SPLIT, "steps": (STEP,), "dose": TABLET}, "dose"),
        ({"mode": DosingMode.TAPERED, "steps": (STEP,), "every": DAY}, "dose"),
        ({"mode": DosingMode.CONDITIONAL, "steps": (STEP,)}, "steps.0.condition"),
        ({"mode": DosingMode.COMBINED, "steps": (STEP,)}, "steps.0.product"),
        (
            {"mode": DosingMode.SPLIT, "steps": (STEP, DoseStep(dose=TABLET, product=Medicine(name="X")))},
            "steps.1.product",
        ),
        ({"lasting": DAY}, "lasting"),
        ({"mode": DosingMode.DELAYED, "lasting": DAY, "end": date(2026, 1, 1)}, "lasting"),
    ],
)
def test_a_mode_that_does_not_go_with_the_rest_is_refused(parts: dict[str, Any], path: str) -> None:
    refused(parts, "DOSING_MODE", path)


def test_a_step_that_changes_nothing_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        DoseStep(text="au besoin", condition="Douleur")
    assert caught.value.code == "DOSING_STEP_EMPTY"
    assert caught.value.hint_fr


# --- renewals and product --------------------------------------------------------------------------------------------


def test_renewals_may_have_no_limit_but_a_period() -> None:
    tree = root(line(repeats=None, renewal_period=Quantity(value=6, unit="mo")))
    assert found(tree, "//c:repeatNumber/@nullFlavor") == ["NI"]
    assert found(tree, "//c:supply/c:effectiveTime/c:width/@value") == ["6"]
    text = "".join(found(tree, "//c:text//text()"))
    assert "non limités" in text
    assert "6 mois" in text
    until = root(line(repeats=2, renewal_until=date(2026, 6, 30)))
    assert found(until, "//c:supply/c:effectiveTime/c:high/@value") == ["20260630"]


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"renewal_until": date(2026, 6, 30)}, "repeats"),
        ({"renewal_until": date(2026, 6, 30), "renewal_period": DAY, "repeats": 1}, "renewal_until"),
    ],
)
def test_a_renewal_that_contradicts_itself_is_refused(parts: dict[str, Any], path: str) -> None:
    refused(parts, "PRESCRIPTION_RENEWAL", path)


def test_a_compounded_preparation_has_no_code_and_keeps_its_lines() -> None:
    tree = root(line(name="Préparation :\n- 30 g de diprosone", compounded=True, site="visage"))
    material = "//c:manufacturedMaterial"
    assert found(tree, f"{material}/c:code/@nullFlavor") == ["NA"]
    assert found(tree, f"{material}/c:name/@nullFlavor") == ["NA"]
    assert found(tree, "//c:text//c:br")
    (reference,) = found(tree, "//c:approachSiteCode/c:originalText/c:reference/@value")
    assert said(tree, reference) == "visage"
    refused({"compounded": True, "cis": "60090763"}, "MEDICINE_COMPOUNDED", "compounded")


def test_the_product_says_its_form_and_what_is_in_it() -> None:
    form = Code(code="10219000", system=EDQM, display="Comprimé")
    strength = Ingredient(name="Paracétamol", strength=Quantity(value=24, unit="mg"), per=Quantity(value=1, unit="mL"))
    tree = root(line(form=form, ingredients=(strength,), ucd="9000001", cip="3400933516390"))
    assert found(tree, "//pharm:formCode/@displayName") == ["Comprimé"]
    assert found(tree, "//pharm:quantity/c:denominator/@unit") == ["mL"]
    assert found(tree, "//c:code/c:translation/@codeSystemName") == ["CIP", "UCD"]
    text = "".join(found(tree, "//c:text//text()"))
    assert "Paracétamol 24 mg pour 1 mL" in text
    assert "Comprimé" in text


def test_a_mistyped_cip_is_refused() -> None:
    refused({"cip": "3400933516391"}, "MEDICINE_CIP", "cip")
    line(cip="3516390")
