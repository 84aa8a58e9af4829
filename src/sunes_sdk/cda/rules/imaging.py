"""Rules of the imaging report (IMG-CR-IMG 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ...terminology import lookup
from ..datatypes import LOINC, SNOMED_CT
from ..datatypes_reader import find, findall, text_of
from ..reader import PS3_20, V3
from .engine import CR_IMG, Problem, RuleSet, View

IMAGING = RuleSet(CR_IMG, held=True)
rule = IMAGING.rule

_TEMPLATE = "1.2.250.1.213.1.1.1.45"
_TEMPLATES = ("1.2.840.10008.9.1", "1.2.840.10008.9.20", "1.2.840.10008.9.21")
_TYPE = "18748-4"
_ACT = "1.2.250.1.213.1.1.2.206"
_CATALOG = "1.2.250.1.213.1.1.2.217"
_CONCLUSION = "1.2.250.1.213.1.1.2.209"
_PROCEDURE = "1.2.250.1.213.1.1.3.153"
_STUDY = "1.2.840.10008.9.16"
_SERIES = "1.2.840.10008.9.17"
_MODALITY = "121139"
_REGION = "39111-0"
_DCM = "1.2.840.10008.2.16.4"
_OBSERVATION = "1.2.250.1.213.1.1.3.150"
_QUANTITY = "1.2.250.1.213.1.1.3.154"
_INSTANCE = "1.2.250.1.213.1.1.3.157"
_PURPOSE = "1.2.250.1.213.1.1.3.163"
_CLINICAL, _REQUEST, _HISTORY = ("1.2.250.1.213.1.1.2." + n for n in ("205", "211", "213"))
_ADDENDUM, _COMPLICATIONS, _EXPOSURE = ("1.2.250.1.213.1.1.2." + n for n in ("210", "214", "215"))
_SECTIONS = {
    "1.2.250.1.213.1.1.2." + number: (code, system)
    for number, code, system in (
        ("205", "55752-0", LOINC), ("206", "55111-9", LOINC), ("207", "18834-2", LOINC), ("208", "59776-5", LOINC),
        ("209", "19005-8", LOINC), ("210", "55107-7", LOINC), ("211", "55115-0", LOINC), ("213", "11329-0", LOINC),
        ("214", "55109-3", LOINC), ("215", "73569-6", LOINC), ("217", "121181", _DCM), ("1", "46264-8", LOINC),
        ("37", "55107-7", LOINC), ("73", "55112-7", LOINC), ("107", "34895-3", LOINC), ("150", "30954-2", LOINC),
    )
}  # fmt: skip
"""templateId of a section → its fixed code."""
_ONCE = tuple("1.2.250.1.213.1.1.2." + n for n in ("205", "210", "1", "208", "207", "150", "73", "37"))
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


def _imaging_events(view: View) -> Iterator[etree._Element]:
    """The acts whose code is LOINC: the others are for CDA_I11."""
    for documentation in view.children("documentationOf") if _applies(view) else ():
        event = find(documentation, "serviceEvent")
        code = find(event, "code")
        if event is not None and code is not None and code.get("codeSystem") == LOINC:
            yield event


def _translation(event: etree._Element, qualifier: str) -> etree._Element | None:
    code = find(event, "code")
    for translation in findall(code, "translation") if code is not None else ():
        name = find(translation, "qualifier", "name")
        if name is not None and name.get("code") == qualifier:
            return translation
    return None


def _coded_in(value_set: str, element: etree._Element) -> bool:
    return lookup(value_set, element.get("code") or "", element.get("codeSystem") or "") is not None


@rule(
    "CDA_I00",
    "a structured imaging report carries the templateId of its volet, without which no official rule fires",
    hint=f"write templateId {_TEMPLATE} extension 2024.01",
)
def _template(view: View) -> Iterator[Problem]:
    if view.type_code == _TYPE and view.is_structured and not _applies(view):
        yield "templateId", f"{_TEMPLATE} is missing"


@rule("CDA_I01", "the four templateIds of the volet are there, and the type is 18748-4", hint="use ImagingReport")
def _header(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for root in _TEMPLATES:
        if root not in view.header_templates:
            yield "templateId", f"{root} is missing"
    if view.type_code != _TYPE:
        yield "code", f"the type is not {_TYPE}"


@rule("CDA_I02", "each order has its number and its accession number", hint="give both numbers of the order")
def _orders(view: View) -> Iterator[Problem]:
    if _applies(view):
        for element in view.children("inFulfillmentOf"):
            order = find(element, "order")
            if order is None or find(order, "id") is None or order.find(f"{PS3_20}accessionNumber") is None:
                yield element, "id or ps3-20:accessionNumber is missing"


@rule("CDA_I03", "the act says its modality (121139), of JDV_ModaliteAcquisition", hint="give the DICOM modality")
def _modality(view: View) -> Iterator[Problem]:
    for event in _imaging_events(view):
        translation = _translation(event, _MODALITY)
        if translation is None or not _coded_in("JDV_MODALITE_ACQUISITION", translation):
            yield event, "no translation qualified 121139 in JDV_MODALITE_ACQUISITION"


@rule(
    "CDA_I04",
    "the act says its anatomical region (39111-0), of JDV_RegionAnatomique",
    hint="give the region",
    source="SMDS serviceEvent/code of imaging; the official validator does not look",
)
def _region(view: View) -> Iterator[Problem]:
    for event in _imaging_events(view):
        translation = _translation(event, _REGION)
        if translation is None or not _coded_in("JDV_REGION_ANATOMIQUE", translation):
            yield event, "no translation qualified 39111-0 in JDV_REGION_ANATOMIQUE"


@rule(
    "CDA_I05",
    "the act's identifier is the Study Instance UID, a root without extension",
    hint="give study_uid",
    source="SMDS serviceEvent/id of imaging; the official validator does not look",
)
def _study_uid(view: View) -> Iterator[Problem]:
    for event in _imaging_events(view):
        ids = findall(event, "id")
        if len(ids) != 1 or not ids[0].get("root") or ids[0].get("extension") is not None:
            yield event, "not exactly one id made of a root only"


@rule("CDA_I06", "there is at least one act, with one object catalogue and one procedure", hint="give acts")
def _acts(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    acts = view.sections(_ACT)
    if not acts:
        yield "component/structuredBody", "there is no act"
    for act in acts:
        inner = [find(c, "section") for c in findall(act, "component")]
        catalogs = [s for s in inner if s is not None and _has(s, _CATALOG)]
        procedures = [p for e in findall(act, "entry") if (p := find(e, "procedure")) is not None]
        if len(catalogs) != 1:
            yield act, f"{len(catalogs)} object catalogues"
        if not any(_has(p, _PROCEDURE) for p in procedures):
            yield act, "there is no procedure"


def _has(element: etree._Element, template: str) -> bool:
    return any(t.get("root") == template for t in findall(element, "templateId"))


@rule(
    "CDA_I07",
    "there is exactly one conclusion",
    hint="give conclusion",
    fr="La conclusion du compte rendu d'imagerie est absente ou double.",
)
def _conclusion(view: View) -> Iterator[Problem]:
    if _applies(view) and len(view.sections(_CONCLUSION)) != 1:
        yield "component/structuredBody", f"{len(view.sections(_CONCLUSION))} conclusions"


@rule(
    "CDA_I08",
    "a procedure has an id, one code with at most one translation, a modality, and one site of "
    "JDV_LocalisationAnatomique",
    hint="give modality and location",
)
def _procedure(view: View) -> Iterator[Problem]:
    for procedure in view.templates.get(_PROCEDURE, []) if _applies(view) else ():
        codes = findall(procedure, "code")
        if len(codes) != 1 or len(findall(codes[0], "translation")) > 1:
            yield procedure, "not exactly one code, or more than one translation"
        if find(procedure, "id") is None or find(procedure, "methodCode") is None:
            yield procedure, "no id, or no methodCode"
        sites = findall(procedure, "targetSiteCode")
        if len(sites) != 1 or not _coded_in("JDV_LOCALISATION_ANATOMIQUE", sites[0]):
            yield procedure, "targetSiteCode is not one of JDV_LOCALISATION_ANATOMIQUE"


@rule(
    "CDA_I09",
    "a study of the catalogue holds one series, and a series one instance",
    hint="write one study act for each series",
    source=f"{CR_IMG} as the official validator applies it: its messages say one or more",
)
def _one_series(view: View) -> Iterator[Problem]:
    if _applies(view):
        for template, child in ((_STUDY, "act"), (_SERIES, "observation")):
            for act in view.templates.get(template, ()):
                inner = [r for r in findall(act, "entryRelationship") if r.find(V3 + child) is not None]
                if len(inner) != 1:
                    yield act, f"{len(inner)} found where 1 belongs"


def _is_coded(element: etree._Element | None, code: str, system: str) -> bool:
    return element is not None and (element.get("code"), element.get("codeSystem")) == (code, system)


@rule(
    "CDA_I10",
    "who performed an act names his structure with its identifier",
    hint="give the performer's organization",
    fr="L'établissement de l'exécutant doit être identifié (DRIMbox).",
    source="SMDS serviceEvent of imaging; the official validator does not look",
)
def _performer(view: View) -> Iterator[Problem]:
    for event in _imaging_events(view):
        for performer in findall(event, "performer"):
            if find(performer, "assignedEntity", "representedOrganization", "id") is None:
                yield performer, "representedOrganization/id is missing"


@rule(
    "CDA_I11",
    "the documented act is coded in LOINC, without which no official rule of it fires",
    hint="give the LOINC code, and the CCAM one as a translation",
    fr="L'acte d'imagerie doit être codé en LOINC.",
    source="SMDS serviceEvent/code of imaging; the official validator does not look",
)
def _act_code(view: View) -> Iterator[Problem]:
    for documentation in view.children("documentationOf")[:1] if _applies(view) else ():
        code = find(documentation, "serviceEvent", "code")
        if code is None or code.get("codeSystem") != LOINC:
            yield documentation, "the code is not of LOINC"


@rule(
    "CDA_I12",
    "a section of the volet has an id, its fixed code, a title and a text",
    hint="use ImagingReport",
)
def _sections(view: View) -> Iterator[Problem]:
    for template, fixed in _SECTIONS.items() if _applies(view) else ():
        for section in view.sections(template):
            if not _is_coded(find(section, "code"), *fixed):
                yield section, f"the code is not {fixed[0]}"
            for name in ("id", "title", "text"):
                if find(section, name) is None:
                    yield section, f"{name} is missing"


@rule("CDA_I13", "an optional section is there once at most", hint="gather its text in one section")
def _once(view: View) -> Iterator[Problem]:
    if not _applies(view):
        return
    for template in _ONCE:
        for again in view.sections(template)[1:]:
            yield again, "this section is there twice"
    for act in view.sections(_ACT):
        inner = [s for c in findall(act, "component") if (s := find(c, "section")) is not None]
        for template in (_COMPLICATIONS, _EXPOSURE):
            for again in [s for s in inner if _has(s, template)][1:]:
                yield again, "this section is there twice in its act"


@rule(
    "CDA_I14",
    "clinical information holds one request and one history, which tells medical (11348-0) and surgical (47519-4) "
    "history and contraindications (64100-1)",
    hint="use ClinicalInformation",
)
def _clinical(view: View) -> Iterator[Problem]:
    for section in view.sections(_CLINICAL) if _applies(view) else ():
        inner = [s for c in findall(section, "component") if (s := find(c, "section")) is not None]
        for template, name in ((_REQUEST, "request"), (_HISTORY, "history")):
            if sum(_has(s, template) for s in inner) != 1:
                yield section, f"not exactly one {name}"
    for section in view.sections(_HISTORY) if _applies(view) else ():
        told = [find(e, "observation", "code") for e in findall(section, "entry")]
        for code in ("11348-0", "47519-4", "64100-1"):
            if not any(_is_coded(c, code, LOINC) for c in told):
                yield section, f"there is no observation {code}"


@rule(
    "CDA_I15",
    "a coded contraindication is of JDV_Contre_indications",
    hint="give a code of the set, or a text",
    fr="Contre-indication hors du jeu de valeurs.",
)
def _contraindication(view: View) -> Iterator[Problem]:
    for observation in view.entries(_OBSERVATION, of=_TEMPLATE):
        value = find(observation, "value")
        told = _is_coded(find(observation, "code"), "64100-1", LOINC)
        if told and value is not None and value.get("code") and not _coded_in("JDV_CONTRE_INDICATIONS", value):
            yield value, "not in the value set"


@rule("CDA_I16", "an addendum names its author", hint="give author", fr="L'auteur de l'addendum doit être nommé.")
def _addendum(view: View) -> Iterator[Problem]:
    for section in view.sections(_ADDENDUM) if _applies(view) else ():
        if not text_of(find(section, "author", "assignedAuthor", "assignedPerson", "name")):
            yield section, "author/assignedAuthor/assignedPerson/name is missing"


@rule(
    "CDA_I17",
    "an exposure says who authorised it (one procedure 121290, one participant 113850 with a name), and the status of "
    "pregnancy (364320009), of JDV_StatutGrossesse",
    hint="use RadiationExposure",
    fr="L'exposition doit porter l'autorisation d'irradiation et le statut de grossesse.",
)
def _exposure(view: View) -> Iterator[Problem]:
    for section in view.sections(_EXPOSURE) if _applies(view) else ():
        entries = findall(section, "entry")
        procedures = [p for e in entries if (p := find(e, "procedure")) is not None]
        participants = findall(procedures[0], "participant") if len(procedures) == 1 else []
        if len(participants) != 1 or not _is_coded(find(procedures[0], "code"), "121290", _DCM):
            yield section, "not exactly one procedure 121290 with one participant"
        else:
            role = find(participants[0], "participantRole")
            if not _is_coded(find(role, "code"), "113850", _DCM) or not text_of(find(role, "playingEntity", "name")):
                yield participants[0], "not 113850 with a name"
        statuses = [o for e in entries if (o := find(e, "observation")) is not None and _has(o, _OBSERVATION)]
        value = find(statuses[0], "value") if len(statuses) == 1 else None
        if value is None or not _is_coded(find(statuses[0], "code"), "364320009", SNOMED_CT):
            yield section, "not exactly one observation 364320009"
        elif not _coded_in("JDV_STATUT_GROSSESSE", value):
            yield value, "not in JDV_STATUT_GROSSESSE"


@rule(
    "CDA_I18",
    "a quantity of radiation is a PQ coded in JDV_QuantiteExpositionRayonnements, at one site of "
    "JDV_LocalisationAnatomique",
    hint="use RadiationQuantity",
)
def _quantity(view: View) -> Iterator[Problem]:
    for quantity in view.entries(_QUANTITY, of=_TEMPLATE):
        code, values = find(quantity, "code"), findall(quantity, "value")
        if code is None or not _coded_in("JDV_QUANTITE_EXPOSITION", code):
            yield quantity, "the code is not in JDV_QUANTITE_EXPOSITION"
        if len(values) != 1 or values[0].get(_XSI_TYPE) != "PQ":
            yield quantity, "not exactly one value, of type PQ"
        sites = findall(quantity, "targetSiteCode")
        if len(sites) != 1 or not _coded_in("JDV_LOCALISATION_ANATOMIQUE", sites[0]):
            yield quantity, "targetSiteCode is not one of JDV_LOCALISATION_ANATOMIQUE"


@rule(
    "CDA_I19",
    "an observation has two templateIds, and one id, code, statusCode, value and targetSiteCode (NA when none)",
    hint="use ImagingFinding",
)
def _observation(view: View) -> Iterator[Problem]:
    for observation in view.entries(_OBSERVATION, of=_TEMPLATE):
        if len(findall(observation, "templateId")) != 2:
            yield observation, "not exactly two templateIds"
        for name in ("id", "code", "statusCode", "value", "targetSiteCode"):
            if len(findall(observation, name)) != 1:
                yield observation, f"not exactly one {name}"


@rule(
    "CDA_I20",
    "a study of the catalogue has its UID, its fixed code 113014 and its time",
    hint="use Series",
)
def _study(view: View) -> Iterator[Problem]:
    for study in view.entries(_STUDY, of=_TEMPLATE):
        if not _is_coded(find(study, "code"), "113014", _DCM):
            yield study, "the code is not 113014"
        if find(study, "id") is None or find(study, "effectiveTime") is None:
            yield study, "no id, or no effectiveTime"


@rule(
    "CDA_I21",
    "a series has its UID, its fixed code 113015 and its modality (121139), of JDV_ModaliteAcquisition",
    hint="use Series",
)
def _series(view: View) -> Iterator[Problem]:
    for series in view.entries(_SERIES, of=_TEMPLATE):
        code = find(series, "code")
        if find(series, "id") is None or not _is_coded(code, "113015", _DCM):
            yield series, "no id, or the code is not 113015"
        qualifiers = findall(code, "qualifier") if code is not None else []
        value = find(qualifiers[0], "value") if len(qualifiers) == 1 else None
        if value is None or not _is_coded(find(qualifiers[0], "name"), _MODALITY, _DCM):
            yield series, "not exactly one qualifier 121139"
        elif not _coded_in("JDV_MODALITE_ACQUISITION", value):
            yield value, "not in JDV_MODALITE_ACQUISITION"


@rule(
    "CDA_I22",
    "an object is a DGIMG with its UID and its SOP class; its text is only a link to application/dicom; what it is "
    "shown for is of JDV_ImagerieObjectifsReference",
    hint="use Instance",
)
def _instance(view: View) -> Iterator[Problem]:
    for instance in view.entries(_INSTANCE, of=_TEMPLATE):
        code, link = find(instance, "code"), find(instance, "text")
        if instance.get("classCode") != "DGIMG" or find(instance, "id") is None:
            yield instance, "not a DGIMG, or no id"
        if code is None or not _coded_in("JDV_SOP_CLASS", code):
            yield instance, "the code is not a SOP class of the value set"
        if link is not None and (link.get("mediaType") != "application/dicom" or find(link, "reference") is None):
            yield link, "not a link to application/dicom"
        for relation in findall(instance, "entryRelationship"):
            if relation.get("typeCode") != "RSON":
                continue
            observation = find(relation, "observation")
            values = findall(observation, "value") if observation is not None else []
            if observation is None or not _has(observation, _PURPOSE) or find(observation, "code") is None:
                yield relation, "not a purpose (templateId, code)"
            elif len(values) != 1 or not _coded_in("JDV_OBJECTIF_REFERENCE", values[0]):
                yield observation, "not exactly one value, of JDV_OBJECTIF_REFERENCE"


@rule(
    "CDA_I23",
    "a product given has one material with one code, one route and one dose at most; a radiopharmaceutical is coded "
    "440252007, any other has an id and is completed",
    hint="use AdministeredProduct",
)
def _product(view: View) -> Iterator[Problem]:
    for template in ("1.2.250.1.213.1.1.3.151", "1.2.250.1.213.1.1.3.173"):
        for product in view.entries(template, of=_TEMPLATE):
            material = find(product, "consumable", "manufacturedProduct", "manufacturedMaterial")
            if material is None or len(findall(material, "code")) != 1:
                yield product, "not exactly one material with one code"
            if len(findall(product, "routeCode")) > 1 or len(findall(product, "doseQuantity")) > 1:
                yield product, "more than one route or dose"
            if template.endswith("173"):
                if not _is_coded(find(product, "code"), "440252007", SNOMED_CT):
                    yield product, "the code is not 440252007"
            elif find(product, "id") is None or find(product, "statusCode") is None:
                yield product, "no id, or no statusCode"


@rule(
    "CDA_I24",
    "what makes a site precise is the qualifier 106233006, of JDV_LateraliteTechniqueImagerie",
    hint="give laterality",
)
def _laterality(view: View) -> Iterator[Problem]:
    for site in view.all("targetSiteCode") if _applies(view) else ():
        for qualifier in findall(site, "qualifier"):
            value = find(qualifier, "value")
            if not _is_coded(find(qualifier, "name"), "106233006", SNOMED_CT):
                yield qualifier, "the name is not 106233006"
            elif value is None or not _coded_in("JDV_LATERALITE", value):
                yield qualifier, "the value is not in JDV_LATERALITE"


@rule(
    "CDA_I25",
    "the information of the patient is an observation 99622-3 with its text",
    hint="give patient_information",
)
def _information(view: View) -> Iterator[Problem]:
    for section in view.sections("1.2.250.1.213.1.1.2.107") if _applies(view) else ():
        told = [o for e in findall(section, "entry") if (o := find(e, "observation")) is not None]
        if not any(_is_coded(find(o, "code"), "99622-3", LOINC) and find(o, "text") is not None for o in told):
            yield section, "there is no observation 99622-3 with a text"


@rule(
    "CDA_I26",
    "pregnant or not, the report says the same everywhere",
    hint="give the same status everywhere",
    fr="Le statut de grossesse se contredit dans le compte rendu.",
    source="this library; no official text asks for it",
)
def _one_pregnancy(view: View) -> Iterator[Problem]:
    said: dict[str, etree._Element] = {}
    for observation in view.entries(_OBSERVATION, of=_TEMPLATE):
        value, code = find(observation, "value"), find(observation, "code")
        if value is None or code is None or code.get("code") not in ("364320009", "64100-1"):
            continue
        if value.get("code") in ("60001007", "77386006") and value.get("codeSystem") == SNOMED_CT:
            said[value.get("code") or ""] = value
    if len(said) > 1:
        yield list(said.values())[-1], "another part of the report says the opposite"
