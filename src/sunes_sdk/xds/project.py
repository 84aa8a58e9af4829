"""The only projection of a CDA header into XDS metadata: DMP, XDM, FHIR and HL7 v2 all start from it.

Mapping of the CI-SIS volet *Partage de documents de santé* and of the volet *Transmission de documents CDA en HL7 v2*.
Mapping only: what is missing stays empty, `check` says so.
"""

from __future__ import annotations

from datetime import datetime

from .. import terminology
from .._core.hl7time import to_dtm_utc, ts_to_dtm_utc
from ..cda.header import II, CdaDocument, CdaHeader, HeaderOrder, HeaderParty, HeaderPatient
from ..model import Code, StayClass
from .datatypes import ce, cx, escape, is_ins, xcn, xon
from .metadata import Author, DocumentEntry, SubmissionSet

ACT_CODES = "2.16.840.1.113883.5.4"
ENCOUNTER_TYPES = "1.2.250.1.213.1.1.4.2.291"
ACCESSION = "urn:ihe:iti:xds:2013:accession"
ORDER = "urn:ihe:iti:xds:2013:order"

_CONTENT_TYPES = {
    StayClass.INPATIENT: "03",
    StayClass.OUTPATIENT: "07",
    StayClass.EMERGENCY: "07",
    StayClass.RECURRING: "19",
    StayClass.NOT_APPLICABLE: "97",
}
_ENCOUNTERS = {
    (ACT_CODES, "IMP"): StayClass.INPATIENT,
    (ACT_CODES, "EMER"): StayClass.EMERGENCY,
    (ACT_CODES, "AMB"): StayClass.OUTPATIENT,
    (ENCOUNTER_TYPES, "EXTERNE"): StayClass.OUTPATIENT,
    (ENCOUNTER_TYPES, "SEANCE"): StayClass.RECURRING,
}
"""JDV_J142-TypeRencontre to PV1-2. `FLD`, `HH` and `VR` have no counterpart."""
_SEX = {"UN": "U"}


def content_type(stay_class: StayClass) -> Code:
    """contentTypeCode of a submission set (JDV_J59) from PV1-2: I→03, O→07, E→07, R→19, N→97 (volet HL7 v2)."""
    return terminology.code("JDV_J59", _CONTENT_TYPES[stay_class])


def content_type_of(header: CdaHeader) -> Code:
    """contentTypeCode of a document: from the encounter's code, else from the principal act when it is an encounter
    type (JDV_J142), else 97 *indifférencié*.

    The official archives put the facility type here; JDV_J59 is what the DMP takes.
    """
    event = header.service_events[0].code if header.service_events else None
    stay_class = StayClass.NOT_APPLICABLE
    for code in (header.encounter.code, event):
        if code is not None and (code.system, code.code) in _ENCOUNTERS:
            stay_class = _ENCOUNTERS[code.system, code.code]
            break
    return content_type(stay_class)


def unique_id(identifier: II) -> str:
    """`root`, or `root^extension`. The DMP samples use pure OIDs."""
    return f"{identifier.root}^{identifier.extension}" if identifier.extension else identifier.root


def author_of(party: HeaderParty) -> Author:
    """An author or authenticator of the header as XDS author."""
    return Author(
        person=xcn(party),
        institution=xon(party.organization),
        roles=(party.function.display,) if party.function and party.function.display else (),
        specialties=(ce(party.code),) if party.code else (),
    )


