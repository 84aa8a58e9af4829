"""L4: XDS metadata (IHE XDS.b, XDM): values, the projection of a CDA header, checks, the ebRIM codec."""

from .ebrim import DMP, DMP_UPDATE, XDM, NewVersion, Profile, decode, decode_element, encode
from .metadata import (
    HAS_MEMBER,
    ORIGINAL,
    REPLACES,
    SIGNS,
    UPDATES_STATUS,
    Association,
    Author,
    AvailabilityStatus,
    DocumentEntry,
    Folder,
    Submission,
    SubmissionSet,
    previous_version,
    status_change,
)
from .project import author_of, content_type, content_type_of, project, submission_set
from .rules import check, check_dmp

__all__ = [
    "DMP",
    "DMP_UPDATE",
    "HAS_MEMBER",
    "ORIGINAL",
    "REPLACES",
    "SIGNS",
    "UPDATES_STATUS",
    "XDM",
    "Association",
    "Author",
    "AvailabilityStatus",
    "DocumentEntry",
    "Folder",
    "NewVersion",
    "Profile",
    "Submission",
    "SubmissionSet",
    "author_of",
    "check",
    "check_dmp",
    "content_type",
    "content_type_of",
    "decode",
    "decode_element",
    "encode",
    "previous_version",
    "project",
    "status_change",
    "submission_set",
]
