"""Administrative calls of the fake DMP: TD0.2, TD0.3, TD0.4, TD0.5, TD1.3a, TD1.3b, TD1.4 and TD1.6."""

from __future__ import annotations

import uuid
from typing import Final

from lxml import etree

from .._core.xml import escape_attribute, escape_text
from . import dmp_rights as rights
from .dmp_answers import Reply
from .dmp_rules import HL7, Caller, need
from .dmp_store import DmpStore, StoredPatient

DMP_DEVICE: Final = "1.2.250.1.213.4.1.1.1"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TEST = "TEST_EXST"
_CONSULT = "CNSLT_DATA"


# --- HL7v3 messages ---------------------------------------------------------------------------------------------------


def _check_message(body: etree._Element, interaction: str, label: str) -> etree._Element:
    """The wrapper that all the messages have; gives their controlActProcess."""
    need(body.tag == f"{HL7}{interaction}" and body.get("ITSVersion") == "XML_1.0", "Sender", "unknown body")
    expected = {
        "interactionId": ("extension", interaction),
        "processingModeCode": ("code", "T"),
        "acceptAckCode": ("code", "AL"),
    }
    for name, (attribute, wanted) in expected.items():
        found = body.find(f"{HL7}{name}")
        need(found is not None and found.get(attribute) == wanted, "Sender", f"{label}: {name} must be {wanted}")
    processing = body.find(f"{HL7}processingCode")
    test = processing is not None and processing.get("code") == "D"
    need(test, "Sender", f"{label}: processingCode of a test is D")
    receiver = body.find(f"{HL7}receiver/{HL7}device/{HL7}id")
    need(receiver is not None and receiver.get("root") == DMP_DEVICE, "Sender", f"{label}: the receiver is the DMP")
    sender, message = body.find(f"{HL7}sender/{HL7}device/{HL7}id"), body.find(f"{HL7}id")
    need(sender is not None and message is not None and message.get("extension"), "Sender", f"{label}: id and sender")
    act = body.find(f"{HL7}controlActProcess")
    need(act is not None, "Sender", f"{label}: controlActProcess is missing")
    assert act is not None
    return act


def _wrapped(request: etree._Element, name: str, content: str, now: str, attention: str = "") -> str:
    """An answer in the wrapper that the DMP writes."""
    sender = request.find(f"{HL7}sender/{HL7}device/{HL7}id")
    assert sender is not None
    return (
        f'<{name} xmlns="urn:hl7-org:v3" xmlns:xsi="{_XSI}" ITSVersion="XML_1.0"><id root="{uuid.uuid4()}"/>'
        f'<creationTime value="{now}"/><interactionId root="2.16.840.1.113883.1.6" extension="{name}"/>'
        '<processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="NE"/>'
        f'<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id {_ids(sender)}/></device>'
        '</receiver><sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE">'
        f'<id root="{DMP_DEVICE}"/><softwareName>DMP</softwareName></device></sender>{attention}'
        f'<acknowledgement typeCode="AA"><targetMessage><id {_ids(request.find(f"{HL7}id"))}/></targetMessage>'
        f"</acknowledgement>{content}</{name}>"
    )


def _ids(element: etree._Element | None) -> str:
    """root and extension of an id, as attributes."""
    assert element is not None
    extension = element.get("extension")
    root = f'root="{escape_attribute(element.get("root", ""))}"'
    return root if extension is None else f'{root} extension="{escape_attribute(extension)}"'


