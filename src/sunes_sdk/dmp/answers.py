"""What the DMP answers: RegistryResponse, AdhocQueryResponse and Faults, and what each code asks of the caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self, TypeVar

from lxml import etree

from .._core.errors import DmpError, SoapFault, TransportError
from .._core.redaction import peer_code, peer_text
from .._core.retry import RetryAdvice, RetryKind
from .._core.xml import parse
from ..model import ReasonClass
from ..transport.soap import SoapAnswer

_RS = "{urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0}"
ACKNOWLEDGEMENT = f"{_RS}RegistryResponse"
LISTING = "{urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0}AdhocQueryResponse"
DOCUMENTS = "{urn:ihe:iti:xds-b:2007}RetrieveDocumentSetResponse"
_NEVER = RetryAdvice.never()
BUSY_SECONDS = 60.0
"""Wait before another attempt when the DMP says that it is busy. Our choice: no public text gives a delay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryError:
    """One rs:RegistryError. code: its last word; context as written, with what was in place of a code before it: it may
    name a person and is kept out of `repr`."""

    code: str
    context: str = field(default="", repr=False)
    is_warning: bool = False
    location: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryResponse:
    """status: `Success`, `Failure`, `PartialSuccess` (also for a success that lists errors), or the raw last word of an
    unknown one."""

    status: str
    errors: tuple[RegistryError, ...] = ()

    @property
    def ok(self) -> bool:
        """Success, with or without warnings. A partial success is not one: a set is one document and its signature."""
        return self.status == "Success"

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(e.code for e in self.errors if e.is_warning)

    @property
    def first_error(self) -> RegistryError | None:
        """The first error that is no warning; a mere warning when nothing else explains a failure."""
        return _first(self.errors)


def read_response(body: etree._Element, kind: str = "") -> RegistryResponse:
    """Read rs:RegistryResponse, query:AdhocQueryResponse, or an answer that holds one.

    kind: the element that answers the request (`ACKNOWLEDGEMENT`, `LISTING`, `DOCUMENTS`). The errors of any answer
    count; the success of an answer to something else says nothing of our request. Raises TransportError
    `ANSWER_UNEXPECTED` (`sent="maybe"`).
    """
    holder = body
    if "status" not in body.attrib:
        holder = next(body.iter(f"{_RS}RegistryResponse"), body)
    status = peer_code(holder.get("status") or "")
    errors = read_errors(holder)
    if status == "Success" and not all(e.is_warning for e in errors):
        status = "PartialSuccess"  # IHE: a success lists warnings only
    response = RegistryResponse(status=status, errors=errors)
    if kind and body.tag != kind and (response.ok or not response.errors):
        raise TransportError(
            "the DMP answered to something else", sent="maybe", code="ANSWER_UNEXPECTED", path="Body",
            rule=f"Body = {kind.rpartition('}')[2]}",
            retry=RetryAdvice.reconcile_first() if kind == ACKNOWLEDGEMENT else _NEVER,
            hint="check the paths of the services; record the frames (transport.recorder)",
            hint_fr="La réponse du DMP n'est pas celle attendue.",
        )  # fmt: skip
    return response


def read_errors(element: etree._Element) -> tuple[RegistryError, ...]:
    """Every RegistryError below an element: of an answer, or of a Fault's Detail."""
    return tuple(
        RegistryError(
            code=peer_code(e.get("errorCode") or ""),
            context=peer_text(e.get("errorCode") or "", (e.get("codeContext") or e.text or "").strip()),
            is_warning=(e.get("severity") or "").strip().endswith("Warning"),
            location=(e.get("location") or "").strip(),
        )
        for e in element.iter(f"{_RS}RegistryError")
    )


