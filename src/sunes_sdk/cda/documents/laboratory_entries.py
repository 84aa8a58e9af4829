"""The sections of a laboratory report: narrative and entries (volet CR-BIO)."""

from __future__ import annotations

from collections.abc import Iterator

from ..._core.xml import escape_text
from ...model import Actor, Code, Organization, Professional
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import PS_ROOT, STRUCTURE_ROOT, NullFlavor, Ref
from ..header_writer import practice_setting_code, role_code
from ..sections import (
    Draft,
    Narrative,
    SectionKind,
    code_text,
    comment_act,
    comment_relationship,
    entry_relationship,
    section,
)
from .attachments import pictures
from .laboratory_content import (
    Battery,
    Isolate,
    LaboratoryResult,
    PerformingLaboratory,
    PreviousResult,
    ResultValue,
    Specimen,
    SubChapter,
    Validation,
    shown_value,
)
from .measures import Interval, Measure, shown_day, shown_time

VALIDATOR = "1.3.6.1.4.1.19376.1.3.3.1.5"
"""templateId of who validated: authenticator of the header, participant of an entry."""
PERFORMER = "1.3.6.1.4.1.19376.1.3.3.1.7"
"""templateId of *laboratoire exécutant*."""


def _value(value: ResultValue, ref: Ref | None = None) -> str:
    if isinstance(value, str):
        return dt.string(value)
    if isinstance(value, Code):
        return dt.cd("value", value, xsi_type="CD", original=ref)
    return value.xml()


CHAPTER = SectionKind("1.3.6.1.4.1.19376.1.3.3.2.1", "1.2.250.1.213.1.1.2.70")
SUB_CHAPTER = SectionKind("1.3.6.1.4.1.19376.1.3.3.2.2", "1.2.250.1.213.1.1.2.71")
_COLUMNS = ("Examen", "Résultat", "Valeurs de référence", "Interprétation", "Antériorité")
_SPECIMEN_COLUMNS = ("Prélèvement", "Nature de l'échantillon", "Date de prélèvement", "Réception au laboratoire")
_ENTRY = (
    '<entry typeCode="DRIV">'
    + dt.templates("1.3.6.1.4.1.19376.1.3.1", "1.2.250.1.213.1.1.3.21")
    + '<act classCode="ACT" moodCode="EVN">'
)
_OBSERVATION = '<observation classCode="OBS" moodCode="EVN">' + dt.templates(
    "1.3.6.1.4.1.19376.1.3.1.6", "1.2.250.1.213.1.1.3.80"
)
_BATTERY = '<organizer classCode="BATTERY" moodCode="EVN">' + dt.templates(
    "1.3.6.1.4.1.19376.1.3.1.4", "1.2.250.1.213.1.1.3.78"
)
_ISOLATE = '<organizer classCode="CLUSTER" moodCode="EVN">' + dt.templates(
    "1.3.6.1.4.1.19376.1.3.1.5", "1.2.250.1.213.1.1.3.79"
)
_SPECIMEN = '<procedure classCode="PROC" moodCode="EVN">' + dt.templates(
    "1.3.6.1.4.1.19376.1.3.1.2", "1.2.250.1.213.1.1.3.77"
)
_RECEIVED = (
    '<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN">'
    + dt.templates("1.3.6.1.4.1.19376.1.3.1.3", "1.2.250.1.213.1.1.3.107")
    # The official rule wants this code system, which looks mistyped (1.3.5 for 1.3.6).
    + dt.coded("code", "SPRECEIVE", "Échantillon reçu", "1.3.5.1.4.1.19376.1.5.3.2", "IHEActCode")
)
_AUTHENTICATED = '<participant typeCode="AUTHEN">' + dt.templates(VALIDATOR, "1.2.250.1.213.1.1.3.109")


