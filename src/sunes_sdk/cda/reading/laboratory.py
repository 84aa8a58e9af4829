"""CR-BIO back into `LaboratoryReport`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

from ..._core.errors import CdaError, ModelError
from ...model import Actor, Code, Identifier
from ..datatypes import LOINC
from ..datatypes_reader import code_of, find, ii_of, path_of, value_of
from ..documents.attachments import Picture
from ..documents.laboratory import WITH_PDF_COPY, LaboratoryReport
from ..documents.laboratory_content import (
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
    validations_of,
)
from ..documents.laboratory_entries import PERFORMER, VALIDATOR
from ..documents.measures import DIMENSIONLESS, Interval, Measure
from ..envelope import V3
from ..header import HeaderParty, HeaderServiceEvent
from ..header_reader import party_of
from .attachments import read_attached, read_picture
from .discharge_letter import treating_physician
from .entries import (
    XSI_TYPE,
    Body,
    code_of_statement,
    components,
    decimal,
    has_template,
    lines_of,
    related,
    statements,
    unit_of,
)
from .laboratory_context import read_reason, read_vaccinations
from .notes import Notes, not_typed
from .people import People, identifier, instant, instant_or_none
from .prescription import COMMENT

_TEMPLATE = "1.2.250.1.213.1.1.1.55"
_CHAPTER, _SUB_CHAPTER = "1.2.250.1.213.1.1.2.70", "1.2.250.1.213.1.1.2.71"
_SECOND_INTENTION = "1.2.250.1.213.1.1.2.60"
_PRESCRIBER = "1.3.6.1.4.1.19376.1.3.3.1.6"
_COMMENT = "1.2.250.1.213.1.1.3.32"
_SPECIMEN = "1.2.250.1.213.1.1.3.77"
_ISOLATE = "Isolat : "
_LAB: Final = "{urn:oid:1.3.6.1.4.1.19376.1.3.2}"


def read_laboratory_report(root: etree._Element, people: People, notes: Notes) -> LaboratoryReport:
    return _Report(root, people, notes).read()


class _Report:
    def __init__(self, root: etree._Element, people: People, notes: Notes) -> None:
        self.body = Body(root, notes)
        self.people = people
        self.notes = notes
        header = people.header
        if not people.events:
            raise not_typed("no principal act", "documentationOf")
        self.principal = people.events[0]
        # The time of a result that has none of its own.
        self.released = self.principal.stop or header.effective_time
        known = (header.legal_authenticator, self.principal.performer, *header.authors, *header.authenticators)
        self.known = [p for p in known if p and p.ids]

    def read(self) -> LaboratoryReport:
        people, principal, header = self.people, self.principal, self.people.header
        chapters = tuple(self._chapters())
        own = [e for e in people.events[1:] if e == HeaderServiceEvent(code=e.code)]
        codes = {c.code for c in chapters}
        people.events = [e for e in people.events if not (e in own and e.code in codes)]
        registered = next((i for i in principal.ids if i.extension), None)
        values: dict[str, Any] = {
            "chapters": chapters,
            "received_at": instant(principal.start, "documentationOf/serviceEvent/effectiveTime/low", self.notes),
            "released_at": None
            if self.released == header.effective_time
            else instant(self.released, "documentationOf/serviceEvent/effectiveTime/high", self.notes),
            "biologist": people.performer(principal),
            "registration": identifier(registered) if registered else None,
            "reason": read_reason(self.body),
            "vaccinations": tuple(read_vaccinations(self.body)),
            "comment": self.body.text(COMMENT),
            "second_intention": tuple(read_attached(self.body, _SECOND_INTENTION)),
            "pdf_copy": (pdf_copy := self.body.pdf_copy()),
            "version": self._version(pdf_copy is not None),
            "validations": self._validations(chapters),
            "treating_physician": treating_physician(people),
        }
        if people.orders and people.orders[0].accession is None and people.orders[0].id.extension:
            values["order"] = identifier(people.orders.pop(0).id)
        values |= self._participants()
        return LaboratoryReport(
            **values | people.shared(default_title=LaboratoryReport.default_title, with_responsible=False)
        )

    def _version(self, with_pdf_copy: bool) -> str:
        """Of the volet; of one that the model does not have, the version whose rule of the PDF copy is the same."""
        version = next((t.extension for t in self.people.header.template_ids if t.root == _TEMPLATE), "")
        if version in WITH_PDF_COPY:
            return version
        self.notes.leave("the version of the volet", "templateId", f"{version} is not known", "CDA_UNREAD_HEADER")
        return next(known for known, has_copy in WITH_PDF_COPY.items() if has_copy == with_pdf_copy)

    # People. --------------------------------------------------------------------------------------------------------

    def _participants(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for participant in list(self.people.participants):
            party = participant.party
            function = party.function.code if party.function else ""
            if participant.type_code == "REF" and party.template_id == _PRESCRIBER and "prescriber" not in found:
                kind = "prescriber"
            elif participant.type_code == "PRF" and function == "PRELV" and "collector" not in found:
                kind = "collector"
            else:
                continue
            try:
                who = self.people.actor(party)
            except ModelError:
                continue  # `shared` says why
            self.people.participants.remove(participant)
            if kind == "prescriber":
                found |= {
                    "prescriber": who,
                    "prescribed_at": instant_or_none(participant.stop, "participant/time/high", self.notes),
                }
            else:
                found["collector"] = who.model_copy(update={"function": None})
        return found

    def _validations(self, chapters: tuple[Chapter, ...]) -> tuple[Validation, ...]:
        """Those of the whole report: an authenticator that no chapter names."""
        own = {
            (v.biologist.professional.national_id, v.at)
            for c in chapters
            for part in c.parts()
            for v in validations_of(part)
        }
        found = []
        for party in list(self.people.authenticators):
            if party.template_id != VALIDATOR:
                continue
            try:
                validation = Validation(
                    biologist=self.people.actor(party), at=instant(party.time, "authenticator/time", self.notes)
                )
            except ModelError:
                continue
            self.people.authenticators.remove(party)
            if (validation.biologist.professional.national_id, validation.at) not in own:
                found.append(validation)
        return tuple(found)

    def _said_by(self, statement: etree._Element) -> tuple[PerformingLaboratory | None, tuple[Validation, ...]]:
        """The performing laboratory of a statement, and who validated it, of whom the header says more."""
        performer, validations = None, []
        for element in statement.iterchildren(f"{V3}performer"):
            if has_template(element, PERFORMER) and performer is None:
                try:
                    at = instant(party_of(element).time, path_of(element), self.notes)
                    performer = PerformingLaboratory(director=self._actor(element), performed_at=at)
                except ModelError as e:
                    self.notes.leave("a laboratory", path_of(element), e.message)
            else:
                self.notes.leave("a performer", path_of(element))
        for element in statement.iterchildren(f"{V3}participant"):
            if not has_template(element, VALIDATOR):
                if element.get("typeCode") != "PRD":
                    self.notes.leave("a participant", path_of(element))
                continue
            number = ii_of(find(element, "participantRole", "id"))
            at_text = value_of(find(element, "time", "high"))
            party = self._validator(number.extension if number else "", at_text)
            try:
                if party is None:
                    self.notes.leave("who validated", path_of(element), "the header does not say whose they are")
                else:
                    found = Validation(
                        biologist=self.people.actor(party), at=instant(at_text, path_of(element), self.notes)
                    )
                    validations.append(found)
            except ModelError as e:
                self.notes.leave("who validated", path_of(element), e.message)
        return performer, tuple(validations)

    def _validator(self, number: str, at: str) -> HeaderParty | None:
        """What the header says of a professional: as a validator at this time, else in any other place."""
        own = [p for p in self.known if number and p.ids[0].extension == number]
        exact = [p for p in own if p.template_id == VALIDATOR and p.time == at]
        return next(iter((*exact, *own)), None)

    def _actor(self, element: etree._Element) -> Actor:
        actor = self.people.actor(party_of(element))
        setting = code_of(
            find(element, "assignedEntity", "representedOrganization", "standardIndustryClassCode")
        )  # fmt: skip
        if setting is None:
            return actor
        organization = actor.organization.model_copy(update={"practice_setting": setting.code})
        return actor.model_copy(update={"organization": organization})

    # Chapters. ------------------------------------------------------------------------------------------------------

    def _chapters(self) -> Iterator[Chapter]:
        for section in self.body.sections() if self.body.body is not None else ():
            if not has_template(section, _CHAPTER):
                continue
            self.notes.take(section)
            inner = [s for s in self.body.sections(section) if has_template(s, _SUB_CHAPTER)]
            try:
                if inner:
                    parts = [SubChapter(**self._part(s)) for s in inner]
                    yield Chapter(**_titled(section), sub_chapters=tuple(parts))
                else:
                    yield Chapter(**self._part(section))
            except ModelError as e:
                self.notes.leave("a chapter", path_of(section), e.message)

    def _part(self, section: etree._Element) -> dict[str, Any]:
        self.notes.take(section)
        values = _titled(section)
        acts = list(statements(section, "act"))
        if len(acts) != 1:
            return values
        act = acts[0]
        self.notes.take(act, "performer", "participant")
        values["status"] = self._status(act)
        values["performer"], values["validations"] = self._said_by(act)
        results: list[Any] = []
        specimens: list[Specimen] = []
        pictures: list[Picture] = []
        for inner in related(act, "procedure", "observation", "organizer", "observationMedia", "act"):
            name = etree.QName(inner).localname
            if name == "procedure":
                specimens += self._try(self._specimen, inner, "a specimen")
            elif name == "observationMedia":
                pictures += self._try(lambda m: read_picture(self.body, m), inner, "a picture")
            elif name == "act":
                self._comment(inner, values)
            else:
                results += self._try(self._result if name == "observation" else self._organizer, inner, "a result")
        return values | {"results": tuple(results), "specimens": tuple(specimens), "pictures": tuple(pictures)}

    def _try(self, read: Any, element: etree._Element, what: str) -> list[Any]:
        try:
            return [read(element)]
        except (ModelError, CdaError) as e:
            self.notes.leave(what, path_of(element), e.message)
            return []

    def _comment(self, act: etree._Element, values: dict[str, Any]) -> None:
        if has_template(act, _COMMENT) and "comment" not in values:
            self.notes.take(act)
            values["comment"] = self.body.said(find(act, "text"))

    def _specimen(self, procedure: etree._Element) -> Specimen:
        role = find(_participant(procedure, "PRD"), "participantRole")
        number = ii_of(find(role, "id"))
        kind = code_of(find(role, "playingEntity", "code"))
        performer = find(procedure, "performer")
        act = code_of(find(procedure, "code"))
        values: dict[str, Any] = {
            "identifier": identifier(number) if number else None,
            "specimen_type": kind.code if kind else "",
            "collected_at": instant(value_of(find(procedure, "effectiveTime", "high")), path_of(procedure), self.notes),
            "act": act,
            "site": code_of(find(procedure, "targetSiteCode")),
            "collector": self._actor(performer) if performer is not None else None,
        }
        taken = []
        for inner in related(procedure, "act"):
            if code_of_statement(inner) == "SPRECEIVE":
                values["received_at"] = instant(value_of(find(inner, "effectiveTime")), path_of(inner), self.notes)
                taken.append(inner)
            elif has_template(inner, _COMMENT):
                place = self.body.place(find(inner, "text"))
                said = self.body.around(place).get("Prélèvement") if place is not None else ""
                shown = act.display if act else number.extension if number else ""
                values["comment"] = (said or "").removeprefix(f"{shown}\n") or self.body.said(find(inner, "text"))
                taken.append(inner)
        specimen = Specimen(**values)
        for inner in taken:
            self.notes.take(inner, "effectiveTime")
        self.notes.take(procedure, "effectiveTime", "targetSiteCode", "performer", "participant")
        return specimen

    # Results. -------------------------------------------------------------------------------------------------------

    def _first_cell(self, code: etree._Element | None) -> str:
        """What the narrative calls the examination that a code is of."""
        place = self.body.place(find(code, "originalText"))
        if place is not None and place.tag == f"{V3}tr":
            cell = find(place, "td")
            return lines_of(cell).strip() if cell is not None else ""
        return self.body.said(find(code, "originalText"))

    def _result(self, observation: etree._Element) -> LaboratoryResult:
        element = find(observation, "code")
        code, local = _examination(element)
        method = find(observation, "methodCode")
        cell = self._first_cell(element) or self._first_cell(method)
        values: dict[str, Any] = {"code": code, "local_code": local, "method": code_of(method)}
        known = code or local
        default = known.display if known else ""
        label, shown_method = cell, ""
        if method is not None and cell.endswith(")"):
            head = default if cell.startswith(f"{default}\n(") else cell.partition("\n(")[0]
            if cell.startswith(f"{head}\n("):
                label, shown_method = head, cell[len(head) + 2 : -1]
        if method is not None and values["method"] is None:
            shown = self._first_cell(method)
            values["method"] = shown_method or (shown if shown != cell else "") or None
        values["label"] = label if label != default else None
        values["status"] = self._status(observation)
        time = find(observation, "effectiveTime")
        if time is not None and value_of(time) != self.released:
            values["observed_at"] = instant_or_none(value_of(time), path_of(time), self.notes)
        values["value"] = self._value(find(observation, "value"))
        interpretation = code_of(find(observation, "interpretationCode"))
        values["interpretation"] = interpretation.code if interpretation else None
        values["reference"] = self._reference(observation)
        values["performer"], values["validations"] = self._said_by(observation)
        previous = []
        for inner in related(observation, "act"):
            self._comment(inner, values)
        for inner in related(observation, "observation", type_code="REFR"):
            previous += self._try(self._previous, inner, "an earlier result")
        values["previous"] = tuple(previous)
        result = LaboratoryResult(**values)
        self.notes.take(
            observation, "effectiveTime", "value", "interpretationCode", "methodCode", "referenceRange", "performer",
            "participant",
        )  # fmt: skip
        return result

    def _previous(self, observation: etree._Element) -> PreviousResult:
        value: Any = self._value(find(observation, "value"))
        at = instant(value_of(find(observation, "effectiveTime")), path_of(observation), self.notes)
        previous = PreviousResult(value=value, observed_at=at)
        self.notes.take(observation, "effectiveTime", "value")
        return previous

    def _value(self, element: etree._Element | None) -> Measure | Interval | Code | str | None:
        if element is None or element.get("nullFlavor") is not None:
            return None
        kind = element.get(XSI_TYPE)
        if kind is None:
            raise ModelError("its value has no type", path=path_of(element))
        if kind in ("PQ", "REAL", "INT") and (number := decimal(element)) is not None:
            return Measure(value=number, unit=self._unit(kind, element))
        if kind in ("IVL_PQ", "IVL_REAL", "IVL_INT"):
            low, high = find(element, "low"), find(element, "high")
            return Interval(
                low=decimal(low),
                high=decimal(high),
                unit=self._unit(kind, element, low, high),
                low_inclusive=low is None or low.get("inclusive") != "false",
                high_inclusive=high is None or high.get("inclusive") != "false",
            )
        return code_of(element) or lines_of(element).strip() or value_of(element) or self.body.said(element) or None

    def _status(self, statement: etree._Element) -> str:
        status = find(statement, "statusCode")
        if status is None:
            self.notes.leave("a status", path_of(statement), "it is not said: completed stands for it")
            return "completed"
        return status.get("code") or ""

    def _unit(self, kind: str, value: etree._Element, *bounds: etree._Element | None) -> str:
        """The unit of a value, or of both its bounds; of a pure number, or where none is said, UCUM's `1`."""
        units = {unit_of(each) for each in bounds or (value,) if each is not None}
        if len(units - {""}) > 1:
            raise ModelError("the bounds have two units", path=path_of(value))
        if kind.endswith("PQ") and "" in units:
            self.notes.leave("the unit of a value", path_of(value), "it is not said everywhere")
        return max(units, default="") or DIMENSIONLESS

    def _reference(self, observation: etree._Element) -> ReferenceRange | None:
        range_ = find(observation, "referenceRange", "observationRange")
        if range_ is None:
            return None
        text, value = find(range_, "text"), find(range_, "value")
        inside = code_of(find(range_, "interpretationCode"))
        values: dict[str, Any] = {
            "text": lines_of(text).strip() or None if text is not None else None,
            "low": decimal(find(value, "low")),
            "high": decimal(find(value, "high")),
            "sex": next((v.get("value") for v in range_.iter(f"{_LAB}value")), None),
        }
        if inside:
            values["interpretation"] = inside.code
        else:
            self.notes.leave("what a reference range means", path_of(range_), "it is not said: normal stands for it")
        return ReferenceRange(**values)

    def _organizer(self, organizer: etree._Element) -> Battery | Isolate:
        values: dict[str, Any] = {"status": self._status(organizer)}
        values["performer"], values["validations"] = self._said_by(organizer)
        items: list[Any] = []
        for inner in components(organizer, "act", "observation", "organizer"):
            if inner.tag == f"{V3}act":
                self._comment(inner, values)
            else:
                read = self._result if inner.tag == f"{V3}observation" else self._organizer
                items += self._try(read, inner, "a result")
        if organizer.get("classCode") == "CLUSTER":
            found: Battery | Isolate = self._isolate(organizer, values, items)
        else:
            element = find(organizer, "code")
            values["code"], values["local_code"] = _examination(element)
            known = values["code"] or values["local_code"]
            values["title"] = self._first_cell(element) or (known.display if known else "")
            values["results"] = tuple(items)
            found = _battery(values)
        self.notes.take(organizer, "effectiveTime", "specimen", "performer", "participant")
        return found

    def _isolate(self, organizer: etree._Element, values: dict[str, Any], items: list[Any]) -> Isolate:
        role = find(organizer, "specimen", "specimenRole")
        number = ii_of(find(role, "id"))
        element = find(role, "specimenPlayingEntity", "code")
        translation = find(element, "translation")
        code = code_of(element)
        return Isolate(
            **values,
            organism=self._first_cell(element).removeprefix(_ISOLATE) or (code.display if code else ""),
            identifier=Identifier(value=number.extension, root=number.root) if number and number.extension else None,
            code=code,
            ncbi=code_of(translation),
            identified_at=instant(value_of(find(organizer, "effectiveTime")), path_of(organizer), self.notes),
            items=tuple(items),
        )


def _titled(section: etree._Element) -> dict[str, Any]:
    code = code_of(find(section, "code"))
    title = lines_of(t) if (t := find(section, "title")) is not None else ""
    return {"code": code, "title": title if code is None or title != code.display else None}


def _participant(statement: etree._Element, type_code: str) -> etree._Element | None:
    found = (p for p in statement.iterchildren(f"{V3}participant") if p.get("typeCode") == type_code)
    return next(found, None)


def _examination(element: etree._Element | None) -> tuple[Code | None, Code | None]:
    """LOINC, and the first code of another system."""
    code, local = code_of(element), code_of(find(element, "translation"))
    if code is not None and code.system != LOINC:
        return None, code
    return code, local


def _battery(values: dict[str, Any]) -> Battery:
    """An antibiogram when it is one by its code and its results."""
    code = values["code"]
    if code is not None and code.code == "18769-0":
        try:
            return Antibiogram(**values)
        except ModelError:
            pass
    return Battery(**values)
