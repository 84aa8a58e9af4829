"""L5: HL7 v2 of the hospital: the ER7 codec and the admission feed (IHE PAM France 2.11)."""

from .er7 import Message, decode, encode
from .pam import AdtEvent, read_adt

__all__ = ["AdtEvent", "Message", "decode", "encode", "read_adt"]
