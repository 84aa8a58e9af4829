"""Administrative calls of the fake DMP: TD0.2, TD0.3, TD0.4, TD0.5, TD1.3a, TD1.3b, TD1.4 and TD1.6."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import Final

from lxml import etree

from .._core.xml import escape_attribute, escape_text
from . import dmp_rights as rights
from .dmp_answers import Reply
from .dmp_rules import HL7, TEST_INS_OID, Caller, is_dtm, need
from .dmp_store import Authorization, DmpStore, StoredPatient

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
    created = body.find(f"{HL7}creationTime")
    dated = created is not None and is_dtm(created.get("value", ""))
    need(dated, "Sender", f"{label}: creationTime is not an HL7 time in UTC")
    act = body.find(f"{HL7}controlActProcess")
    kind = (act.get("classCode"), act.get("moodCode")) if act is not None else None
    need(kind == ("CACT", "EVN"), "Sender", f"{label}: controlActProcess is CACT, EVN")
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
        f"{_acknowledgement(request, name)}{content}</{name}>"
    )


def _acknowledgement(request: etree._Element, name: str) -> str:
    """The contract has the edition of 2008 for PDQ, in which the type is an element, and 2009 for the rest."""
    target = f"<targetMessage><id {_ids(request.find(f'{HL7}id'))}/></targetMessage>"
    if name == "PRPA_IN201306UV02":
        return f'<acknowledgement><typeCode code="AA"/>{target}</acknowledgement>'
    return f'<acknowledgement typeCode="AA">{target}</acknowledgement>'


def _ids(element: etree._Element | None) -> str:
    """root and extension of an id, as attributes."""
    assert element is not None
    extension = element.get("extension")
    root = f'root="{escape_attribute(element.get("root", ""))}"'
    return root if extension is None else f'{root} extension="{escape_attribute(extension)}"'


def demographics(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD0.2 and TD1.3a: PRPA_IN201307UV02 → 308. The first says nothing here of who the patient is; the real one gives
    traits in both, which the software must not show after the first (RG_0320)."""
    act = _check_message(body, "PRPA_IN201307UV02", "TD0.2")
    reason = act.find(f"{HL7}reasonCode")
    code = reason.get("code", "") if reason is not None else ""
    need(code in (_TEST, _CONSULT), "Sender", f"reasonCode is {_TEST} (TD0.2) or {_CONSULT} (TD1.3a)")
    query = act.find(f"{HL7}queryByParameter")
    value = query.find(f"{HL7}parameterList/{HL7}patientIdentifier/{HL7}value") if query is not None else None
    query_id = query.find(f"{HL7}queryId") if query is not None else None
    need(value is not None and query_id is not None, "Sender", "TD0.2: queryId and patientIdentifier are needed")
    assert value is not None
    assert query is not None
    one = len(query.findall(f"{HL7}parameterList/{HL7}patientIdentifier/{HL7}value")) == 1
    need(one, "Sender", "TD0.2: one patient is asked about")
    same = (value.get("extension"), value.get("root")) == (caller.ins, caller.ins_oid)
    need(same, "XDSPatientIdDoesNotMatch", "TD0.2: the patient is not that of the VIHF")
    patient = store.patients.get(caller.ins)
    if code == _CONSULT:
        rights.check_open(patient)
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
        f"{_CUSTODIAN}</registrationEvent></subject>"
    )


def _person(patient: StoredPatient, *, traits: bool) -> str:
    if not traits:
        name = "<name><family>NON RENSEIGNE</family></name>"
        return f'<patientPerson classCode="PSN" determinerCode="INSTANCE">{name}</patientPerson>'
    telecoms = "".join(f'<telecom value="{escape_attribute(t)}"/>' for t in patient.telecoms)
    birth = f'<birthTime value="{escape_attribute(patient.birth_date)}"/>' if patient.birth_date else ""
    parts = "".join(f"<{name}>{escape_text(text)}</{name}>" for name, text in patient.address)
    address = f"<addr>{parts}</addr>" if parts else ""
    return (
        '<patientPerson classCode="PSN" determinerCode="INSTANCE"><name>'
        f"<given>{escape_text(patient.given)}</given>"
        f'<family qualifier="BR">{escape_text(patient.family)}</family>'
        f'<family qualifier="SP">{escape_text(patient.usual_family)}</family></name>{telecoms}'
        f'<administrativeGenderCode code="{escape_attribute(patient.sex)}"/>{birth}{address}</patientPerson>'
    )


