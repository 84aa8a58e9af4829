"""Reading a CDA document: lenient, since a consumer must ignore what it does not know and must not reject (SMDS 3.4.2).

Only what cannot be read at all is an error; what the reader had to leave out or make up is a coded warning; what breaks
a rule is for `cda.check`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from lxml import etree

from .._core.errors import CdaError, ModelError
from .._core.findings import Finding, Report, Severity
from .._core.hl7time import parse_ts
from ..model import Code, Identifier, IdentityStatus, Ins, InsOid, Matricule, Organization
from ..terminology import format_code
from .datatypes_reader import code_of, find, ii_of, value_of
from .envelope import V3 as V3
from .envelope import Envelope, opened
from .envelope import clinical_document as clinical_document
from .header import II, CdaDocument, CdaHeader
from .header_reader import PS3_20 as PS3_20
from .header_reader import header_of as header_of
from .reading.body import EmbeddedFile, Node, Section, files_of, sections_of

if TYPE_CHECKING:
    from .documents._base import ClinicalDocument


@dataclass(frozen=True, kw_only=True)
class ReadDocument(CdaDocument):
    """A received document: its exact bytes, its header as data, its body as sections.

    organization: the custodian, or when it has no FINESS or SIRET (the DMP) that of the author, the signer or the
    performer; None when none has one;
    ins_status: QUALIFIEE when the document carries an INS, PROVISOIRE otherwise (a document does not say it);
    created_at: effectiveTime, or the time of its signature or author when it cannot be read;
    report: what the reader left out or made up; envelope: what the document came in.
    """

    report: Report
    envelope: Envelope
    _root: etree._Element = field(repr=False, compare=False)

    @property
    def root(self) -> Node:
        """The ClinicalDocument, for what has no name here."""
        return Node(self._root)

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The sections of a structured body, in order; none for a document whose body is a file."""
        body = find(self._root, "component", "structuredBody")
        return tuple(sections_of(body)) if body is not None else ()

    @property
    def body(self) -> EmbeddedFile | None:
        """The file that is the body (N1), None for a structured document."""
        text = find(self._root, "component", "nonXMLBody", "text")
        return EmbeddedFile(text) if text is not None else None

    @property
    def files(self) -> tuple[EmbeddedFile, ...]:
        """Every file in the document: the body of an N1, PDF copies, images."""
        component = find(self._root, "component")
        return tuple(files_of(component)) if component is not None else ()

    @property
    def pdf_copy(self) -> EmbeddedFile | None:
        """The same document as PDF (*FR-Document-PDF-copie*), which is to be shown first (SMDS 2.2)."""
        section = self.section(PDF_COPY)
        return next((f for f in section.files if f.media_type == "application/pdf"), None) if section else None

    def section(self, code_or_template: str) -> Section | None:
        """The first section, at any depth, with this code or this templateId."""
        every = (inner for outer in self.sections for inner in outer.walk())
        return next((s for s in every if s.is_a(code_or_template)), None)

    def typed(self, *, strict: bool = False) -> ClinicalDocument:
        """The document as the model that it could be rendered from: `DischargeLetter`, `AdmissionLetter`,
        `MedicationPrescription`, `LaboratoryReport`, `ImagingReport`, `OperativeReport`, or `UnstructuredDocument` for
        any other file.

        What the model has no place for is in `unread()`: look at it before relying on the model alone. What the XML of
        a document does not hold is what `sunes_sdk.cda.reading.normal.normalised` takes away.
        strict: anything in `unread()` is an error.
        Raises CdaError (`CDA_NO_MODEL`; `CDA_NOT_TYPED`: a field that the model needs is missing or impossible;
        `CDA_BASE64`, `CDA_PDF_UNREADABLE`: a file of it; with strict, `CDA_UNREAD…`).
        """
        model, unread = self._typed
        if strict and unread.warnings:
            raise CdaError.from_report(Report.of(replace(f, severity=Severity.ERROR) for f in unread))
        return model

    def unread(self) -> Report:
        """What `typed()` leaves aside, and where a value stands for one that is not said: a warning for each part of
        the header, section, entry and value. Empty for a document that this library wrote.

        The narrative of a section whose entries are read is not listed: `sections` has it. Raises what `typed` raises.
        """
        return self._typed[1]

    @cached_property
    def _typed(self) -> tuple[ClinicalDocument, Report]:
        from .reading.typed import read_typed

        return read_typed(self._root, self.header)


