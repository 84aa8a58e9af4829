"""The téléservice INSi by software certificate: find the INS of a person, qualify an identity."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID
from lxml import etree

from .._core.clock import Clock, SystemClock, sleep
from .._core.errors import ConfigurationError, InsError, InsiError, SoapFault, SunesError, TransportError
from .._core.findings import Report
from .._core.ids import IdFactory, RandomIds
from .._core.retry import RetryAdvice, RetryKind
from ..ins import (
    DocumentKind,
    Evidence,
    FoundIdentity,
    check_birth_name,
    check_callable,
    check_given_name,
    normalize_for_insi,
    qualify,
    split_given_names,
)
from ..ins.traits import UNKNOWN_PLACE
from ..model import Identity, Ins, InsOid, Patient, Sex
from ..security.keys import check_certificate_file, check_dates
from ..settings import Environment, Settings
from ..transport import HttpsTransport, Transport, soap
from ..transport.seam import HttpResponse
from .codec import (
    ACTION,
    VITALE_ACTION,
    Caller,
    Query,
    SearchCode,
    SearchResult,
    bad_answer,
    decode_search,
    encode_search,
    encode_vitale_search,
)
from .faults import fault_error, shown
from .pace import Pace
from .verification import Verification, decode_verification, encode_verification
from .vitale import VitaleCard

COMMON_NAMES: Final = frozenset({"INSI-AUTO", "INSI-MANU"})
ISSUER: Final = "AC IGC-SANTE ELEMENTAIRE ORGANISATIONS"
"""CN of the authority of production certificates; `TEST ` comes before it in the test environment."""
MAX_GIVEN_NAMES: Final = 10
"""Given names that are tried alone, one call each; all of them joined make one call more."""
MAX_ANSWER_BYTES: Final = 1_000_000
"""Far above an answer with a long history (about 10 changes since 2006, as reported)."""
_LOST_SECONDS: Final = 30.0
_MAX_WAIT_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InsiAnswer:
    """What INSi said about one person.

    outcome: FOUND one person, NOT_FOUND, AMBIGUOUS several; person: with FOUND, the traits byte for byte, the active
    INS and the former ones; request_id: MessageID of the deciding call; request_ids: of all calls, those that failed
    and were made again included; at: time of the deciding call (the date of the INSi query, ZFD-6); remarks: what is
    odd in the answer (`SearchResult.remarks`).
    """

    outcome: SearchCode
    person: FoundIdentity | None = field(default=None, repr=False)
    request_id: str
    request_ids: tuple[str, ...]
    at: datetime
    remarks: Report = field(default_factory=Report)

    @property
    def advice_fr(self) -> str:
        """What to tell the person at the admission desk."""
        return _ADVICE[self.outcome]


_ADVICE = {
    SearchCode.FOUND: "Comparez les traits renvoyés avec la pièce d'identité avant d'accepter l'INS.",
    SearchCode.NOT_FOUND: "Aucune identité trouvée : vérifiez le nom de naissance (et non le nom d'usage), la date, "
    "et les prénoms composés, avec ou sans tiret.",
    SearchCode.AMBIGUOUS: "Plusieurs identités trouvées : complétez les prénoms d'après la pièce d'identité, puis le "
    "lieu de naissance.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InsiExchange:
    """One call, for the journal. Nothing in it names a person.

    message_id: of our request, new in each call; operation: `rechercherInsAvecTraitsIdentite` …; outcome: CodeCR, or
    the code of the error that was raised; remote_code: code of the Fault, when it has the form of one.
    """

    message_id: str
    operation: str
    at: datetime
    outcome: str
    remote_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """One line of `search_many`: the identity asked about, and the answer or the error."""

    identity: Identity = field(repr=False)
    answer: InsiAnswer | None = None
    error: InsError | InsiError | None = None


class _Coded(Protocol):
    """A decoded answer. code: its `CodeCR`."""

    @property
    def code(self) -> str: ...


T = TypeVar("T", bound=_Coded)
T_co = TypeVar("T_co", bound=_Coded, covariant=True)


class _Encode(Protocol):
    def __call__(self, *, message_id: str, bam_id: str, lps_id: str, at: datetime) -> bytes: ...


class _Decode(Protocol[T_co]):
    def __call__(self, body: etree._Element, /, *, request_id: str) -> T_co: ...


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    result: T
    request_id: str
    at: datetime


class InsiClient:
    """A client of WS_INS1 and WS_INS2. Thread-safe. It only asks: nothing it sends changes anything at the service.

    The client certificate is checked here, before any connection: dates, TLS usage, CN exactly `INSI-AUTO` or
    `INSI-MANU`, issuer of the right environment; so is the address. Raises ConfigurationError (`SETTING_MISSING`,
    `INSI_CERTIFICATE_NAME`, `INSI_CERTIFICATE_OU`, `INSI_CERTIFICATE_ENVIRONMENT`, `INSI_URL_ENVIRONMENT`) and
    CertificateError (`CERTIFICATE_EXPIRED` …).

    wait: how to wait some seconds, for `calls_per_minute` and `attempts` of the settings; journal: is told of each call
    once it is over (its MessageID, never a trait), from the calling thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        ids: IdFactory | None = None,
        wait: Callable[[float], None] = sleep,
        journal: Callable[[InsiExchange], None] | None = None,
    ) -> None:
        self._settings = settings
        self._insi = settings.require_insi()
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._wait = wait
        self._journal = journal
        self._certificate = check_certificate_file(self._insi.tls.certificate, clock=self._clock)
        self._caller = Caller(
            emitter=_emitter(self._certificate, settings.environment), idam=self._insi.idam, software=settings.software
        )
        _check_url(self._insi.url, settings.environment)
        self._pace = Pace(self._insi.calls_per_minute, clock=self._clock, wait=wait)
        self._transport = transport or HttpsTransport(self._insi.tls, timeout_seconds=self._insi.timeout_seconds)

    def search(self, identity: Identity, *, given_names: Sequence[str] | None = None) -> InsiAnswer:
        """Find the INS of a person, as the CNDA expects it: each given name in order, then all of them; a `02` answer
        is asked again with the birth place when it is known. Stops at the first `00`, and at any fault.

        given_names: other given names of the document to try, instead of the identity's.
        Refused without any call: InsError `INS_CALL_FORBIDDEN` (doubtful, fictitious), `INS_SEX`, `INS_NAME_…`.
        Raises InsiError (`INSI_UNAVAILABLE`, `INSI_IDAM`, `INSI_ACCESS`, `INSI_SEX`, `INSI_FAULT`, `INSI_ANSWER`,
        `INSI_ANSWER_SIZE`, `INSI_CONTENT_TYPE`, `INSI_RESULT_CODE`), TransportError (may be retried: a search changes
        nothing), InsError `ENVIRONMENT_IDENTITY` when the INS found is not of this environment.
        """
        queries = _queries(identity, given_names)
        place = identity.traits.birth_place
        sent: list[str] = []
        undecided: _Asked[SearchResult] | None = None
        for query in queries:
            asked = self._search(query, sent)
            if asked.result.code is SearchCode.AMBIGUOUS and place != UNKNOWN_PLACE:
                undecided = undecided if _is_ambiguous(undecided) else asked
                asked = self._search(replace(query, birth_place=place), sent)
            if asked.result.person is not None:
                return self._answer(asked, sent)
            # Several people were found once: to say that there is nobody would be wrong.
            if not _is_ambiguous(undecided):
                undecided = asked
        assert undecided is not None  # there is at least one query
        return self._answer(undecided, sent)

    def search_by_vitale(self, identity: Identity, card: VitaleCard) -> InsiAnswer:
        """Find the INS of a person from what the Vitale card says (WS_INS1), in one call.

        identity: the local one, which must not be doubtful or fictitious. Whether the service takes this search from a
        software certificate, without the assertions that a card reader gives, is unverified.
        Raises what `search` raises, and InsError `ENVIRONMENT_IDENTITY` when the card is not of this environment.
        """
        check_callable(identity)
        for number in filter(None, (card.insured, card.own)):
            self._settings.check_identity(Ins(matricule=number, oid=InsOid.NIR))  # a card's number is never a test OID
        if card.birth_name:
            check = check_birth_name(card.birth_name, path="card.birth_name")
            if not check.ok:
                raise InsError.from_report(check)
        sent: list[str] = []
        encode = partial(encode_vitale_search, card, self._caller)
        return self._answer(self._ask(VITALE_ACTION, encode, decode_search, sent), sent)

    def search_many(self, identities: Iterable[Identity]) -> Iterator[Searched]:
        """Search for each person in turn, as the results are consumed: one identity in memory at a time.

        For the people of a day, not for a whole base (*référentiel INS*, as reported). What concerns one person is in
        `Searched.error`; what would refuse everybody is raised: TransportError, ConfigurationError, CertificateError,
        InsiError `INSI_IDAM`, `INSI_ACCESS`, and ConfigurationError `INSI_BATCH_LIMIT` once `batch_limit` people were
        asked about and there are more.
        """
        for number, identity in enumerate(identities):
            if number >= self._insi.batch_limit:
                raise ConfigurationError(
                    f"more than {self._insi.batch_limit} people in one batch", code="INSI_BATCH_LIMIT",
                    path="insi.batch_limit", rule="searches are made as patients come, not over a whole base",
                    hint="split the batch, or raise the limit after a look at your contract with the service",
                    hint_fr="Trop de personnes dans ce lot : divisez-le.",
                )  # fmt: skip
            try:
                line = Searched(identity=identity, answer=self.search(identity))
            except (InsError, InsiError) as error:
                if error.code in _ABOUT_THE_CALLER:
                    raise
                line = Searched(identity=identity, error=error)
            yield line

    def verify(self, identity: Identity) -> Verification:
        """EXPERIMENTAL, opt-in: ask whether the INS held still belongs with its traits (WS_INS3).

        The schema of that service is not public: see `settings.InsiVerification`, whose values come from the
        integration guide. Nothing of it was tried against the service. The identity is not changed: a refutation is for
        a human to look at, then `Identity.invalidated`.
        Raises ConfigurationError `SETTING_MISSING` without that opt-in; InsError `INS_NONE` for an identity without
        INS, `INS_CALL_FORBIDDEN`, `ENVIRONMENT_IDENTITY`; InsiError and TransportError as `search`.
        """
        schema = self._insi.verification
        if schema is None:
            raise ConfigurationError(
                "the unit verification is experimental and was not opted in to", code="SETTING_MISSING",
                path="insi.verification", rule="the schema of WS_INS3 is not public: none is made up",
                hint="copy the names and codes of the integration guide (SEL-MP-043) into settings.insi.verification",
                hint_fr="La vérification INSi n'est pas configurée.",
            )  # fmt: skip
        check_callable(identity)
        ins = identity.ins
        if ins is None:
            raise InsError(
                f"an identity {identity.status.value} holds no INS to verify", code="INS_NONE", path="identity.ins",
                rule="RNIV: RECUP and QUAL hold an INS", hint="search for it instead",
                hint_fr="Cette identité ne porte pas d'INS à vérifier : interrogez l'INSi.",
            )  # fmt: skip
        self._settings.check_identity(ins)
        encode = partial(encode_verification, ins, identity.traits, schema, self._caller)
        asked = self._ask(schema.action, encode, partial(decode_verification, schema), [])
        return Verification(
            confirmed=asked.result.confirmed, code=asked.result.code, request_id=asked.request_id, at=asked.at
        )

    def qualify(
        self,
        patient: Patient,
        *,
        evidence: Evidence | None,
        accepted_differences: Collection[str] = (),
        first_given_name: str | None = None,
        given_names: Sequence[str] | None = None,
        card: VitaleCard | None = None,
        accepted: Collection[DocumentKind] = frozenset(DocumentKind),
    ) -> tuple[Patient, InsiAnswer]:
        """Search, then record: the patient with the identity of INSi, and the answer to keep with it.

        evidence: the document that somebody saw; there is no default, None says that nobody saw one now (a provisional
        identity is then only `RECUP`). card: search by the Vitale card instead of the traits. The other arguments are
        those of `ins.qualify` and `search`.
        Raises what both raise, and InsiError `INSI_NOT_FOUND` or `INSI_AMBIGUOUS`.
        """
        if card is not None:
            answer = self.search_by_vitale(patient.identity, card)
        else:
            answer = self.search(patient.identity, given_names=given_names)
        if answer.person is None:
            raise InsiError(
                "INSi knows nobody with these traits" if answer.outcome is SearchCode.NOT_FOUND
                else "INSi knows several people with these traits",
                code=f"INSI_{answer.outcome.name}", remote_code=answer.outcome.value, request_id=answer.request_id,
                path="patient.identity.traits", rule="INSi CodeCR 00",
                hint="check the birth name, the given names and the birth place on the identity document",
                hint_fr=answer.advice_fr,
            )  # fmt: skip
        identity = qualify(
            patient.identity, answer.person, evidence=evidence, accepted_differences=accepted_differences,
            first_given_name=first_given_name, accepted=accepted,
        )  # fmt: skip
        return patient.model_copy(update={"identity": identity}), answer

    def _answer(self, asked: _Asked[SearchResult], sent: Sequence[str]) -> InsiAnswer:
        result = asked.result
        if result.person is not None:
            self._settings.check_identity(result.person.ins)
        return InsiAnswer(
            outcome=result.code, person=result.person, request_id=asked.request_id, request_ids=tuple(sent),
            at=asked.at, remarks=result.remarks,
        )  # fmt: skip

    def _search(self, query: Query, sent: list[str]) -> _Asked[SearchResult]:
        return self._ask(ACTION, partial(encode_search, query, self._caller), decode_search, sent)

    def _ask(self, action: str, encode: _Encode, decode: _Decode[T], sent: list[str]) -> _Asked[T]:
        """One question, asked again as often as the settings say while INSi is busy or out of reach: each time with
        fresh identifiers. A refusal is never asked again. sent: takes the MessageID of each call."""
        attempts_left = self._insi.attempts
        while True:
            attempts_left -= 1
            try:
                return self._call(action, encode, decode, sent)
            except (InsiError, TransportError) as error:
                if not attempts_left or error.retry.kind not in (RetryKind.SAFE, RetryKind.AFTER):
                    raise
                self._wait(error.retry.seconds or 0.0)

    def _call(self, action: str, encode: _Encode, decode: _Decode[T], sent: list[str]) -> _Asked[T]:
        self._pace.take()
        at = self._clock.now()
        check_dates(self._certificate, at, path=self._insi.tls.certificate.name)
        message_id = f"{self._insi.message_id_prefix}{self._ids.uuid()}"
        request = encode(message_id=message_id, bam_id=str(self._ids.uuid()), lps_id=str(self._ids.uuid()), at=at)
        sent.append(message_id)
        try:
            result = decode(self._exchange(action, request, message_id), request_id=message_id)
        except SunesError as error:
            remote = shown(error.remote_code) if isinstance(error, InsiError) else ""
            self._note(message_id, action, at, error.code, remote)
            raise
        self._note(message_id, action, at, result.code)
        return _Asked(result, message_id, at)

    def _exchange(self, action: str, request: bytes, message_id: str) -> etree._Element:
        """The element in the Body of the answer."""
        response: HttpResponse | None = None
        try:
            response = self._transport.post(self._insi.url, request, _headers(action))
            _check_response(response, message_id)
            answer = soap.read_answer(response)
        except SoapFault as fault:
            raise fault_error(fault, request_id=message_id) from None
        except TransportError as error:
            raise _lost_question(error, response) from None
        if soap.names_another(answer.relates_to, message_id):
            raise bad_answer("this is the answer to another request", "Header/RelatesTo", message_id)
        return answer.body

    def _note(self, message_id: str, action: str, at: datetime, outcome: str, remote_code: str = "") -> None:
        if self._journal is not None:
            self._journal(
                InsiExchange(
                    message_id=message_id, operation=action.rpartition(":")[2], at=at, outcome=outcome,
                    remote_code=remote_code,
                )
            )  # fmt: skip

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