def _first(errors: tuple[RegistryError, ...]) -> RegistryError | None:
    return next((e for e in errors if not e.is_warning), next(iter(errors), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a code means for the sender: who mends what, whether to try again, and words for people."""

    reason: ReasonClass
    retry: RetryAdvice = _NEVER
    hint: str = ""
    hint_fr: str = ""


def _rule(reason: ReasonClass, hint: str, hint_fr: str, retry: RetryAdvice = _NEVER) -> Ruling:
    return Ruling(reason=reason, retry=retry, hint=hint, hint_fr=hint_fr)


_BUSY = _rule(
    ReasonClass.TRANSIENT,
    "wait, then send the same prepared delivery again",
    "Le DMP est momentanément indisponible : recommencer dans quelques minutes.",
    RetryAdvice.after(BUSY_SECONDS),
)
_METADATA = _rule(
    ReasonClass.METADATA,
    "compare the metadata with the CDA header: title, type, authors, patient, times",
    "Les métadonnées ne correspondent pas au document.",
)
_CONTENT = _rule(
    ReasonClass.DOCUMENT_INVALID, "mend the document and issue a new version", "Le document n'est pas valide."
)
_IDENTITY = _rule(
    ReasonClass.IDENTITY,
    "check the INS with INSi, then whether the DMP exists (TD0.2)",
    "L'identité du patient n'est pas connue du DMP : vérifier l'INS.",
)
_CONSENT = _rule(
    ReasonClass.CONSENT,
    "do not send to this DMP again",
    "Le DMP du patient est fermé : le document n'y sera pas versé.",
)
_AUTH = _rule(
    ReasonClass.AUTH,
    "check the certificates, the structure identifier and the author of the submission set",
    "L'établissement ou l'auteur n'est pas reconnu par le DMP.",
)
_DUPLICATE = _rule(
    ReasonClass.DUPLICATE, "look the document up (DMP_3.1b) before anything else", "Ce document est déjà dans le DMP."
)
_CONFIG = _rule(ReasonClass.CONFIG, "check the software and its settings", "Erreur de paramétrage du logiciel.")

RULINGS: dict[str, Ruling] = {
    **dict.fromkeys(
        (
            "XDSRegistryBusy", "XDSRepositoryBusy", "XDSRegistryNotAvailable", "XDSRegistryOutOfResources",
            "XDSRepositoryOutOfResources", "XDSUnavailableCommunity",
        ),
        _BUSY,
    ),
    **dict.fromkeys(
        (
            "XDSRegistryMetadataError", "XDSRepositoryMetadataError", "XDSMissingDocumentMetadata",
            "XDSExtraMetadataNotSaved", "XDSMetadataUpdateError", "XDSMetadataVersionError",
            "XDSMetadataIdentifierError",
            "XDSObjectTypeError", "UnmodifiableMetadataError", "XDSRegistryDuplicateUniqueIdInMessage",
            "XDSRepositoryDuplicateUniqueIdInMessage", "UnresolvedReferenceException", "XDSReplaceFailed",
            "XDSRegistryDeprecatedDocumentError",
        ),
        _METADATA,
    ),
    **dict.fromkeys(("InvalidDocumentContent", "XDSMissingDocument", "XDSNonIdenticalSize"), _CONTENT),
    # The same uniqueId with other bytes: not a delivery of ours, whatever else is true.
    "XDSNonIdenticalHash": _CONTENT,
    **dict.fromkeys(("XDSUnknownPatientId", "XDSPatientIdDoesNotMatch", "XDSPatientIDReconciliationError"), _IDENTITY),
    "DMPClosed": _CONSENT,
    "XDSDuplicateUniqueIdInRegistry": _DUPLICATE,
    "DMPInvalidCertificate": _rule(
        ReasonClass.AUTH,
        "the VIHF must be signed by ORG_SIGN, the connection opened by ORG_AUTH_CLI: check that they are not swapped",
        "Certificats intervertis ou refusés par le DMP.",
    ),
    "DMPAccessDeniedByRightsService": _rule(
        ReasonClass.AUTH,
        "this authentication mode has no right to it (dmp.rights), or the patient gave no authorisation (TD0.3)",
        "Le DMP refuse cette action : droits du mode d'authentification ou autorisation du patient.",
    ),
    "DMPIdentityCertificationFailure": _AUTH,
    **dict.fromkeys(
        (
            "XDSUnknownStoredQuery", "XDSStoredQueryMissingParam", "XDSStoredQueryParamNumber",
            "XDSUnknownRepositoryId",
            "XDSDocumentUniqueIdError", "XDSInvalidRequestException",
        ),
        _CONFIG,
    ),
    "XDSTooManyResults": _rule(
        ReasonClass.CONFIG,
        "narrow the search: dates, classes, types",
        "Trop de documents répondent à cette recherche : préciser les dates ou les types.",
    ),
}  # fmt: skip
"""By code: IHE's (ITI volume 3 table 4.2.4.1-2) and those of the DMP seen in public material. The full DMP table is an
annex of SEL-MP-037 that is not public: a code that is not here keeps its raw form and the ruling `UNKNOWN_CODE`."""

UNKNOWN_CODE = _rule(
    ReasonClass.UNKNOWN,
    "read the answer with the GIE SESAM-Vitale table of errors",
    "Refus du DMP, motif non répertorié.",
)
_SERVER_TEXTS: tuple[tuple[str, Ruling], ...] = (
    (
        "structure introuvable ou inactive",
        _rule(ReasonClass.AUTH, "check Identifiant_Structure (settings.dmp.structure_id)",
              "La structure n'est pas connue du DMP."),
    ),
    (
        "ps et structure non liés",
        _rule(ReasonClass.AUTH, "the author does not practise in this structure: check the actor",
              "Le professionnel n'est pas rattaché à cette structure."),
    ),
    (
        "authentification de la personne morale",
        _rule(ReasonClass.AUTH, "the structure identifier does not fit the certificate",
              "Le certificat n'est pas celui de cette structure."),
    ),
    (
        "aucun authorinstitution ne correspond",
        _rule(ReasonClass.AUTH, "the author of the submission set must be the user and structure of the VIHF",
              "L'auteur du lot n'est pas l'utilisateur authentifié."),
    ),
    (
        "aucune spécialité dans le vihf",
        _rule(ReasonClass.AUTH, "give the specialty of the doctor or pharmacist",
              "La spécialité du professionnel manque."),
    ),
    (
        "not a valid signature certificate",
        RULINGS["DMPInvalidCertificate"],
    ),
    (
        "message addressing property is not present",
        _rule(ReasonClass.CONFIG, "a WS-Addressing header is missing: use this client's own envelope",
              "Message incomplet."),
    ),
)  # fmt: skip
"""Texts of the server that say more than its code (seen in the field, not a published list)."""


def ruling(code: str, text: str = "") -> Ruling:
    """What a refusal asks for, from its code and, when it says more, its text."""
    lowered = text.lower()
    for part, said in _SERVER_TEXTS:
        if part in lowered:
            return said
    return RULINGS.get(code, UNKNOWN_CODE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal in one form, whether it came as a Failure or as a Fault. sure: the DMP did not act on the request."""

    code: str
    text: str = field(repr=False)
    ruling: Ruling
    sure: bool = True


def refusal_of(response: RegistryResponse) -> Refusal:
    """The refusal that a Failure (or any status that is no success) stands for."""
    error = response.first_error
    code, text = (error.code, error.context) if error else ("", "")
    return Refusal(code=code or f"status {response.status or 'absent'}", text=text, ruling=ruling(code, text))


def refusal_of_fault(fault: SoapFault) -> Refusal:
    """The refusal that a Fault stands for: the XDS error of its Detail, else its own code.

    A fault of the receiver's side without a code we know leaves the outcome unknown (`sure=False`).
    """
    error = _first(read_errors(parse(fault.detail))) if fault.detail else None
    code, text = (error.code, error.context) if error else (fault.remote_code, fault.remote_message)
    said = ruling(code, text)
    return Refusal(
        code=code, text=text, ruling=said,
        sure=said is not UNKNOWN_CODE or fault.retry.kind is RetryKind.NEVER,
    )  # fmt: skip


def fault_of_failure(answer: SoapAnswer, status: int) -> SoapFault | None:
    """A Failure that came with an error status of HTTP, as the Fault that should have: 4xx blames the request; another
    the receiver, which then did nothing for sure only by a code that we know. None without a Failure and its reason.
    """
    response = read_response(answer.body)
    error = response.first_error
    if response.status != "Failure" or error is None:
        return None
    ours = 400 <= status < 500
    fault = SoapFault(
        f"the service refused, with HTTP status {status}", remote_code=error.code, remote_message=error.context,
        request_id=answer.relates_to, retry=_NEVER if ours else RetryAdvice.reconcile_first(),
        hint="see .remote_code and .remote_message (the latter may hold personal data)",
    )  # fmt: skip
    fault.soap_code = "Sender" if ours else "Receiver"
    fault.detail = etree.tostring(answer.body, with_tail=False)
    return fault


def explain(fault: SoapFault) -> Refusal:
    """The refusal that a Fault stands for; the Fault then says what to do about it: code, retry advice, hints."""
    refusal = refusal_of_fault(fault)
    fault.remote_code, fault.retry = refusal.code, refusal.ruling.retry
    fault.hint, fault.hint_fr = refusal.ruling.hint or fault.hint, refusal.ruling.hint_fr
    return refusal


def error_of(refusal: Refusal, message: str) -> DmpError:
    """The error that a refusal is for a caller who asked something of the DMP."""
    return DmpError(
        message, code=REFUSED, remote_code=refusal.code, remote_message=refusal.text,
        retry=refusal.ruling.retry, hint=refusal.ruling.hint, hint_fr=refusal.ruling.hint_fr,
    )  # fmt: skip


def refusal_told(error: DmpError) -> Refusal:
    """The refusal that was raised by `error_of`, or an answer that could not be used."""
    code, text = error.remote_code or error.code, error.remote_message
    return Refusal(code=code, text=text, ruling=ruling(code, text))


def refused(code: str, text: str) -> DmpError:
    """The error for a refusal in an administrative answer."""
    known, text = peer_code(code), peer_text(code, text)
    return error_of(Refusal(code=known, text=text, ruling=ruling(known, text)), "the DMP refused the call")


def not_expected(what: str, path: str) -> DmpError:
    """The DMP answered something else than its contract says."""
    return DmpError(
        f"the DMP's answer is {what}", code="DMP_ANSWER", path=path, rule="WSDL and schemas of the DMP",
        hint="record the frames (transport.recorder) and show them to the GIE SESAM-Vitale",
        hint_fr="La réponse du DMP n'est pas celle attendue.",
    )  # fmt: skip


REFUSED = "DMP_REFUSED"
"""Code of the error: the DMP answered, and says no."""
INCOMPLETE = "DMP_INCOMPLETE"
"""Warning of `Results`: the DMP has more than it gave."""
RELATES_TO = "DMP_RELATES_TO"
"""Warning: the answer names another message than ours (WS-Addressing RelatesTo). No error: the answers of several
official sample pairs do so. An answer that names none says nothing."""

_T = TypeVar("_T")


class Results(tuple[_T, ...]):
    """What a search or a retrieval gave, in order: a tuple.

    warnings: codes of the DMP (`XDS…`), and ours (`DMP_…`); complete: False after a partial success, or when the DMP
    says that it found more than it gave: an absence then proves nothing.
    """

    warnings: tuple[str, ...]
    complete: bool

    def __new__(cls, found: Iterable[_T] = (), *, warnings: Iterable[str] = (), complete: bool = True) -> Self:
        self = super().__new__(cls, found)
        self.warnings = tuple(dict.fromkeys(warnings))
        self.complete = complete
        return self


def accepted(response: RegistryResponse, message: str) -> tuple[tuple[str, ...], bool]:
    """Codes of warnings, and whether the answer is complete. After a partial success the codes of errors are among
    them. Raises DmpError `DMP_REFUSED` for any other status than Success and PartialSuccess."""
    if response.status not in ("Success", "PartialSuccess"):
        raise error_of(refusal_of(response), message)
    if response.ok:
        return response.warnings, True
    return (*(error.code for error in response.errors), INCOMPLETE), False