PDF_COPY = "1.2.250.1.213.1.1.2.243"
"""templateId of FR-Document-PDF-copie."""


def read_header(data: bytes) -> CdaHeader:
    """The header as data. Missing parts are empty.

    Raises XmlSecurityError (not well-formed, too big …), CdaError (`CDA_NOT_CDA`, `CDA_AMBIGUOUS`, `CDA_UNREADABLE`
    without id or code).
    """
    return header_of(clinical_document(data))


def read(data: bytes, *, strict: bool = False) -> ReadDocument:
    """A received document. Its bytes are kept as they are; a stylesheet that came with it is never run.

    strict: a warning of the reader becomes an error, and every embedded file is decoded.
    Raises XmlSecurityError (not well-formed, too big …), CdaError (`CDA_NOT_CDA`, `CDA_AMBIGUOUS`, `CDA_UNREADABLE`
    without id or code, `CDA_EFFECTIVE_TIME` without any readable time; with strict, each warning's own code).
    """
    inside = opened(data)
    root = inside.document
    header = header_of(root)
    findings = [*inside.findings]
    ins = _ins(header.patient.ids)
    stay = next((i for i in header.encounter.ids if i.extension), None)
    document = ReadDocument(
        content=data,
        unique_id=_joined(header.id),
        set_id=_joined(header.set_id),
        version_number=header.version_number,
        type_code=header.code,
        title=header.title,
        created_at=_created_at(header, findings),
        organization=_structure(header, findings),
        ins=ins,
        ins_status=IdentityStatus.QUALIFIEE if ins else IdentityStatus.PROVISOIRE,
        format_code=_format_code(header, findings),
        cda_level=1 if header.body_media_type else 3,
        replaces=_joined(header.replaces) if header.replaces else None,
        stay=_identifier(stay) if stay else None,
        header=header,
        report=Report.of((*findings, *_made_up(root, header))),
        envelope=inside.envelope,
        _root=root,
    )
    if strict:
        _refuse_warnings(document)
    return document


def _refuse_warnings(document: ReadDocument) -> None:
    escalated = [replace(f, severity=Severity.ERROR) for f in document.report.warnings]
    for file in document.files:
        try:
            _ = file.data
        except CdaError as e:
            escalated += e.report
    if escalated:
        raise CdaError.from_report(Report.of(escalated))


def _warning(code: str, message: str, path: str, rule: str, hint: str, fr: str = "") -> Finding:
    return Finding(
        code=code, severity=Severity.WARNING, message=message, path=path, rule=rule, hint=hint, message_fr=fr
    )  # fmt: skip


def _made_up(root: etree._Element, header: CdaHeader) -> Iterator[Finding]:
    """What the header says nothing readable about, where the reader had to take a value or leave a part out."""
    ask = "ask the sender for a valid document; cda.check says all that is wrong"
    if ii_of(find(root, "setId")) is None:
        yield _warning(
            "CDA_READ_SET_ID", "no setId: the document's own id stands for it", "setId", "SMDS setId 1..1", ask
        )
    version = value_of(find(root, "versionNumber"))
    if version != str(header.version_number):
        yield _warning("CDA_READ_VERSION", "the version number cannot be read: 1 stands for it", "versionNumber",
                       "SMDS versionNumber 1..1, an integer", ask)  # fmt: skip
    if code_of(find(root, "confidentialityCode")) is None:
        yield _warning("CDA_READ_CONFIDENTIALITY", "no confidentiality code: N (normal) stands for it",
                       "confidentialityCode", "SMDS confidentialityCode 1..1", ask,
                       "Le document ne dit pas son niveau de confidentialité.")  # fmt: skip
    role = find(root, "recordTarget", "patientRole")
    if role is None:
        yield _warning("CDA_READ_PATIENT", "the document names no patient", "recordTarget", "SMDS recordTarget 1..1",
                       ask, "Le document ne dit pas de quel patient il s'agit.")  # fmt: skip
    else:
        given = sum(1 for e in role.iterchildren(f"{V3}telecom") if e.get("value"))
        if given > len(header.patient.telecoms):
            yield _warning("CDA_READ_TELECOM", "a telecom of the patient is left out: it is not scheme:number",
                           "recordTarget/patientRole/telecom", "CI-SIS Telecom (H38)",
                           "read it through root")  # fmt: skip
    component = find(root, "component")
    bodies = [] if component is None else list(component.iterchildren(f"{V3}structuredBody", f"{V3}nonXMLBody"))
    if len(bodies) != 1:
        yield _warning("CDA_READ_BODY", f"the document has {len(bodies) or 'no'} bod{'ies' if bodies else 'y'}",
                       "component", "CDA R2: one structuredBody or nonXMLBody", ask,
                       "Le document n'a pas de contenu lisible." if not bodies else "")  # fmt: skip


