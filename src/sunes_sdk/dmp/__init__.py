"""L5: the DMP: existence, authorisations, administrative data, feeding, searching, reading, life of documents."""

from ..xds import AvailabilityStatus
from ..xds.query import DocumentFilter, SubmissionSetFilter
from .answers import RegistryError, RegistryResponse, Results, Ruling, ruling
from .client import DmpClient
from .journal import IntentJournal, SentDocument, SubmissionJournal, document_of
from .td02 import Existence
from .td03 import AuthorizationAction, AuthorizationAnswer
from .td04 import AuthorizedPatient, Since
from .td05 import FoundPatient, PatientCriteria
from .td09 import WebPage
from .td13 import AdministrativeData, RecordState
from .td16 import AuthorizationMode, PatientAuthorization
from .td21 import INVISIBLE, MASKED
from .td31 import FoundDocument, FoundSubmissionSet
from .td32 import DocumentReference, RetrievedDocument

__all__ = [
    "INVISIBLE",
    "MASKED",
    "AdministrativeData",
    "AuthorizationAction",
    "AuthorizationAnswer",
    "AuthorizationMode",
    "AuthorizedPatient",
    "AvailabilityStatus",
    "DmpClient",
    "DocumentFilter",
    "DocumentReference",
    "Existence",
    "FoundDocument",
    "FoundPatient",
    "FoundSubmissionSet",
    "IntentJournal",
    "PatientAuthorization",
    "PatientCriteria",
    "RecordState",
    "RegistryError",
    "RegistryResponse",
    "Results",
    "RetrievedDocument",
    "Ruling",
    "SentDocument",
    "Since",
    "SubmissionJournal",
    "SubmissionSetFilter",
    "WebPage",
    "document_of",
    "ruling",
]