_ABOUT_THE_CALLER: Final = frozenset({"INSI_IDAM", "INSI_ACCESS"})


def _is_ambiguous(asked: _Asked[SearchResult] | None) -> bool:
    return asked is not None and asked.result.code is SearchCode.AMBIGUOUS


def _headers(action: str) -> Mapping[str, str]:
    return {"Content-Type": soap.content_type(action), "Accept": "application/soap+xml"}


def _check_response(response: HttpResponse, message_id: str) -> None:
    """Size, and for a success the type: a page of a gateway is no answer. Error statuses are `soap.read_answer`'s."""
    if len(response.body) > MAX_ANSWER_BYTES:
        raise bad_answer(f"the answer is over {MAX_ANSWER_BYTES} bytes", "Body", message_id, code="INSI_ANSWER_SIZE")
    kind = response.content_type.partition(";")[0].strip().lower()
    if response.status < 300 and kind and "xml" not in kind and not kind.startswith("multipart/related"):
        raise bad_answer("the answer is not XML by its Content-Type", "Content-Type", message_id,
                         code="INSI_CONTENT_TYPE")  # fmt: skip


def _lost_question(error: TransportError, response: HttpResponse | None) -> TransportError:
    """The same failure, for a question: nothing was changed, so there is nothing to reconcile."""
    retry = error.retry
    if retry.kind is RetryKind.NEVER:
        hint, french = error.hint, error.hint_fr or "INSi refuse la connexion : prévenez le service informatique."
    else:
        hint, french = "a search changes nothing: ask again", "INSi ne répond pas : réessayez dans un instant."
    if retry.kind is RetryKind.RECONCILE_FIRST:
        retry = RetryAdvice.after(_asked_wait(response) or _LOST_SECONDS)
    return TransportError(
        error.message, sent=error.sent, code=error.code, path=error.path, rule=error.rule, hint=hint, hint_fr=french,
        retry=retry,
    )  # fmt: skip