def _created_at(header: CdaHeader, findings: list[Finding]) -> datetime:
    others = (header.legal_authenticator.time, *[a.time for a in header.authors])
    for text in (header.effective_time, *others):
        try:
            value = parse_ts(text).value
        except (ValueError, OverflowError):
            continue
        if text != header.effective_time:
            findings.append(
                _warning("CDA_READ_TIME", "the creation time cannot be read: a signer's or author's stands for it",
                         "effectiveTime/@value", "SMDS effectiveTime 1..1, HL7 TS",
                         "ask the sender for a valid document")
            )  # fmt: skip
        return value
    raise CdaError("no time of the document can be read", code="CDA_EFFECTIVE_TIME", path="effectiveTime/@value",
                   rule="HL7 TS", hint="use read_header, which keeps the text as it is")  # fmt: skip


def _format_code(header: CdaHeader, findings: list[Finding]) -> Code:
    templates = tuple(t.root for t in header.template_ids[2:])
    try:
        return format_code(templates, header.body_media_type)
    except ModelError:
        findings.append(
            _warning("CDA_READ_MEDIA_TYPE", "a body of this media type has no format code", "component/nonXMLBody/text",
                     "SMDS nonXMLBody: PDF, plain text, RTF, JPEG, TIFF", "look at the bytes before you show them")
        )  # fmt: skip
        return format_code(())


def _joined(value: II) -> str:
    return f"{value.root}^{value.extension}" if value.extension else value.root


def _identifier(value: II) -> Identifier | None:
    try:
        return Identifier(value=value.extension, root=value.root)
    except ModelError:
        return None


def _ins(ids: tuple[II, ...]) -> Ins | None:
    for each in ids:
        if each.root in _INS_ROOTS:
            for certified in (False, True):  # a wrong key is the sender's affair
                try:
                    return Ins(matricule=Matricule(value=each.extension, certified=certified), oid=InsOid(each.root))
                except ModelError:
                    continue
    return None


_INS_ROOTS = frozenset(oid.value for oid in InsOid)


def _structure(header: CdaHeader, findings: list[Finding]) -> Organization | None:
    setting = header.service_events[0].practice_setting if header.service_events else None
    people = (*header.authors, header.legal_authenticator, *[e.performer for e in header.service_events])
    others = [p.organization for p in people if p and p.organization]
    for found in (header.custodian, *others):
        number = found.id.extension if found.id else ""
        if number[:1] in ("1", "3"):
            try:
                return Organization(
                    name=found.name or number,
                    finess_geo=number[1:] if number.startswith("1") else None,
                    siret=number[1:] if number.startswith("3") else None,
                    facility_type=header.encounter.facility.code if header.encounter.facility else "SA01",
                    practice_setting=setting.code if setting else "ETABLISSEMENT",
                )
            except ModelError:
                continue
    findings.append(
        _warning("CDA_NO_STRUCTURE", "nobody in charge of the document has a FINESS or a SIRET", "custodian",
                 "SMDS Struct_IdNat", "the header holds what the document says of them")
    )  # fmt: skip
    return None
