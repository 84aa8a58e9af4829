"""L4: the téléservice INSi: find the INS of a person, qualify an identity."""

from .client import InsiAnswer, InsiClient, InsiExchange, Searched
from .codec import Query, SearchCode, SearchResult, decode_search, encode_search, encode_vitale_search
from .faults import KNOWN_FAULTS, KnownFault, fault_error
from .verification import Verification
from .vitale import VitaleCard

__all__ = [
    "KNOWN_FAULTS",
    "InsiAnswer",
    "InsiClient",
    "InsiExchange",
    "KnownFault",
    "Query",
    "SearchCode",
    "SearchResult",
    "Searched",
    "Verification",
    "VitaleCard",
    "decode_search",
    "encode_search",
    "encode_vitale_search",
    "fault_error",
]
