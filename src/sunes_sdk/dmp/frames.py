"""Names of the DMP's transactions for recorded frames: `RecordingTransport(…, naming=transaction_name)`."""

from __future__ import annotations

import re
from typing import Final

from .rights import Transaction

_BY_ACTION: Final = {
    "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b": Transaction.FEED,
    "urn:ihe:iti:2007:RegistryStoredQuery": Transaction.FIND,
    "urn:ihe:iti:2007:RetrieveDocumentSet": Transaction.RETRIEVE,
    "urn:ihe:iti:2010:UpdateDocumentSet": Transaction.MASK,
    "urn:hl7-org:v3:PRPA_IN201307UV02": Transaction.EXISTENCE,
    "urn:hl7-org:v3:PRPA_IN201305UV02": Transaction.SEARCH_PATIENT,
    "urn:hl7-org:v3:PRPA_IN201314UV02": Transaction.UPDATE_ADMINISTRATIVE_DATA,
    "urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization": Transaction.SET_AUTHORIZATION,
    "urn:si-dmp-habilitations:HabilitationsEndPoint:listAuthorizationByPatient": Transaction.AUTHORIZATIONS,
    "urn:si-dmp-patients:PatientSpecificEndPoint:patientList": Transaction.PATIENTS,
}
_INSIDE: Final = (
    (
        Transaction.FEED,
        re.compile(rb'<Role [^>]*code="SECRETARIAT_MEDICAL"'),
        Transaction.FEED_BY_SECRETARIAT,
    ),
    (Transaction.FIND, re.compile(rb'returnType="ObjectRef"'), Transaction.FIND_REFERENCE),
    (Transaction.EXISTENCE, re.compile(rb'"CNSLT_DATA"'), Transaction.ADMINISTRATIVE_DATA),
    (Transaction.MASK, re.compile(rb"StatusType:Deleted<"), Transaction.DELETE),
    (Transaction.MASK, re.compile(rb"StatusType:Archived<"), Transaction.ARCHIVE),
)
"""One Action serves several transactions: what in the request tells them apart. A change of visibility is named TD3.3a
whoever it is for, and a closing (TD1.4) as the update that it is: their messages are the same."""


def transaction_name(action: str, request: bytes) -> str:
    """`TD2.1`, `DMP_3.1b` …: the name in the guide DMPi (SEL-MP-037); the last word of an Action that is not there."""
    found = _BY_ACTION.get(action)
    if found is None:
        return action.rpartition(":")[2]
    return next((name for of, mark, name in _INSIDE if found is of and mark.search(request)), found).value
