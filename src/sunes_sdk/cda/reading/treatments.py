"""FR-Traitement and FR-Traitement-prescrit back into `Treatment` and `PrescribedTreatment`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from ..._core.errors import ModelError
from ...model import Code
from ..datatypes_reader import code_of, find, path_of, value_of
from ..documents.dosing import Quantity, TimingEvent
from ..documents.treatments import (
    ATC,
    BOX,
    CIP,
    CIS,
    EDQM,
    LPP,
    MEDICABASE,
    TUBE,
    UCD,
    DoseStep,
    DosingMode,
    Ingredient,
    Medicine,
    PrescribedDevice,
    PrescribedTreatment,
    Treatment,
)
from ..envelope import V3
from .entries import (
    XSI_TYPE,
    Body,
    code_of_statement,
    day,
    decimal,
    has_template,
    lines_of,
    quantity,
    quantity_or_range,
    related,
    row_of,
    statements,
    unit_of,
)

PHARM: Final = "{urn:ihe:pharm:medication}"
_DOSAGE: Final = (
    "effectiveTime", "routeCode", "approachSiteCode", "doseQuantity", "rateQuantity", "maxDoseQuantity", "consumable",
    "repeatNumber", "precondition",
)  # fmt: skip
_FLAGS: Final = {
    "MED-574": "chronic_disease", "GEN-180": "work_accident", "GEN-181": "not_reimbursable", "GEN-179": "off_label",
    "GEN-295": "prevention",
}  # fmt: skip
_FLAGS_OF_LINE: Final = (
    "substitution_allowed", "repeats", "chronic_disease", "work_accident", "not_reimbursable", "off_label",
)  # fmt: skip
"""What eP-MED-DM wants each line to say (1..1); prevention is optional there."""
_FLAGS_OF_DEVICE: Final = ("chronic_disease", "work_accident", "not_reimbursable", "prevention")
_EVENTS: Final = frozenset(e.value for e in TimingEvent)
_MOST_REPEATS: Final = 1000
_MODES: Final = {mode.value: mode for mode in DosingMode}


def read_treatments(body: Body, section: etree._Element) -> tuple[tuple[Treatment, ...], bool]:
    """The treatments of a section, and whether it says anything by an entry: none and True means "no treatment"."""
    found: list[Treatment] = []
    says = False
    for statement in statements(section, "substanceAdministration"):
        if _says_none(statement):
            body.notes.take(statement, "*")
            says = True
            continue
        values = _treatment(body, statement)
        place = body.place(find(statement, "text"))
        row = body.around(place)
        values["posology"] = _of_row(place, row) or (None if row else body.said(find(statement, "text")) or None)
        values["comment"] = row.get("Commentaire")
        if values["compounded"]:
            values["name"] = row.get("Médicament", "")
        try:
            found.append(Treatment(**values))
        except ModelError as e:
            body.notes.leave("a treatment", path_of(statement), e.message)
            continue
        body.notes.take(statement, *_DOSAGE[:-2])
        says = True
    return tuple(found), says


def read_prescribed(body: Body, section: etree._Element) -> tuple[PrescribedTreatment, ...]:
    """The lines of a prescription."""
    found = []
    for statement in statements(section, "substanceAdministration"):
        try:
            found.append(PrescribedTreatment(**_prescribed(body, statement)))
        except ModelError as e:
            body.notes.leave("a prescription line", path_of(statement), e.message)
    return tuple(found)


def _says_none(statement: etree._Element) -> bool:
    material = find(statement, "consumable", "manufacturedProduct", "manufacturedMaterial")
    code, name = find(material, "code"), find(material, "name")
    return (
        material is not None
        and code is not None and code.get("nullFlavor") == "NA" and name is not None and name.get("nullFlavor") == "NA"
        and find(statement, "doseQuantity") is None and not _known_period(statement)
        and all(e.tag in (f"{V3}templateId", f"{V3}code", f"{V3}name") for e in material.iterchildren(etree.Element))
    )  # fmt: skip


def _known_period(statement: etree._Element) -> bool:
    period = find(statement, "effectiveTime")
    return any(
        (bound := find(period, name)) is not None and bound.get("nullFlavor") != "NA" for name in ("low", "high")
    )


def _treatment(body: Body, statement: etree._Element) -> dict[str, Any]:
    """What both kinds of treatments share."""
    values = read_medicine(body, statement)
    values |= _dosage(body, statement)
    period = next((t for t in statement.iterchildren(f"{V3}effectiveTime") if t.get("operator") is None), None)
    values["start"] = day(find(period, "low"), body.notes)
    values["end"] = day(find(period, "high"), body.notes)
    most = find(statement, "maxDoseQuantity")
    if most is not None and (ratio := _ratio(body, most, "a maximum dose")):
        values["max_dose"], values["max_dose_period"] = ratio
    values["route"] = code_of(find(statement, "routeCode"))
    site = find(statement, "approachSiteCode")
    if site is not None:
        values["site"] = (
            code_of(site) or code_of(find(site, "translation")) or _labelled(body, site, "Région anatomique")
        )
    return values


def _ratio(body: Body, element: etree._Element, what: str) -> tuple[Quantity, Quantity] | None:
    """Numerator and denominator of a RTO; one that lacks either is noted."""
    parts = {etree.QName(e).localname: quantity(e) for e in element.iterchildren(etree.Element)}
    over, under = parts.get("numerator"), parts.get("denominator")
    if over is not None and under is not None:
        return over, under
    body.notes.leave(what, path_of(element), "a part of it is not said")
    return None


def _labelled(body: Body, element: etree._Element, label: str) -> str | None:
    """What an element says: the cell with this heading when it points at a row."""
    place = body.place(element)
    if place is not None and place.tag == f"{V3}tr":
        return body.around(place).get(label)
    return body.said(element) or None


def read_medicine(body: Body, statement: etree._Element) -> dict[str, Any]:
    material = find(statement, "consumable", "manufacturedProduct", "manufacturedMaterial")
    code, name = find(material, "code"), find(material, "name")
    coded = code_of(code)
    values: dict[str, Any] = {"name": body.said(name), "compounded": False}
    if code is not None and name is not None and code.get("nullFlavor") == "NA" == name.get("nullFlavor"):
        values["compounded"] = True
    label = ""
    if coded and coded.system == CIS:
        values["cis"], label = coded.code, coded.display
    elif coded and code is not None:
        body.notes.leave("the code of a medicine", path_of(code), f"it is of {coded.system}")
    for element in code.iterchildren(f"{V3}translation") if code is not None else ():
        translation = code_of(element)
        if translation is None:
            continue
        kind = {CIP: "cip", UCD: "ucd", ATC: "atc", MEDICABASE: "medicabase"}.get(translation.system)
        if kind in ("cip", "ucd"):
            values[kind], label = translation.code, label or translation.display
        elif kind:
            values[kind] = translation
        else:
            body.notes.leave("a code of a medicine", path_of(element), f"it is of {translation.system}")
    values["name"] = values["name"] or label
    if label != values["name"]:
        values["label"] = label or None
    for extension in material.iterchildren(f"{PHARM}*") if material is not None else ():
        if extension.tag == f"{PHARM}formCode":
            values["form"] = code_of(extension)
        elif extension.tag == f"{PHARM}asSpecializedKind":
            values["generic"] = code_of(next(extension.iter(f"{PHARM}code"), None))
        elif extension.tag == f"{PHARM}ingredient":
            values["ingredients"] = (*values.get("ingredients", ()), *_ingredient(body, extension))
        else:
            body.notes.leave("a detail of a medicine", path_of(extension))
    return values


def _ingredient(body: Body, element: etree._Element) -> Iterator[Ingredient]:
    inner = next(element.iterchildren(f"{PHARM}ingredient"), None)
    amount = next(element.iterchildren(f"{PHARM}quantity"), None)
    values: dict[str, Any] = {"name": ""}
    if inner is not None:
        values["name"] = "".join(next(inner.iterchildren(f"{PHARM}name"), inner).itertext())
        values["code"] = code_of(next(inner.iterchildren(f"{PHARM}code"), None))
    if amount is not None and (ratio := _ratio(body, amount, "the strength of an ingredient")):
        values["strength"], values["per"] = ratio
    try:
        yield Ingredient(**values)
    except ModelError as e:
        body.notes.leave("an ingredient", path_of(element), e.message)


def _dosage(body: Body, statement: etree._Element) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dose": quantity_or_range(find(statement, "doseQuantity")),
        "rate": quantity_or_range(find(statement, "rateQuantity")),
    }
    for time in statement.iterchildren(f"{V3}effectiveTime"):
        if time.get("operator") is not None:
            _frequency(body, time, values)
    return values


def _frequency(body: Body, time: etree._Element, values: dict[str, Any]) -> None:
    kind = time.get(XSI_TYPE) or ""
    if kind == "PIVL_TS" and (period := quantity(find(time, "period"))) is not None:
        values["every"] = period
        values["flexible_hours"] = time.get("institutionSpecified") == "true"
    elif kind == "EIVL_TS" and (event := find(time, "event")) is not None and event.get("code") in _EVENTS:
        values["events"] = (*values.get("events", ()), event.get("code"))
    elif kind == "IVL_TS":
        values["step_start"] = day(find(time, "low"), body.notes)
        values["step_lasting"] = quantity(find(time, "width"))
    elif kind == "SXPR_TS":
        for comp in time.iterchildren(f"{V3}comp"):
            _frequency(body, comp, values)
    else:
        body.notes.leave("a frequency", path_of(time), f"its form ({kind or 'untyped'}) is not known")


def _prescribed(body: Body, statement: etree._Element) -> dict[str, Any]:
    notes = body.notes
    reads: list[str] = list(_DOSAGE)
    values = _treatment(body, statement)
    for name in ("step_start", "step_lasting"):
        values.pop(name, None)
    place = body.place(find(statement, "text"))
    items = body.around(place)
    said = body.said(find(statement, "text"))
    if values["compounded"] and not values["name"]:
        values["name"] = said.partition(" : ")[0]
    values["posology"] = _of_row(place, items) or _posology(said, values["name"])
    values["comment"] = items.get("Commentaire")
    modes = [_MODES[t.get("root") or ""] for t in statement.iterchildren(f"{V3}templateId") if t.get("root") in _MODES]
    if not modes:
        notes.leave("the dosing mode", path_of(statement), "it is not said: the normal one stands for it")
    mode = values["mode"] = next(reversed(modes), DosingMode.NORMAL)
    if mode.has_steps:
        values["steps"] = tuple(_step(body, s) for s in related(statement, "substanceAdministration"))
    if mode is DosingMode.DELAYED:
        values["lasting"] = quantity(find(statement, "effectiveTime", "width"))
    repeat = find(statement, "repeatNumber")
    if repeat is not None:
        number = decimal(repeat)
        if repeat.get("nullFlavor") is not None:
            values["repeats"] = None  # not limited
        elif number is not None and number == int(number) and number < _MOST_REPEATS:
            values["repeats"] = int(number)
        else:
            notes.leave("the number of renewals", path_of(repeat), "it cannot be read: none stands for it")
    if (criterion := find(statement, "precondition", "criterion", "text")) is not None:
        values["precondition"] = body.said(criterion) or None
    for inner in related(statement, "act", "observation", "supply"):
        if _of_line(body, inner, values):
            notes.take(inner, "effectiveTime", "value", "quantity")
    _note_unsaid(body, statement, values, *_FLAGS_OF_LINE)
    notes.take(statement, *reads)
    return values


def _step(body: Body, statement: etree._Element) -> DoseStep:
    values = _dosage(body, statement)
    values["start"], values["lasting"] = values.pop("step_start", None), values.pop("step_lasting", None)
    values["text"] = body.said(find(statement, "text"))
    if (criterion := find(statement, "precondition", "criterion", "text")) is not None:
        values["condition"] = body.said(criterion)
    medicine = read_medicine(body, statement)
    if medicine["name"]:
        values["product"] = Medicine(**medicine)
    body.notes.take(statement, "effectiveTime", "doseQuantity", "rateQuantity", "consumable", "precondition")
    return DoseStep(**values)


def read_devices(body: Body, section: etree._Element) -> tuple[PrescribedDevice, ...]:
    """The devices of a prescription."""
    found = []
    for supply in statements(section, "supply"):
        try:
            found.append(PrescribedDevice(**_device(body, supply)))
        except ModelError as e:
            body.notes.leave("a prescribed device", path_of(supply), e.message)
            continue
        body.notes.take(supply, "effectiveTime", "repeatNumber", "quantity", "expectedUseTime", "participant")
    return tuple(found)


def _device(body: Body, supply: etree._Element) -> dict[str, Any]:
    said = body.said(find(supply, "text"))
    period = find(supply, "effectiveTime")
    code = find(supply, "participant", "participantRole", "playingDevice", "code")
    coded = code_of(code)
    values: dict[str, Any] = {
        "name": _undated(said) or (coded.display if coded else ""),
        "emdn": coded,
        "start": day(find(period, "low"), body.notes),
        "end": day(find(period, "high"), body.notes),
        "rental": quantity(find(supply, "expectedUseTime", "width")),
        "comment": body.around(body.place(find(supply, "text"))).get("Commentaire"),
    }
    for element in code.iterchildren(f"{V3}translation") if code is not None else ():
        lpp = code_of(element)
        if lpp and lpp.system == LPP:
            values["lpp"] = lpp.code
            values["lpp_label"] = lpp.display if lpp.display != values["name"] else None
        else:
            body.notes.leave("a code of a device", path_of(element))
    for tag, name in (("quantity", "quantity"), ("repeatNumber", "repeats")):
        number = decimal(find(supply, tag))
        if number is not None and number == int(number):
            values[name] = int(number)
    for inner in related(supply, "observation"):
        if code_of_statement(inner) in _FLAGS and _of_line(body, inner, values):
            body.notes.take(inner, "effectiveTime", "value")
    _note_unsaid(body, supply, values, "quantity", "repeats", *_FLAGS_OF_DEVICE)
    return values


def _note_unsaid(body: Body, statement: etree._Element, values: dict[str, Any], *needed: str) -> None:
    """What a line must say and does not, where its model has a default."""
    for name in needed:
        if name not in values:
            why = "it is not said: the default of the model stands for it"
            body.notes.leave(name.replace("_", " "), path_of(statement), why)


def _of_line(body: Body, inner: etree._Element, values: dict[str, Any]) -> bool:
    """A statement about a prescription line; False when it is none that is known."""
    code = code_of_statement(inner)
    value = find(inner, "value")
    if (flag := _FLAGS.get(code)) and value is not None and value_of(value) in ("true", "false"):
        values[flag] = value_of(value) == "true"
    elif code == "PINSTRUCT":
        values["patient_instructions"] = body.said(find(inner, "text"))
    elif code == "FINSTRUCT":
        values["dispenser_instructions"] = body.said(find(inner, "text"))
    elif has_template(inner, "1.3.6.1.4.1.19376.1.9.1.3.9.1"):
        if code not in ("G", "N"):
            return False
        values["substitution_allowed"] = code == "G"
        if code == "N":
            reason = body.said(find(inner, "code", "originalText"))
            values["no_substitution_reason"] = reason.removeprefix("Aucune substitution permise : ") or None
    elif has_template(inner, "1.3.6.1.4.1.19376.1.9.1.3.8"):
        boxes = quantity(find(inner, "quantity"))
        if boxes is None or boxes.value != int(boxes.value):
            return False
        values["boxes"] = int(boxes.value)
        unit = unit_of(find(inner, "quantity"))
        if not unit:
            body.notes.leave("the packaging", path_of(inner), "it is not said: boxes stand for it")
            unit = BOX.code
        values["packaging"] = {BOX.code: BOX, TUBE.code: TUBE}.get(unit) or Code(code=unit, system=EDQM)
    elif has_template(inner, "1.3.6.1.4.1.19376.1.9.1.3.15"):
        time = find(inner, "effectiveTime")
        values["renewal_until"] = day(find(time, "high"), body.notes)
        values["renewal_period"] = quantity(find(time, "width"))
    else:
        return False
    return True


def _of_row(place: etree._Element | None, row: dict[str, str]) -> str | None:
    """The posology in the row of a table: its column, else all that the row says beside the name of the medicine."""
    if row_of(place) is None or "Posologie" in row:
        return row.get("Posologie")
    if next(iter(row), "") == "Médicament" and place is row_of(place):  # our own tables, where it is optional
        return None
    said = lines_of(place).strip() if place is not None else ""
    cells = ((heading, " ".join(cell.split())) for heading, cell in row.items() if cell != said)
    return ", ".join(f"{heading} : {cell}" for heading, cell in cells if cell != "-") or None


def _posology(said: str, name: str) -> str:
    """What a line says after the name, without the dates that stand at its end in brackets."""
    return _undated(said.removeprefix(f"{name} : "))


def _undated(text: str) -> str:
    head, bracket, tail = text.rpartition(" (")
    if bracket and tail.endswith(")") and tail.startswith(("du ", "au ", "pendant ")):
        return head
    return text
