"""L4: XDS metadata (IHE XDS.b, XDM): values, the projection of a CDA header, checks, the ebRIM codec."""

from .ebrim import DMP, XDM, Profile, decode, decode_element, encode
from .metadata import (
    HAS_MEMBER,
    ORIGINAL,
    REPLACES,
    SIGNS,
    Association,
    Author,
    AvailabilityStatus,
    DocumentEntry,
    Submission,
    SubmissionSet,
)
from .project import author_of, content_type, content_type_of, project, submission_set
from .rules import check

__all__ = [
    "DMP",
    "HAS_MEMBER",
    "ORIGINAL",
    "REPLACES",
    "SIGNS",
    "XDM",
    "Association",
    "Author",
    "AvailabilityStatus",
    "DocumentEntry",
    "Profile",
    "Submission",
    "SubmissionSet",
    "author_of",
    "check",
    "content_type",
    "content_type_of",
    "decode",
    "decode_element",
    "encode",
    "project",
    "submission_set",
]
