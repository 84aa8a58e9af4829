"""Pieces of a document that are made once are those of this document all the same."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest
from lxml import etree

from sunes_sdk._core.clock import PARIS
from sunes_sdk.cda import DischargeLetter, Issuer, Quantity, QuantityRange, Treatment
from sunes_sdk.cda.datatypes import EARLY_PLACES
from sunes_sdk.cda.sections import Draft
from sunes_sdk.testing import samples

ISSUER = Issuer(oid_root=samples.DOCUMENT_ROOT)
V3 = "{urn:hl7-org:v3}"


def rendered(letter: DischargeLetter) -> etree._Element:
    return etree.fromstring(letter.render(ISSUER).content)


def test_the_two_hours_of_an_autumn_night_keep_their_offsets() -> None:
    draft = Draft(ISSUER, samples.WRITTEN)
    summer, winter = (datetime(2026, 10, 25, 2, 30, tzinfo=PARIS, fold=fold) for fold in (0, 1))
    assert summer == winter  # as Python sees two times of one zone
    assert [draft.ts(t) for t in (summer, winter, summer)] == [
        "20261025023000+0200", "20261025023000+0100", "20261025023000+0200",
    ]  # fmt: skip


@pytest.mark.parametrize("digits", ["1", "1.0", "1.00", "10", "1E+1", "0.5"])
def test_equal_doses_keep_their_own_digits(digits: str) -> None:
    exact = format(Decimal(digits), "f")
    shown = exact.replace(".", ",")
    dose = Quantity(value=Decimal(digits), unit="mg")
    between = QuantityRange(low=Decimal(digits), high=Decimal("20"), unit="mg")
    treatments = (Treatment(name="A", dose=dose), Treatment(name="B", dose=between))
    root = rendered(samples.discharge_letter(discharge_treatments=treatments, administered_treatments=()))
    assert [d.get("value") for d in root.iterfind(f".//{V3}doseQuantity/*")] == [exact, exact, exact, "20"]
    cells = [c.text for c in root.iterfind(f".//{V3}td")]
    assert f"{shown} mg" in cells
    assert f"{shown} à 20 mg" in cells


def test_places_are_unique_however_many_and_the_same_in_each_document() -> None:
    many = tuple(Treatment(name=f"Médicament {n}") for n in range(EARLY_PLACES + 50))
    for _ in range(2):
        root = rendered(samples.discharge_letter(discharge_treatments=many))
        ids = [str(i) for i in root.xpath("//@ID")]
        assert len(ids) == len(set(ids)) > EARLY_PLACES
        used = {str(r.get("value"))[1:] for r in root.iterfind(f".//{V3}reference")}
        assert used <= set(ids)
        assert f"t{len(ids)}" in ids
        rows = {r.get("ID"): "".join(r.itertext()) for r in root.iterfind(f".//{V3}tr[@ID]")}
        for administration in root.iterfind(f".//{V3}substanceAdministration"):
            place = administration.find(f"{V3}text/{V3}reference")
            name = administration.find(f".//{V3}manufacturedMaterial/{V3}name")
            assert place is not None
            assert name is not None
            if (row := rows.get(str(place.get("value"))[1:])) is not None:
                assert row.startswith(name.text or "?")


def test_only_the_extensions_that_are_used_are_declared() -> None:
    plain = samples.discharge_letter(discharge_treatments=(Treatment(name="A"),), administered_treatments=())
    assert set(rendered(plain).nsmap) == {None, "xsi"}
    form = samples.loinc("1", "comprimé").model_copy(update={"system": "0.4.0.127.0.16.1.1.2.1"})
    with_form = plain.model_copy(update={"discharge_treatments": (Treatment(name="A", form=form),)})
    assert set(rendered(with_form).nsmap) == {None, "pharm", "xsi"}
    newborn = samples.patient(multiple_birth=True, birth_order=2)
    assert set(rendered(plain.model_copy(update={"patient": newborn})).nsmap) == {None, "sdtc", "xsi"}
