"""The services of the DMP that are neither XDS nor HL7v3: `habilitations` and `patientsSpecific`.

Source: WSDL of the DMP (GIE SESAM-Vitale, 11/06/2024): every element is optional there, a status says how it went.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from lxml import etree

from .._core.hl7time import Precision, parse_ts
from .._core.xml import escape_text
from ..transport import soap
from .answers import not_expected, refused

HABILITATIONS: Final = "urn:si-dmp-habilitations"
PATIENTS: Final = "urn:si-dmp-patients"
OK: Final = "DMPOk"
TIME_UNREADABLE: Final = "DMP_TIME"
"""Warning of `Results`: a time in the answer could not be read and is absent."""
_ZONE: Final = UTC
"""Of the times of these services, which carry no offset. Unverified: the DMP says UTC of its documents' times."""


def request(namespace: str, name: str, **fields: str) -> bytes:
    """A request: its fields in the order of the schema, those without a value left out."""
    content = "".join(f"<{field}>{escape_text(value)}</{field}>" for field, value in fields.items() if value)
    return f'<{name} xmlns="{namespace}">{content}</{name}>'.encode()


def encode(action: str, body: bytes, *, message_id: str, assertion: bytes) -> tuple[str, bytes]:
    """The Content-Type and body of the HTTP request, around a message."""
    envelope = soap.envelope(action=action, message_id=message_id, headers=soap.security(assertion), body=body)
    return soap.content_type(action), envelope


def output(answer: etree._Element, namespace: str, name: str) -> etree._Element:
    """The output of an answer whose status is `DMPOk`.

    Raises DmpError `DMP_REFUSED` with another status as its remote code; `DMP_ANSWER` for another message.
    """
    found = answer.find(f"{{{namespace}}}output") if answer.tag == f"{{{namespace}}}{name}" else None
    if found is None:
        raise not_expected(f"no {name} with an output", "Body")
    status = text(found, namespace, "status")
    if not status:
        raise not_expected("without a status", f"{name}/output/status")
    if status != OK:
        raise refused(status, text(found, namespace, "context"))
    return found


def text(element: etree._Element, namespace: str, name: str) -> str:
    return (element.findtext(f"{{{namespace}}}{name}") or "").strip()


def texts(element: etree._Element, namespace: str, name: str) -> tuple[str, ...]:
    return tuple((e.text or "").strip() for e in element.findall(f"{{{namespace}}}{name}"))


def time(written: str, warnings: list[str]) -> datetime | None:
    """A time to the second, None when it is empty, or cannot be read: that is a warning."""
    if not written:
        return None
    try:
        read = parse_ts(written, default_zone=_ZONE)
    except ValueError:
        read = None
    if read is None or read.precision < Precision.SECOND:
        warnings.append(TIME_UNREADABLE)
        return None
    return read.value
