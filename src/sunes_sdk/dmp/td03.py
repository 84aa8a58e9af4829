"""TD0.3, give a professional access to a patient's DMP, or take it back (`habilitations`, setAuthorization)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from lxml import etree

from .._core.text import strip_accents
from . import specific

ACTION: Final = "urn:si-dmp-habilitations:HabilitationsEndPoint:setAuthorization"
"""As the official messages; the soapAction of the WSDL is another one (`urn:hl7-org:v3:setAuthorization`)."""
ATTENDING: Final = "MEDECIN_TRAITANT"


class AuthorizationAction(StrEnum):
    ADD = "AJOUT"
    REMOVE = "SUPPRESSION"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationAnswer:
    """The DMP agreed. already: it was so before, nothing changed; remark: its own words, empty when it has none;
    warnings: codes, `DMP_RIGHTS` when a refusal was foreseen."""

    already: bool
    remark: str = field(default="", repr=False)
    warnings: tuple[str, ...] = ()


def body(action: AuthorizationAction, *, attending: bool = False) -> bytes:
    """attending: as the *médecin traitant*. The professional is that of the VIHF, the patient its resource-id."""
    return specific.request(
        specific.HABILITATIONS, "setAuthorization", action=action.value, role=ATTENDING if attending else ""
    )


def encode(action: AuthorizationAction, attending: bool, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    return specific.encode(ACTION, body(action, attending=attending), message_id=message_id, assertion=assertion)


_ALREADY: Final = ("aucune action", "deja")
"""Only the text of the answer tells that nothing changed: seen "Autorisation déjà présente aucune action effectuée".
What it says when there was no authorisation to remove is not public."""


def decode(answer: etree._Element, warnings: tuple[str, ...] = ()) -> AuthorizationAnswer:
    """Read setAuthorizationResponse. Raises DmpError (`DMP_REFUSED`, `DMP_ANSWER`)."""
    output = specific.output(answer, specific.HABILITATIONS, "setAuthorizationResponse")
    remark = specific.text(output, specific.HABILITATIONS, "context")
    folded = strip_accents(remark).lower()
    return AuthorizationAnswer(already=any(word in folded for word in _ALREADY), remark=remark, warnings=warnings)