def _asked_wait(response: HttpResponse | None) -> float | None:
    """The seconds of `Retry-After` (RFC 9110 §10.2.3; its form as a date is not read), an hour at most."""
    text = response.headers.get("retry-after", "").strip() if response is not None else ""
    return min(float(text), _MAX_WAIT_SECONDS) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _queries(identity: Identity, given_names: Sequence[str] | None) -> list[Query]:
    """The calls to make, in order. Raises InsError when INSi would refuse the traits."""
    check_callable(identity)
    traits = identity.traits
    if traits.sex is Sex.UNKNOWN:
        raise InsError(
            "INSi is asked with the sex M or F", code="INS_SEX", path="traits.sex", rule="INSi RECSANSVITALE, insi_24",
            hint="check the sex on the identity document",
            hint_fr="INSi n'accepte que les sexes M et F : vérifiez la pièce d'identité.",
        )  # fmt: skip
    names = split_given_names(traits.birth_given_names) if given_names is None else tuple(given_names)
    report = check_birth_name(traits.birth_name, path="traits.birth_name")
    for name in names or ("",):
        report += check_given_name(name, path="traits.birth_given_names")
    if not report.ok:
        raise InsError.from_report(Report(report.errors))
    folded = [normalize_for_insi(name) for name in names]
    alone = folded[:MAX_GIVEN_NAMES]
    birth_name = normalize_for_insi(traits.birth_name)
    return [
        Query(birth_name=birth_name, given_name=given, sex=traits.sex.value, birth_date=traits.birth_date)
        for given in ([*alone, " ".join(folded)] if len(folded) > 1 else alone)
    ]


