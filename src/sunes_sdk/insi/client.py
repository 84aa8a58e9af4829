"""The téléservice INSi by software certificate: find the INS of a person from the traits, and qualify an identity."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.x509.oid import NameOID

from .._core.clock import Clock, SystemClock
from .._core.errors import ConfigurationError, InsError, InsiError, SoapFault, TransportError
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
)
from ..ins.traits import UNKNOWN_PLACE
from ..model import Identity, Patient, Sex
from ..security.keys import check_certificate_file, check_dates
from ..settings import Environment, Settings
from ..transport import HttpsTransport, Transport, soap
from .codec import ACTION, Caller, Query, SearchCode, SearchResult, decode_search, encode_search, fault_error

COMMON_NAMES = frozenset({"INSI-AUTO", "INSI-MANU"})
_ISSUER = "AC IGC-SANTE ELEMENTAIRE ORGANISATIONS"
MAX_GIVEN_NAMES = 10
"""Bound of calls for one person (one for each given name, then one for all)."""

_HEADERS = {"Content-Type": soap.content_type(ACTION), "Accept": "application/soap+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InsiAnswer:
    """What INSi said about one person.

    outcome: FOUND one person, NOT_FOUND, AMBIGUOUS several; person: with FOUND, the traits byte for byte, the active
    INS and the former ones; request_id: MessageID of the deciding call; request_ids: of all calls; at: time of the
    deciding call (the date of the INSi query, ZFD-6).
    """

    outcome: SearchCode
    person: FoundIdentity | None = field(default=None, repr=False)
    request_id: str
    request_ids: tuple[str, ...]
    at: datetime

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


class InsiClient:
    """A client of WS_INS2. Thread-safe. It only asks: nothing it sends changes anything at the service.

    The client certificate is checked here, before any connection: dates, TLS usage, CN exactly `INSI-AUTO` or
    `INSI-MANU`, issuer of the right environment. Raises ConfigurationError (`SETTING_MISSING`,
    `INSI_CERTIFICATE_NAME`, `INSI_CERTIFICATE_OU`, `INSI_CERTIFICATE_ENVIRONMENT`) and CertificateError
    (`CERTIFICATE_EXPIRED` …).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport | None = None,
        clock: Clock | None = None,
        ids: IdFactory | None = None,
    ) -> None:
        self._settings = settings
        self._insi = settings.require_insi()
        self._clock = clock or SystemClock()
        self._ids = ids or RandomIds()
        self._certificate = check_certificate_file(self._insi.tls.certificate, clock=self._clock)
        self._caller = Caller(
            emitter=_emitter(self._certificate, settings.environment), idam=self._insi.idam, software=settings.software
        )
        self._transport = transport or HttpsTransport(self._insi.tls, timeout_seconds=self._insi.timeout_seconds)

    def search(self, identity: Identity, *, given_names: Sequence[str] | None = None) -> InsiAnswer:
        """Find the INS of a person, as the CNDA expects it: each given name in order, then all of them; a `02` answer
        is asked again with the birth place when it is known. Stops at the first `00`, and at any fault.

        given_names: other given names of the document to try, instead of the identity's.
        Refused without any call: InsError `INS_CALL_FORBIDDEN` (doubtful, fictitious), `INS_SEX`, `INS_NAME_…`.
        Raises InsiError (`INSI_UNAVAILABLE`, `INSI_IDAM`, `INSI_ACCESS`, `INSI_SEX`, `INSI_FAULT`, `INSI_ANSWER`,
        `INSI_RESULT_CODE`), TransportError (may be retried: a search changes nothing), InsError
        `ENVIRONMENT_IDENTITY` when the INS found is not of this environment.
        """
        queries = list(_queries(identity, given_names))
        place = identity.traits.birth_place
        sent: list[str] = []
        outcome = SearchCode.NOT_FOUND
        decided = ("", self._clock.now())
        for query in queries:
            tries = [query]
            if place != UNKNOWN_PLACE:
                tries.append(_with_place(query, place))
            for attempt in tries:
                result, request_id, at = self._call(attempt)
                sent.append(request_id)
                if result.person is not None:
                    self._settings.check_identity(result.person.ins)
                    return InsiAnswer(
                        outcome=result.code, person=result.person, request_id=request_id, request_ids=tuple(sent), at=at
                    )
                if result.code is SearchCode.AMBIGUOUS or outcome is SearchCode.NOT_FOUND:
                    outcome, decided = result.code, (request_id, at)
                if result.code is not SearchCode.AMBIGUOUS:
                    break
        return InsiAnswer(outcome=outcome, request_id=decided[0], request_ids=tuple(sent), at=decided[1])

    def qualify(
        self,
        patient: Patient,
        *,
        evidence: Evidence | None,
        accepted_differences: Collection[str] = (),
        first_given_name: str | None = None,
        given_names: Sequence[str] | None = None,
        accepted: Collection[DocumentKind] = frozenset(DocumentKind),
    ) -> tuple[Patient, InsiAnswer]:
        """Search, then record: the patient with the identity of INSi, and the answer to keep with it.

        evidence: the document that somebody saw; there is no default, None says that nobody saw one now (a provisional
        identity is then only `RECUP`). The other arguments are those of `ins.qualify` and `search`.
        Raises what both raise, and InsiError `INSI_NOT_FOUND` or `INSI_AMBIGUOUS`.
        """
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

    def _call(self, query: Query) -> tuple[SearchResult, str, datetime]:
        at = self._clock.now()
        check_dates(self._certificate, at, path=self._insi.tls.certificate.name)
        message_id = f"{self._insi.message_id_prefix}{self._ids.uuid()}"
        bam_id, lps_id = str(self._ids.uuid()), str(self._ids.uuid())
        request = encode_search(query, self._caller, message_id=message_id, bam_id=bam_id, lps_id=lps_id, at=at)
        try:
            answer = soap.read_answer(self._transport.post(self._insi.url, request, _HEADERS))
        except SoapFault as fault:
            raise fault_error(fault, request_id=message_id) from None
        except TransportError as e:
            if e.retry.kind is RetryKind.RECONCILE_FIRST:
                e.retry = RetryAdvice.after(30)  # a search changes nothing: there is nothing to reconcile
            raise
        return decode_search(answer.body, request_id=message_id), message_id, at

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _queries(identity: Identity, given_names: Sequence[str] | None) -> Iterator[Query]:
    """The calls to make, in order. Raises InsError before the first of them when INSi would refuse the traits."""
    check_callable(identity)
    traits = identity.traits
    if traits.sex is Sex.UNKNOWN:
        raise InsError(
            "INSi is asked with the sex M or F", code="INS_SEX", path="traits.sex", rule="INSi RECSANSVITALE, insi_24",
            hint="check the sex on the identity document",
            hint_fr="INSi n'accepte que les sexes M et F : vérifiez la pièce d'identité.",
        )  # fmt: skip
    names = list(given_names) if given_names is not None else traits.birth_given_names.split()
    names = names[:MAX_GIVEN_NAMES]
    report = check_birth_name(traits.birth_name, path="traits.birth_name")
    for name in names:
        report += check_given_name(name, path="traits.birth_given_names")
    if not names:
        report += check_given_name("", path="traits.birth_given_names")
    if not report.ok:
        raise InsError.from_report(Report(report.errors))
    folded = [normalize_for_insi(name) for name in names]
    for given in [*folded, " ".join(folded)] if len(folded) > 1 else folded:
        yield Query(
            birth_name=normalize_for_insi(traits.birth_name), given_name=given, sex=traits.sex.value,
            birth_date=traits.birth_date,
        )  # fmt: skip


def _with_place(query: Query, place: str) -> Query:
    return Query(
        birth_name=query.birth_name, given_name=query.given_name, sex=query.sex, birth_date=query.birth_date,
        birth_place=place,
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
    is_test = issuer.startswith("TEST ")
    if is_test if environment is Environment.PRODUCTION else issuer == _ISSUER:
        raise ConfigurationError(
            f"a {'test' if is_test else 'production'} certificate cannot be used in {environment.value}",
            code="INSI_CERTIFICATE_ENVIRONMENT", path="insi.tls.certificate",
            rule="test certificates never reach production, nor the reverse",
            hint="give the certificate of this environment",
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
