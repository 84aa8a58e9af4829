"""Who issues documents: the establishment's OID arc, its environment, the clock, the source of identifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

from .._core.clock import PARIS, Clock, SystemClock
from .._core.errors import ConfigurationError
from .._core.ids import OID_MAX_LENGTH, IdFactory, RandomIds, is_oid
from ..model import Actor, Device, Environment, Ins, Patient, RelatedPerson, Target
from ..settings import Settings

_LONGEST_SUFFIX = 30
"""A dot and the 29 digits of a 96-bit number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What rendering needs and the document does not know.

    oid_root: OID arc of the establishment under which document ids and setIds are drawn (never made up: SMDS wants
    the sender's own arc, and the DMP takes no extension); zone: local time of the producer, overseas departments
    have their own; environment: `FAKE` until said otherwise, so that no real INS is written by mistake; test_people:
    as `Settings.test_people`.
    Raises ConfigurationError (`OID_ROOT`).
    """

    oid_root: str
    ids: IdFactory = field(default_factory=RandomIds)
    clock: Clock = field(default_factory=SystemClock)
    zone: tzinfo = PARIS
    environment: Environment = Environment.FAKE
    test_people: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        if not is_oid(self.oid_root) or len(self.oid_root) > OID_MAX_LENGTH - _LONGEST_SUFFIX:
            raise ConfigurationError(
                "not an OID arc under which document identifiers can be drawn",
                code="OID_ROOT",
                path="Issuer.oid_root",
                rule=f"an OID of at most {OID_MAX_LENGTH - _LONGEST_SUFFIX} characters, without leading zeros",
                hint="give the arc that was assigned to the establishment, e.g. 1.2.250.1.999.1",
            )

    @classmethod
    def from_settings(
        cls, settings: Settings, *, ids: IdFactory | None = None, clock: Clock | None = None, zone: tzinfo = PARIS
    ) -> Issuer:
        """The issuer of an establishment's settings (`oids.documents`, `environment`, `test_people`)."""
        return cls(
            oid_root=settings.oids.documents, ids=ids or RandomIds(), clock=clock or SystemClock(), zone=zone,
            environment=settings.environment, test_people=settings.test_people,
        )  # fmt: skip

    def ins_of(self, who: Patient | Actor | Device | RelatedPerson) -> Ins | None:
        """The INS to write for someone of a document: that of a patient whose identity is qualified, by the gate; else
        none. Raises InsError `ENVIRONMENT_IDENTITY`."""
        if not isinstance(who, Patient) or not who.identity.is_qualified:
            return None
        return who.identity.for_transmission(Target.CDA, self.environment, test_people=self.test_people)
