"""L1: the shared vocabulary. Frozen value objects; every impossible value raises `ModelError` with its place."""

from ._base import Model
from .code import Code, Identifier, Oid
from .contact import Address, Telecom
from .delivery import (
    Channel,
    ChannelKind,
    Destination,
    Dmp,
    Mss,
    MssPatient,
    Outcome,
    Prepared,
    ReasonClass,
    Receipt,
)
from .document import Document
from .environment import PUBLISHED_TEST_PEOPLE, Environment
from .event import Event, EventType
from .evidence import DocumentKind, Evidence
from .identity import (
    Identity,
    IdentityAttribute,
    IdentityStatus,
    Ins,
    InsOid,
    Matricule,
    Sex,
    Target,
    Traits,
    check_environment,
    expected_key,
)
from .people import STAFF, Actor, Device, Guardian, Organization, Patient, Professional, RelatedPerson
from .stay import Stay, StayClass

__all__ = [
    "PUBLISHED_TEST_PEOPLE",
    "STAFF",
    "Actor",
    "Address",
    "Channel",
    "ChannelKind",
    "Code",
    "Destination",
    "Device",
    "Dmp",
    "Document",
    "DocumentKind",
    "Environment",
    "Event",
    "EventType",
    "Evidence",
    "Guardian",
    "Identifier",
    "Identity",
    "IdentityAttribute",
    "IdentityStatus",
    "Ins",
    "InsOid",
    "Matricule",
    "Model",
    "Mss",
    "MssPatient",
    "Oid",
    "Organization",
    "Outcome",
    "Patient",
    "Prepared",
    "Professional",
    "ReasonClass",
    "Receipt",
    "RelatedPerson",
    "Sex",
    "Stay",
    "StayClass",
    "Target",
    "Telecom",
    "Traits",
    "check_environment",
    "expected_key",
]
