"""L5: HL7 v2 of the hospital: the ER7 codec, the patient (PID, ZFD) and the admission feed (IHE PAM France 2.11)."""

from .er7 import Message, decode, encode
from .pam import AdtEvent, read_adt
from .pid import IdentityChannel, IdentitySegments, IdentityTrace, ReadIdentity, carried, read_identity, write_identity

__all__ = [
    "AdtEvent",
    "IdentityChannel",
    "IdentitySegments",
    "IdentityTrace",
    "Message",
    "ReadIdentity",
    "carried",
    "decode",
    "encode",
    "read_adt",
    "read_identity",
    "write_identity",
]
