"""The CDA header as data: what `xds.project` and the reader share. Values are those of the XML, as text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .._core.findings import Report
from .._core.xml import canonical_document, parse
from ..model import Address, Code, Document, Telecom

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
"""What a document that we render starts with. Canonical XML has neither it nor the last line end."""


@dataclass(frozen=True, slots=True)
class II:
    """Instance identifier."""

    root: str
    extension: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeaderName:
    family: str
    given: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderOrganization:
    id: II | None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderParty:
    """An author or an authenticator: a person (`name`) or a device (`device_model`, `device_software`)."""

    time: str
    ids: tuple[II, ...]
    code: Code | None = None
    function: Code | None = None
    name: HeaderName | None = None
    device_model: str = ""
    device_software: str = ""
    organization: HeaderOrganization | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeaderPatient:
    """ids: the INS first, then local ones; birth_time: as written (`19790328`); birth_place: COG."""

    ids: tuple[II, ...]
    birth_family: str = ""
    birth_givens: str = ""
    first_given: str = ""
    used_family: str = ""
    used_given: str = ""
    sex: str = ""
    birth_time: str = ""
    birth_place: str = ""
    birth_city: str = ""
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderServiceEvent:
    ids: tuple[II, ...] = ()
    code: Code | None = None
    translations: tuple[Code, ...] = ()
    start: str = ""
    stop: str = ""
    practice_setting: Code | None = None
    performer: HeaderParty | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderOrder:
    """inFulfillmentOf/order."""

    id: II
    accession: II | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderEncounter:
    ids: tuple[II, ...] = ()
    code: Code | None = None
    start: str = ""
    stop: str = ""
    facility: Code | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CdaHeader:
    """Everything of the header that other standards project. service_events[0] is the principal act.

    template_ids: (root, extension) pairs; replaces: `relatedDocument[RPLC]/parentDocument/id`; body_media_type:
    media type of a nonXMLBody, empty when the body is structured.
    """

    template_ids: tuple[II, ...]
    id: II
    code: Code
    title: str
    effective_time: str
    confidentiality: Code
    language: str
    set_id: II
    version_number: int
    patient: HeaderPatient
    authors: tuple[HeaderParty, ...]
    custodian: HeaderOrganization
    legal_authenticator: HeaderParty
    service_events: tuple[HeaderServiceEvent, ...]
    encounter: HeaderEncounter
    orders: tuple[HeaderOrder, ...] = ()
    replaces: II | None = None
    body_media_type: str = ""


@dataclass(frozen=True, kw_only=True)
class CdaDocument(Document):
    """A CDA R2 document: its exact bytes and its header as data.

    is_canonical: the bytes are already canonical, but for the declaration and the last line end (`render` says so).
    """

    header: CdaHeader
    is_canonical: bool = False

    def check(self) -> Report:
        """The findings of the native rules (`sunes_sdk.cda.check`). Made once: the bytes never change."""
        return self._report

    @cached_property
    def _report(self) -> Report:
        from .rules import check

        return check(self.content)

    def canonical(self) -> bytes:
        """C14N 1.0 with comments of the whole document: what the signature of a submission set digests.

        Raises XmlSecurityError.
        """
        if self.is_canonical:
            return self.content[len(DECLARATION) : -1]
        return canonical_document(parse(self.content))

    def to_pdf(self) -> bytes:
        """The document as PDF/A (`cda.pdf`, extra `pdf`)."""
        from .pdf import to_pdf

        return to_pdf(self)
