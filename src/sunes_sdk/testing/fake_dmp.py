"""A fake DMP over mutual TLS: every transaction that an establishment or a professional calls, checked server side.

It checks what the real server checks (`dmp_rules`), with the rights of each authentication mode (`dmp_rights`), answers
with the real codes where they are public, keeps what it accepts (`dmp_store`), and fails on demand.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from lxml import etree

from .._core.clock import Clock, SystemClock
from .._core.errors import SunesError
from .._core.hl7time import to_dtm_utc
from .._core.xml import parse
from ..model import Ins, Traits
from ..security.trust import TrustStore
from ..settings import DmpPaths, DmpSettings
from ..transport import mtom
from ..transport.soap import SOAP12, WSA
from . import dmp_admin as admin
from . import dmp_answers as answers
from . import dmp_repository as repository
from . import dmp_rules as rules
from . import dmp_update as life_cycle
from .dmp_answers import Reply
from .dmp_page import DmpPage, render
from .dmp_registry import GET_DOCUMENTS as GET_DOCUMENTS
from .dmp_registry import REPOSITORY_ID as REPOSITORY_ID
from .dmp_registry import Registry
from .dmp_rules import Caller, Refused, need
from .dmp_store import Authorization, DmpStore, StoredPatient
from .dmp_store import StoredDocument as StoredDocument
from .pki import STRUCTURE, Card, TestPki
from .samples import SOURCE_ID
from .server import Answer, FakeHttpServer, Request

_ENVELOPE, _HEADER, _BODY = (f"{{{SOAP12}}}{name}" for name in ("Envelope", "Header", "Body"))
ROOT = "/si-dmp-server/v2/services/"
REPOSITORY, REGISTRY, PATIENTS = f"{ROOT}repository", f"{ROOT}registry", f"{ROOT}patients"
DEVICE_OID = "1.2.250.1.213.9.4"
AUTHN_CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
SMARTCARD = "urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI"

CallName = Literal["ITI-41", "ITI-18", "ITI-43", "ITI-57", "TD0.2", "TD0.3", "TD0.4", "TD0.5", "TD1.3", "TD1.6"]
"""TD0.2 stands for TD1.3a too (the same message with another reason), TD1.3 for TD1.3b and TD1.4."""
Spoiled = Literal[
    "html", "wrong_type", "truncated", "huge", "slow", "http_500", "http_503", "empty", "multipart_fault", "plain_fault"
]
"""html: a page of a proxy; wrong_type: the right answer said to be text/plain; truncated: half of the body, complete
for HTTP; huge: blanks before the end of the envelope; slow: after `seconds`; multipart_fault, plain_fault: a Fault of
code `XDSRepositoryError` in that packaging."""


@dataclass(frozen=True, slots=True)
class _Call:
    service: str
    action: str
    answered: str
    """Action of the answer."""
    about_patient: bool = True


_HABILITATIONS = "urn:si-dmp-habilitations:HabilitationsEndPoint:"
_SPECIFIC = "urn:si-dmp-patients:PatientSpecificEndPoint:"
_CALLS: dict[CallName, _Call] = {
    "ITI-41": _Call("repository", "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b",
                    "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse"),
    "ITI-43": _Call("repository", "urn:ihe:iti:2007:RetrieveDocumentSet",
                    "urn:ihe:iti:2007:RetrieveDocumentSetResponse"),
    "ITI-18": _Call("registry", "urn:ihe:iti:2007:RegistryStoredQuery",
                    "urn:ihe:iti:2007:RegistryStoredQueryResponse"),
    "ITI-57": _Call("registry", "urn:ihe:iti:2010:UpdateDocumentSet", "urn:ihe:iti:2010:UpdateDocumentSet-Response"),
    "TD0.2": _Call("patients", "urn:hl7-org:v3:PRPA_IN201307UV02", "urn:hl7-org:v3:PRPA_IN201308UV02"),
    "TD1.3": _Call("patients", "urn:hl7-org:v3:PRPA_IN201314UV02", "urn:hl7-org:v3:PRPA_IN201314ResponseUV02"),
    "TD0.5": _Call("patientsPDQ", "urn:hl7-org:v3:PRPA_IN201305UV02", "urn:hl7-org:v3:PRPA_IN201306UV02",
                   about_patient=False),
    "TD0.3": _Call("habilitations", f"{_HABILITATIONS}setAuthorization", f"{_HABILITATIONS}setAuthorizationResponse"),
    "TD1.6": _Call("habilitations", f"{_HABILITATIONS}listAuthorizationByPatient",
                   f"{_HABILITATIONS}listAuthorizationByPatientResponse"),
    "TD0.4": _Call("patientsSpecific", f"{_SPECIFIC}patientList", f"{_SPECIFIC}patientListResponse",
                   about_patient=False),
}  # fmt: skip
_BY_SERVICE: dict[str, dict[str, CallName]] = {}
for _name, _call in _CALLS.items():
    _BY_SERVICE.setdefault(_call.service, {})[_call.action] = _name


def service_of(action: str) -> str:
    """The service (last step of the path) that takes a wsa:Action. Raises KeyError for an unknown one."""
    return {call.action: call.service for call in _CALLS.values()}[action]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """A request that reached the fake: service (`repository`, `registry`, `patients`…), call, MessageID, and what it
    was answered (`Success`, `active` …, or the code of the refusal with its text)."""

    service: str
    message_id: str
    answer: str
    text: str = ""
    call: str = ""


@dataclass(slots=True)
class _Planned:
    """What the test wants of the next `left` calls."""

    kind: str
    call: CallName
    left: int
    code: str = ""
    text: str = "planned by the test"
    as_fault: bool = False
    seconds: float = 0.0
    size: int = 0


class FakeDmp:
    """A DMP in a test: `with FakeDmp(pki) as dmp: dmp.open_dmp(ins); DmpClient(settings(dmp=dmp.settings()))`.

    structures: Struct_IdNat that the server knows, by default that of the certificates; acts_for: by the structure of a
    certificate, the others that it may name as Identifiant_Structure, beside itself (a legal entity and its geographic
    structures: that the two must fit is known from a vendor's support pages, how the DMP ties them is unverified);
    vihf_version: the one that it takes, as sources disagree (`dmp.vihf_version` of the settings); multipart: answers of
    the repository come as MTOM packages, Faults included, where the official answer to a feed is plain; inline:
    documents come back as base64 in the body rather than as attachments; keep_bytes: False for a long run, whose
    documents would not fit in memory (nothing can then be read back); store: a SQLite file in which what the fake holds
    survives it.

    A patient has no DMP until `open_dmp`, and nobody reads it before an authorisation (TD0.3, or `authorize`).
    Thread-safe. A request outside the services it knows, or a fault of its own, fails at `close`.
    """

    def __init__(
        self,
        pki: TestPki,
        *,
        structures: frozenset[str] = frozenset({STRUCTURE}),
        acts_for: Mapping[str, frozenset[str]] | None = None,
        vihf_version: str = "3.0",
        multipart: bool = False,
        inline: bool = False,
        keep_bytes: bool = True,
        store: Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._pki = pki
        self._multipart = multipart
        self._inline = inline
        self._keep_bytes = keep_bytes
        self._clock = clock or SystemClock()
        self._structures = structures
        self._acts_for = acts_for or {}
        self._vihf_version = vihf_version
        self._trusted = TrustStore(pki.ca_file)
        self._lock = threading.Lock()
        self._store = DmpStore(store)
        self._registry = Registry(self._store)
        self._seen: set[str] = set()
        self._planned: deque[_Planned] = deque()
        self._requests: list[LoggedRequest] = []
        self._serve: dict[CallName, Callable[[etree._Element, Mapping[str, bytes], Caller], Reply]] = {
            "ITI-41": self._provide,
            "ITI-43": self._retrieve,
            "ITI-18": self._search,
            "ITI-57": self._update,
            "TD0.2": self._administrative("TD0.2", admin.demographics),
            "TD1.3": self._administrative("TD1.3", admin.revise),
            "TD0.3": self._administrative("TD0.3", admin.set_authorization),
            "TD1.6": self._administrative("TD1.6", admin.list_authorizations),
            "TD0.4": self._administrative("TD0.4", admin.patient_list),
            "TD0.5": self._administrative("TD0.5", admin.search_patient),
        }
        self._page: DmpPage | None = None
        self._server = FakeHttpServer(pki, self._handle)

    # --- what a test looks at and sets ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def page_url(self) -> str:
        """A read-only page over patients, documents, versions and visibility, for a browser on this machine (plain
        HTTP, without certificate); served from the first time it is asked for."""
        with self._lock:
            if self._page is None:
                self._page = DmpPage(self._render)
            return self._page.url

    def _render(self) -> bytes:
        with self._lock:
            return render(self._store)

    @property
    def documents(self) -> list[StoredDocument]:
        """What was accepted, in order, replaced documents included, each in its last version; no signatures."""
        with self._lock:
            return list(self._store.current_documents())

    def versions(self, unique_id: str) -> list[StoredDocument]:
        """Every version of a document, the first before: a change of metadata makes one."""
        with self._lock:
            return [d for d in self._store.versions.values() if d.unique_id == unique_id]

    @property
    def requests(self) -> list[LoggedRequest]:
        with self._lock:
            return list(self._requests)

    def settings(
        self,
        pki: TestPki | None = None,
        *,
        mode: Literal["INDIRECTE", "INDIRECTE_RENFORCEE", "DIRECTE"] = "INDIRECTE",
        card: Card | None = None,
    ) -> DmpSettings:
        """Settings that reach this fake with the certificates of `pki` (its own by default), or with those of a card
        (`pki.card(…)`), which DIRECTE needs."""
        pki = pki or self._pki
        return DmpSettings(
            base_url=f"{self.url}{ROOT}",
            paths=DmpPaths(
                repository="repository",
                registry="registry",
                patients="patients",
                habilitations="habilitations",
                patients_pdq="patientsPDQ",
                patients_specific="patientsSpecific",
            ),
            tls=card.authentication.tls(pki.ca_file) if card else pki.tls,
            signing=(card.signature if card else pki.signing).signing(),
            source_id=SOURCE_ID,
            device_oid=DEVICE_OID,
            authn_context=SMARTCARD if mode == "DIRECTE" else AUTHN_CONTEXT,
            mode=mode,
            authn_declaration="APP_BROWSER_AUTH" if mode == "INDIRECTE_RENFORCEE" else None,
        )

    def open_dmp(
        self,
        ins: Ins,
        *,
        traits: Traits | None = None,
        usual_family: str = "",
        attached_to_ens: bool = True,
        break_glass: bool = True,
        emergency: bool = True,
    ) -> None:
        """This patient has an open DMP. traits: what TD0.5 and TD1.3a give back; break_glass, emergency: False when
        the patient opposes that access. Authorisations already given stay."""
        with self._lock:
            known = self._store.patients.get(ins.value)
            patient = StoredPatient(
                ins=ins.value,
                attached_to_ens=attached_to_ens,
                break_glass=break_glass,
                emergency=emergency,
                authorizations=known.authorizations if known else (),
            )
            if traits is not None:
                patient = replace(
                    patient,
                    family=traits.birth_name,
                    given=traits.first_given_name,
                    sex=traits.sex.value,
                    birth_date=traits.birth_date.replace("-", ""),
                )
            if usual_family:
                patient = replace(patient, usual_family=usual_family)
            self._put_patient(patient)

    def close_dmp(self, ins: Ins) -> None:
        """This patient's DMP was closed."""
        with self._lock:
            known = self._store.patients.get(ins.value) or StoredPatient(ins=ins.value)
            self._put_patient(replace(known, is_open=False))

    def patient(self, ins: Ins) -> StoredPatient | None:
        """What the fake holds of a patient, authorisations included."""
        with self._lock:
            return self._store.patients.get(ins.value)

    def authorize(
        self,
        ins: Ins,
        holder: str = STRUCTURE,
        *,
        attending: bool = False,
        family: str = "",
        given: str = "",
        specialty: tuple[str, str] = ("", ""),
    ) -> None:
        """The patient lets `holder` read: a Struct_IdNat, or the PS_IdNat of a professional with a card. attending:
        as *médecin traitant*. Raises KeyError when the patient has no DMP."""
        self._set_authorization(
            ins,
            Authorization(
                holder=holder,
                since=self._dtm(),
                last_action=self._dtm(),
                attending=attending,
                family=family,
                given=given,
                specialty=specialty,
            ),
        )

    def block(self, ins: Ins, holder: str = STRUCTURE) -> None:
        """The patient forbids `holder` to read. Raises KeyError when the patient has no DMP."""
        now = self._dtm()
        self._set_authorization(ins, Authorization(holder=holder, mode="INTERDITE", since=now, last_action=now))

    def _set_authorization(self, ins: Ins, given: Authorization) -> None:
        with self._lock:
            self._put_patient(self._store.patients[ins.value].with_authorization(given, given.holder))

    def _put_patient(self, patient: StoredPatient) -> None:
        self._store.put_patient(patient)
        self._store.commit()

    def clear(self) -> None:
        """Forget documents, requests and what was planned; patients stay."""
        with self._lock:
            self._store.clear_documents()
            self._registry.forget()
            self._requests.clear()
            self._planned.clear()

    def forget_patients(self) -> None:
        """No patient has a DMP any more."""
        with self._lock:
            self._store.clear_patients()

    # --- faults on demand -----------------------------------------------------------------------------------------

    def fail_next(
        self,
        code: str,
        *,
        times: int = 1,
        as_fault: bool | None = None,
        text: str = "",
        call: CallName = "ITI-41",
    ) -> None:
        """The next `times` valid calls are refused with this code: a RegistryResponse of status Failure, or a Fault
        (by default for codes that start with `DMP`, and always for calls that have no RegistryResponse)."""
        fault = code.startswith("DMP") if as_fault is None else as_fault
        self._plan(_Planned("fail", call, times, code, text or "planned by the test", fault))

    def warn_next(self, code: str, *, times: int = 1, call: CallName = "ITI-41") -> None:
        """The next accepted calls are answered Success with this warning."""
        self._plan(_Planned("warn", call, times, code))

    def partial_next(self, code: str, *, times: int = 1, call: CallName = "ITI-41") -> None:
        """The next accepted calls are answered PartialSuccess with this error."""
        self._plan(_Planned("partial", call, times, code))

    def spoil_next(
        self,
        how: Spoiled,
        *,
        times: int = 1,
        call: CallName = "ITI-41",
        seconds: float = 1.0,
        size: int = 70_000_000,
    ) -> None:
        """The next calls are handled, then answered in a way that a client must survive. size: bytes of a huge one."""
        self._plan(_Planned(how, call, times, "XDSRepositoryError", seconds=seconds, size=size))

    def _plan(self, planned: _Planned) -> None:
        with self._lock:
            self._planned.append(planned)

    def _next_planned(self, call: CallName, *kinds: str) -> _Planned | None:
        """Under the lock."""
        found = next((p for p in self._planned if p.call == call and p.kind in kinds), None)
        if found is not None:
            found.left -= 1
            if found.left <= 0:
                self._planned.remove(found)
        return found

    def cut_after_accept(self, *, times: int = 1, service: str = "repository") -> None:
        """The next requests to the service are handled, then the connection drops without an answer."""
        self._server.plan("cut_after", times=times, path=service)

    def cut_before_accept(self, *, times: int = 1, service: str = "repository") -> None:
        """The connection drops before the next requests to the service are handled."""
        self._server.plan("cut_before", times=times, path=service)

    def truncate_answer(self, *, times: int = 1, service: str = "repository") -> None:
        """Only half of the answer to the next requests arrives, then the connection drops."""
        self._server.plan("truncate", times=times, path=service)

    def slow(self, seconds: float, *, times: int = 1, service: str = "repository") -> None:
        """The next requests to the service are answered after `seconds`."""
        self._server.plan("slow", times=times, seconds=seconds, path=service)

    def cut_search(self, *, times: int = 1) -> None:
        """The connection drops at the next searches (DMP_3.1b)."""
        self.cut_before_accept(times=times, service="registry")

    def close(self) -> None:
        try:
            if self._page is not None:
                self._page.close()
            self._server.close()
        finally:
            with self._lock:
                self._store.close()

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
        service = request.path.removeprefix(ROOT)
        actions = _BY_SERVICE.get(service)
        if not request.path.startswith(ROOT) or actions is None:
            raise AssertionError(f"unexpected path {request.path}")
        message_id, name = "", next(iter(actions.values()))
        multipart = self._multipart and service == "repository"
        try:
            body, header, parts, packed = self._open(request, service)
            message_id, action = rules.check_addressing(header, tuple(actions))
            name = actions[action]
            multipart = multipart or name == "ITI-43"
            need(packed or name != "ITI-41", "Sender", "ITI-41 is MTOM", as_fault=True)
            caller = self._caller(request, header, message_id, name)
            reply = self._serve[name](body, parts, caller)
        except Refused as refusal:
            self._log(service, message_id, refusal.code, refusal.text, name)
            return self._spoiled(name, message_id, self._refused(name, refusal, message_id, multipart))
        self._log(service, message_id, reply.said, "", name)
        status, listed = self._outcome(name, reply)
        text = reply.write(status, listed)
        answer = self._answer(200, _CALLS[name].answered, message_id, text, multipart, reply.parts)
        return self._spoiled(name, message_id, answer)

    def _refused(self, name: CallName, refusal: Refused, message_id: str, multipart: bool) -> Answer:
        write = _FAILURES.get(name)
        if refusal.as_fault or write is None:
            return self._answer(500, f"{WSA}/soap/fault", message_id, answers.fault(refusal), multipart)
        listed = answers.errors([answers.error(refusal.code, refusal.text)])
        return self._answer(200, _CALLS[name].answered, message_id, write("Failure", listed), multipart)

    def _outcome(self, name: CallName, reply: Reply) -> tuple[str, str]:
        """Status and RegistryErrorList of an accepted call, with what the test planned."""
        with self._lock:
            warning, partial = self._next_planned(name, "warn"), self._next_planned(name, "partial")
        problems = list(reply.problems)
        if partial is not None:
            problems.append(answers.error(partial.code, partial.text))
        highest = "Error" if problems else "Warning"
        if warning is not None:
            problems.append(answers.error(warning.code, warning.text, "Warning"))
        return "PartialSuccess" if partial else reply.status, answers.errors(problems, highest)

    def _answer(
        self, status: int, action: str, message_id: str, body: str, multipart: bool, parts: tuple[mtom.Part, ...] = ()
    ) -> Answer:
        envelope = answers.envelope(action, message_id, body)
        if not multipart:
            return Answer(status, {"Content-Type": "application/soap+xml; charset=UTF-8"}, envelope)
        content_type, package = mtom.encode(envelope, parts, root_id="answer@fake")
        return Answer(status, {"Content-Type": content_type}, package)

    def _spoiled(self, name: CallName, message_id: str, answer: Answer) -> Answer:
        with self._lock:
            planned = self._next_planned(name, *_SPOIL)
        if planned is None:
            return answer
        refusal = Refused(planned.code, planned.text)
        match planned.kind:
            case "slow":
                time.sleep(planned.seconds)
                return answer
            case "plain_fault" | "multipart_fault":
                multipart = planned.kind == "multipart_fault"
                return self._answer(500, f"{WSA}/soap/fault", message_id, answers.fault(refusal), multipart)
            case "wrong_type":
                return Answer(answer.status, {"Content-Type": "text/plain"}, answer.body)
            case "truncated":
                return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
            case "huge":
                end = answer.body.rindex(b"</soap:Envelope>")
                body = b"".join((answer.body[:end], b" " * planned.size, answer.body[end:]))
                return Answer(answer.status, answer.headers, body)
            case "empty":
                return Answer(200, answer.headers, b"")
            case _:
                status = {"http_500": 500, "http_503": 503}.get(planned.kind, 200)
                return Answer(status, {"Content-Type": "text/html; charset=UTF-8"}, _PAGE)

    def _log(self, service: str, message_id: str, answer: str, text: str, call: CallName) -> None:
        with self._lock:
            self._requests.append(
                LoggedRequest(service=service, message_id=message_id, answer=answer, text=text, call=call)
            )

    def _open(
        self, request: Request, service: str
    ) -> tuple[etree._Element, etree._Element | None, Mapping[str, bytes], bool]:
        """Body element, Header and attachments of a SOAP 1.2 request framed as the service wants it, and whether it
        is an MTOM package."""
        content_type = request.headers.get("content-type", "")
        values = mtom.parameters(content_type)
        media_type = mtom.media_type(content_type)
        plain = media_type == "application/soap+xml"
        framed = (
            media_type == "multipart/related"
            and values.get("type") == "application/xop+xml"
            and values.get("start-info") == "application/soap+xml"
            and "start" in values
        )
        if service == "repository":
            text = "ITI-41 is MTOM: multipart/related, type, start and start-info; ITI-43 may be application/soap+xml"
            need(framed or plain, "Sender", text, as_fault=True)
        else:
            text = "the Content-Type must be application/soap+xml (SOAP 1.2)"
            need(plain or (framed and service == "registry"), "Sender", text, as_fault=True)
        try:
            message = mtom.decode(content_type, request.body)
            envelope = parse(message.root)
        except SunesError as e:
            raise Refused("Sender", f"the message cannot be read: {e.code}", as_fault=True) from None
        if framed:
            need(message.root_type == "application/xop+xml", "Sender", "the root part is not XOP", as_fault=True)
            first = request.body.find(b"Content-ID:")
            start = values["start"].strip("<>").encode()
            named = request.body[first : request.body.find(b"\r\n", first)]
            text = "the root part must start the multipart"
            need(named.endswith(b"<" + start + b">"), "Sender", text, as_fault=True)
        need(envelope.tag == _ENVELOPE, "VersionMismatch", "the envelope is not SOAP 1.2", as_fault=True)
        holder = envelope.find(_BODY)
        elements = [e for e in holder if isinstance(e.tag, str)] if holder is not None else []
        need(len(elements) == 1, "Sender", "the Body holds one element", as_fault=True)
        return elements[0], envelope.find(_HEADER), message.parts, framed

    def _caller(self, request: Request, header: etree._Element | None, message_id: str, name: CallName) -> Caller:
        assert header is not None  # check_addressing found its elements
        caller = rules.check_vihf(
            header,
            message_id=message_id,
            client=request.client,
            client_structure=rules.check_client(request.client),
            structures=self._structures,
            acts_for=self._acts_for,
            version=self._vihf_version,
            trusted=self._trusted,
            at=self._clock.now(),
            about_patient=_CALLS[name].about_patient,
        )
        with self._lock:
            for identifier in (message_id, caller.assertion_id):
                fresh = identifier not in self._seen
                need(fresh, "InvalidSecurity", "MessageID and Assertion/@ID are fresh at each attempt", as_fault=True)
                self._seen.add(identifier)
        return caller

    def _dtm(self) -> str:
        return to_dtm_utc(self._clock.now())

    # --- transactions ---------------------------------------------------------------------------------------------

    def _provide(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> Reply:
        now = self._clock.now()
        received, replaced = repository.read_provide(body, parts, caller, self._trusted, now)
        metadata = etree.tostring(body[0], encoding="utf-8") if self._keep_bytes else b""
        with self._lock:
            self._refuse_if_planned("ITI-41")
            repository.store_submission(
                self._store, received, replaced, caller, metadata, at=now, keep_bytes=self._keep_bytes
            )
        return Reply(write=answers.registry_response, said="Success")

    def _retrieve(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> Reply:
        with self._lock:
            reply = repository.retrieve(self._store, body, caller, inline=self._inline)
            self._refuse_if_planned("ITI-43")
        return reply

    def _search(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> Reply:
        with self._lock:
            reply = self._registry.answer(body, caller)
            self._refuse_if_planned("ITI-18")
        return reply

    def _update(self, body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> Reply:
        with self._lock:
            self._refuse_if_planned("ITI-57")
            return life_cycle.update(
                self._store, self._registry, body, caller, now=self._dtm(), keep_bytes=self._keep_bytes
            )

    def _administrative(
        self, call: CallName, serve: Callable[[DmpStore, etree._Element, Caller, str], Reply]
    ) -> Callable[[etree._Element, Mapping[str, bytes], Caller], Reply]:
        def handle(body: etree._Element, parts: Mapping[str, bytes], caller: Caller) -> Reply:
            with self._lock:
                self._refuse_if_planned(call)
                return serve(self._store, body, caller, self._dtm())

        return handle

    def _refuse_if_planned(self, call: CallName) -> None:
        planned = self._next_planned(call, "fail")
        if planned is not None:
            raise Refused(planned.code, planned.text, as_fault=planned.as_fault)


_SPOIL: tuple[Spoiled, ...] = (
    "html", "wrong_type", "truncated", "huge", "slow", "http_500", "http_503", "empty", "multipart_fault", "plain_fault"
)  # fmt: skip
_PAGE = b"<!DOCTYPE html><html><head><title>Proxy</title></head><body><h1>Service unavailable</h1></body></html>"
_FAILURES: dict[CallName, Callable[[str, str], str]] = {
    "ITI-41": answers.registry_response,
    "ITI-57": answers.registry_response,
    "ITI-18": answers.query_response,
    "ITI-43": answers.retrieve_response,
}
"""Calls whose refusals are a RegistryResponse of status Failure, unless they are a Fault."""
