"""Reading a CDA document: lenient, since a consumer must ignore what it does not know and must not reject (SMDS 3.4.2).

Only what cannot be read at all is an error; what breaks a rule is for `cda.check`.
"""

from __future__ import annotations

from .._core.errors import CdaError, ModelError
from .._core.hl7time import parse_ts
from ..model import Identifier, IdentityStatus, Ins, InsOid, Matricule, Organization
from ..terminology import format_code
from .envelope import V3 as V3
from .envelope import clinical_document as clinical_document
from .header import II, CdaDocument, CdaHeader
from .header_reader import PS3_20 as PS3_20
from .header_reader import header_of as header_of


def read_header(data: bytes) -> CdaHeader:
    """The header as data. Missing parts are empty.

    Raises XmlSecurityError (not well-formed, too big …), CdaError (`CDA_NOT_CDA`, `CDA_UNREADABLE` without id or code).
    """
    return header_of(clinical_document(data))


def read(data: bytes) -> CdaDocument:
    """A received document. Its bytes are kept as they are.

    The INS status is QUALIFIEE when the document carries an INS, PROVISOIRE otherwise: a document does not say it.
    The organisation is the custodian, or the author's when the custodian has no FINESS or SIRET.
    Raises what `read_header` raises, and CdaError (`CDA_NO_STRUCTURE`, `CDA_EFFECTIVE_TIME`).
    """
    header = read_header(data)
    try:
        created_at = parse_ts(header.effective_time).value
    except ValueError:
        raise CdaError("the creation time cannot be read", code="CDA_EFFECTIVE_TIME", path="effectiveTime/@value",
                       rule="HL7 TS", hint="use read_header, which keeps the text as it is") from None  # fmt: skip
    ins = _ins(header.patient.ids)
    stay = next((i for i in header.encounter.ids if i.extension), None)
    return CdaDocument(
        content=data,
        unique_id=_joined(header.id),
        set_id=_joined(header.set_id),
        version_number=header.version_number,
        type_code=header.code,
        title=header.title,
        created_at=created_at,
        organization=_structure(header),
        ins=ins,
        ins_status=IdentityStatus.QUALIFIEE if ins else IdentityStatus.PROVISOIRE,
        format_code=format_code(tuple(t.root for t in header.template_ids[2:]), header.body_media_type),
        cda_level=1 if header.body_media_type else 3,
        replaces=_joined(header.replaces) if header.replaces else None,
        stay=_identifier(stay) if stay else None,
        header=header,
    )


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


def _structure(header: CdaHeader) -> Organization:
    setting = header.service_events[0].practice_setting if header.service_events else None
    others = [a.organization for a in header.authors if a.organization]
    for found in (header.custodian, *others):
        number = found.id.extension if found.id else ""
        known = {"1": {"finess_geo": number[1:]}, "3": {"siret": number[1:]}}.get(number[:1])
        if known:
            try:
                return Organization(
                    name=found.name or number,
                    facility_type=header.encounter.facility.code if header.encounter.facility else "SA01",
                    practice_setting=setting.code if setting else "ETABLISSEMENT",
                    **known,  # type: ignore[arg-type]  # one of two text fields
                )
            except ModelError:
                continue
    raise CdaError("neither the custodian nor an author has a FINESS or a SIRET", code="CDA_NO_STRUCTURE",
                   path="custodian", rule="SMDS Struct_IdNat", hint="use read_header instead")  # fmt: skip
