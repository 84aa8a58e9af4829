"""SOAP 1.2 envelopes: written around bytes that must not change, read with their attachments, Faults as errors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from .._core.errors import SoapFault, TransportError, XmlSecurityError
from .._core.redaction import peer_code, peer_text
from .._core.retry import RetryAdvice
from .._core.xml import escape_attribute, escape_text
from .._core.xml import parse as parse_xml
from . import mtom
from .seam import HttpResponse

SOAP12: Final = "http://www.w3.org/2003/05/soap-envelope"
SOAP11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
WSA: Final = "http://www.w3.org/2005/08/addressing"
WSSE: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
XOP: Final = "http://www.w3.org/2004/08/xop/include"
ANONYMOUS: Final = f"{WSA}/anonymous"

_START: Final = (
    f'<?xml version="1.0" encoding="UTF-8"?><soap:Envelope xmlns:soap="{SOAP12}" xmlns:wsa="{WSA}"><soap:Header>'
).encode()
_MIDDLE: Final = b"</soap:Header><soap:Body>"
_END: Final = b"</soap:Body></soap:Envelope>"
_SECURITY_START: Final = f'<wsse:Security xmlns:wsse="{WSSE}">'.encode()


def security(assertion: bytes) -> bytes:
    """A wsse:Security header holding this assertion and nothing else, byte for byte."""
    return b"".join((_SECURITY_START, assertion, b"</wsse:Security>"))


def addressing(*, action: str, message_id: str, to: str = "", reply_to: bool = True) -> bytes:
    """WS-Addressing headers. message_id: `urn:uuid:…`, fresh for each attempt; to: empty in every official message.

    Action carries soap:mustUnderstand (the standard form; official samples leave the prefix out).
    """
    reply = f"<wsa:ReplyTo><wsa:Address>{ANONYMOUS}</wsa:Address></wsa:ReplyTo>" if reply_to else ""
    return (
        f"<wsa:MessageID>{escape_text(message_id)}</wsa:MessageID><wsa:To>{escape_text(to)}</wsa:To>{reply}"
        f'<wsa:Action soap:mustUnderstand="true">{escape_text(action)}</wsa:Action>'
    ).encode()


def envelope(*, action: str, message_id: str, to: str = "", headers: bytes = b"", body: bytes) -> bytes:
    """A SOAP 1.2 envelope with WS-Addressing headers, then `headers` and `body` inserted verbatim.

    `headers` and `body` are whole elements; prefixes `soap` and `wsa` are in scope, no default namespace is.
    """
    return b"".join((_START, addressing(action=action, message_id=message_id, to=to), headers, _MIDDLE, body, _END))


def raw_envelope(*, headers: bytes, body: bytes) -> bytes:
    """An envelope whose header blocks are given whole, in an order that the service prescribes."""
    return b"".join((_START, headers, _MIDDLE, body, _END))


def content_type(action: str) -> str:
    """The Content-Type of an envelope sent without MTOM."""
    return f'application/soap+xml; charset=UTF-8; action="{escape_attribute(action)}"'


@dataclass(frozen=True, slots=True)
class SoapAnswer:
    """A SOAP message that is no Fault. action, message_id, relates_to: empty when absent; body: the first element of
    Body; parts: attachments by Content-ID; warnings: codes, of whoever looked at it as an answer."""

    action: str
    message_id: str
    relates_to: str
    body: etree._Element = field(repr=False)
    parts: Mapping[str, bytes] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def binary(self, element: etree._Element) -> bytes:
        """The bytes an element stands for: its `xop:Include` part, or its inline base64.

        Raises XmlSecurityError `XOP_MISSING` or `XOP_BASE64`.
        """
        return binary(element, self.parts)


def binary(element: etree._Element, parts: Mapping[str, bytes]) -> bytes:
    include = element.find(f"{{{XOP}}}Include")
    if include is not None:
        cid = mtom.cid_of(include.get("href", ""))
        if cid not in parts:
            raise XmlSecurityError(
                "an xop:Include names a part that is not in the package", code="XOP_MISSING", path="xop:Include/@href"
            )
        return parts[cid]
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise XmlSecurityError("neither an xop:Include nor base64", code="XOP_BASE64") from None


def parse(body: bytes, content_type: str) -> SoapAnswer:
    """Read a SOAP 1.2 (or 1.1) message, plain or MTOM, whatever its Content-Type says. Works for either end.

    Raises SoapFault for a Fault, XmlSecurityError (`SOAP_SHAPE`, `MTOM_*`, `XML_*`) for what cannot be read.
    """
    message = mtom.decode(content_type, body)
    root = parse_xml(message.root)
    if root.tag not in (f"{{{SOAP12}}}Envelope", f"{{{SOAP11}}}Envelope"):
        raise XmlSecurityError("the root is not a SOAP envelope", code="SOAP_SHAPE")
    namespace = root.tag[: root.tag.index("}") + 1]
    header, soap_body = root.find(f"{namespace}Header"), root.find(f"{namespace}Body")
    element = next((e for e in soap_body if isinstance(e.tag, str)), None) if soap_body is not None else None
    if element is None:
        raise XmlSecurityError("the SOAP Body is missing or empty", code="SOAP_SHAPE", path="Envelope/Body")
    said: dict[object, str] = {}
    for block in header if header is not None else ():
        said.setdefault(block.tag, (block.text or "").strip())
    relates_to = said.get(_RELATES_TO, "")
    if element.tag == f"{namespace}Fault":
        raise _fault(element, namespace, relates_to)
    return SoapAnswer(said.get(_ACTION, ""), said.get(_MESSAGE_ID, ""), relates_to, element, message.parts)


_ACTION, _MESSAGE_ID, _RELATES_TO = (f"{{{WSA}}}{name}" for name in ("Action", "MessageID", "RelatesTo"))


def _fault(fault: etree._Element, namespace: str, relates_to: str) -> SoapFault:
    if namespace == f"{{{SOAP12}}}":
        code = fault.findtext(f"{namespace}Code/{namespace}Value") or ""
        subcode = fault.findtext(f"{namespace}Code/{namespace}Subcode/{namespace}Value") or ""
        reason = fault.findtext(f"{namespace}Reason/{namespace}Text") or ""
        detail = fault.find(f"{namespace}Detail")
    else:
        code, subcode = fault.findtext("faultcode") or "", ""
        reason = fault.findtext("faultstring") or ""
        detail = fault.find("detail")
    reason = peer_text(subcode or code, reason.strip())
    code, subcode = peer_code(code), peer_code(subcode)
    sender = code in ("Sender", "Client")
    error = SoapFault(
        f"the service answered a SOAP Fault ({code or 'no code'})",
        remote_code=subcode or code,
        remote_message=reason,
        request_id=relates_to,
        # A Receiver fault may come after the service acted; only its own code can tell more.
        retry=RetryAdvice.never() if sender else RetryAdvice.reconcile_first(),
        hint="see .remote_code and .remote_message (the latter may hold personal data)",
    )
    error.soap_code = code
    if detail is not None:
        error.detail = etree.tostring(detail, with_tail=False)
    return error


def names_another(relates_to: str, message_id: str) -> bool:
    """Whether a RelatesTo names another message than this one: not when it is empty, nor when only the prefix
    `urn:uuid:` or the case differs."""
    return bool(relates_to) and _bare(relates_to) != _bare(message_id)


def _bare(message_id: str) -> str:
    return message_id.removeprefix("urn:").removeprefix("uuid:").lower()


Failed = Callable[[SoapAnswer, int], SoapFault | None]
"""Reads the refusal that a message without Fault holds, when it came with this error status; None when it has none."""


def read_answer(response: HttpResponse, failed: Failed | None = None) -> SoapAnswer:
    """The answer of a service, from HTTP: Faults come with status 200, 400 or 500, and are read in all cases.
    failed: how the service says no otherwise, for an answer with an error status.

    Raises SoapFault; TransportError `HTTP_STATUS` for an error status (a gateway's page), with `sent="maybe"`
    unless a page without SOAP says that nothing was done (401, 403, 404, 405, 413, 415); TransportError
    `ANSWER_UNREADABLE` (`sent="maybe"`) when a 2xx body cannot be read.
    """
    try:
        answer = parse(response.body, response.content_type)
    except XmlSecurityError as e:
        if response.status >= 300:
            raise _status(response.status) from None
        raise TransportError(
            f"the answer cannot be read: {e.code}", sent="maybe", code="ANSWER_UNREADABLE", path=e.path,
            hint="the request may have been acted on: reconcile before sending again",
        ) from e  # fmt: skip
    if response.status >= 300:
        raise (failed and failed(answer, response.status)) or _status(response.status, answered=True)
    return answer


_NOT_DONE = frozenset({401, 403, 404, 405, 413, 415})


def _status(status: int, *, answered: bool = False) -> TransportError:
    """answered: the service itself spoke, in SOAP, whatever the status says: it has read the request."""
    if status in _NOT_DONE and not answered:
        return TransportError(
            f"HTTP status {status}", sent="no", code="HTTP_STATUS", retry=RetryAdvice.never(),
            hint="check the address of the service and the rights of the client certificate",
        )  # fmt: skip
    return TransportError(
        f"HTTP status {status}", sent="maybe", code="HTTP_STATUS",
        hint="the service or a gateway before it failed: reconcile, then retry as .retry says",
    )  # fmt: skip
