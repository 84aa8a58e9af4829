"""The CDA header as data: what `xds.project` and the reader share. Values are those of the XML, as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .._core.findings import Report
from .._core.xml import canonical_document, with_left_out
from ..model import Address, Code, Document, Telecom

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
"""What a document that we render starts with. Canonical XML has neither it nor the last line end."""


@dataclass(frozen=True, slots=True)
class II:
    """Instance identifier."""

    root: str
    extension: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, weakref_slot=True)
class HeaderName:
    family: str
    given: str = ""
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class HeaderOrganization:
    """setting: standardIndustryClassCode (JDV_J04); other_ids: identifiers after the first."""

    id: II | None
    name: str = ""
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    setting: Code | None = None
    other_ids: tuple[II, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, weakref_slot=True)
class HeaderParty:
    """Someone of the header (the patient too, with the INS): a person (`name`), a device (`device_model`,
    `device_software`) or a structure alone.

    time: when, empty where the element has none; a performer's is its end. template_id: of the element around.
    """

    time: str
    ids: tuple[II, ...]
    code: Code | None = None
    function: Code | None = None
    name: HeaderName | None = None
    device_model: str = ""
    device_software: str = ""
    organization: HeaderOrganization | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    template_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderRelative:
    """Someone of the patient's: an informant (`class_code` of relatedEntity) or a guardian (a person or a structure).

    code: JDV_J11, what this person is to the patient.
    """

    name: HeaderName | None = None
    class_code: str = ""
    code: Code | None = None
    organization: HeaderOrganization | None = None
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderParticipant:
    """participant (JDV_J144) or encounterParticipant (JDV_J140, no class_code): its type, its times, who."""

    type_code: str
    party: HeaderParty
    class_code: str = ""
    start: str = ""
    stop: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeaderPatient:
    """ids: the INS first, then local ones; birth_time: as written (`19790328`); birth_place: COG; birth_site: name of
    the place; deceased, multiple_birth: None when the document does not say."""

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
    birth_country: str = ""
    birth_site: str = ""
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    guardians: tuple[HeaderRelative, ...] = ()
    deceased: bool | None = None
    deceased_time: str = ""
    multiple_birth: bool | None = None
    birth_order: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderServiceEvent:
    """documentationOf/serviceEvent.

    qualifiers: of `translations`, in their order, empty when none has one; practice_setting: that of the performer's
    organisation, which XDS wants; class_code, lab_status: as written.
    """

    ids: tuple[II, ...] = ()
    code: Code | None = None
    translations: tuple[Code, ...] = ()
    qualifiers: tuple[Code | None, ...] = ()
    start: str = ""
    stop: str = ""
    practice_setting: Code | None = None
    performer: HeaderParty | None = None
    class_code: str = ""
    lab_status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderOrder:
    """inFulfillmentOf/order."""

    id: II
    accession: II | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderConsent:
    """authorization/consent."""

    code: Code
    id: II | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderEncounter:
    """componentOf/encompassingEncounter.

    discharge: dischargeDispositionCode; facility: JDV_J02; facility_category: its translation; facility_id: its
    identifier; place: name and address
    of where it is.
    """

    ids: tuple[II, ...] = ()
    code: Code | None = None
    start: str = ""
    stop: str = ""
    discharge: Code | None = None
    responsible: HeaderParty | None = None
    participants: tuple[HeaderParticipant, ...] = ()
    facility: Code | None = None
    facility_category: Code | None = None
    facility_id: II | None = None
    place: HeaderOrganization | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CdaHeader:
    """Everything the header says. service_events[0] is the principal act.

    template_ids: (root, extension) pairs; replaces / transforms: parentDocument/id of relatedDocument RPLC / XFRM;
    body_media_type: media type of a nonXMLBody, empty when the body is structured.
    """

    template_ids: tuple[II, ...]
    id: II
    code: Code
    code_translations: tuple[Code, ...] = ()
    title: str
    effective_time: str
    confidentiality: Code
    language: str
    set_id: II
    version_number: int
    patient: HeaderPatient
    authors: tuple[HeaderParty, ...]
    data_enterer: HeaderParty | None = None
    informants: tuple[HeaderParty | HeaderRelative, ...] = ()
    custodian: HeaderOrganization
    recipients: tuple[HeaderParty, ...] = ()
    legal_authenticator: HeaderParty
    authenticators: tuple[HeaderParty, ...] = ()
    participants: tuple[HeaderParticipant, ...] = ()
    orders: tuple[HeaderOrder, ...] = ()
    service_events: tuple[HeaderServiceEvent, ...]
    replaces: II | None = None
    transforms: II | None = None
    consents: tuple[HeaderConsent, ...] = ()
    encounter: HeaderEncounter
    body_media_type: str = ""

    def parties(self) -> list[HeaderParty]:
        """Everyone who is an entity of the header (`assignedAuthor`, `assignedEntity` …): all but the patient and those
        around."""
        encounter = self.encounter
        return [
            *self.authors,
            *[p for p in (self.data_enterer, encounter.responsible, self.legal_authenticator) if p is not None],
            *[i for i in self.informants if isinstance(i, HeaderParty)],
            *self.recipients,
            *self.authenticators,
            *[p.party for p in (*self.participants, *encounter.participants)],
            *[e.performer for e in self.service_events if e.performer is not None],
        ]


@dataclass(frozen=True, slots=True)
class Written:
    """What `render` wrote: the bytes, the header that they say, whether the body or an entry is a file."""

    content: bytes
    header: CdaHeader
    has_files: bool


@dataclass(frozen=True, kw_only=True)
class CdaDocument(Document):
    """A CDA R2 document: its exact bytes and its header as data.

    written: what `render` wrote, None for a document that was read.
    """

    header: CdaHeader
    written: Written | None = field(default=None, repr=False, compare=False)

    @property
    def is_ours(self) -> bool:
        """The bytes are those that `render` wrote, from this header: canonical but for the declaration and the last
        line end, and of the form that CDA and its templates ask for."""
        written = self.written
        return written is not None and written.content is self.content and written.header is self.header

    def check(self) -> Report:
        """The findings of the native rules (`sunes_sdk.cda.check`). Made once: the bytes never change."""
        return self._report

    @cached_property
    def _report(self) -> Report:
        from .rules import check

        return check(self)

    def canonical(self) -> bytes | memoryview:
        """C14N 1.0 with comments of the whole document: what the signature of a submission set digests. Of a document
        of ours, a view of its bytes.

        Raises XmlSecurityError.
        """
        if self.is_ours:
            return memoryview(self.content)[len(DECLARATION) : -1]
        from .envelope import parsed

        root = parsed(self.content)
        return with_left_out(canonical_document(root), root)

    def to_html(self) -> str:
        """The document as a page for a browser or a printer (`cda.html`)."""
        from .html import to_html

        return to_html(self)

    def to_pdf(self) -> bytes:
        """The document as PDF/A (`cda.pdf`, extra `pdf`)."""
        from .pdf import to_pdf

        return to_pdf(self)