def demographics(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD0.2 and TD1.3a: PRPA_IN201307UV02 → 308. Only the first says nothing of who the patient is in this fake (the
    real one gives traits in both, that the software must not show)."""
    act = _check_message(body, "PRPA_IN201307UV02", "TD0.2")
    reason = act.find(f"{HL7}reasonCode")
    code = reason.get("code", "") if reason is not None else ""
    need(code in (_TEST, _CONSULT), "Sender", f"reasonCode is {_TEST} (TD0.2) or {_CONSULT} (TD1.3a)")
    query = act.find(f"{HL7}queryByParameter")
    value = query.find(f"{HL7}parameterList/{HL7}patientIdentifier/{HL7}value") if query is not None else None
    query_id = query.find(f"{HL7}queryId") if query is not None else None
    need(value is not None and query_id is not None, "Sender", "TD0.2: queryId and patientIdentifier are needed")
    assert value is not None
    same = (value.get("extension"), value.get("root")) == (caller.ins, caller.ins_oid)
    need(same, "XDSPatientIdDoesNotMatch", "TD0.2: the patient is not that of the VIHF")
    patient = store.patients.get(caller.ins)
    if code == _CONSULT:
        rights.check_access(rights.check_open(patient), caller)
    attention = _attention(patient, caller) if patient else ""
    content = (
        '<controlActProcess classCode="CACT" moodCode="EVN">'
        f'<reasonCode code="{code}" codeSystem="1.2.250.1.213.1.1.4.11"/>'
        f"{_subject(patient, caller, traits=code == _CONSULT) if patient else ''}<queryAck><queryId {_ids(query_id)}/>"
        f'<queryResponseCode code="{"OK" if patient else "NF"}"/></queryAck></controlActProcess>'
    )
    return Reply(
        write=lambda *_: _wrapped(body, "PRPA_IN201308UV02", content, now, attention),
        said="NF" if patient is None else "active" if patient.is_open else "terminated",
    )


def _attention(patient: StoredPatient, caller: Caller) -> str:
    """State of the caller's authorisation. Codes other than `VALIDE` are not public: these are ours."""
    authorization = patient.authorization(caller.holder)
    state = "INEXISTANTE" if authorization is None else "VALIDE" if authorization.mode == "ACTIVE" else "INTERDITE"
    attending = str(rights.is_attending(patient, caller)).lower()
    return (
        '<attentionLine><keyWordText code="AUTORISATION" codeSystem="1.2.250.1.213.4.1.2.6.1"/>'
        f'<value xsi:type="CV" code="{state}" codeSystem="1.2.250.1.213.4.1.2.6.2"/></attentionLine>'
        '<attentionLine><keyWordText code="STATUT_MT" codeSystem="1.2.250.1.213.4.1.2.6.3"/>'
        f'<value xsi:type="BL" value="{attending}"/></attentionLine>'
    )


def _subject(patient: StoredPatient, caller: Caller, *, traits: bool) -> str:
    flags = {
        ("RATTACHEMENT_ENS", "1.2.250.1.213.4.1.2.3"): patient.attached_to_ens,
        ("OPPOSITION_BRIS_DE_GLACE", "1.2.250.1.213.4.1.2.3"): not patient.break_glass,
        ("OPPOSITION_ACCES_URGENCE", "1.2.250.1.213.4.1.2.3"): not patient.emergency,
    }
    observations = "".join(
        '<subjectOf typeCode="SBJ"><administrativeObservation classCode="OBS" moodCode="EVN">'
        f'<code code="{code}" codeSystem="{system}"/><value xsi:type="BL" value="{str(value).lower()}"/>'
        "</administrativeObservation></subjectOf>"
        for (code, system), value in flags.items()
    )
    status = "active" if patient.is_open else "terminated"
    return (
        '<subject typeCode="SUBJ" contextConductionInd="false"><registrationEvent classCode="REG" moodCode="EVN">'
        '<statusCode code="completed"/><subject1 typeCode="SBJ"><patient classCode="PAT">'
        f'<id root="{caller.ins_oid}" extension="{caller.ins}"/><statusCode code="{status}"/>'
        f"{_person(patient, traits=traits)}{observations}</patient></subject1>"
        f'<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="{DMP_DEVICE}"/></assignedEntity>'
        "</custodian></registrationEvent></subject>"
    )


def _person(patient: StoredPatient, *, traits: bool) -> str:
    if not traits:
        name = "<name><family>NON RENSEIGNE</family></name>"
        return f'<patientPerson classCode="PSN" determinerCode="INSTANCE">{name}</patientPerson>'
    telecoms = "".join(f'<telecom value="{escape_attribute(t)}"/>' for t in patient.telecoms)
    birth = f'<birthTime value="{escape_attribute(patient.birth_date)}"/>' if patient.birth_date else ""
    return (
        '<patientPerson classCode="PSN" determinerCode="INSTANCE"><name>'
        f"<given>{escape_text(patient.given)}</given>"
        f'<family qualifier="BR">{escape_text(patient.family)}</family>'
        f'<family qualifier="SP">{escape_text(patient.usual_family)}</family></name>{telecoms}'
        f'<administrativeGenderCode code="{escape_attribute(patient.sex)}"/>{birth}</patientPerson>'
    )