def source_patient_info(patient: HeaderPatient) -> tuple[str, ...]:
    """sourcePatientInfo, as the official archives write it and in one place for all channels.

    PID-5 with the birth family name, the first given name, and in PID-5.3 the whole list of birth given names, type
    `L`; a second PID-5 of type `D` with the used names when known; PID-7 birth date; PID-8 `F M U`; PID-11 holds the
    place of birth only (type `BDL`, COG in component 9): address and telecoms are optional and stay out. The older
    messages of the DMP kit leave PID-5.3 and PID-11 empty.
    """
    first = patient.first_given or patient.birth_givens.partition(" ")[0]
    birth = f"{escape(patient.birth_family)}^{escape(first)}^{escape(patient.birth_givens)}^^^^L"
    values = [f"PID-5|{birth}"]
    if patient.used_family or patient.used_given:
        values.append(f"PID-5|{escape(patient.used_family)}^{escape(patient.used_given)}^^^^^D")
    if patient.birth_time:
        values.append(f"PID-7|{escape(patient.birth_time)}")
    if patient.sex:
        values.append(f"PID-8|{escape(_SEX.get(patient.sex, patient.sex))}")
    if patient.birth_place:
        values.append(f"PID-11|^^^^^^BDL^^{escape(patient.birth_place)}")
    return tuple(values)


def _time(text: str) -> str:
    return ts_to_dtm_utc(text) if text else ""


def _patient_ids(patient: HeaderPatient) -> tuple[str, str]:
    """patientId (the INS, empty when there is none) and sourcePatientId (the first local id, else the INS)."""
    ins = local = ""
    for identifier in patient.ids:
        if is_ins(identifier.root):
            ins = ins or cx(identifier, "NH")
        elif identifier.extension:
            local = local or cx(identifier, "PI")
    return ins, local or ins


def _references(orders: tuple[HeaderOrder, ...]) -> tuple[str, ...]:
    return tuple(
        f"{escape(identifier.extension)}^^^&{identifier.root}&ISO^{kind}"
        for order in orders
        for identifier, kind in ((order.accession, ACCESSION), (order.id, ORDER))
        if identifier is not None and identifier.extension
    )


def project(document: CdaDocument, *, visibility: tuple[Code, ...] = ()) -> DocumentEntry:
    """The document's XDS metadata, with the symbolic id `Document01`.

    visibility: codes of JDV_J58 added to the document's own confidentiality (`MASQUE_PS`, `INVISIBLE_PATIENT` …):
    they are not in the CDA. Raises ValueError for a time of the header that is no time.
    """
    header = document.header
    principal = header.service_events[0] if header.service_events else None
    codes = (code for event in header.service_events for code in (event.code, *event.translations) if code is not None)
    patient_id, source_patient_id = _patient_ids(header.patient)
    return DocumentEntry(
        id="Document01",
        mime_type=document.mime_type,
        unique_id=unique_id(header.id),
        patient_id=patient_id,
        type_code=header.code,
        class_code=terminology.class_code(header.code),
        format_code=document.format_code,
        facility_type=header.encounter.facility,
        practice_setting=next((e.practice_setting for e in header.service_events if e.practice_setting), None),
        confidentiality=(header.confidentiality, *visibility),
        event_codes=tuple(codes),
        authors=tuple(map(author_of, header.authors)),
        legal_authenticator=xcn(header.legal_authenticator),
        title=header.title,
        creation_time=_time(header.effective_time),
        service_start=_time(principal.start) if principal else "",
        service_stop=_time(principal.stop) if principal else "",
        language=header.language,
        source_patient_id=source_patient_id,
        source_patient_info=source_patient_info(header.patient),
        reference_ids=_references(header.orders),
        hash=document.sha1.hex(),
        size=document.size,
    )


def submission_set(
    entry: DocumentEntry,
    *,
    id: str,  # noqa: A002  the name of the field it fills
    unique_id: str,
    source_id: str,
    content_type: Code,
    submitted_at: datetime,
    author: Author | None = None,
    comments: str = "",
) -> SubmissionSet:
    """The set that carries `entry`: its title and patient; `author` defaults to the document's first author."""
    return SubmissionSet(
        id=id,
        unique_id=unique_id,
        source_id=source_id,
        patient_id=entry.patient_id,
        submission_time=to_dtm_utc(submitted_at),
        author=author or (entry.authors[0] if entry.authors else None),
        content_type=content_type,
        title=entry.title,
        comments=comments,
    )
