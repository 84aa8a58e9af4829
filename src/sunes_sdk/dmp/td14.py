"""TD1.4, close a DMP at the patient's request (PRPA_IN201314UV02, reason `FERM`)."""

from __future__ import annotations

from typing import Final

from lxml import etree

from .._core.xml import escape_attribute, escape_text
from ..model import Ins
from . import answers, td13
from .hl7v3 import MessageIds, PersonName, Sender
from .td13 import RecordState, Registrar

PATIENT_REQUEST: Final = "FERMETURE_DEMANDE_PATIENT"
"""The one reason of closing seen in public material."""
_REASONS: Final = "1.2.250.1.213.4.1.2.4"

encode = td13.revise_encode


def body(
    ins: Ins, name: PersonName, by: Registrar, sender: Sender, ids: MessageIds, *, reason: str = PATIENT_REQUEST
) -> bytes:
    """reason: code of the table `1.2.250.1.213.4.1.2.4`; name: as the DMP knows it (TD1.3a) or as the record does, its
    usual name written `NON RENSEIGNE` when there is none."""
    return td13.revision(
        ins,
        by,
        sender,
        ids,
        reason=("FERM", "Fermeture de dossier"),
        status="terminated",
        person=td13.name_element(name),
        after='<reasonOf typeCode="RSON"><detectedIssueEvent classCode="ALRT" moodCode="EVN">'
        f'<code code="{escape_attribute(reason)}" codeSystem="{_REASONS}"/><text>{escape_text(reason)}</text>'
        "</detectedIssueEvent></reasonOf>",
        attention=True,
    )


def decode(answer: etree._Element, asked: Ins, warnings: tuple[str, ...] = ()) -> RecordState:
    """The record's state after it. Raises what `td13.revise_decode` raises, and DmpError `DMP_ANSWER` when the DMP
    agrees and says that the record is still open."""
    state = td13.revise_decode(answer, asked, warnings)
    if state.is_open:
        raise answers.not_expected("an agreement to close, about a record still open", "patient/statusCode")
    return state
