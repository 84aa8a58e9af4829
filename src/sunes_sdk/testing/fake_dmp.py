"""A fake DMP over mutual TLS: TD0.2, TD2.1 (ITI-41) and DMP_3.1b (ITI-18 by uniqueId), as an establishment calls them.

It checks what the real server checks (`dmp_rules`), answers with the real codes where they are public, keeps what it
accepts, and fails on demand.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Literal, Self

from lxml import etree

from .._core.clock import Clock, SystemClock
from .._core.errors import SunesError
from .._core.xml import escape_attribute, escape_text, parse
from ..model import Ins
from ..security.keys import load_certificates
from ..settings import DmpPaths, DmpSettings
from ..transport import mtom
from ..transport.soap import SOAP12, WSA, binary
from . import dmp_rules as rules
from .dmp_rules import Caller, Received, Refused, need
from .pki import STRUCTURE, TestPki
from .samples import SOURCE_ID
from .server import Answer, FakeHttpServer, Request

ROOT = "/si-dmp-server/v2/services/"
REPOSITORY, REGISTRY, PATIENTS = f"{ROOT}repository", f"{ROOT}registry", f"{ROOT}patients"
DEVICE_OID = "1.2.250.1.213.9.4"
DMP_DEVICE = "1.2.250.1.213.4.1.1.1"
AUTHN_CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
GET_DOCUMENTS = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
_STORED_QUERIES = frozenset({GET_DOCUMENTS})
_RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
_QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
_RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
_STATUS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
_SEVERITY = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:"
_PROVIDE = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
_STORED_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
_EXISTENCE = "urn:hl7-org:v3:PRPA_IN201307UV02"


_Serve = Callable[[etree._Element, Mapping[str, bytes], Caller], tuple[str, str]]
"""Body, attachments and caller to the body of the answer and a word for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A document that the fake accepted. status: `Approved`, or `Deprecated` once replaced."""

    unique_id: str
    entry_uuid: str
    type_code: str
    class_code: str
    format_code: str
    title: str
    submission_set_id: str
    ins: str = field(repr=False)
    content: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    metadata: bytes = field(repr=False)
    """The SubmitObjectsRequest as received."""
    status: Literal["Approved", "Deprecated"] = "Approved"
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that reached the fake: service (`repository`, `registry`, `patients`), MessageID, and what it was
    answered (`Success`, `active` …, or the code of the refusal with its text)."""

    service: str
    message_id: str
    answer: str
    text: str = ""


@dataclass(slots=True)
class _PlannedFailure:
    code: str
    left: int
    as_fault: bool
    text: str