def results_section(draft: Draft, kind: SectionKind, part: SubChapter, observed: str) -> str:
    narrative = Narrative(draft)
    code = dt.cd("code", part.code)
    relations = _specimens(draft, narrative, part.specimens)
    rows = [row for item in part.results for row in _rows(item, draft)]
    refs = iter(narrative.table(_COLUMNS, rows))
    writer = _Entries(draft, narrative, refs, observed)
    relations += [entry_relationship(writer.item(item)) for item in part.results]
    relations += [entry_relationship(picture) for picture in pictures(draft, narrative, part.pictures)]
    if part.comment:
        relations.append(comment_relationship(narrative.paragraph(part.comment)))
    people = writer.people(part.performer, part.validations)
    entry = (
        f'{_ENTRY}{code}{dt.status(part.status)}{people}{"".join(relations)}</act></entry>'
    )  # fmt: skip
    return section(draft, kind, narrative, entry, title=part.shown_title, code=code, with_id=False)


def _rows(item: LaboratoryResult | Battery | Isolate, draft: Draft) -> Iterator[tuple[str, ...]]:
    if isinstance(item, LaboratoryResult):
        yield _row(item, draft)
    elif isinstance(item, Battery):
        yield (item.title, "", "", "", "")
        for result in item.results:
            yield _row(result, draft)
    else:
        yield (f"Isolat : {item.organism}", "", "", "", "")
        for inner in item.items:
            yield from _rows(inner, draft)


_FOR_SEX = {None: "", "F": "\n(femme)", "M": "\n(homme)"}


def _row(result: LaboratoryResult, draft: Draft) -> tuple[str, ...]:
    method = result.method if isinstance(result.method, str) else (result.method.display if result.method else "")
    label = f"{result.shown_label}\n({method})" if method else result.shown_label
    reference = ""
    if result.reference:
        unit = result.value.unit if isinstance(result.value, Measure | Interval) else ""
        reference = result.reference.shown(unit) + _FOR_SEX[result.reference.sex]
    interpretation = ""
    if result.interpretation is not None:
        interpretation = terminology_code("JDV_OBSERVATION_INTERPRETATION", result.interpretation).display
    previous = "\n".join([f"{shown_value(p.value)} ({shown_day(draft.ts(p.observed_at))})" for p in result.previous])
    return (label, result.shown_value, reference, interpretation, previous)


