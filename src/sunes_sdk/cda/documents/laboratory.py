"""*Compte rendu d'examens biologiques* (volet CR-BIO 2024.01)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BeforeValidator, Discriminator, Tag, field_validator, model_validator

from ..._core.xml import escape_text
from ...model import Actor, Code, Identifier, Model, Organization
from ...model._base import invalid
from ...model.code import Text
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import LOINC, PS_ROOT, NullFlavor, Ref
from ..header import II, HeaderOrder
from ..header_writer import Authenticator, Participant, Performer, ServiceEvent
from ..pdf_body import checked_pdf
from ..sections import (
    Draft,
    Narrative,
    SectionKind,
    comment_relationship,
    comment_section,
    entry_relationship,
    pdf_copy_section,
    section,
)
from ._base import ClinicalDocument
from .coded import in_set
from .measures import Interval, Measure, check_bounds, shown_day, shown_time

AWAITING_LOINC = "1.2.250.1.213.1.1.5.130"
"""Code system of the codes given to examinations that wait for a LOINC code (*codes d'attente*)."""
NABM = "1.2.250.1.213.2.7"
NCBI_TAXONOMY = "2.16.840.1.113883.3.9471"

_VOLET = "CI-SIS volet CR-BIO 2024.01"
_TITLE = "Compte rendu d'examens biologiques"


def _value_kind(value: object) -> str | None:
    if isinstance(value, dict):
        return "code" if "system" in value else "interval" if {"low", "high"} & value.keys() else "measure"
    kinds: tuple[tuple[type, str], ...] = (
        (str, "text"), (Measure, "measure"), (Interval, "interval"), (Code, "code"),
    )  # fmt: skip
    return next((name for kind, name in kinds if isinstance(value, kind)), None)


def _of_known_kind(value: object) -> object:
    if _value_kind(value) is None:
        raise invalid("BIO_VALUE", "a value is a Measure, an Interval, a Code or a text", rule=_VOLET,
                      hint="give a number with its unit: Measure(value=…, unit=…)")  # fmt: skip
    return value


ResultValue = Measure | Interval | Code | str
# Told apart by their kind, so that an error is about the kind that was meant.
_OneValue = Annotated[
    Annotated[Measure, Tag("measure")]
    | Annotated[Interval, Tag("interval")]
    | Annotated[Code, Tag("code")]
    | Annotated[str, Tag("text")],
    Discriminator(_value_kind),
    BeforeValidator(_of_known_kind),
]


class Validation(Model):
    """*Validation biologique*: who validated results, and when."""

    biologist: Actor
    at: AwareDatetime


class ReferenceRange(Model):
    """*Intervalle de référence*. low / high: bounds in the unit of the result, at least one; text 0..1: as the
    laboratory prints it, instead of the bounds in the narrative. Raises ModelError `CDA_INTERVAL`."""

    low: Decimal | None = None
    high: Decimal | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _bounded(self) -> ReferenceRange:
        check_bounds(self.low, self.high)
        return self

    def shown(self, unit: str) -> str:
        return self.text or Interval.model_construct(low=self.low, high=self.high, unit=unit).text


class PreviousResult(Model):
    """*Antériorité*: an earlier value of the same examination, with its time."""

    masked: ClassVar[frozenset[str]] = frozenset({"value"})

    value: _OneValue
    observed_at: AwareDatetime


class LaboratoryResult(Model):
    """*FR-Résultat-examens-de-biologie-élément-clinique-pertinent*.

    code 0..1: LOINC code with its label (*circuit de la biologie*); local_code 0..1: code of the laboratory or
    awaiting LOINC (system `AWAITING_LOINC`); one of the two is needed; label 0..1: as printed, the code's label when
    not given; value 0..1: `Measure` (PQ), `Interval` (IVL_PQ), `Code` (CD) or text (ST), needed unless the status is
    `aborted`; interpretation 0..1: HL7 ObservationInterpretation (`N`, `H`, `L`, `S`, `R` …); reference 0..1;
    observed_at 0..1: time of the result, the report's when not given; method 0..1; comment 0..1; previous 0..*.
    Raises ModelError (`BIO_RESULT_CODE`, `BIO_VALUE`, `BIO_REFERENCE`, `TERMINOLOGY`).
    """

    masked: ClassVar[frozenset[str]] = frozenset({"value", "comment"})

    code: Code | None = None
    local_code: Code | None = None
    label: str | None = None
    value: _OneValue | None = None
    status: Literal["completed", "aborted"] = "completed"
    interpretation: Annotated[str, in_set("JDV_OBSERVATION_INTERPRETATION")] | None = None
    reference: ReferenceRange | None = None
    observed_at: AwareDatetime | None = None
    method: str | Code | None = None
    comment: str | None = None
    previous: tuple[PreviousResult, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> LaboratoryResult:
        _check_examination(self.code, self.local_code)
        if self.status == "completed" and (self.value is None or self.value == ""):
            raise invalid("BIO_VALUE", "a completed result has no value", rule=_VOLET, path="value",
                          hint="give the value, or status='aborted' with a comment",
                          hint_fr="Résultat sans valeur : donnez-la ou signalez l'examen non réalisé.")  # fmt: skip
        if self.reference and not isinstance(self.value, Measure | Interval):
            raise invalid("BIO_REFERENCE", "a reference range needs a measured value", rule=_VOLET, path="reference",
                          hint="give the value as a Measure, or put the range into the comment")  # fmt: skip
        return self

    @property
    def shown_label(self) -> str:
        return self.label or _examination_label(self.code, self.local_code)

    @property
    def shown_value(self) -> str:
        return "Examen non réalisé" if self.value is None else _shown(self.value)


class Battery(Model):
    """*FR-Batterie-examens-de-biologie-médicale*: results that were asked together (*NFS*, *antibiogramme*).

    title 1..1; results 1..*; code 0..1: LOINC; local_code 0..1; status.
    """

    title: Text
    results: tuple[LaboratoryResult, ...]
    code: Code | None = None
    local_code: Code | None = None
    status: Literal["completed", "active", "aborted"] = "completed"

    @model_validator(mode="after")
    def _complete(self) -> Battery:
        if self.code or self.local_code:
            _check_examination(self.code, self.local_code)
        if not self.results:
            raise invalid("BIO_EMPTY", "a battery has no result", rule=_VOLET, path="results", hint="give its results")
        return self


class Isolate(Model):
    """*FR-Isolat-microbiologique*: a germ that was found, and what was tested on it.

    organism 1..1: name as printed; code 0..1: SNOMED CT; ncbi 0..1: NCBI Taxonomy code; identified_at 1..1; items
    0..*: counts, and the battery of the antibiogram.
    """

    organism: Text
    code: Code | None = None
    ncbi: Code | None = None
    identified_at: AwareDatetime
    items: tuple[LaboratoryResult | Battery, ...] = ()
    status: Literal["completed", "active", "aborted"] = "completed"

    @model_validator(mode="after")
    def _systems(self) -> Isolate:
        if self.code and self.code.system != dt.SNOMED_CT:
            raise invalid("BIO_ORGANISM", "the code of a germ is SNOMED CT", rule=_VOLET, path="code",
                          hint="give a SNOMED CT code, or only the name")  # fmt: skip
        if self.ncbi and self.ncbi.system != NCBI_TAXONOMY:
            raise invalid("BIO_ORGANISM", "this code is not of NCBI Taxonomy", rule=_VOLET, path="ncbi",
                          hint=f"system {NCBI_TAXONOMY}")  # fmt: skip
        return self


class Specimen(Model):
    """*FR-Prélèvement*: a sample.

    identifier 1..1: number of the sample; specimen_type 1..1: HL7 code (`UR` urine, `BLDV` venous blood …);
    collected_at 1..1; received_at 0..1: at the laboratory; act 0..1: the collection as an act (NABM).
    Raises ModelError (`TERMINOLOGY`, `BIO_TIMES`).
    """

    identifier: Identifier
    specimen_type: Annotated[str, in_set("JDV_SPECIMEN_TYPE")]
    collected_at: AwareDatetime
    received_at: AwareDatetime | None = None
    act: Code | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Specimen:
        if self.received_at and self.received_at < self.collected_at:
            raise invalid("BIO_TIMES", "the sample was received before it was collected", rule=_VOLET,
                          path="received_at", hint="swap or mend the times",
                          hint_fr="La réception du prélèvement précède le prélèvement.")  # fmt: skip
        return self


class SubChapter(Model):
    """*FR-CR-BIO-Sous-chapitre*: results under one title.

    code 1..1: LOINC code of the speciality or of the panel; title 0..1: the code's label when not given; results
    0..*: single results, batteries, isolates; specimens 0..*; comment 0..1; validation 0..1: who validated these;
    status: `active` while results are still to come.
    """

    code: Code
    title: str | None = None
    results: tuple[LaboratoryResult | Battery | Isolate, ...] = ()
    specimens: tuple[Specimen, ...] = ()
    comment: str | None = None
    validation: Validation | None = None
    status: Literal["completed", "active", "aborted"] = "completed"

    @field_validator("code")
    @classmethod
    def _loinc(cls, value: Code) -> Code:
        if value.system != LOINC or not value.display:
            raise invalid("BIO_CHAPTER_CODE", "a chapter has a LOINC code and its label", rule=_VOLET,
                          hint="e.g. BIOCHEMISTRY (18719-5 Biochimie)")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> SubChapter:
        if not self.results and not getattr(self, "sub_chapters", ()):
            raise invalid("BIO_EMPTY", "a chapter has no result", rule=f"{_VOLET}: at least one entryRelationship COMP",
                          path="results", hint="give its results, or leave the chapter out")  # fmt: skip
        return self

    @property
    def shown_title(self) -> str:
        return self.title or self.code.display


class Chapter(SubChapter):
    """*FR-CR-BIO-Chapitre*: results, or sub-chapters, never both. Raises ModelError `BIO_CHAPTER`."""

    sub_chapters: tuple[SubChapter, ...] = ()

    @model_validator(mode="after")
    def _either(self) -> Chapter:
        if self.sub_chapters and (self.results or self.specimens or self.comment or self.validation):
            raise invalid("BIO_CHAPTER", "a chapter holds results or sub-chapters, not both", rule=_VOLET,
                          path="sub_chapters", hint="move everything into sub-chapters")  # fmt: skip
        return self

    def parts(self) -> tuple[SubChapter, ...]:
        """What holds results: its sub-chapters, else itself."""
        return self.sub_chapters or (self,)


def _chapter_code(code: str, display: str) -> Code:
    return Code(code=code, system=LOINC, display=display, system_name="LOINC")


BIOCHEMISTRY = _chapter_code("18719-5", "Biochimie")
HEMATOLOGY = _chapter_code("18723-7", "Hématologie")
MICROBIOLOGY = _chapter_code("18725-2", "Microbiologie")
SEROLOGY = _chapter_code("18727-8", "Sérologie")
PROTEINS = _chapter_code("18718-7", "Protéines, marqueurs tumoraux, vitamines")


class LaboratoryReport(ClinicalDocument):
    """*Compte rendu d'examens biologiques* (11502-2, CR-BIO 2024.01).

    chapters 1..*; received_at 1..1: when the laboratory got the request and the samples; released_at 0..1: when the
    report was released, the time of writing when not given; biologist 0..1: *biologiste responsable*, in the laboratory
    that did the work (facility type SA25), the author when not given; validations 0..*: of the whole report, beside
    those of the chapters; prescriber 0..1 with prescribed_at 0..1; order 0..1: number of the prescription;
    registration 0..1: number of the request in the laboratory's system; collector 0..1: *préleveur*;
    treating_physician 0..1: *médecin traitant*; comment 0..1; pdf_copy 1..1: the report as PDF, shown first by
    consumers. The title is fixed by the volet.
    Raises ModelError (`BIO_TITLE`, `BIO_EMPTY`, `BIO_TIMES`), CdaError (`CDA_PDF_UNREADABLE`).
    """

    type_code = "11502-2"
    template_ids = (II("1.3.6.1.4.1.19376.1.3.3"), II("1.2.250.1.213.1.1.1.55", "2024.01"))
    default_title = _TITLE

    masked: ClassVar[frozenset[str]] = frozenset({"chapters", "comment", "pdf_copy"})

    chapters: tuple[Chapter, ...]
    received_at: AwareDatetime
    released_at: AwareDatetime | None = None
    biologist: Actor | None = None
    validations: tuple[Validation, ...] = ()
    prescriber: Actor | None = None
    prescribed_at: AwareDatetime | None = None
    order: Identifier | None = None
    registration: Identifier | None = None
    collector: Actor | None = None
    treating_physician: Actor | None = None
    comment: str | None = None
    pdf_copy: bytes

    @field_validator("pdf_copy")
    @classmethod
    def _readable(cls, value: bytes) -> bytes:
        return checked_pdf(value, "pdf_copy")

    @model_validator(mode="after")
    def _coherent(self) -> LaboratoryReport:
        if self.title is not None and self.title != _TITLE:
            raise invalid("BIO_TITLE", f"the title is fixed: {_TITLE}", rule=_VOLET, path="title",
                          hint="leave the title out")  # fmt: skip
        if not self.chapters:
            raise invalid("BIO_EMPTY", "the report has no chapter", rule=_VOLET, path="chapters",
                          hint="give one chapter at least",
                          hint_fr="Le compte rendu ne comporte aucun chapitre.")  # fmt: skip
        if self.released_at and self.released_at < self.received_at:
            raise invalid("BIO_TIMES", "the report was released before the samples came", rule=_VOLET,
                          path="released_at", hint="swap or mend the times",
                          hint_fr="La libération du compte rendu précède la réception de la demande.")  # fmt: skip
        return self

    @property
    def is_partial(self) -> bool:
        """Results are still to come."""
        return any(part.status == "active" for chapter in self.chapters for part in (chapter, *chapter.sub_chapters))

    # Header. ----------------------------------------------------------------------------------------------------

    def _responsible(self) -> Actor:
        return self.biologist or self.author

    def _facility(self) -> Organization:
        return self._responsible().organization

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        released = self.released_at or written_at
        codes = dict.fromkeys(c.code for c in self.chapters)
        first, *others = codes
        principal = ServiceEvent(
            ids=(II(self.registration.root, self.registration.value),) if self.registration else (),
            code=first,
            lab_status="active" if self.is_partial else "completed",
            start=self.received_at,
            stop=released,
            performer=Performer(actor=self._responsible(), time=released, template_id="1.3.6.1.4.1.19376.1.3.3.1.7"),
        )
        return (principal, *[ServiceEvent(code=code) for code in others])

    def _authenticators(self) -> tuple[Authenticator, ...]:
        validations = dict.fromkeys(self._validated())
        return tuple(Authenticator(actor=v.biologist, time=v.at, template_id=_VALIDATOR) for v in validations)

    def _validated(self) -> Iterator[Validation]:
        yield from self.validations
        for chapter in self.chapters:
            for part in chapter.parts():
                if part.validation:
                    yield part.validation

    def _participants(self) -> tuple[Participant, ...]:
        found = []
        if self.prescriber:
            found.append(Participant(type_code="REF", actor=self.prescriber, high=self.prescribed_at,
                                     template_id="1.3.6.1.4.1.19376.1.3.3.1.6"))  # fmt: skip
        if self.collector:
            found.append(Participant(type_code="PRF", actor=_in_function(self.collector, "PRELV"),
                                     high=self._collected_at()))  # fmt: skip
        if self.treating_physician:
            found.append(Participant(type_code="INF", actor=_in_function(self.treating_physician, "PCP")))
        return tuple(found)

    def _collected_at(self) -> datetime | None:
        times = [s.collected_at for c in self.chapters for part in c.parts() for s in part.specimens]
        return min(times, default=None)

    def _orders(self) -> tuple[HeaderOrder, ...]:
        return (HeaderOrder(id=II(self.order.root, self.order.value)),) if self.order else ()

    # Body. ------------------------------------------------------------------------------------------------------

    def _body(self, draft: Draft) -> str:
        observed = draft.ts(self.released_at) if self.released_at else draft.written_at
        parts = ["<structuredBody>"]
        for chapter in self.chapters:
            if chapter.sub_chapters:
                inner = "".join([_results_section(draft, _SUB_CHAPTER, s, observed) for s in chapter.sub_chapters])
                parts.append(
                    section(draft, _CHAPTER, "", title=chapter.shown_title, code=dt.cd("code", chapter.code),
                            subsections=inner, with_id=False)
                )  # fmt: skip
            else:
                parts.append(_results_section(draft, _CHAPTER, chapter, observed))
        if self.comment:
            parts.append(comment_section(draft, self.comment))
        parts += [pdf_copy_section(draft, self.pdf_copy), "</structuredBody>"]
        return "".join(parts)


def _in_function(actor: Actor, function: str) -> Actor:
    return actor.model_copy(update={"function": terminology_code("JDV_J47", function)})


def _check_examination(code: Code | None, local_code: Code | None) -> None:
    if code is None and local_code is None:
        raise invalid("BIO_RESULT_CODE", "an examination has neither a LOINC nor a local code", rule=_VOLET,
                      path="code", hint="give code (LOINC), or local_code")  # fmt: skip
    if code is not None and (code.system != LOINC or not code.display):
        raise invalid("BIO_RESULT_CODE", "the code of an examination is LOINC, with its label", rule=_VOLET,
                      path="code", hint="put any other code into local_code")  # fmt: skip
    if local_code is not None and not local_code.display:
        raise invalid("BIO_RESULT_CODE", "a local code needs its label", rule=_VOLET, path="local_code.display",
                      hint="give the label")  # fmt: skip


def _examination_label(code: Code | None, local_code: Code | None) -> str:
    found = code or local_code
    return found.display if found else ""


def _shown(value: ResultValue) -> str:
    if isinstance(value, Code):
        return value.display or value.code
    return value if isinstance(value, str) else value.text


def _value(value: ResultValue, ref: Ref | None = None) -> str:
    if isinstance(value, str):
        return dt.string(value)
    if isinstance(value, Code):
        return dt.cd("value", value, xsi_type="CD", original=ref)
    return value.xml()


# --- Narrative and entries --------------------------------------------------------------------------------------------

_CHAPTER = SectionKind("1.3.6.1.4.1.19376.1.3.3.2.1", "1.2.250.1.213.1.1.2.70")
_SUB_CHAPTER = SectionKind("1.3.6.1.4.1.19376.1.3.3.2.2", "1.2.250.1.213.1.1.2.71")
_VALIDATOR = "1.3.6.1.4.1.19376.1.3.3.1.5"
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
_PREVIOUS = '<observation classCode="OBS" moodCode="EVN">' + dt.templates("1.3.6.1.4.1.19376.1.3.1.6")
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
_AUTHENTICATED = '<participant typeCode="AUTHEN">' + dt.templates(_VALIDATOR, "1.2.250.1.213.1.1.3.109")


def _results_section(draft: Draft, kind: SectionKind, part: SubChapter, observed: str) -> str:
    narrative = Narrative(draft)
    code = dt.cd("code", part.code)
    relations = _specimens(draft, narrative, part.specimens)
    rows = [row for item in part.results for row in _rows(item, draft)]
    refs = iter(narrative.table(_COLUMNS, rows))
    writer = _Entries(draft, narrative, refs, observed)
    relations += [entry_relationship(writer.item(item)) for item in part.results]
    if part.comment:
        relations.append(comment_relationship(narrative.paragraph(part.comment)))
    validated = ""
    if part.validation:
        at = draft.ts(part.validation.at)
        person = part.validation.biologist.professional
        narrative.paragraph(f"Résultats validés par {person.given} {person.family} le {shown_time(at)}")
        validated = _validated(part.validation, at)
    entry = (
        f'{_ENTRY}{code}{dt.status(part.status)}{validated}{"".join(relations)}</act></entry>'
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


def _row(result: LaboratoryResult, draft: Draft) -> tuple[str, ...]:
    method = result.method if isinstance(result.method, str) else (result.method.display if result.method else "")
    label = f"{result.shown_label}\n({method})" if method else result.shown_label
    reference = ""
    if result.reference and isinstance(result.value, Measure | Interval):
        reference = result.reference.shown(result.value.unit)
    interpretation = ""
    if result.interpretation is not None:
        interpretation = terminology_code("JDV_OBSERVATION_INTERPRETATION", result.interpretation).display
    previous = "\n".join([f"{_shown(p.value)} ({shown_day(draft.ts(p.observed_at))})" for p in result.previous])
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
                f"{dt.status(result.status)}",
                when,
                value,
                interpretation,
                _method(result.method, ref),
                *relations,
                _reference(result),
                "</observation>",
            )
        )

    def previous(self, code: str, previous: PreviousResult) -> str:
        at = self.draft.ts(previous.observed_at)
        observation = (
            f"{_PREVIOUS}{code}{dt.COMPLETED}{dt.ts('effectiveTime', at)}{_value(previous.value)}</observation>"
        )
        return entry_relationship(observation, "REFR")

    def battery(self, battery: Battery) -> str:
        ref = next(self.refs)
        code = _examination_code(battery.code, battery.local_code, ref)
        results = "".join([f"<component>{self.result(r)}</component>" for r in battery.results])
        return f"{_BATTERY}{code}{dt.status(battery.status)}{results}</organizer>"

    def isolate(self, isolate: Isolate) -> str:
        ref = next(self.refs)
        translations = (isolate.ncbi,) if isolate.ncbi else ()
        if isolate.code:
            code = dt.cd("code", isolate.code, original=ref, translations=translations)
        else:
            code = f"<code>{ref.original_text}{''.join(map(dt.translation, translations))}</code>"
        inner = "".join([f"<component>{self.item(i)}</component>" for i in isolate.items])
        return (
            f"{_ISOLATE}{dt.status(isolate.status)}"
            f"{dt.ts('effectiveTime', self.draft.ts(isolate.identified_at))}"
            f'<specimen typeCode="SPC"><specimenRole classCode="SPEC">{self.draft.id()}'
            f'<specimenPlayingEntity classCode="MIC">{code}</specimenPlayingEntity></specimenRole></specimen>'
            f"{inner}</organizer>"
        )


def _examination_code(code: Code | None, local_code: Code | None, ref: Ref) -> str:
    translations = (local_code,) if local_code else ()
    if code:
        return dt.cd("code", code, original=ref, translations=translations)
    return f"<code>{ref.original_text}{''.join(map(dt.translation, translations))}</code>"


def _method(method: Code | str | None, ref: Ref) -> str:
    if not method:
        return ""
    return dt.cd("methodCode", method) if isinstance(method, Code) else f"<methodCode>{ref.original_text}</methodCode>"


_NORMAL = '<interpretationCode code="N" codeSystem="2.16.840.1.113883.5.83" displayName="Normal"></interpretationCode>'


def _reference(result: LaboratoryResult) -> str:
    reference, value = result.reference, result.value
    if reference is None or not isinstance(value, Measure | Interval):
        return ""
    text = f"<text>{escape_text(reference.text)}</text>" if reference.text else ""
    bounds = dt.ivl_pq("value", reference.low, reference.high, value.unit, xsi_type="IVL_PQ")
    return (
        '<referenceRange typeCode="REFV"><observationRange classCode="OBS" moodCode="EVN.CRT">'
        f"{text}{bounds}{_NORMAL}</observationRange></referenceRange>"
    )


def _validated(validation: Validation, at: str) -> str:
    person = validation.biologist.professional
    name = dt.person_name(person.family, person.given, person.civility or "", person.title or "")
    where = dt.addresses(person.addresses, NullFlavor.UNAVAILABLE)
    return (
        f"{_AUTHENTICATED}<time>{dt.ts('high', at)}</time><participantRole>{dt.ii(PS_ROOT, person.national_id)}"
        f"{where}{dt.telecoms(person.telecoms, NullFlavor.UNAVAILABLE)}"
        f"<playingEntity>{name}</playingEntity></participantRole></participant>"
    )


def _specimens(draft: Draft, narrative: Narrative, specimens: tuple[Specimen, ...]) -> list[str]:
    rows, kinds = [], []
    for specimen in specimens:
        kind = terminology_code("JDV_SPECIMEN_TYPE", specimen.specimen_type)
        kinds.append(kind)
        received = shown_time(draft.ts(specimen.received_at)) if specimen.received_at else ""
        act = specimen.act.display if specimen.act else specimen.identifier.value
        rows.append((act, kind.display, shown_time(draft.ts(specimen.collected_at)), received))
    refs = narrative.table(_SPECIMEN_COLUMNS, rows)
    return [_specimen(draft, *each) for each in zip(specimens, kinds, refs, strict=True)]


def _specimen(draft: Draft, specimen: Specimen, kind: Code, ref: Ref) -> str:
    act = dt.cd("code", specimen.act, original=ref) if specimen.act else ""
    received = ""
    if specimen.received_at:
        received = f"{_RECEIVED}{dt.ts('effectiveTime', draft.ts(specimen.received_at))}</act></entryRelationship>"
    return entry_relationship(
        f"{_SPECIMEN}{act}{dt.ivl_ts('effectiveTime', high=draft.ts(specimen.collected_at))}"
        '<participant typeCode="PRD"><participantRole classCode="SPEC">'
        f"{dt.ii(specimen.identifier.root, specimen.identifier.value)}"
        f"<playingEntity>{dt.cd('code', kind, original=ref)}</playingEntity></participantRole></participant>"
        f"{received}</procedure>"
    )