class FakeDmp:
    """A DMP in a test: `with FakeDmp(pki) as dmp: dmp.open_dmp(ins); DmpClient(settings(dmp=dmp.settings()))`.

    structures: Struct_IdNat that the server knows, by default that of the certificates; multipart: answers of the
    repository come as MTOM packages, Faults included, where the official answer is plain; keep_bytes: False for a
    long run, whose documents would not fit in memory. A patient has no DMP until `open_dmp`. Thread-safe. A request
    outside the services it knows, or a fault of its own, fails at `close`.
    """

    def __init__(
        self,
        pki: TestPki,
        *,
        structures: frozenset[str] = frozenset({STRUCTURE}),
        multipart: bool = False,
        keep_bytes: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self._pki = pki
        self._multipart = multipart
        self._keep_bytes = keep_bytes
        self._clock = clock or SystemClock()
        self._structures = structures
        self._trusted = load_certificates(pki.ca_file)
        self._lock = threading.Lock()
        self._patients: dict[str, bool] = {}
        self._documents: dict[str, StoredDocument] = {}
        self._used_ids: set[str] = set()
        self._seen: set[str] = set()
        self._failures: deque[_PlannedFailure] = deque()
        self._requests: list[LoggedRequest] = []
        self._warnings: deque[str] = deque()
        self._server = FakeHttpServer(pki, self._handle)

    # --- what a test looks at and sets ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def documents(self) -> list[StoredDocument]:
        """What was accepted, in order, replaced versions included."""
        with self._lock:
            return list(self._documents.values())

    @property
    def requests(self) -> list[LoggedRequest]:
        with self._lock:
            return list(self._requests)

    def settings(self, pki: TestPki | None = None) -> DmpSettings:
        """Settings that reach this fake with the certificates of `pki` (its own by default)."""
        pki = pki or self._pki
        return DmpSettings(
            base_url=f"{self.url}{ROOT}",
            paths=DmpPaths(repository="repository", registry="registry", patients="patients"),
            tls=pki.tls,
            signing=pki.signing.signing(),
            source_id=SOURCE_ID,
            device_oid=DEVICE_OID,
            authn_context=AUTHN_CONTEXT,
        )

    def open_dmp(self, ins: Ins) -> None:
        """This patient has an open DMP."""
        with self._lock:
            self._patients[ins.value] = True

    def close_dmp(self, ins: Ins) -> None:
        """This patient's DMP was closed."""
        with self._lock:
            self._patients[ins.value] = False

    def clear(self) -> None:
        """Forget documents, requests and what was planned; patients stay."""
        with self._lock:
            self._documents.clear()
            self._used_ids.clear()
            self._requests.clear()
            self._failures.clear()
            self._warnings.clear()

    def fail_next(self, code: str, *, times: int = 1, as_fault: bool | None = None, text: str = "") -> None:
        """The next `times` valid submissions are refused with this code: a RegistryResponse of status Failure, or a
        Fault (by default for codes that start with `DMP`)."""
        fault = code.startswith("DMP") if as_fault is None else as_fault
        with self._lock:
            self._failures.append(_PlannedFailure(code, times, fault, text or "planned by the test"))

    def warn_next(self, code: str) -> None:
        """The next accepted submission is answered Success with this warning."""
        with self._lock:
            self._warnings.append(code)

    def cut_after_accept(self, *, times: int = 1) -> None:
        """The next submissions are handled, then the connection drops without an answer."""
        self._server.plan("cut_after", times=times, path="repository")

    def cut_before_accept(self, *, times: int = 1) -> None:
        """The connection drops before the next submissions are handled."""
        self._server.plan("cut_before", times=times, path="repository")

    def truncate_answer(self, *, times: int = 1) -> None:
        """Only half of the answer to the next submissions arrives."""
        self._server.plan("truncate", times=times, path="repository")

    def slow(self, seconds: float, *, times: int = 1) -> None:
        """The next submissions are answered after `seconds`."""
        self._server.plan("slow", times=times, seconds=seconds, path="repository")

    def cut_search(self, *, times: int = 1) -> None:
        """The connection drops at the next searches (DMP_3.1b)."""
        self._server.plan("cut_before", times=times, path="registry")

    def close(self) -> None:
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self._server.failures.clear()  # the test already fails for its own reason
            self.close()

    # --- the server -----------------------------------------------------------------------------------------------

    def _handle(self, request: Request) -> Answer:
        services: dict[str, tuple[str, str, _Serve]] = {
            REPOSITORY: ("repository", _PROVIDE, self._provide),
            REGISTRY: ("registry", _STORED_QUERY, self._search),
            PATIENTS: ("patients", _EXISTENCE, self._existence),
        }
        if request.path not in services:
            raise AssertionError(f"unexpected path {request.path}")
        service, action, serve = services[request.path]
        message_id = ""
        try:
            body, header, parts = self._open(request, service)
            message_id = rules.check_addressing(header, action)
            caller = self._caller(request, header, message_id)
            answer, said = serve(body, parts, caller)
        except Refused as refusal:
            self._log(service, message_id, refusal.code, refusal.text)
            if refusal.as_fault or service == "patients":
                return self._answer(service, 500, f"{WSA}/soap/fault", message_id, _fault(refusal))
            failure = _registry_answer("Failure", _error(refusal.code, refusal.text, "Error"), service == "registry")
            return self._answer(service, 200, f"{action}Response", message_id, failure)
        self._log(service, message_id, said, "")
        answered = "urn:hl7-org:v3:PRPA_IN201308UV02" if service == "patients" else f"{action}Response"
        return self._answer(service, 200, answered, message_id, answer)

    def _answer(self, service: str, status: int, action: str, message_id: str, body: str) -> Answer:
        envelope = _envelope(action, message_id, body)
        if not (self._multipart and service == "repository"):
            return Answer(status, {"Content-Type": "application/soap+xml; charset=UTF-8"}, envelope)
        content_type, package = mtom.encode(envelope, (), root_id="answer@fake")
        return Answer(status, {"Content-Type": content_type}, package)

    def _log(self, service: str, message_id: str, answer: str, text: str) -> None:
        with self._lock:
            self._requests.append(LoggedRequest(service=service, message_id=message_id, answer=answer, text=text))

    def _open(
        self, request: Request, service: str
    ) -> tuple[etree._Element, etree._Element | None, Mapping[str, bytes]]:
        """Body element, Header and attachments of a SOAP 1.2 request framed as the service wants it."""
        content_type = request.headers.get("content-type", "")
        values = mtom.parameters(content_type)
        if service == "repository":
            framed = (
                mtom.is_multipart(content_type)
                and values.get("type") == "application/xop+xml"
                and values.get("start-info") == "application/soap+xml"
                and "start" in values
            )
            need(framed, "Sender", "ITI-41 is MTOM: multipart/related, type, start and start-info", as_fault=True)
        else:
            plain = mtom.media_type(content_type) == "application/soap+xml"
            need(plain, "Sender", "the Content-Type must be application/soap+xml (SOAP 1.2)", as_fault=True)
        try:
            message = mtom.decode(content_type, request.body)
            envelope = parse(message.root)
        except SunesError as e:
            raise Refused("Sender", f"the message cannot be read: {e.code}", as_fault=True) from None
        if service == "repository":
            need(message.root_type == "application/xop+xml", "Sender", "the root part is not XOP", as_fault=True)
            first = request.body.find(b"Content-ID:")
            start = values["start"].strip("<>").encode()
            need(request.body[first:].split(b"\r\n", 1)[0].endswith(b"<" + start + b">"), "Sender",
                 "the root part must start the multipart", as_fault=True)  # fmt: skip
        need(envelope.tag == f"{{{SOAP12}}}Envelope", "VersionMismatch", "the envelope is not SOAP 1.2", as_fault=True)
        holder = envelope.find(f"{{{SOAP12}}}Body")
        elements = [e for e in holder if isinstance(e.tag, str)] if holder is not None else []
        need(len(elements) == 1, "Sender", "the Body holds one element", as_fault=True)
        return elements[0], envelope.find(f"{{{SOAP12}}}Header"), message.parts

    def _caller(self, request: Request, header: etree._Element | None, message_id: str) -> Caller:
        assert header is not None  # check_addressing found its elements
        caller = rules.check_vihf(
            header,
            message_id=message_id,
            client_structure=rules.check_client(request.client),
            structures=self._structures,
            trusted=self._trusted,
            at=self._clock.now(),
        )
        with self._lock:
            for identifier in (message_id, caller.assertion_id):
                fresh = identifier not in self._seen
                need(fresh, "InvalidSecurity", "MessageID and Assertion/@ID are fresh at each attempt", as_fault=True)
                self._seen.add(identifier)
        return caller

    # --- ITI-41 ---------------------------------------------------------------------------------------------------

    def _provide(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> tuple[str, str]:
        need(body.tag == f"{rules.XDSB}ProvideAndRegisterDocumentSetRequest", "Sender", "unknown body", as_fault=True)
        received = rules.read_submission(body, _contents(body, parts))
        rules.check_submission(received, caller)
        roots = {e.id: rules.parse_document(e, received.contents[e.id]) for e in received.documents}
        replaced = {e.id: rules.check_cda(e, roots[e.id], caller) for e in received.documents}
        rules.check_signature(received, roots, self._trusted, self._clock.now())
        metadata = etree.tostring(body[0])
        with self._lock:
            self._refuse_if_planned()
            self._check_patient(caller.ins)
            self._check_new(received)
            self._store(received, caller, replaced, metadata)
            warning = self._warnings.popleft() if self._warnings else ""
        errors = _error(warning, "planned by the test", "Warning") if warning else ""
        return _registry_answer("Success", errors, query=False), "Success"

    def _refuse_if_planned(self) -> None:
        if not self._failures:
            return
        planned = self._failures[0]
        planned.left -= 1
        if planned.left <= 0:
            self._failures.popleft()
        raise Refused(planned.code, planned.text, as_fault=planned.as_fault)

    def _check_patient(self, ins: str) -> None:
        if ins not in self._patients:
            raise Refused("XDSUnknownPatientId", "this patient has no DMP")
        if not self._patients[ins]:
            raise Refused("DMPClosed", "the DMP of this patient is closed", as_fault=True)

    def _check_new(self, received: Received) -> None:
        for o in (received.submission_set, *received.entries):
            if o.identifiers["uniqueId"] in self._used_ids:
                raise Refused("XDSDuplicateUniqueIdInRegistry", f"the uniqueId of {o.id} is already registered")

    def _store(self, received: Received, caller: Caller, replaced: Mapping[str, str], metadata: bytes) -> None:
        links = {source: target for kind, source, target in received.associations if kind == rules.RPLC}
        by_uuid = {d.entry_uuid: d for d in self._documents.values()} if links else {}
        for entry in received.documents:
            self._check_replacement(links.get(entry.id, ""), replaced[entry.id], caller, by_uuid)
        (signature,) = (e for e in received.entries if e.is_signature)
        for entry in received.documents:
            old = by_uuid.get(links.get(entry.id, ""))
            if old is not None:
                self._documents[old.unique_id] = replace(old, status="Deprecated")
            self._documents[entry.identifiers["uniqueId"]] = StoredDocument(
                unique_id=entry.identifiers["uniqueId"],
                entry_uuid=f"urn:uuid:{uuid.uuid4()}",
                type_code=entry.code("typeCode").code,
                class_code=entry.code("classCode").code,
                format_code=entry.code("formatCode").code,
                title=entry.title,
                submission_set_id=received.submission_set.identifiers["uniqueId"],
                ins=caller.ins,
                content=received.contents[entry.id] if self._keep_bytes else b"",
                signature=received.contents[signature.id] if self._keep_bytes else b"",
                metadata=metadata if self._keep_bytes else b"",
                replaces=old.unique_id if old else None,
            )
        self._used_ids.update(o.identifiers["uniqueId"] for o in (received.submission_set, *received.entries))

    def _check_replacement(
        self, target: str, parent: str, caller: Caller, by_uuid: Mapping[str, StoredDocument]
    ) -> None:
        """RPLC goes to the entryUUID of the current version, which the CDA names by its uniqueId."""
        if not target:
            if parent in self._documents:
                raise rules.bad("the CDA replaces a document of this DMP, the RPLC association is missing")
            return
        old = by_uuid.get(target)
        if old is None or old.ins != caller.ins:
            raise Refused("XDSReplaceFailed", "the target of RPLC is no entryUUID of this patient's DMP")
        if old.status != "Approved":
            raise Refused("XDSRegistryDeprecatedDocumentError", "the document to replace was already replaced")
        if parent != old.unique_id:
            raise rules.bad("relatedDocument of the CDA does not name the document that RPLC replaces")

    # --- ITI-18 ---------------------------------------------------------------------------------------------------

    def _search(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> tuple[str, str]:
        need(body.tag == f"{rules.QUERY}AdhocQueryRequest", "Sender", "unknown body", as_fault=True)
        option, query = body.find(f"{rules.QUERY}ResponseOption"), body.find(f"{rules.RIM}AdhocQuery")
        if option is None or query is None:
            raise Refused("XDSRegistryError", "ResponseOption and AdhocQuery are needed")
        if query.get("id") not in _STORED_QUERIES:
            raise Refused("XDSUnknownStoredQuery", "an establishment has GetDocuments only")
        if option.get("returnType") != "ObjectRef":
            raise Refused("DMPAccessDeniedByRightsService", "INDIRECTE: returnType must be ObjectRef")
        values = [
            v.text or ""
            for slot in query.findall(f"{rules.RIM}Slot")
            if slot.get("name") == "$XDSDocumentEntryUniqueId"
            for v in slot.iter(f"{rules.RIM}Value")
        ]
        if not values:
            raise Refused("XDSStoredQueryMissingParam", "$XDSDocumentEntryUniqueId is missing")
        wanted = [unique_id for value in values for unique_id in _listed(value)]
        with self._lock:
            found = [d for d in map(self._documents.get, wanted) if d is not None and d.ins == caller.ins]
        refs = "".join(f'<rim:ObjectRef id="{d.entry_uuid}"/>' for d in found)
        return _registry_answer("Success", "", query=True, refs=refs, count=len(found)), f"{len(found)} found"

    # --- TD0.2 ----------------------------------------------------------------------------------------------------

    def _existence(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> tuple[str, str]:
        h = rules.HL7
        need(body.tag == f"{h}PRPA_IN201307UV02" and body.get("ITSVersion") == "XML_1.0", "Sender", "unknown body")
        expected = {
            "interactionId": ("extension", "PRPA_IN201307UV02"),
            "processingModeCode": ("code", "T"),
            "acceptAckCode": ("code", "AL"),
        }
        for name, (attribute, wanted) in expected.items():
            found = body.find(f"{h}{name}")
            need(found is not None and found.get(attribute) == wanted, "Sender", f"TD0.2: {name} must be {wanted}")
        processing = body.find(f"{h}processingCode")
        need(processing is not None and processing.get("code") == "D", "Sender", "TD0.2: processingCode of a test is D")
        receiver = body.find(f"{h}receiver/{h}device/{h}id")
        need(receiver is not None and receiver.get("root") == DMP_DEVICE, "Sender", "TD0.2: the receiver is the DMP")
        sender, message = body.find(f"{h}sender/{h}device/{h}id"), body.find(f"{h}id")
        need(sender is not None and message is not None and message.get("extension"), "Sender", "TD0.2: id and sender")
        act = body.find(f"{h}controlActProcess")
        reason = act.find(f"{h}reasonCode") if act is not None else None
        need(reason is not None and reason.get("code") == "TEST_EXST", "Sender", "TD0.2: reasonCode is TEST_EXST")
        query = act.find(f"{h}queryByParameter") if act is not None else None
        value = query.find(f"{h}parameterList/{h}patientIdentifier/{h}value") if query is not None else None
        query_id = query.find(f"{h}queryId") if query is not None else None
        need(value is not None and query_id is not None, "Sender", "TD0.2: queryId and patientIdentifier are needed")
        assert value is not None
        assert query_id is not None
        assert message is not None
        same = (value.get("extension"), value.get("root")) == (caller.ins, caller.ins_oid)
        need(same, "XDSPatientIdDoesNotMatch", "TD0.2: the patient is not that of the VIHF")
        with self._lock:
            state = self._patients.get(caller.ins)
        return _existence_answer(message, query_id, caller, state), {None: "NF", True: "active"}.get(
            state, "terminated"
        )


def _contents(body: etree._Element, parts: Mapping[str, bytes]) -> dict[str, bytes]:
    """Bytes of each Document by its id; every attachment must be used."""
    contents: dict[str, bytes] = {}
    for document in body.findall(f"{rules.XDSB}Document"):
        identifier = document.get("id", "")
        if identifier in contents:
            raise rules.bad(f"two Document elements have the id {identifier}")
        try:
            contents[identifier] = binary(document, parts)
        except SunesError as e:
            raise Refused("XDSMissingDocument", f"{identifier}: {e.message}") from None
    if len(parts) > len(contents):
        raise Refused("XDSMissingDocumentMetadata", "an attachment is not included by any Document")
    return contents


def _listed(value: str) -> list[str]:
    """`('a','b')` → a, b. A list is needed: the parameter has several values."""
    text = value.strip()
    if not (text.startswith("('") and text.endswith("')")):
        raise Refused("XDSStoredQueryParamNumber", "$XDSDocumentEntryUniqueId is a list: ('…')")
    return [part.replace("''", "'") for part in text[2:-2].split("','")]


def _error(code: str, text: str, severity: str) -> str:
    return (
        f'<rs:RegistryErrorList highestSeverity="{_SEVERITY}{severity}"><rs:RegistryError'
        f' errorCode="{escape_attribute(code)}" codeContext="{escape_attribute(text)}"'
        f' severity="{_SEVERITY}{severity}" location=""/></rs:RegistryErrorList>'
    )


def _registry_answer(status: str, errors: str, query: bool, refs: str = "", count: int = 0) -> str:
    if not query:
        return f'<rs:RegistryResponse xmlns:rs="{_RS}" status="{_STATUS}{status}">{errors}</rs:RegistryResponse>'
    return (
        f'<q:AdhocQueryResponse xmlns:q="{_QUERY}" xmlns:rs="{_RS}" xmlns:rim="{_RIM}" status="{_STATUS}{status}"'
        f' startIndex="0" totalResultCount="{count}">{errors}<rim:RegistryObjectList>{refs}</rim:RegistryObjectList>'
        "</q:AdhocQueryResponse>"
    )


def _existence_answer(message: etree._Element, query: etree._Element, caller: Caller, state: bool | None) -> str:
    def ids(element: etree._Element) -> str:
        return (
            f'root="{escape_attribute(element.get("root", ""))}"'
            f' extension="{escape_attribute(element.get("extension", ""))}"'
        )

    patient = (
        '<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="completed"/>'
        f'<subject1 typeCode="SBJ"><patient classCode="PAT"><id extension="{caller.ins}" root="{caller.ins_oid}"/>'
        f'<statusCode code="{"active" if state else "terminated"}"/><subjectOf typeCode="SBJ">'
        '<administrativeObservation classCode="OBS" moodCode="EVN"><code code="RATTACHEMENT_ENS"'
        ' codeSystem="1.2.250.1.213.4.1.2.3"/><value xsi:type="BL" value="true"/></administrativeObservation>'
        "</subjectOf></patient></subject1></registrationEvent></subject>"
    )
    attention = (
        '<attentionLine><keyWordText code="AUTORISATION" codeSystem="1.2.250.1.213.4.1.2.6.1"/>'
        '<value xsi:type="CV" code="VALIDE" codeSystem="1.2.250.1.213.4.1.2.6.2"/></attentionLine>'
    )
    known = state is not None
    return (
        '<PRPA_IN201308UV02 xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        f' ITSVersion="XML_1.0"><id root="{uuid.uuid4()}"/>{attention if known else ""}'
        f'<acknowledgement typeCode="AA"><targetMessage><id {ids(message)}/></targetMessage></acknowledgement>'
        f'<controlActProcess classCode="CACT" moodCode="EVN">{patient if known else ""}<queryAck>'
        f'<queryId {ids(query)}/><queryResponseCode code="{"OK" if known else "NF"}"/></queryAck>'
        "</controlActProcess></PRPA_IN201308UV02>"
    )


def _envelope(action: str, message_id: str, body: str) -> bytes:
    relates = f"<wsa:RelatesTo>{escape_text(message_id)}</wsa:RelatesTo>" if message_id else ""
    return (
        f'<soap:Envelope xmlns:soap="{SOAP12}" xmlns:wsa="{WSA}"><soap:Header><wsa:Action>{action}</wsa:Action>'
        f"<wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID><wsa:To>{WSA}/anonymous</wsa:To>{relates}"
        f"</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"
    ).encode()


def _fault(refusal: Refused) -> str:
    return (
        "<soap:Fault><soap:Code><soap:Value>soap:Sender</soap:Value><soap:Subcode>"
        f"<soap:Value>soap:{refusal.code}</soap:Value></soap:Subcode></soap:Code><soap:Reason>"
        f'<soap:Text xml:lang="fr">{escape_text(refusal.text)}</soap:Text></soap:Reason></soap:Fault>'
    )