class _Entries:
    """Writes the entries of a section; each takes the next row of the table as its narrative."""

    __slots__ = ("draft", "narrative", "observed", "refs")

    def __init__(self, draft: Draft, narrative: Narrative, refs: Iterator[Ref], observed: str) -> None:
        self.draft = draft
        self.narrative = narrative
        self.refs = refs
        self.observed = observed

    def item(self, item: LaboratoryResult | Battery | Isolate) -> str:
        if isinstance(item, LaboratoryResult):
            return self.result(item)
        return self.battery(item) if isinstance(item, Battery) else self.isolate(item)

    def result(self, result: LaboratoryResult) -> str:
        ref = next(self.refs)
        code = _examination_code(result.code, result.local_code, ref)
        when = dt.ts("effectiveTime", self.draft.ts(result.observed_at) if result.observed_at else self.observed)
        value = _value(result.value, ref) if result.value is not None else ""
        interpretation = ""
        if result.interpretation is not None:
            found = terminology_code("JDV_OBSERVATION_INTERPRETATION", result.interpretation)
            interpretation = dt.cd("interpretationCode", found)
        relations = [self.previous(code, p) for p in result.previous]
        if result.comment:
            relations.append(comment_relationship(self.narrative.item(result.comment, result.shown_label)))
        return "".join(
            (
                _OBSERVATION,
                code,
                dt.status(result.status),
                when,
                value,
                interpretation,
                _method(result.method, ref),
                self.people(result.performer, result.validations, result.shown_label),
                *relations,
                _reference(result),
                "</observation>",
            )
        )

    def previous(self, code: str, previous: PreviousResult) -> str:
        at = self.draft.ts(previous.observed_at)
        observation = (
            f"{_OBSERVATION}{code}{dt.COMPLETED}{dt.ts('effectiveTime', at)}{_value(previous.value)}</observation>"
        )
        return entry_relationship(observation, "REFR")

    def battery(self, battery: Battery) -> str:
        ref = next(self.refs)
        code = _examination_code(battery.code, battery.local_code, ref)
        people = self.people(battery.performer, battery.validations, battery.title)
        results = [self.result(r) for r in battery.results]
        return f"{_BATTERY}{code}{dt.status(battery.status)}{people}{self.components(results, battery)}</organizer>"

    def isolate(self, isolate: Isolate) -> str:
        ref = next(self.refs)
        translations = (isolate.ncbi,) if isolate.ncbi else ()
        if isolate.code:
            code = dt.cd("code", isolate.code, original=ref, translations=translations)
        else:
            code = f"<code>{ref.original_text}{''.join(map(dt.translation, translations))}</code>"
        identifier = dt.ii(isolate.identifier.root, isolate.identifier.value) if isolate.identifier else self.draft.id()
        people = self.people(isolate.performer, isolate.validations, isolate.organism)
        inner = self.components([self.item(i) for i in isolate.items], isolate)
        return (
            f"{_ISOLATE}{dt.status(isolate.status)}"
            f"{dt.ts('effectiveTime', self.draft.ts(isolate.identified_at))}"
            f'<specimen typeCode="SPC"><specimenRole classCode="SPEC">{identifier}'
            f'<specimenPlayingEntity classCode="MIC">{code}</specimenPlayingEntity></specimenRole></specimen>'
            f"{people}{inner}</organizer>"
        )

    def components(self, items: list[str], of: Battery | Isolate) -> str:
        if of.comment:
            label = of.title if isinstance(of, Battery) else of.organism
            items.append(comment_act(self.narrative.item(of.comment, label)))
        return "".join([f"<component>{item}</component>" for item in items])

    def people(
        self, performer: PerformingLaboratory | None, validations: tuple[Validation, ...], label: str = ""
    ) -> str:  # fmt: skip
        """Who did and who validated what `label` names, everything when it is empty."""
        said = []
        if performer:
            at = shown_time(self.draft.ts(performer.performed_at))
            self.say(label, f"Examens réalisés par {performer.director.organization.name} le {at}")
            said.append(_performer(performer.director, self.draft.ts(performer.performed_at), PERFORMER))
        for validation in validations:
            at = self.draft.ts(validation.at)
            person = validation.biologist.professional
            self.say(label, f"Résultats validés par {person.given} {person.family} le {shown_time(at)}")
            said.append(_validated(validation, at))
        return "".join(said)

    def say(self, label: str, text: str) -> None:
        self.narrative.paragraph(f"{label} : {text}" if label else text)


def _examination_code(code: Code | None, local_code: Code | None, ref: Ref) -> str:
    translations = (local_code,) if local_code else ()
    if code:
        return dt.cd("code", code, original=ref, translations=translations)
    return f"<code>{ref.original_text}{''.join(map(dt.translation, translations))}</code>"


def _method(method: Code | str | None, ref: Ref) -> str:
    if not method:
        return ""
    return dt.cd("methodCode", method) if isinstance(method, Code) else f"<methodCode>{ref.original_text}</methodCode>"


_SEX = (
    '<lab:precondition typeCode="PRCN"><lab:criterion classCode="COND" moodCode="EVN"><lab:code code="SEX"></lab:code>'
    '<lab:value value="?"></lab:value></lab:criterion></lab:precondition>'
)
"""The schema of the kit takes a code without its system and the values F, M, I; `SEX` is IHE's (unverified)."""


def _reference(result: LaboratoryResult) -> str:
    reference, value = result.reference, result.value
    if reference is None:
        return ""
    text = f"<text>{escape_text(reference.text)}</text>" if reference.text else ""
    bounds = ""
    if isinstance(value, Measure | Interval) and (reference.low, reference.high) != (None, None):
        bounds = Interval.model_construct(low=reference.low, high=reference.high, unit=value.unit).xml()
    inside = dt.cd("interpretationCode", terminology_code("JDV_OBSERVATION_INTERPRETATION", reference.interpretation))
    criterion = _SEX.replace("?", reference.sex) if reference.sex else ""
    return (
        '<referenceRange typeCode="REFV"><observationRange classCode="OBS" moodCode="EVN.CRT">'
        f"{text}{bounds}{inside}{criterion}</observationRange></referenceRange>"
    )


