"""IMG-CR-IMG back into `ImagingReport`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from lxml import etree

from ..._core.errors import CdaError, ModelError
from ...model import Actor, Code
from ..datatypes import CCAM
from ..datatypes_reader import code_of, find, ii_of, iis_of, path_of, value_of
from ..documents.imaging import (
    Addendum,
    AdministeredProduct,
    ClinicalInformation,
    Contraindication,
    ImagingAct,
    ImagingFinding,
    ImagingOrder,
    ImagingReport,
    Instance,
    RadiationExposure,
    RadiationQuantity,
    Series,
)
from ..documents.measures import Measure
from ..documents.treatments import ATC, CIP, Quantity
from ..envelope import V3
from ..header import HeaderServiceEvent
from ..header_reader import party_of
from .attachments import read_attached, read_medical_devices, read_picture
from .entries import XSI_TYPE, Body, code_of_statement, has_template, lines_of, quantity, related, statements
from .notes import Notes, not_typed
from .people import People, code_value, identifier, instant, instant_or_none
from .prescription import COMMENT

_SECTION = "1.2.250.1.213.1.1.2"
_REGION, _MODALITY = "39111-0", "121139"
_PRODUCT, _RADIOPHARMACEUTICAL = "1.2.250.1.213.1.1.3.151", "1.2.250.1.213.1.1.3.173"
_EXPOSED, _QUANTITY = "1.2.250.1.213.1.1.3.165", "1.2.250.1.213.1.1.3.154"
_COMMENT = "1.2.250.1.213.1.1.3.32"
_T = TypeVar("_T")


def read_imaging_report(root: etree._Element, people: People, notes: Notes) -> ImagingReport:
    return _Report(root, people, notes).read()


class _Report:
    def __init__(self, root: etree._Element, people: People, notes: Notes) -> None:
        self.body = Body(root, notes)
        self.people = people
        self.notes = notes

    def read(self) -> ImagingReport:
        body, people = self.body, self.people
        conclusion = body.text(f"{_SECTION}.209")
        if conclusion is None:
            raise not_typed("no conclusion", f"section {_SECTION}.209")
        orders = [o for o in people.orders if o.accession and o.accession.extension and o.id.extension]
        people.orders = [o for o in people.orders if o not in orders]
        values: dict[str, Any] = {
            "acts": tuple(self._acts()),
            "conclusion": conclusion,
            "orders": tuple(
                ImagingOrder(order=identifier(o.id), accession=identifier(o.accession)) for o in orders if o.accession
            ),
            "clinical_information": self._clinical(),
            "comparison": body.text(f"{_SECTION}.207"),
            "earlier_results": body.text(f"{_SECTION}.150"),
            "devices": tuple(read_medical_devices(body)),
            "documents": tuple(read_attached(body, f"{_SECTION}.37")),
            "addendum": self._addendum(),
            "patient_information": self._information(),
            "comment": body.text(COMMENT),
            "pdf_copy": body.pdf_copy(),
        } | self._results()
        shared = people.shared(default_title=ImagingReport.default_title)
        return ImagingReport(**values | shared)

    def _try(self, read: Callable[[etree._Element], _T], element: etree._Element, what: str) -> list[_T]:
        try:
            return [read(element)]
        except (ModelError, CdaError) as e:
            self.notes.leave(what, path_of(element), e.message)
            return []

    # Acts. ----------------------------------------------------------------------------------------------------------

    def _acts(self) -> Iterator[ImagingAct]:
        first = True
        for section in self.body.sections() if self.body.body is not None else ():
            if not has_template(section, f"{_SECTION}.206"):
                continue
            self.notes.take(section)
            procedure = next(statements(section, "procedure"), None)
            code = code_value(code_of(find(procedure, "code")))
            events = self.people.events
            own = next((e for e in events if code_value(e.code) == code), None) or (events[0] if events else None)
            if own is None or procedure is None:
                self.notes.leave("an imaging act", path_of(section), "the header has no act of its own for it")
                continue
            act = self._act(section, procedure, own)
            if not first:  # the principal one is taken with the shared fields
                events.remove(own)
            elif events[0] is not own:
                events.remove(own)
                events.insert(0, own)
            first = False
            yield act

    def _act(self, section: etree._Element, procedure: etree._Element, event: HeaderServiceEvent) -> ImagingAct:
        body = self.body
        place = body.place(find(procedure, "text"))
        row = body.around(place) if place is not None else {}
        code = code_of(find(procedure, "code"))
        qualifiers = event.qualifiers or (None,) * len(event.translations)
        regions = [t.code for t, q in zip(event.translations, qualifiers, strict=True) if code_value(q) == _REGION]
        coded = [t.code for t, q in zip(event.translations, qualifiers, strict=True) if code_value(q) == _MODALITY]
        methods = [c.code for m in procedure.iterchildren(f"{V3}methodCode") if (c := code_of(m))] or coded
        description = row.get("Description de l'acte")
        location, laterality = _site(procedure)
        translations = procedure.iterfind(f"{V3}code/{V3}translation")
        study = next((i.root for i in event.ids), "")
        performed = instant(event.start, "documentationOf/serviceEvent/effectiveTime/low", self.notes)
        values: dict[str, Any] = {
            "code": code,
            "ccam": next((c for t in translations if (c := code_of(t)) and c.system == CCAM), None),
            "modality": methods[0] if methods else "",
            "more_modalities": tuple(methods[1:]),
            "region": regions[0] if regions else "",
            "more_regions": tuple(regions[1:]),
            "location": location,
            "laterality": laterality,
            "study_uid": study,
            "performed_at": performed,
            "ended_at": instant_or_none(event.stop, "documentationOf/serviceEvent/effectiveTime/high", self.notes),
            "performer": self.people.performer(event),
            "description": description if code is None or description != code.display else None,
            "parameters": row.get("Autres paramètres"),
            "products": tuple(self._products(section, _PRODUCT)),
        }
        for inner in related(procedure, "act"):
            if has_template(inner, _COMMENT) and values["parameters"]:
                self.notes.take(inner)
        self.notes.take(procedure, "effectiveTime", "methodCode", "targetSiteCode")
        number = event.performer.ids[0].extension if event.performer and event.performer.ids else ""
        for inner in body.sections(section):
            if has_template(inner, f"{_SECTION}.214"):
                self.notes.take(inner)
                text = find(inner, "text")
                values["complications"] = lines_of(text).strip() if text is not None else None
            elif has_template(inner, f"{_SECTION}.215"):
                values["exposure"] = next(iter(self._try(lambda s: self._exposure(s, number), inner, "exposure")), None)
            elif has_template(inner, f"{_SECTION}.217"):
                self.notes.take(inner)
                acts = statements(inner, "act")
                values["series"] = tuple(s for a in acts for s in self._series(a, event.start))
        return ImagingAct(**values)

    def _products(self, section: etree._Element, template: str) -> Iterator[AdministeredProduct]:
        for statement in statements(section, "substanceAdministration"):
            if has_template(statement, template):
                yield from self._try(self._product, statement, "a product")

    def _product(self, statement: etree._Element) -> AdministeredProduct:
        material = find(statement, "consumable", "manufacturedProduct", "manufacturedMaterial")
        code = find(material, "code")
        coded = (code_of(t) for t in code.iterchildren(f"{V3}translation")) if code is not None else ()
        translations = {c.system: c for c in coded if c}
        place = self.body.place(find(code, "originalText")) if code is not None else None
        row = self.body.around(place) if place is not None else {}
        dose = find(statement, "doseQuantity")
        lot = find(material, "lotNumberText")
        product = AdministeredProduct(
            name=self.body.said(find(material, "name")) or row.get("Produit administré", ""),
            cip=translations[CIP].code if CIP in translations else None,
            atc=translations.get(ATC),
            dose=quantity(find(dose, "low")) or quantity(dose),
            route=code_of(find(statement, "routeCode")),
            lot=lines_of(lot) if lot is not None else None,
            comment=row.get("Commentaire"),
        )
        for inner in related(statement, "act"):
            if has_template(inner, _COMMENT) and product.comment:
                self.notes.take(inner)
        self.notes.take(statement, "effectiveTime", "routeCode", "doseQuantity", "consumable")
        return product

    def _exposure(self, section: etree._Element, performer: str) -> RadiationExposure:
        self.notes.take(section)
        values: dict[str, Any] = {"other_measures": _items(section).get("Autres mesures")}
        quantities: list[RadiationQuantity] = []
        for observation in statements(section, "observation"):
            if code_of_statement(observation) == "364320009":
                values["pregnancy"] = code_value(code_of(find(observation, "value")))
                self.notes.take(observation, "value", "targetSiteCode")
            elif has_template(observation, _QUANTITY):
                quantities += self._try(self._quantity, observation, "a dose")
        for procedure in statements(section, "procedure"):
            if has_template(procedure, _EXPOSED):
                number = ii_of(find(procedure, "participant", "participantRole", "id"))
                if number and number.extension != performer:
                    values["authorised_by"] = self._known(number.extension)
                    if values["authorised_by"] is None:
                        self.notes.leave("who authorised the irradiation", path_of(procedure),
                                         "the header does not say whose they are")  # fmt: skip
                self.notes.take(procedure, "participant")
        pharmaceuticals = tuple(self._products(section, _RADIOPHARMACEUTICAL))
        return RadiationExposure(**values, quantities=tuple(quantities), radiopharmaceuticals=pharmaceuticals)

    def _known(self, number: str) -> Actor | None:
        header = self.people.header
        for party in (*header.authors, header.legal_authenticator, *[e.performer for e in header.service_events]):
            if party and party.ids and party.ids[0].extension == number:
                try:
                    return self.people.actor(party)
                except ModelError:
                    continue
        return None

    def _quantity(self, observation: etree._Element) -> RadiationQuantity:
        location, laterality = _site(observation)
        measured = quantity(find(observation, "value"))
        if measured is None:  # a dose that is not said is not a dose of zero
            raise ModelError("the dose has no value", path=path_of(observation))
        if not measured.unit:
            raise ModelError("the dose has no unit", path=path_of(observation))
        try:
            measure: Measure | Quantity = Measure(value=measured.value, unit=measured.unit)
        except ModelError:
            measure = measured
        found: Any = {"kind": code_of_statement(observation), "location": location, "laterality": laterality}
        dose = RadiationQuantity(measure=measure, **found)
        self.notes.take(observation, "effectiveTime", "value", "targetSiteCode")
        return dose

    def _series(self, study: etree._Element, performed: str) -> Iterator[Series]:
        self.notes.take(study, "effectiveTime")
        for series in related(study, "act"):
            yield from self._try(lambda s: self._one_series(s, performed), series, "a series")

    def _one_series(self, series: etree._Element, performed: str) -> Series:
        modality = code_of(find(series, "code", "qualifier", "value"))
        at = value_of(find(series, "effectiveTime"))
        objects = list(related(series, "observation"))
        if not objects:
            raise ModelError("the series names no object", path=path_of(series))
        uids = list(iis_of(series.iterchildren(f"{V3}id")))
        value = Series(
            uid=uids[0].root if uids else "",
            modality=modality.code if modality else "",
            instance=self._instance(objects[0]),
            performed_at=instant_or_none(at if at != performed else "", path_of(series), self.notes),
        )
        self.notes.take(series, "effectiveTime")
        return value

    def _instance(self, observation: etree._Element) -> Instance:
        uid = ii_of(find(observation, "id"))
        why = next((code_of(find(o, "value")) for o in related(observation, "observation")), None)
        purpose: Any = why.code if why else None
        instance = Instance(
            uid=uid.root if uid else "",
            sop_class=code_of_statement(observation),
            url=value_of(find(observation, "text", "reference")) or None,
            purpose=purpose,
        )
        for inner in related(observation, "observation"):
            self.notes.take(inner, "value")
        self.notes.take(observation, "effectiveTime")
        return instance

    # The rest of the body. ------------------------------------------------------------------------------------------

    def _addendum(self) -> Addendum | None:
        section = self.body.section(f"{_SECTION}.210")
        if section is None:
            return None
        author, text = find(section, "author"), find(section, "text")
        try:
            if author is None or text is None:
                raise ModelError("no author or no text")
            party = party_of(author, "assignedAuthor")
            addendum = Addendum(
                text=lines_of(text),
                author=self.people.actor(party),
                at=instant(party.time, path_of(author), self.notes),
            )
        except (ModelError, CdaError) as e:
            self.notes.leave("the addendum", path_of(section), e.message)
            return None
        self.notes.take(section, "author")
        return addendum

    def _clinical(self) -> ClinicalInformation | None:
        section = self.body.section(f"{_SECTION}.205")
        if section is None:
            return None
        values: dict[str, Any] = {}
        for inner in self.body.sections(section):
            if has_template(inner, f"{_SECTION}.211"):
                items = _items(inner)
                text = find(inner, "text")
                whole = lines_of(text).strip() if text is not None else ""
                values["request_reason"] = items.get("Justification de la demande d'examen") or whole
                values["purpose"] = items.get("Finalité de l'examen")
                self.notes.take(inner)
            elif has_template(inner, f"{_SECTION}.213"):
                self._history(inner, values)
                self.notes.take(inner)
        return next(iter(self._try(lambda _: ClinicalInformation(**values), section, "the clinical information")), None)

    def _history(self, section: etree._Element, values: dict[str, Any]) -> None:
        found: list[Contraindication] = []
        for observation in statements(section, "observation"):
            code = code_of_statement(observation)
            said = self.body.said(find(observation, "text"))
            name = {"11348-0": "medical_history", "47519-4": "surgical_history"}.get(code)
            value = find(observation, "value")
            coded = code_of(value)
            if name:
                values[name] = said if said != "Non renseignés" else None
            elif code == "64100-1" and coded:
                found += self._try(self._contraindication, observation, "a contraindication")
            elif code == "64100-1" and value is not None:
                if lines_of(value) == "Aucune contre-indication connue":
                    values["contraindications"] = ()
                elif lines_of(value) != "Non renseignées":
                    self.notes.leave("contraindications", path_of(observation), "they are not coded")
            else:
                continue
            self.notes.take(observation, "value", "targetSiteCode")
        if found:
            values["contraindications"] = tuple(found)

    def _contraindication(self, observation: etree._Element) -> Contraindication:
        coded = code_of(find(observation, "value"))
        said = self.body.said(find(observation, "text"))
        comment = said.removeprefix(f"{coded.display if coded else ''} (")
        has_comment = comment != said and comment.endswith(")")
        return Contraindication(code=code_value(coded), comment=comment[:-1] if has_comment else None)

    def _results(self) -> dict[str, Any]:
        section = self.body.section(f"{_SECTION}.208")
        if section is None:
            return {}
        findings: list[ImagingFinding] = []
        images = []
        for entry in section.iterchildren(f"{V3}entry"):
            for statement in entry.iterchildren(f"{V3}observation"):
                findings += self._try(self._finding, statement, "a finding")
            for media in entry.iterchildren(f"{V3}observationMedia"):
                images += self._try(lambda m: read_picture(self.body, m), media, "a picture")
        text = find(section, "text")
        results = lines_of(text).strip() or None if text is not None else None
        if text is not None and (findings or images):
            first = next(text.iterchildren(etree.Element), None)
            second = first.getnext() if first is not None else None
            is_caption = second is not None and second.tag == f"{V3}renderMultiMedia"
            if first is not None and first.tag in (f"{V3}paragraph", f"{V3}list"):
                results = lines_of(first) if first.tag == f"{V3}paragraph" and not is_caption else None
        return {"results": results, "findings": tuple(findings), "key_images": tuple(images)}

    def _finding(self, observation: etree._Element) -> ImagingFinding:
        value = find(observation, "value")
        location, laterality = _site(observation)
        code = code_of(find(observation, "code"))
        seen: Any = code_of(value) if value is not None and value.get(XSI_TYPE) in ("CD", "CE") else None
        if seen is None:
            seen = lines_of(value).strip() if value is not None else ""
        places: Any = {"location": location or None, "laterality": laterality}
        finding = ImagingFinding(code=code or Code(code="", system=""), value=seen, **places)
        self.notes.take(observation, "effectiveTime", "value", "targetSiteCode")
        return finding

    def _information(self) -> str | None:
        section = self.body.section(f"{_SECTION}.107")
        if section is None:
            return None
        for observation in statements(section, "observation"):
            self.notes.take(observation, "effectiveTime")
            return self.body.said(find(observation, "text")) or None
        text = find(section, "text")
        return lines_of(text).strip() or None if text is not None else None


def _site(statement: etree._Element) -> tuple[str, str | None]:
    """targetSiteCode: location and laterality."""
    site = find(statement, "targetSiteCode")
    side = code_of(find(site, "qualifier", "value"))
    return code_value(code_of(site)), side.code if side else None


def _items(section: etree._Element) -> dict[str, str]:
    """Label → text of the items of a section."""
    found: dict[str, str] = {}
    text = find(section, "text")
    for item in text.iter(f"{V3}item") if text is not None else ():
        parts = list(item.iterchildren(f"{V3}content"))
        if len(parts) == 2 and parts[0].get("styleCode") == "Bold":
            found.setdefault(lines_of(parts[0]), lines_of(parts[1]).strip())
    return found
