"""EXPERIMENTAL: the unit verification of an INS (WS_INS3). Its schema is not public, and nothing here was tried.

Seen in public sample code: the operation, and in its request `IndividuVerifie` with `INSFourni` (IdIndividu, OID) and
`TraitsIdentiteIndividu`. Inferred, and unverified: that those elements have the namespace of the request, that traits
have the names and order of the search's answer, and that the answer has a `CR` with a `CodeCR`. What could not be
inferred comes from `InsiVerification`, a setting without defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from .._core.errors import InsiError
from .._core.xml import escape_attribute, escape_text
from ..model import Ins, Traits
from ..settings import InsiVerification
from .codec import Caller, bad_answer, encode_call
from .faults import shown


@dataclass(frozen=True, slots=True)
class Verdict:
    """confirmed: INS and traits belong together; code: `CodeCR`."""

    confirmed: bool
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What INSi said of an INS with its traits. confirmed: they belong together; code: `CodeCR`; request_id: MessageID;
    at: when it was asked."""

    confirmed: bool
    code: str
    request_id: str
    at: datetime


def encode_verification(
    ins: Ins,
    traits: Traits,
    schema: InsiVerification,
    caller: Caller,
    *,
    message_id: str,
    bam_id: str,
    lps_id: str,
    at: datetime,
) -> bytes:
    """The SOAP 1.2 envelope of one verification. EXPERIMENTAL: see the module."""

    def element(name: str, text: str) -> str:
        return f"<ver:{name}>{escape_text(text)}</ver:{name}>"

    given = element("NumIdentifiant", ins.matricule.number) + element("Cle", ins.matricule.key)
    listed = (
        ("NomNaissance", traits.birth_name), ("Prenom", traits.first_given_name),
        ("ListePrenom", traits.birth_given_names), ("Sexe", traits.sex.value), ("DateNaissance", traits.birth_date),
        ("LieuNaissance", traits.birth_place),
    )  # fmt: skip
    body = (
        f'<ver:{schema.request_element} xmlns:ver="{escape_attribute(schema.request_namespace)}"><ver:IndividuVerifie>'
        f"<ver:INSFourni><ver:IdIndividu>{given}</ver:IdIndividu>{element('OID', ins.oid.value)}</ver:INSFourni>"
        f"<ver:TraitsIdentiteIndividu>{''.join(element(n, v) for n, v in listed)}</ver:TraitsIdentiteIndividu>"
        f"</ver:IndividuVerifie></ver:{schema.request_element}>"
    )
    return encode_call(schema.action, body, caller, message_id=message_id, bam_id=bam_id, lps_id=lps_id, at=at)


def decode_verification(schema: InsiVerification, body: etree._Element, *, request_id: str = "") -> Verdict:
    """Whether INSi confirms. EXPERIMENTAL: see the module.

    Raises InsiError `INSI_ANSWER` (no single `CR/CodeCR` in the namespace of the answer), `INSI_RESULT_CODE` (a code
    that the settings name neither as a confirmation nor as a refusal): nothing is guessed.
    """
    codes = list(body.iter(f"{{{schema.answer_namespace}}}CodeCR"))
    if len(codes) != 1 or len(codes[0]):
        raise bad_answer("the answer has not one CodeCR", "Body", request_id)
    code = (codes[0].text or "").strip()
    if code in schema.confirmed_codes or code in schema.refuted_codes:
        return Verdict(code in schema.confirmed_codes, code)
    raise InsiError(
        f"INSi answered a verification code that is not known ({shown(code[:20]) or 'no code'})",
        code="INSI_RESULT_CODE", path="CR/CodeCR", remote_code=code[:20], request_id=request_id,
        rule="settings.insi.verification: confirmed_codes, refuted_codes",
        hint="look the code up in the integration guide, and add it to the settings",
        hint_fr="INSi a répondu un code inconnu : signalez-le à l'éditeur.",
    )  # fmt: skip
