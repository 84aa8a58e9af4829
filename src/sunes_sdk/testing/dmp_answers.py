"""Answers of the fake DMP, written as text: envelopes, Faults and registry responses."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .._core.xml import escape_attribute, escape_text
from ..transport.mtom import Part
from ..transport.soap import SOAP12, WSA
from .dmp_rules import Refused

RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
XDSB = "urn:ihe:iti:xds-b:2007"
XOP = "http://www.w3.org/2004/08/xop/include"
STATUSES = {
    "Success": "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success",
    "Failure": "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure",
    "PartialSuccess": "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess",
}
_SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"


def envelope(action: str, message_id: str, body: str) -> bytes:
    """message_id: of the request, for RelatesTo; empty when it could not be read."""
    relates = f"<wsa:RelatesTo>{escape_text(message_id)}</wsa:RelatesTo>" if message_id else ""
    return (
        f'<soap:Envelope xmlns:soap="{SOAP12}" xmlns:wsa="{WSA}"><soap:Header><wsa:Action>{action}</wsa:Action>'
        f"<wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID><wsa:To>{WSA}/anonymous</wsa:To>{relates}"
        f"</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def fault(refusal: Refused) -> str:
    return (
        "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value><soap:Subcode>"
        f"<soap:Value>soap:{escape_text(refusal.code)}</soap:Value></soap:Subcode></soap:Code><soap:Reason>"
        f'<soap:Text xml:lang="fr">{escape_text(refusal.text)}</soap:Text></soap:Reason></soap:Fault>'
    )


def error(code: str, text: str, severity: str = "Error", location: str = "") -> str:
    return (
        f'<rs:RegistryError errorCode="{escape_attribute(code)}" codeContext="{escape_attribute(text)}"'
        f' severity="{_SEVERITY}{severity}" location="{escape_attribute(location)}"/>'
    )


def errors(each: Iterable[str], severity: str = "Error") -> str:
    """A RegistryErrorList of what `error` gives, nothing when there is none."""
    text = "".join(each)
    highest = f"{_SEVERITY}{severity}"
    return f'<rs:RegistryErrorList highestSeverity="{highest}">{text}</rs:RegistryErrorList>' if text else ""


def registry_response(status: str, listed: str = "") -> str:
    return f'<rs:RegistryResponse xmlns:rs="{RS}" status="{STATUSES[status]}">{listed}</rs:RegistryResponse>'


def query_response(status: str, listed: str = "", objects: str = "", count: int = 0) -> str:
    return (
        f'<q:AdhocQueryResponse xmlns:q="{QUERY}" xmlns:rs="{RS}" xmlns:rim="{RIM}" status="{STATUSES[status]}"'
        f' startIndex="0" totalResultCount="{count}">{listed}<rim:RegistryObjectList>{objects}'
        "</rim:RegistryObjectList></q:AdhocQueryResponse>"
    )


def retrieve_response(status: str, listed: str = "", documents: str = "") -> str:
    return (
        f'<xds:RetrieveDocumentSetResponse xmlns:xds="{XDSB}">{registry_response(status, listed)}{documents}'
        "</xds:RetrieveDocumentSetResponse>"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a transaction answers. write: the body from a status (`Success`…) and a RegistryErrorList, which calls that
    have none leave out; said: a word for the log; parts: attachments."""

    write: Callable[[str, str], str]
    said: str
    status: str = "Success"
    problems: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
