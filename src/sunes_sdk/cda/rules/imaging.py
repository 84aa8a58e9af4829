"""Rules of the imaging report (IMG-CR-IMG 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ...terminology import lookup
from ..datatypes import LOINC
from ..reader import PS3_20, V3
from .engine import CR_IMG, Problem, RuleSet, View, find, findall

IMAGING = RuleSet(CR_IMG)
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


def _applies(view: View) -> bool:
    return _TEMPLATE in view.header_templates


def _imaging_events(view: View) -> Iterator[etree._Element]:
    """The acts whose code is LOINC: the others are not judged by the volet."""
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


@rule("CDA_I02", "each order has its accession number", hint="give the accession number of the order")
def _orders(view: View) -> Iterator[Problem]:
    if _applies(view):
        for element in view.children("inFulfillmentOf"):
            order = find(element, "order")
            if order is None or order.find(f"{PS3_20}accessionNumber") is None:
                yield element, "ps3-20:accessionNumber is missing"


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
    "a procedure has one code, a modality, and one site of JDV_LocalisationAnatomique",
    hint="give modality and location",
)
def _procedure(view: View) -> Iterator[Problem]:
    for procedure in view.templates.get(_PROCEDURE, []) if _applies(view) else ():
        if len(findall(procedure, "code")) != 1 or find(procedure, "methodCode") is None:
            yield procedure, "not exactly one code, or no methodCode"
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
