"""Indicator profiles: what is counted, over what, as data. No rule of calculation is hard-coded.

The national guide of the SUN-ES indicators could not be read: a threshold that is not publicly known is `null`, and
every rule that is a choice of ours is listed in `assumptions` and printed beside the number.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from .._core.errors import ConfigurationError, ModelError
from ..model import ChannelKind, Model, StayClass
from ..model._base import invalid
from .chain import canonical

Mark = Literal["S", "M", "I", "A", "B"]
MARKS_FR: Mapping[Mark, str] = {
    "S": "lu dans une source publique",
    "M": "connaissance générale, non vérifiée",
    "I": "déduit de sources publiques",
    "A": "hypothèse de calcul",
    "B": "mesuré",
}
THRESHOLD_UNKNOWN_FR = "seuil à renseigner (source ARS/DGOS)"

Activity = Literal["MCO", "SMR", "PSY", "HAD", "DIALYSE"]
TypeCode = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Exclusion = Literal[
    "CANCELLED", "TEST_IDENTITY", "SEANCE", "SECRET", "DEATH", "TRANSFER_INTERNAL", "NEWBORN_WITHOUT_INS"
]  # fmt: skip


class PeriodRule(Model):
    """How a unit falls in a period. The period itself is given when evaluating.

    attribution: the instant that counts; grace_days: days after the end during which a success still counts.
    """

    tz: Literal["Europe/Paris"] = "Europe/Paris"
    attribution: Literal["stay.discharged_at", "stay.admitted_at", "document.produced_at"] = "stay.discharged_at"
    grace_days: Annotated[int, Field(ge=0, le=366)] = 0


class Population(Model):
    """The denominator.

    unit: `stay` (closed stays) or `document` (documents of the numerator's types). activities, classes: None for
    all; a stay that does not say its own is kept, and reported. min_hours / max_hours: length of stay.
    exclude: `CANCELLED`, `TEST_IDENTITY`, `SEANCE` (class R), or the outcome of a decision on the stay.
    opposition / no_dmp: `KEEP` leaves such stays in the denominator, `EXCLUDE` takes them out and counts them.
    """

    unit: Literal["stay", "document"]
    activities: tuple[Activity, ...] | None = None
    classes: tuple[StayClass, ...] | None = None
    min_hours: Annotated[int, Field(ge=0)] | None = None
    max_hours: Annotated[int, Field(ge=0)] | None = None
    exclude: tuple[Exclusion, ...] = ("CANCELLED", "TEST_IDENTITY", "SEANCE", "SECRET")
    opposition: Literal["KEEP", "EXCLUDE"] = "KEEP"
    no_dmp: Literal["KEEP", "EXCLUDE"] = "KEEP"


class DocumentTypes(Model):
    """XDS type codes, and how many distinct ones a stay needs: exactly one of any_of, all_of, k_of (with k)."""

    any_of: tuple[TypeCode, ...] = ()
    all_of: tuple[TypeCode, ...] = ()
    k_of: tuple[TypeCode, ...] = ()
    k: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> DocumentTypes:
        if sum(map(bool, (self.any_of, self.all_of, self.k_of))) != 1:
            raise invalid("PROFILE_TYPES", "exactly one of any_of, all_of and k_of is given",
                          hint="choose one rule for the document types")  # fmt: skip
        if bool(self.k_of) != (self.k is not None) or (self.k or 0) > max(len(set(self.k_of)), 1):
            raise invalid("PROFILE_TYPES", "k goes with k_of, and is at most the number of its types", path="k",
                          hint='write {"k_of": ["11490-0", "57833-6"], "k": 1}')  # fmt: skip
        return self

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self.any_of or self.all_of or self.k_of)

    @property
    def required(self) -> int:
        """How many distinct types a stay needs."""
        return 1 if self.any_of else self.k or len(self.codes)


class ExitWindow(Model):
    """Hours around the discharge in which a document of an ambiguous type is one of the discharge."""

    before_hours: Annotated[int, Field(ge=0)] = 48
    after_hours: Annotated[int, Field(ge=0)] = 720


class Numerator(Model):
    """What counts as done.

    channel and success go together: `DMP`/`DMP_ACCEPTED`; `MSS_PRO` or `MSS_PATIENT` with one stage of
    `MSS_SUBMITTED < MSS_RELAYED < MSS_DELIVERED < MSS_READ`; `NONE`/`INS_QUALIFIED` (status when produced).
    document_types: None for all. exit_window: by type code (an ordonnance is one of the discharge by context only).
    dedup: `unit`, `document_chain` (all versions are one), `document_version`.
    chain_deleted: whether a document that was withdrawn still counts. unknown_outcome: `BOUNDS` counts it in the high
    bound only. requires_validation: `NOT_VALIDATED` becomes a blocker, for producers that record `DOC_VALIDATED`.
    """

    channel: ChannelKind
    success: Literal["DMP_ACCEPTED", "MSS_SUBMITTED", "MSS_RELAYED", "MSS_DELIVERED", "MSS_READ", "INS_QUALIFIED"]
    document_types: DocumentTypes | None = None
    exit_window: dict[TypeCode, ExitWindow] = Field(default_factory=dict)
    dedup: Literal["unit", "document_chain", "document_version"] = "unit"
    chain_deleted: Literal["DO_NOT_COUNT", "COUNT"] = "DO_NOT_COUNT"
    unknown_outcome: Literal["BOUNDS"] = "BOUNDS"
    requires_validation: bool = False

    @model_validator(mode="after")
    def _coherent(self) -> Numerator:
        family = {"DMP": ("DMP",), "MSS": ("MSS_PRO", "MSS_PATIENT"), "INS": ("NONE",)}[self.success[:3]]
        if self.channel.value not in family:
            raise invalid("PROFILE_SUCCESS", f"{self.success} does not happen on channel {self.channel.value}",
                          path="success", hint=f"use channel {' or '.join(family)}")  # fmt: skip
        return self


class Ratio(Model):
    """An exact share, `num`/`den`."""

    num: Annotated[int, Field(ge=0)]
    den: Annotated[int, Field(gt=0)]


class Perimeter(Model):
    """by: which FINESS `evaluate(finess=…)` selects on."""

    by: Literal["finess_juridique", "finess_geographique"] = "finess_juridique"
    breakdown: tuple[Literal["uf"], ...] = ("uf",)


class Evidence(Model):
    """Where the proof goes, how many months after the period, and who is told. A label only: nothing is uploaded."""

    platform: str
    deadline_months: Annotated[int, Field(ge=0, le=24)]
    notify: str = ""


class Assumption(Model):
    """A rule of this profile that no source settles. note: in French, printed beside the number."""

    field: str
    mark: Mark
    note: str


class Profile(Model):
    """One indicator. See the classes of its fields.

    threshold: share to reach, as a decimal text (`"0.7"`) or `{"num": 7, "den": 10}`; None when it is not known, and
    then no report says that a target is reached. threshold_source: required with a threshold.
    """

    profile_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([._-][a-z0-9]+)*$", max_length=64)]
    profile_version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    programme: str
    volet: int | None = None
    domaine: int | None = None
    window: str | None = None
    title_fr: Annotated[str, StringConstraints(min_length=1)]
    numerator_fr: Annotated[str, StringConstraints(min_length=1)]
    denominator_fr: Annotated[str, StringConstraints(min_length=1)]
    period: PeriodRule
    population: Population
    numerator: Numerator
    threshold: Annotated[str, StringConstraints(pattern=r"^(0(\.\d{1,9})?|1(\.0{1,9})?)$")] | Ratio | None = None
    threshold_source: str | None = None
    perimeter: Perimeter = Perimeter()
    evidence: Evidence | None = None
    assumptions: tuple[Assumption, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Profile:
        if self.threshold is not None and not self.threshold_source:
            raise invalid("PROFILE_THRESHOLD", "a threshold has a source", path="threshold_source",
                          rule="a threshold is never guessed",
                          hint="name the instruction, the guide or the notification letter it comes from",
                          hint_fr="Indiquez la source du seuil (guide, lettre de notification…).")  # fmt: skip
        stays = self.population.unit == "stay"
        if stays != (self.numerator.dedup == "unit") or stays != self.period.attribution.startswith("stay."):
            raise invalid("PROFILE_UNIT", "the unit, the attribution and the dedup do not go together",
                          hint="stay: attribution stay.* and dedup unit; document: document.produced_at and "
                          "document_chain or document_version")  # fmt: skip
        return self

    @property
    def share(self) -> Fraction | None:
        """The threshold as an exact fraction."""
        if isinstance(self.threshold, Ratio):
            return Fraction(self.threshold.num, self.threshold.den)
        return None if self.threshold is None else Fraction(self.threshold)

    @property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) of the canonical JSON of the profile as it was written, defaults left out."""
        return hashlib.sha256(canonical(self.model_dump(mode="json", exclude_unset=True))).hexdigest()


_NAME = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")


def available_profiles() -> tuple[str, ...]:
    """The names that `load_profile` knows, sorted."""
    folder = resources.files(__package__) / "profiles"
    return tuple(sorted(f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json")))


def load_profile(name: str | os.PathLike[str]) -> Profile:
    """A profile of the library by its id (`sunes.v1.d1`), or one of yours by the path of its JSON file.

    Raises ConfigurationError (`PROFILE_UNKNOWN`, `PROFILE_INVALID`).
    """
    if isinstance(name, str) and _NAME.fullmatch(name) and not name.endswith(".json"):
        if name not in available_profiles():
            raise ConfigurationError(
                f"no profile is named {name}", code="PROFILE_UNKNOWN", path="name",
                hint=f"take one of {', '.join(available_profiles())}, or give the path of a JSON file",
            )  # fmt: skip
        text = (resources.files(__package__) / "profiles" / f"{name}.json").read_text(encoding="utf-8")
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise ConfigurationError(
                f"cannot read the profile: {e.__class__.__name__}", code="PROFILE_UNKNOWN", path=os.fspath(name),
                hint="give the path of a JSON file in UTF-8",
            ) from None  # fmt: skip
    return read_profile(text)


def read_profile(text: str) -> Profile:
    """A profile from its JSON text. Raises ConfigurationError `PROFILE_INVALID` with the place and the rule."""
    try:
        content: Any = json.loads(text)
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (ValueError, RecursionError):
        raise ConfigurationError(
            "a profile is a JSON object", code="PROFILE_INVALID", path="profile", hint="check the JSON syntax"
        ) from None
    try:
        return Profile(**content)
    except ModelError as e:
        raise ConfigurationError(
            e.message, code="PROFILE_INVALID", path=e.path, rule=e.rule, hint=e.hint or "mend this field",
            hint_fr=e.hint_fr,
        ) from None  # fmt: skip