def _validated(validation: Validation, at: str) -> str:
    person = validation.biologist.professional
    return (
        f"{_AUTHENTICATED}<time>{dt.ts('high', at)}</time><participantRole>{dt.ii(PS_ROOT, person.national_id)}"
        f"{_contacts(person)}<playingEntity>{_name(person)}</playingEntity></participantRole></participant>"
    )


def _name(person: Professional) -> str:
    return dt.person_name(person.family, person.given, person.civility or "", person.title or "")


def _contacts(holder: Professional | Organization) -> str:
    """The volet wants both, or their absence said."""
    if isinstance(holder, Organization):
        where = dt.addresses((holder.address,) if holder.address else (), NullFlavor.UNAVAILABLE)
        return dt.telecoms(holder.telecoms, NullFlavor.UNAVAILABLE) + where
    where = dt.addresses(holder.addresses, NullFlavor.UNAVAILABLE)
    return where + dt.telecoms(holder.telecoms, NullFlavor.UNAVAILABLE)


def _performer(actor: Actor, at: str, template: str = "") -> str:
    person, organization = actor.professional, actor.organization
    return (
        f'<performer typeCode="PRF">{dt.templates(template) if template else ""}<time>{dt.ts("high", at)}</time>'
        f"<assignedEntity>{dt.ii(PS_ROOT, person.national_id)}{dt.cd('code', role_code(actor))}{_contacts(person)}"
        f"<assignedPerson>{_name(person)}</assignedPerson><representedOrganization>"
        f"{dt.ii(STRUCTURE_ROOT, organization.national_id)}{dt.element('name', organization.name)}"
        f"{_contacts(organization)}{dt.cd('standardIndustryClassCode', practice_setting_code(organization))}"
        "</representedOrganization></assignedEntity></performer>"
    )


def _specimens(draft: Draft, narrative: Narrative, specimens: tuple[Specimen, ...]) -> list[str]:
    rows, kinds = [], []
    for specimen in specimens:
        kind = terminology_code("JDV_SPECIMEN_TYPE", specimen.specimen_type)
        kinds.append(kind)
        received = shown_time(draft.ts(specimen.received_at)) if specimen.received_at else ""
        act = specimen.act.display if specimen.act else specimen.identifier.value
        nature = f"{kind.display}\n({code_text(specimen.site)})" if specimen.site else kind.display
        collected = shown_time(draft.ts(specimen.collected_at))
        if specimen.collector:
            person = specimen.collector.professional
            collected += f"\npar {person.given} {person.family}"
        rows.append((f"{act}\n{specimen.comment}" if specimen.comment else act, nature, collected, received))
    refs = narrative.table(_SPECIMEN_COLUMNS, rows)
    return [_specimen(draft, *each) for each in zip(specimens, kinds, refs, strict=True)]


def _specimen(draft: Draft, specimen: Specimen, kind: Code, ref: Ref) -> str:
    act = dt.cd("code", specimen.act, original=ref) if specimen.act else ""
    site = dt.cd("targetSiteCode", specimen.site) if specimen.site else ""
    collector = ""
    if specimen.collector:
        collector = _performer(specimen.collector, draft.ts(specimen.collected_at))
    received = comment_relationship(ref) if specimen.comment else ""
    if specimen.received_at:
        received += f"{_RECEIVED}{dt.ts('effectiveTime', draft.ts(specimen.received_at))}</act></entryRelationship>"
    return entry_relationship(
        f"{_SPECIMEN}{act}{dt.ivl_ts('effectiveTime', high=draft.ts(specimen.collected_at))}{site}{collector}"
        '<participant typeCode="PRD"><participantRole classCode="SPEC">'
        f"{dt.ii(specimen.identifier.root, specimen.identifier.value)}"
        f"<playingEntity>{dt.cd('code', kind, original=ref)}</playingEntity></participantRole></participant>"
        f"{received}</procedure>"
    )