def search_patient(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD0.5: PRPA_IN201305UV02 → 306, the patients with an open DMP whose traits are those asked for."""
    act = _check_message(body, "PRPA_IN201305UV02", "TD0.5")
    rights.check_purpose(caller, "TD0.5")
    query = act.find(f"{HL7}queryByParameter")
    query_id = query.find(f"{HL7}queryId") if query is not None else None
    wanted = query.find(f"{HL7}parameterList") if query is not None else None
    need(query_id is not None and wanted is not None, "Sender", "TD0.5: queryId and parameterList are needed")
    assert wanted is not None
    name, birth = wanted.find(f"{HL7}livingSubjectName"), wanted.find(f"{HL7}livingSubjectBirthTime")
    need(name is not None and birth is not None, "Sender", "TD0.5: livingSubjectName and livingSubjectBirthTime")
    for criterion in wanted:
        if isinstance(criterion.tag, str) and criterion.find(f"{HL7}value") is not None:
            named = criterion.findtext(f"{HL7}semanticsText")
            need(named, "Sender", f"TD0.5: {etree.QName(criterion).localname} lacks semanticsText")
    found = [p for p in store.patients.values() if p.is_open and _is_asked(p, wanted)]
    subjects = "".join(
        '<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="active"/>'
        f'<subject1 typeCode="SBJ"><patient classCode="PAT"><id root="{TEST_INS_OID}" extension="{p.ins}"/>'
        f'<statusCode code="active"/>{_person(p, traits=True)}{_MATCH}</patient></subject1>{_CUSTODIAN}'
        "</registrationEvent></subject>"
        for p in found
    )
    content = (
        f'<controlActProcess classCode="CACT" moodCode="EVN">{subjects}<queryAck><queryId {_ids(query_id)}/>'
        f'<queryResponseCode code="{"OK" if found else "NF"}"/><resultTotalQuantity value="{len(found)}"/>'
        f'<resultCurrentQuantity value="{len(found)}"/><resultRemainingQuantity value="0"/></queryAck>'
        "</controlActProcess>"
    )
    return Reply(write=lambda *_: _wrapped(body, "PRPA_IN201306UV02", content, now), said=f"{len(found)} found")


def _is_asked(patient: StoredPatient, wanted: etree._Element) -> bool:
    """Family name (birth or usual), given name, sex and birth date, each only when it is given."""
    value = f"{HL7}value"
    families = _texts(wanted.findall(f"{HL7}livingSubjectName/{value}/{HL7}family"))
    givens = _texts(wanted.findall(f"{HL7}livingSubjectName/{value}/{HL7}given"))
    sexes = {e.get("code", "") for e in wanted.findall(f"{HL7}livingSubjectAdministrativeGender/{value}")}
    births = {e.get("value", "") for e in wanted.findall(f"{HL7}livingSubjectBirthTime/{value}")}
    return (
        (not families or bool(families & {patient.family.upper(), patient.usual_family.upper()}))
        and (not givens or patient.given.upper() in givens)
        and (not sexes or patient.sex in sexes)
        and (not births or patient.birth_date in births)
    )


def _texts(elements: list[etree._Element]) -> set[str]:
    return {text.upper() for e in elements if (text := (e.text or "").strip())}


def revise(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD1.3b (new administrative data) and TD1.4 (reasonCode `FERM`): PRPA_IN201314UV02.

    Any other reasonCode than `FERM` is taken for TD1.3b.
    """
    act = _check_message(body, "PRPA_IN201314UV02", "TD1.3")
    reason = act.find(f"{HL7}reasonCode")
    code = reason.get("code", "") if reason is not None else ""
    need(code, "Sender", "TD1.3: reasonCode is missing")
    subject = act.find(f"{HL7}subject/{HL7}registrationRequest/{HL7}subject1/{HL7}patient")
    need(subject is not None, "Sender", "TD1.3: registrationRequest/subject1/patient is missing")
    assert subject is not None
    ids = [(i.get("extension"), i.get("root")) for i in subject.findall(f"{HL7}id")]
    same = (caller.ins, caller.ins_oid) in ids
    need(same, "XDSPatientIdDoesNotMatch", "TD1.3: the patient is not that of the VIHF")
    patient = rights.check_open(store.patients.get(caller.ins))
    rights.check_not_ens(patient, "TD1.4" if code == _CLOSING else "TD1.3b")
    if code == _CLOSING:
        closing = [e.get("code", "") for e in body.iter(f"{HL7}*") if e.get("codeSystem") == _CLOSING_REASONS]
        need(any(closing), "Sender", f"TD1.4: a reason of {_CLOSING_REASONS} is needed")
        patient, said = replace(patient, is_open=False, closing_reason=closing[0]), "closed"
    else:
        person = subject.find(f"{HL7}patientPerson")
        need(person is not None, "Sender", "TD1.3b: patientPerson is missing")
        assert person is not None
        patient, said = _revised(patient, subject, person), "revised"
    store.put_patient(patient)
    store.commit()
    content = (
        f'<controlActProcess classCode="CACT" moodCode="EVN"><reasonCode code="{escape_attribute(code)}"'
        f' codeSystem="1.2.250.1.213.1.1.4.11"/>{_subject(patient, caller, traits=True)}</controlActProcess>'
    )
    return Reply(
        write=lambda *_: (
            '<r:PRPA_IN201314UV02_Response xmlns:r="asip:ci-sis:gdp:2010">'
            f"{_wrapped(body, 'PRPA_IN201315UV02', content, now)}</r:PRPA_IN201314UV02_Response>"
        ),
        said=said,
    )


def _revised(patient: StoredPatient, subject: etree._Element, person: etree._Element) -> StoredPatient:
    """Names, sex, birth date, telecoms, address and oppositions as they are given, others as they were. Which of them
    the DMP lets be changed is not public."""

    def text(path: str, held: str) -> str:
        return (person.findtext(path) or "").strip() or held

    def given(path: str, attribute: str, held: str) -> str:
        found = person.find(path)
        return (found.get(attribute) or held) if found is not None else held

    telecoms = [e.get("value", "") for holder in (subject, person) for e in holder.findall(f"{HL7}telecom")]
    address = next((a for holder in (person, subject) for a in holder.findall(f"{HL7}addr")), ())
    parts = ((etree.QName(e).localname, (e.text or "").strip()) for e in address if isinstance(e.tag, str))
    opposed: dict[str, bool] = {}
    for observation in subject.iter(f"{HL7}administrativeObservation"):
        code, value = observation.find(f"{HL7}code"), observation.find(f"{HL7}value")
        if code is not None and value is not None:
            opposed[code.get("code", "")] = value.get("value") == "true"
    return replace(
        patient,
        family=text(f"{HL7}name/{HL7}family[@qualifier='BR']", patient.family),
        usual_family=text(f"{HL7}name/{HL7}family[@qualifier='SP']", patient.usual_family),
        given=text(f"{HL7}name/{HL7}given", patient.given),
        sex=given(f"{HL7}administrativeGenderCode", "code", patient.sex),
        birth_date=given(f"{HL7}birthTime", "value", patient.birth_date),
        telecoms=tuple(t for t in telecoms if t),
        address=tuple((name, text) for name, text in parts if text and name in _ADDRESS_PARTS),
        break_glass=not opposed.get("OPPOSITION_BRIS_DE_GLACE", not patient.break_glass),
        emergency=not opposed.get("OPPOSITION_ACCES_URGENCE", not patient.emergency),
    )


_ADDRESS_PARTS: Final = frozenset({
    "streetAddressLine", "additionalLocator", "postalCode", "city", "country", "houseNumber", "streetName",
    "streetNameType", "unitID", "postBox", "precinct",
})  # fmt: skip
"""Parts of an AD of HL7v3 that an address in France is made of."""


# --- habilitations and patientsSpecific -------------------------------------------------------------------------------


def set_authorization(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD0.3. Asking again is DMPOk, with a text that says so."""
    need(body.tag == f"{_H}setAuthorization", "Sender", "unknown body")
    rights.check_mode(caller, "TD0.3")
    rights.check_purpose(caller, "TD0.3")
    fields = _fields(body, _H, ("action", "role"), "TD0.3")
    action, role = fields.get("action"), fields.get("role")
    need(action in ("AJOUT", "SUPPRESSION"), "Sender", "TD0.3: action is AJOUT or SUPPRESSION")
    need(role in (None, "MEDECIN_TRAITANT"), "Sender", "TD0.3: role is MEDECIN_TRAITANT or absent")
    need(role is None or caller.profession == "10", rights.DENIED, "TD0.3: the médecin traitant is a doctor")
    gives_up = caller.is_staff and action == "SUPPRESSION"
    need(not gives_up, rights.DENIED, "TD0.3: staff (CPE) does not give an authorisation up")
    patient = rights.check_open(store.patients.get(caller.ins))
    known = patient.authorization(caller.holder)
    blocked = known is not None and known.mode == "INTERDITE"
    need(not blocked, rights.DENIED, "TD0.3: this patient blocked the professional")
    if action == "AJOUT":
        attending = role is not None
        had = known is not None and (known.attending or not attending)
        text = "l'autorisation existait déjà" if had else "autorisation ajoutée"
        given = Authorization(
            holder=caller.holder,
            since=known.since if known else now,
            last_action=now,
            attending=attending or (known is not None and known.attending),
            specialty=caller.specialty,
        )
        store.put_patient(patient.with_authorization(given, caller.holder))
    else:
        text = "autorisation supprimée" if known else "il n'y avait pas d'autorisation"
        left = replace(known, attending=False, last_action=now) if known and role else None
        store.put_patient(patient.with_authorization(left, caller.holder))
    store.commit()
    return Reply(
        write=lambda *_: (
            f'<setAuthorizationResponse xmlns="{_HABILITATIONS}"><output><status>DMPOk</status>'
            f"<context>{text}</context></output></setAuthorizationResponse>"
        ),
        said="DMPOk",
    )


def list_authorizations(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD1.6: who is authorised (`ACTIVE`), blocked (`INTERDITE`), or both (`TOUTE`)."""
    need(body.tag == f"{_H}listAuthorizationByPatient", "Sender", "unknown body")
    rights.check_mode(caller, "TD1.6")
    rights.check_purpose(caller, "TD1.6")
    mode = _fields(body, _H, ("mode",), "TD1.6").get("mode")
    need(mode in ("ACTIVE", "INTERDITE", "TOUTE"), "Sender", "TD1.6: mode is ACTIVE, INTERDITE or TOUTE")
    patient = rights.check_open(store.patients.get(caller.ins))
    rows = [a for a in patient.authorizations if mode in ("TOUTE", a.mode)]
    text = "".join(
        "<listOfAuthorizationByPatient>"
        + _elements(
            nationalId=a.holder,
            nationalIdType=_id_type(a.holder),
            firstName=a.given,
            lastName=a.family,
            codeSpeciality=a.specialty[0],
            libSpeciality=a.specialty[1],
            startOfAuthorization=a.since,
            lastActionDate=a.last_action,
            mode=a.mode,
            specificRight="MEDECIN_TRAITANT" if a.attending else "",
        )
        + "</listOfAuthorizationByPatient>"
        for a in rows
    )
    return Reply(
        write=lambda *_: (
            f'<listAuthorizationByPatientResponse xmlns="{_HABILITATIONS}"><output>{text}'
            "<status>DMPOk</status></output></listAuthorizationByPatientResponse>"
        ),
        said=f"{len(rows)} found",
    )


def patient_list(store: DmpStore, body: etree._Element, caller: Caller, now: str) -> Reply:
    """TD0.4: patients whose DMP the caller may read, with news since a date."""
    need(body.tag == f"{_P}patientList", "Sender", "unknown body")
    rights.check_purpose(caller, "TD0.4")
    fields = _fields(body, _P, ("startDate", "dateType", "psOwnerId"), "TD0.4")
    since, kind = fields.get("startDate", ""), fields.get("dateType")
    need(re.fullmatch("[0-9]{14}", since, re.ASCII), "Sender", "TD0.4: startDate is YYYYMMDDHHMMSS")
    need(kind in ("LASTDOC", "LASTAUTORIZATION"), "Sender", "TD0.4: dateType is LASTDOC or LASTAUTORIZATION")
    limited = caller.is_establishment and kind == "LASTDOC"
    need(not limited, rights.DENIED, "TD0.4: an establishment lists new authorisations only")
    rows: list[str] = []
    for patient in store.patients.values():
        authorization = patient.authorization(caller.holder)
        if authorization is None or authorization.mode != "ACTIVE" or not patient.is_open:
            continue
        documents = (d for d in store.of_patient(patient.ins) if rights.may_see(d, caller, patient))
        added = max((d.registered_at for d in documents), default="")
        if (authorization.since if kind == "LASTAUTORIZATION" else added) >= since:
            rows.append(_listed_patient(patient, authorization, added))
    return Reply(
        write=lambda *_: (
            f'<patientListResponse xmlns="{_PATIENTS}"><output>{"".join(rows)}<status>DMPOk</status>'
            "</output></patientListResponse>"
        ),
        said=f"{len(rows)} found",
    )


def _listed_patient(patient: StoredPatient, authorization: Authorization, added: str) -> str:
    identifier = _elements(nationalId=patient.ins, nationalIdType=TEST_INS_OID)
    return (
        f"<patientlistData><patientIdentifier>{identifier}</patientIdentifier>"
        + _elements(
            lastName=patient.usual_family,
            patronymicalName=patient.family,
            firstName=patient.given,
            dateOfBirth=patient.birth_date,
            MT=str(authorization.attending).lower(),
            message="false",
            lastAccessDate=authorization.last_action,
            lastAddDate=added,
        )
        + "</patientlistData>"
    )


def _fields(body: etree._Element, namespace: str, names: tuple[str, ...], label: str) -> dict[str, str]:
    """Texts of the children, which are of this namespace, known, in this order, each once."""
    found: dict[str, str] = {}
    for child in body:
        name = etree.QName(child).localname if isinstance(child.tag, str) else ""
        need(child.tag == f"{namespace}{name}" and name in names, "Sender", f"{label}: unexpected {name or 'node'}")
        later = [names.index(n) for n in found if names.index(n) >= names.index(name)]
        need(not later, "Sender", f"{label}: {name} is given twice or out of order")
        found[name] = (child.text or "").strip()
    return found


def _elements(**values: str) -> str:
    """Elements in order, those without a value left out."""
    return "".join(f"<{name}>{escape_text(value)}</{name}>" for name, value in values.items() if value)


def _id_type(holder: str) -> str:
    """OID of professionals, who begin with 8 (RPPS) or 0 (ADELI), or of structures."""
    return "1.2.250.1.71.4.2.1" if holder[:1] in ("8", "0") else "1.2.250.1.71.4.2.2"


_CUSTODIAN: Final = (
    f'<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="{DMP_DEVICE}"/></assignedEntity>'
    "</custodian>"
)
_MATCH: Final = (
    '<subjectOf1 typeCode="SBJ"><queryMatchObservation classCode="OBS" moodCode="EVN"><code code="IHE_PDQ"/>'
    '<value xsi:type="INT" value="100"/></queryMatchObservation></subjectOf1>'
)
_CLOSING: Final = "FERM"
_CLOSING_REASONS: Final = "1.2.250.1.213.4.1.2.4"
_HABILITATIONS: Final = "urn:si-dmp-habilitations"
_PATIENTS: Final = "urn:si-dmp-patients"
_H, _P = f"{{{_HABILITATIONS}}}", f"{{{_PATIENTS}}}"
