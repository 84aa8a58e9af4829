"""L5: the DMP: existence, feeding, searching, reading, life of documents (TD0.2, TD2.1, TD3)."""

from ..xds import AvailabilityStatus
from ..xds.query import DocumentFilter, SubmissionSetFilter
from .answers import RegistryError, RegistryResponse, Results, Ruling, ruling
from .client import DmpClient
from .journal import SentDocument, SubmissionJournal
from .td02 import Existence
from .td21 import INVISIBLE, MASKED
from .td31 import FoundDocument, FoundSubmissionSet
from .td32 import DocumentReference, RetrievedDocument

__all__ = [
    "INVISIBLE",
    "MASKED",
    "AvailabilityStatus",
    "DmpClient",
    "DocumentFilter",
    "DocumentReference",
    "Existence",
    "FoundDocument",
    "FoundSubmissionSet",
    "RegistryError",
    "RegistryResponse",
    "Results",
    "RetrievedDocument",
    "Ruling",
    "SentDocument",
    "SubmissionJournal",
    "SubmissionSetFilter",
    "ruling",
]
