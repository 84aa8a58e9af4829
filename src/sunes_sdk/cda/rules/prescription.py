"""Rules of the prescription (eP-MED-DM 2022.01 to 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from lxml import etree

from ..._core.findings import Severity
from ..datatypes_reader import find, findall, text_of
from ..documents.measures import VITAL_SIGN_UNITS
from ..reader import V3
from .engine import EP_MED_DM, Problem, RuleSet, View, is_not_of

PRESCRIPTION = RuleSet(EP_MED_DM, held=True)
rule = PRESCRIPTION.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.39"
_TEMPLATES = (_TEMPLATE, "1.3.6.1.4.1.19376.1.9.1.1.1", "1.3.6.1.4.1.19376.1.5.3.1.1.1")
_LINE = "1.2.250.1.213.1.1.3.83"
_OBSERVATIONS = {"GEN-179": "hors AMM", "MED-574": "ALD", "GEN-180": "AT/MP", "GEN-181": "non remboursable"}
_NORMAL = "1.3.6.1.4.1.19376.1.5.3.1.4.7.1"
_CONDITIONAL, _COMBINED = "1.3.6.1.4.1.19376.1.5.3.1.4.10", "1.3.6.1.4.1.19376.1.5.3.1.4.11"
_DELAYED = "1.3.6.1.4.1.19376.1.5.3.1.4.21"
_MODES = frozenset({_NORMAL, *(f"1.3.6.1.4.1.19376.1.5.3.1.4.{n}" for n in (8, 9, 10, 11))})


_EPU_ROOT = "1.2.250.1.215.500.1.1"
_STEP = "1.2.250.1.213.1.1.3.83.1"
_DEVICES = "1.2.250.1.213.1.1.2.222"
_DEVICE_OBSERVATIONS = {"MED-574": "ALD", "GEN-180": "AT/MP", "GEN-181": "non remboursable", "GEN-295": "prévention"}
_INFO_CODES = frozenset({f"MED-{n}" for n in (1094, 1095, 1096, 1097, 1098, 1132, 1159)})
_WITHOUT_PDF_COPY = frozenset({"2022.01", "2023.01"})


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


def _version(view: View) -> str:
    found = [t.get("extension") or "" for t in view.children("templateId") if t.get("root") == _TEMPLATE]
    return found[0] if found else ""


def _lines(view: View) -> list[etree._Element]:
    return view.templates.get(_LINE, []) if _applies(view) else []


@rule(
    "CDA_E00",
    "a structured prescription declares the volet",
    hint="use MedicationPrescription",
    source="the official validator applies no rule of the volet without this templateId",
    kit_is_silent=True,
)
def _declared(view: View) -> Iterator[Problem]:
    if view.type_code == "57833-6" and view.is_structured and not _applies(view):
        yield "templateId", f"{_TEMPLATE} is missing"


@rule(
    "CDA_E01",
    "the volet's three templateIds are there, and the type is 57833-6",
    hint="use MedicationPrescription",
)
def _header(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for root in _TEMPLATES:
        if root not in view.header_templates:
            yield "templateId", f"{root} is missing"
    if view.type_code != "57833-6":
        yield "code", "the type is not 57833-6"


@rule("CDA_E02", "the patient has an address and a telecom, or their nullFlavor", hint="give them, or say UNK")
def _patient(view: View) -> Iterator[Problem]:
    if _applies(view):
        for target in view.children("recordTarget"):
            role = find(target, "patientRole")
            if find(role, "addr") is None or find(role, "telecom") is None:
                yield target, "addr or telecom is missing"


@rule(
    "CDA_E03",
    "the prescription says from when and until when it is valid",
    hint="give valid_until",
    fr="La période de validité de la prescription est incomplète.",
)
def _validity(view: View) -> Iterator[Problem]:
    if _applies(view):
        for documentation in view.children("documentationOf")[:1]:
            time = find(documentation, "serviceEvent", "effectiveTime")
            if find(time, "low") is None or find(time, "high") is None:
                yield documentation, "low or high is missing"


@rule(
    "CDA_E05",
    "the 2D code of the prescription is there",
    hint="give barcode",
    severity=Severity.WARNING,
    source=f"{EP_MED_DM} section FR-Code-a-barres 1..1; its example says 0..1, the official validator does not look",
    kit_is_silent=True,
    held=is_not_of(_TEMPLATE),
)
def _barcode(view: View) -> Iterator[Problem]:
    if _applies(view) and _version(view) not in _WITHOUT_PDF_COPY and not view.sections("1.2.250.1.213.1.1.2.223"):
        yield "component/structuredBody", "there is no FR-Code-a-barres section"


@rule(
    "CDA_E06",
    "the PDF copy of the prescription is there, since 2024.01; never twice",
    hint="give pdf_copy",
    fr="La copie PDF de la prescription manque.",
)
def _copy(view: View) -> Iterator[Problem]:
    if _applies(view):
        found = len(view.sections("1.2.250.1.213.1.1.2.243"))
        if found > 1 or (not found and _version(view) not in _WITHOUT_PDF_COPY):
            yield "component/structuredBody", "not exactly one FR-Document-PDF-copie section"


@rule(
    "CDA_E07",
    "there is a section of medicines, with an id and at least one line, or one of devices",
    hint="give treatments",
)
def _content(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    medicines, devices = view.sections("1.2.250.1.213.1.1.2.171"), view.sections("1.2.250.1.213.1.1.2.222")
    if not medicines and not devices:
        yield "component/structuredBody", "nothing is prescribed"
    for section in medicines:
        if find(section, "id") is None or find(section, "entry") is None:
            yield section, "the section has no id or no line"


@rule(
    "CDA_E08",
    "each line says: substitution, hors AMM, ALD, AT/MP, non remboursable",
    hint="use PrescribedTreatment",
    fr="Une mention obligatoire manque à une ligne de la prescription.",
)
def _flags(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        codes = set()
        for relation in findall(line, "entryRelationship"):
            code = find(relation, "observation", "code")
            codes.add(code.get("code") if code is not None else None)
        for code_value, name in _OBSERVATIONS.items():
            if code_value not in codes:
                yield line, f"{code_value} ({name}) is missing"
        if not _substitutions(line):
            yield line, "the permission to substitute is missing"


def _substitutions(line: etree._Element) -> list[etree._Element]:
    found = []
    for relation in findall(line, "entryRelationship"):
        act = find(relation, "act")
        if act is not None and any(t.get("root") == "1.2.250.1.213.1.1.3.87" for t in findall(act, "templateId")):
            found.append(act)
    return found


@rule(
    "CDA_E09",
    "a substitution that is refused says why",
    hint="give no_substitution_reason",
    fr="Indiquez le motif de non substitution.",
    source=f"{EP_MED_DM} FR-Autorisation-Substitution; the official validator does not look",
    kit_is_silent=True,
)
def _reason(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        for act in _substitutions(line):
            code = find(act, "code")
            if code is None or code.get("code") not in ("N", "G"):
                yield act, "the code is neither N nor G"
            elif code.get("code") == "N" and find(code, "originalText", "reference") is None:
                yield code, "the reason is missing"


@rule(
    "CDA_E21",
    "a line whose start is delayed has both its dates, or a length when the start is not known",
    hint="write low and high, or low UNK and width",
    fr="Une ligne à début différé n'a ni ses deux dates ni sa durée.",
)
def _delayed(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        if _DELAYED not in [t.get("root") for t in findall(line, "templateId")]:
            continue
        for period in [t for t in findall(line, "effectiveTime") if t.get("operator") != "A"][:1]:
            low, high = find(period, "low"), find(period, "high")
            known = [b for b in (low, high) if b is not None and b.get("nullFlavor") != "UNK"]
            if len(known) < 2 and (low is None or low in known or find(period, "width") is None):
                yield period, "neither both dates nor a length"


@rule("CDA_E10", "a line is an order (INT), has one dosing mode, no author, and a number of renewals", hint="mend it")
def _line(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        declared = [t.get("root") for t in findall(line, "templateId")]
        modes = [m for m in declared if m in _MODES]
        if not modes and _DELAYED in declared:
            modes = [_NORMAL]  # "début différé" has no step either
        if line.get("moodCode") != "INT":
            yield line, "moodCode is not INT"
        if len(modes) != 1 or (_DELAYED in declared and modes != [_NORMAL]):
            yield line, f"{len(modes)} dosing modes"
        if find(line, "author") is not None:
            yield line, "there is an author"
        nested = [r for r in findall(line, "entryRelationship") if find(r, "substanceAdministration") is not None]
        if bool(nested) == (modes == [_NORMAL]):
            yield line, "subordinate doses do not go with the dosing mode"
        repeat = find(line, "repeatNumber")
        value = (repeat.get("value") or "") if repeat is not None else "0"
        if not (value.isascii() and value.isdigit()) and (repeat is None or repeat.get("nullFlavor") != "NI"):
            yield line, "repeatNumber is not a number"


@rule(
    "CDA_E11", "the author has an organisation with id and name", hint="complete the author", held=is_not_of(_TEMPLATE)
)
def _author(view: View) -> Iterator[Problem]:
    if _applies(view):
        for author in view.children("author"):
            organization = find(author, "assignedAuthor", "representedOrganization")
            if find(organization, "id") is None or not text_of(find(organization, "name")):
                yield author, "representedOrganization id or name is missing"


@rule(
    "CDA_E12",
    "the 2D code of the prescription is there, in 2022.01 and 2023.01",
    hint="give barcode",
    fr="Le code 2D de la prescription manque.",
)
def _mandatory_barcode(view: View) -> Iterator[Problem]:
    if _applies(view) and _version(view) in _WITHOUT_PDF_COPY and not view.sections("1.2.250.1.213.1.1.2.223"):
        yield "component/structuredBody", "there is no FR-Code-a-barres section"


@rule(
    "CDA_E13",
    "each device says: ALD, AT/MP, prévention, non remboursable, and its number of renewals",
    hint="use PrescribedDevice",
    fr="Une mention obligatoire manque à un dispositif médical prescrit.",
)
def _devices(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for section in view.sections(_DEVICES):
        supplies = [s for e in findall(section, "entry") if (s := find(e, "supply")) is not None]
        if find(section, "id") is None or not supplies:
            yield section, "the section has no id or no device"
        for supply in supplies:
            said = set()
            for relation in findall(supply, "entryRelationship"):
                code = find(relation, "observation", "code")
                said.add(code.get("code") if code is not None else None)
            for code_value, name in _DEVICE_OBSERVATIONS.items():
                if code_value not in said:
                    yield supply, f"{code_value} ({name}) is missing"
            if find(supply, "repeatNumber") is None:
                yield supply, "repeatNumber is missing"


@rule(
    "CDA_E14",
    "the number of the prescription is of the Cnam's root",
    hint=f"write it under {_EPU_ROOT}, or leave it out",
    source=f"{EP_MED_DM}; the official validator does not look",
    kit_is_silent=True,
)
def _epu(view: View) -> Iterator[Problem]:
    if _applies(view):
        for documentation in view.children("documentationOf")[:1]:
            event = find(documentation, "serviceEvent")
            for identifier in findall(event, "id") if event is not None else ():
                if identifier.get("root") != _EPU_ROOT:
                    yield identifier, "the root is not the one of the unique numbers"


@rule(
    "CDA_E15",
    "the steps of a dose are numbered upwards; a conditional one says when it applies; only a component of a mixture "
    "has a product",
    hint="use DoseStep, and the mode that goes with it",
    fr="Une étape de la posologie est incomplète.",
    source="CI-SIS FR-Traitement-prescrit-subordonnee; the official validator does not look",
    kit_is_silent=True,
)
def _steps(view: View) -> Iterator[Problem]:
    for line in _lines(view):
        modes = {t.get("root") for t in findall(line, "templateId")}
        last = 0
        for relation in findall(line, "entryRelationship"):
            step = find(relation, "substanceAdministration")
            if step is None:
                continue
            number = find(relation, "sequenceNumber")
            value = (number.get("value") or "") if number is not None else ""
            if not (value.isascii() and value.isdigit() and int(value) > last):
                yield relation, "sequenceNumber does not follow the step before"
            else:
                last = int(value)
            if not any(t.get("root") == _STEP for t in findall(step, "templateId")):
                yield step, f"templateId {_STEP} is missing"
            if _CONDITIONAL in modes and find(step, "precondition", "criterion", "text") is None:
                yield step, "the condition is missing"
            code = find(step, "consumable", "manufacturedProduct", "manufacturedMaterial", "code")
            if _COMBINED not in modes and (code is None or code.get("nullFlavor") != "NA"):
                yield step, "the product of a step is not nullFlavor NA"


@rule(
    "CDA_E16",
    "a dose and a rate have two bounds of one unit, low not above high; a period between takes is above zero",
    hint="use Quantity or QuantityRange",
    fr="Une dose ou une fréquence est impossible.",
    source="CI-SIS FR-Traitement-prescrit; HL7 IVL_PQ; the official validator does not compare",
    kit_is_silent=True,
)
def _bounds(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for tag in ("doseQuantity", "rateQuantity"):
        for quantity in view.all(tag):
            if quantity.get("nullFlavor") is not None:
                continue
            low, high = find(quantity, "low"), find(quantity, "high")
            if low is None or high is None:
                yield quantity, "low or high is missing"
                continue
            least, most = _decimal(low), _decimal(high)
            if least is None or most is None or least > most or low.get("unit") != high.get("unit"):
                yield quantity, "the bounds are not numbers of one unit in this order"
    for period in view.all("period"):
        value = _decimal(period)
        if period.get("nullFlavor") is None and (value is None or value <= 0):
            yield period, "not above zero"


def _decimal(element: etree._Element) -> Decimal | None:
    try:
        value = Decimal(element.get("value") or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


@rule(
    "CDA_E17",
    "a line has an end, or a length when its start is not known, and does not end before it starts",
    hint="mend the dates; an end that is not known says so (nullFlavor UNK)",
    fr="La période d'une ligne est incomplète, ou sa fin précède son début.",
    source="HL7 IVL_TS; the official validator does not compare",
    kit_is_silent=True,
)
def _dates(view: View) -> Iterator[Problem]:
    if _applies(view):
        devices = [s for section in view.sections(_DEVICES) for s in section.iter(f"{V3}supply")]
        for item in (*_lines(view), *devices):
            time = find(item, "effectiveTime")
            low, high = find(time, "low"), find(time, "high")
            if time is not None and time.get("nullFlavor") is None and high is None and find(time, "width") is None:
                yield time, "high and width are missing"
            start = (low.get("value") or "")[:8] if low is not None else ""
            end = (high.get("value") or "")[:8] if high is not None else ""
            if start and end and end < start:
                yield item, "high comes before low"


@rule(
    "CDA_E18",
    "a flag of the whole prescription is one of the seven of the volet",
    hint="use PrescriptionFlag",
    severity=Severity.WARNING,
    source=f"{EP_MED_DM} documentationOf/serviceEvent[@classCode='INFO']; the official validator does not look",
    kit_is_silent=True,
)
def _info(view: View) -> Iterator[Problem]:
    if _applies(view):
        for documentation in view.children("documentationOf")[1:]:
            event = find(documentation, "serviceEvent")
            code = find(event, "code")
            known = code is not None and code.get("code") in _INFO_CODES
            if event is not None and event.get("classCode") == "INFO" and not known:
                yield documentation, "this code is not in the list"


_VITAL_SIGN = "1.3.6.1.4.1.19376.1.5.3.1.4.13.2"


@rule(
    "CDA_E19",
    "a vital sign is in a unit of its kind",
    hint="use VitalSign: kg for a weight, cm or m for a height, Cel for a temperature",
    fr="L'unité d'un signe vital n'est pas celle attendue.",
    source="IHE PCC Vital Signs Observation",
)
def _vital_signs(view: View) -> Iterator[Problem]:
    for sign in view.templates.get(_VITAL_SIGN, ()):
        code, value = find(sign, "code"), find(sign, "value")
        units = VITAL_SIGN_UNITS.get(code.get("code") or "", ()) if code is not None else ()
        if units and value is not None and value.get("nullFlavor") is None and value.get("unit") not in units:
            yield value, f"the unit is not one of {', '.join(units)}"


_TEMPLATE_OF = {
    "GEN-179": "1.2.250.1.213.1.1.3.48.12",
    "MED-574": "1.2.250.1.213.1.1.3.48.13",
    "GEN-180": "1.2.250.1.213.1.1.3.48.14",
    "GEN-181": "1.2.250.1.213.1.1.3.48.15",
    "GEN-295": "1.2.250.1.213.1.1.3.48.34",
}


@rule(
    "CDA_E20",
    "what is said of a line (ALD, AT/MP, hors AMM, non remboursable, prévention) has the template of its code",
    hint="use PrescribedTreatment and PrescribedDevice",
)
def _said_of_a_line(view: View) -> Iterator[Problem]:
    for observation in view.all("observation") if _applies(view) else ():
        code = find(observation, "code")
        wanted = _TEMPLATE_OF.get(code.get("code") or "") if code is not None else None
        if wanted and all(t.get("root") != wanted for t in findall(observation, "templateId")):
            yield observation, f"templateId {wanted} is missing"
