"""TD0.2, does the patient's DMP exist and may it be fed (HL7v3 PRPA_IN201307UV02 → PRPA_IN201308UV02)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lxml import etree

from .._core.errors import DmpError
from .._core.redaction import peer_code, peer_text
from ..model import Ins
from ..transport import soap
from .answers import not_expected
from .hl7v3 import H as _H
from .hl7v3 import (
    MessageIds,
    Sender,
    check_patient,
    code_of,
    demographics_query,
    flag,
    observations,
    read_ids,
)

ACTION: Final = "urn:hl7-org:v3:PRPA_IN201307UV02"


@dataclass(frozen=True, slots=True, kw_only=True)
class Existence:
    """What the DMP says of a patient's record. It returns identity traits too: the software must not show them, they
    are not read.

    found: a record exists; is_open: it exists and is active, so that it can be fed; authorization: `VALIDE` …, raw,
    it matters for reading only; attached_to_ens: the record belongs to a Mon espace santé, None when not said.
    """

    found: bool
    is_open: bool
    authorization: str = ""
    attached_to_ens: bool | None = None


def body(
    ins: Ins, *, device_oid: str, software: str, message_uuid: str, query_uuid: str, at: datetime, production: bool
) -> bytes:
    """The query. device_oid: OID of the sender, root of its message and query ids."""
    return demographics_query(
        ins,
        Sender(device_oid=device_oid, software=software, production=production),
        MessageIds(message_uuid=message_uuid, query_uuid=query_uuid, at=at),
        reason="TEST_EXST",
        label="Test d'existence de dossier",
    )


def encode(request: bytes, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request, around `body(…)`."""
    envelope = soap.envelope(action=ACTION, message_id=message_id, headers=soap.security(assertion), body=request)
    return soap.content_type(ACTION), envelope


def decode(answer: etree._Element, asked: Ins) -> Existence:
    """Read PRPA_IN201308UV02. Raises DmpError: `DMP_TD02` for a refusal (AE, AR) or another message,
    `DMP_PATIENT_MISMATCH`, `DMP_ANSWER` for a record that is found and not there."""
    if answer.tag != f"{_H}PRPA_IN201308UV02":
        raise DmpError("the answer is no PRPA_IN201308UV02", code="DMP_TD02", path="Body")
    acknowledgement = answer.find(f"{_H}acknowledgement")
    ack = acknowledgement.get("typeCode", "") if acknowledgement is not None else ""
    response = next(answer.iter(f"{_H}queryResponseCode"), None)
    code = response.get("code", "") if response is not None else ""
    if ack != "AA" or code not in ("OK", "NF"):
        detail = next(answer.iter(f"{_H}acknowledgementDetail"), None)
        text = "".join(detail.itertext()).strip() if detail is not None else ""
        coded = detail.find(f"{_H}code") if detail is not None else None
        remote = (coded.get("code", "") if coded is not None else "") or code or ack
        raise DmpError(
            "the DMP refused the query about its existence", code="DMP_TD02", path="acknowledgement",
            remote_code=peer_code(remote), remote_message=peer_text(remote, text),
            hint="see .remote_code",
        )  # fmt: skip
    patient = next(answer.iter(f"{_H}patient"), None)
    if code == "NF":
        return Existence(found=False, is_open=False)
    if patient is None:
        raise not_expected("no patient, although one was found", "patient")
    check_patient(read_ids(patient), asked)
    return Existence(
        found=True,
        is_open=code_of(patient, "statusCode") == "active",
        authorization=_attention(answer, "AUTORISATION"),
        attached_to_ens=flag(dict(observations(patient)), "RATTACHEMENT_ENS"),
    )


def _attention(answer: etree._Element, keyword: str) -> str:
    for line in answer.iter(f"{_H}attentionLine"):
        key, value = line.find(f"{_H}keyWordText"), line.find(f"{_H}value")
        if key is not None and key.get("code") == keyword and value is not None:
            return value.get("code") or value.get("value") or ""
    return ""
