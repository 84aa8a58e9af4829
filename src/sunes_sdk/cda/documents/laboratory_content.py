"""What a laboratory report says: chapters, results, microbiology, specimens (volet CR-BIO)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, BeforeValidator, Discriminator, Tag, field_validator, model_validator

from ...model import Actor, Code, Identifier, Model
from ...model._base import invalid
from ...model.code import Text
from .. import datatypes as dt
from ..datatypes import LOINC
from .attachments import Picture
from .coded import in_set
from .measures import Interval, Measure, check_bounds

AWAITING_LOINC = "1.2.250.1.213.1.1.5.130"
"""Code system of the codes given to examinations that wait for a LOINC code (*codes d'attente*)."""
NABM = "1.2.250.1.213.2.7"
NCBI_TAXONOMY = "2.16.840.1.113883.3.9471"

_VOLET = "CI-SIS volet CR-BIO"


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


class PerformingLaboratory(Model):
    """*Laboratoire exécutant*: the laboratory that did these examinations when it is not the one of the report
    (*sous-traitance*, *transmission*). director 1..1: its biologist, in that laboratory; performed_at 1..1."""

    director: Actor
    performed_at: AwareDatetime


class ReferenceRange(Model):
    """*Intervalle de référence*.

    low / high: bounds in the unit of the result; text 0..1: as the laboratory prints it, instead of the bounds in the
    narrative, or alone (`Négatif`); one of the three at least. interpretation: of a result inside, `N` when not given;
    sex 0..1: criterion, the range holds for this sex only (`lab:precondition`; the volet's schema has no other one).
    Raises ModelError (`CDA_INTERVAL`, `TERMINOLOGY`).
    """

    low: Decimal | None = None
    high: Decimal | None = None
    text: str | None = None
    interpretation: Annotated[str, in_set("JDV_OBSERVATION_INTERPRETATION")] = "N"
    sex: Literal["F", "M"] | None = None

    @model_validator(mode="after")
    def _bounded(self) -> ReferenceRange:
        if not (self.text and self.low is None and self.high is None):
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
    `aborted` or the interpretation says it all; interpretation 0..1: HL7 ObservationInterpretation (`N`, `H`, `L`,
    `S`, `R` …); reference 0..1; observed_at 0..1: time of the result, the report's when not given; method 0..1; comment
    0..1; previous 0..*; performer 0..1: another laboratory; validations 0..*: of this result alone.
    Raises ModelError (`BIO_RESULT_CODE`, `BIO_VALUE`, `BIO_REFERENCE`, `BIO_PREVIOUS`, `TERMINOLOGY`).
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
    performer: PerformingLaboratory | None = None
    validations: tuple[Validation, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> LaboratoryResult:
        _check_examination(self.code, self.local_code)
        if self.status == "completed" and (self.value is None or self.value == "") and self.interpretation is None:
            raise invalid("BIO_VALUE", "a completed result has no value", rule=_VOLET, path="value",
                          hint="give the value, or status='aborted' with a comment",
                          hint_fr="Résultat sans valeur : donnez-la ou signalez l'examen non réalisé.")  # fmt: skip
        bounded = self.reference is not None and (self.reference.low, self.reference.high) != (None, None)
        if bounded and not isinstance(self.value, Measure | Interval):
            raise invalid("BIO_REFERENCE", "the bounds of a reference range need a measured value", rule=_VOLET,
                          path="reference", hint="give the value as a Measure, or the range as its text")  # fmt: skip
        return self

    @field_validator("previous")
    @classmethod
    def _each_once(cls, previous: tuple[PreviousResult, ...]) -> tuple[PreviousResult, ...]:
        if any(earlier in previous[:place] for place, earlier in enumerate(previous)):
            raise invalid("BIO_PREVIOUS", "the same earlier result is there twice", rule=f"{_VOLET}; CDA_S11",
                          hint="give each earlier result once")  # fmt: skip
        return previous

    @property
    def shown_label(self) -> str:
        return self.label or _examination_label(self.code, self.local_code)

    @property
    def shown_value(self) -> str:
        if self.value is None:
            return "Examen non réalisé" if self.status == "aborted" else ""
        return shown_value(self.value)


class Battery(Model):
    """*FR-Batterie-examens-de-biologie-médicale*: results that were asked together (*NFS*, *antibiogramme*).

    title 1..1; results 1..*; code 0..1: LOINC; local_code 0..1; status; comment 0..1; performer 0..1: another
    laboratory; validations 0..*: of this battery alone.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"comment"})

    title: Text
    results: tuple[LaboratoryResult, ...]
    code: Code | None = None
    local_code: Code | None = None
    status: Literal["completed", "active", "aborted"] = "completed"
    comment: str | None = None
    performer: PerformingLaboratory | None = None
    validations: tuple[Validation, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Battery:
        if self.code or self.local_code:
            _check_examination(self.code, self.local_code)
        if not self.results:
            raise invalid("BIO_EMPTY", "a battery has no result", rule=_VOLET, path="results", hint="give its results")
        return self


_SUSCEPTIBILITY = frozenset({"S", "SDD", "I", "R", "NS", "IE"})


class Antibiogram(Battery):
    """*Antibiogramme*: one result for each antibiotic, whose interpretation is `S`, `SDD`, `I`, `R`, `NS` or `IE`; its
    value is the MIC (`Interval(high=…, unit="ug/mL")`), or nothing. Raises ModelError `BIO_SUSCEPTIBILITY`."""

    title: Text = "Antibiogramme"
    code: Code | None = Code(code="18769-0", system=LOINC, display="Antibiogramme", system_name="LOINC")

    @model_validator(mode="after")
    def _interpreted(self) -> Antibiogram:
        for i, result in enumerate(self.results):
            if result.status == "completed" and result.interpretation not in _SUSCEPTIBILITY:
                raise invalid("BIO_SUSCEPTIBILITY", "an antibiotic has no susceptibility", rule=_VOLET,
                              path=f"results.{i}.interpretation", hint="give S, SDD, I, R, NS or IE",
                              hint_fr="Indiquez la sensibilité de chaque antibiotique (S, I ou R).")  # fmt: skip
        return self


class Isolate(Model):
    """*FR-Isolat-microbiologique*: a germ that was found, and what was tested on it.

    organism 1..1: name as printed; identifier 0..1: number of the isolate; code 0..1: SNOMED CT; ncbi 0..1: NCBI
    Taxonomy code; identified_at 1..1; items 0..*: counts, `Antibiogram`; comment 0..1; performer 0..1: another
    laboratory (*centre national de référence*); validations 0..*.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"comment"})

    organism: Text
    identifier: Identifier | None = None
    code: Code | None = None
    ncbi: Code | None = None
    identified_at: AwareDatetime
    items: tuple[LaboratoryResult | Battery, ...] = ()
    status: Literal["completed", "active", "aborted"] = "completed"
    comment: str | None = None
    performer: PerformingLaboratory | None = None
    validations: tuple[Validation, ...] = ()

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
    collected_at 1..1; received_at 0..1: at the laboratory; act 0..1: the collection as an act (NABM); site 0..1: where
    on the body (SNOMED CT); collector 0..1: *préleveur* of this sample; comment 0..1.
    Raises ModelError (`TERMINOLOGY`, `BIO_TIMES`).
    """

    masked: ClassVar[frozenset[str]] = frozenset({"comment"})

    identifier: Identifier
    specimen_type: Annotated[str, in_set("JDV_SPECIMEN_TYPE")]
    collected_at: AwareDatetime
    received_at: AwareDatetime | None = None
    act: Code | None = None
    site: Code | None = None
    collector: Actor | None = None
    comment: str | None = None

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
    0..*: single results, batteries, isolates; specimens 0..*; pictures 0..*: *images* (electrophoresis, smear);
    comment 0..1; validations 0..*: who validated these; performer 0..1: another laboratory did them; status: `active`
    while results are still to come.
    """

    code: Code
    title: str | None = None
    results: tuple[LaboratoryResult | Battery | Isolate, ...] = ()
    specimens: tuple[Specimen, ...] = ()
    pictures: tuple[Picture, ...] = ()
    comment: str | None = None
    validations: tuple[Validation, ...] = ()
    performer: PerformingLaboratory | None = None
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
        own = (self.results, self.specimens, self.pictures, self.comment, self.validations, self.performer)
        if self.sub_chapters and any(own):
            raise invalid("BIO_CHAPTER", "a chapter holds results or sub-chapters, not both", rule=_VOLET,
                          path="sub_chapters", hint="move everything into sub-chapters")  # fmt: skip
        return self

    def parts(self) -> tuple[SubChapter, ...]:
        """What holds results: its sub-chapters, else itself."""
        return self.sub_chapters or (self,)


def validations_of(item: SubChapter | LaboratoryResult | Battery | Isolate) -> Iterator[Validation]:
    """Of everything in it, and of itself."""
    yield from item.validations
    inner = () if isinstance(item, LaboratoryResult) else item.items if isinstance(item, Isolate) else item.results
    for each in inner:
        yield from validations_of(each)


def _chapter_code(code: str, display: str) -> Code:
    return Code(code=code, system=LOINC, display=display, system_name="LOINC")


BIOCHEMISTRY = _chapter_code("18719-5", "Biochimie")
HEMATOLOGY = _chapter_code("18723-7", "Hématologie")
MICROBIOLOGY = _chapter_code("18725-2", "Microbiologie")
SEROLOGY = _chapter_code("18727-8", "Sérologie")
PROTEINS = _chapter_code("18718-7", "Protéines, marqueurs tumoraux, vitamines")


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


def shown_value(value: ResultValue) -> str:
    if isinstance(value, Code):
        return value.display or value.code
    return value if isinstance(value, str) else value.text