def _check_url(url: str, environment: Environment) -> None:
    """Test requests never reach the production service, nor the reverse: hosts of the test service start with
    `qualif` (seen); those of production are in the same domain."""
    host = (urlsplit(url).hostname or "").lower()
    is_test = host.startswith("qualif")
    if is_test if environment is Environment.PRODUCTION else host.endswith(".ameli.fr") and not is_test:
        raise ConfigurationError(
            f"the address of the {'test' if is_test else 'production'} service cannot be used in {environment.value}",
            code="INSI_URL_ENVIRONMENT", path="insi.url", rule="test requests never reach production, nor the reverse",
            hint="give the address of this environment",
        )  # fmt: skip


def _emitter(certificate: x509.Certificate, environment: Environment) -> str:
    """`Emetteur`: the OU of the certificate. Its CN and issuer are checked on the way."""
    name = _attribute(certificate.subject, NameOID.COMMON_NAME)
    if name not in COMMON_NAMES:
        raise ConfigurationError(
            "the certificate's name is neither INSI-AUTO nor INSI-MANU", code="INSI_CERTIFICATE_NAME",
            path="insi.tls.certificate", rule="INSi: software certificate, CN INSI-AUTO or INSI-MANU",
            hint="order a certificate with this CN; the DMP's is another one",
            hint_fr="Le certificat n'est pas celui d'INSi (INSI-AUTO ou INSI-MANU).",
        )  # fmt: skip
    issuer = _attribute(certificate.issuer, NameOID.COMMON_NAME)
    wanted = ISSUER if environment is Environment.PRODUCTION else f"TEST {ISSUER}"
    if issuer != wanted:
        raise ConfigurationError(
            f"a certificate of this issuer cannot be used in {environment.value}",
            code="INSI_CERTIFICATE_ENVIRONMENT", path="insi.tls.certificate", rule=f"issuer {wanted}",
            hint="give the IGC-Santé certificate of this environment",
            hint_fr="Le certificat n'est pas celui de cet environnement.",
        )  # fmt: skip
    emitter = _attribute(certificate.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not emitter:
        raise ConfigurationError(
            "the certificate has no OU", code="INSI_CERTIFICATE_OU", path="insi.tls.certificate",
            rule="Emetteur is the OU of the certificate", hint="check that this is an IGC-Santé certificate",
        )  # fmt: skip
    return emitter


def _attribute(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[-1].value) if found else ""
