"""L4: the téléservice INSi: find the INS of a person, qualify an identity."""

from .client import InsiAnswer, InsiClient
from .codec import Query, SearchCode, SearchResult, decode_search, encode_search

__all__ = [
    "InsiAnswer",
    "InsiClient",
    "Query",
    "SearchCode",
    "SearchResult",
    "decode_search",
    "encode_search",
]
