"""The authorities that the user pins in files, and the revocation lists (CRL) that the user refreshes beside them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from .._core.clock import Clock, SystemClock
from .._core.errors import CertificateError, ConfigurationError, SunesError
from .._core.findings import Finding, Report, Severity
from .files import WatchedFiles, read_file
from .keys import check_trusted

CrlPolicy = Literal["refuse", "accept"]


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class _Loaded:
    anchors: tuple[x509.Certificate, ...]
    lists: tuple[x509.CertificateRevocationList, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class _Path:
    """A verified chain: the list of each link but the root, the instants between which all links are valid."""

    loaded: _Loaded
    chain: tuple[x509.Certificate, ...]
    lists: tuple[x509.CertificateRevocationList | None, ...]
    start: datetime
    end: datetime


class TrustStore:
    """Roots and intermediates of a PEM file, and CRLs (PEM or DER), loaded once and again when a file changes.

    crl_absent, crl_expired: what a certificate without a list of its issuer, or with an outdated one, becomes:
    `refuse`, or `accept` with a warning in `findings`. A list of the future is refused, but for `skew`. Without `crls`
    revocation is not looked up at all. The store never fetches anything. Thread-safe. While changed files cannot be
    read the former ones go on, and `findings` says so. Raises ConfigurationError (`CERTIFICATE_UNREADABLE`,
    `CRL_UNREADABLE`, `CRL_UNSUPPORTED`).
    """

    def __init__(
        self,
        anchors: str | os.PathLike[str],
        crls: Iterable[str | os.PathLike[str]] = (),
        *,
        crl_absent: CrlPolicy = "refuse",
        crl_expired: CrlPolicy = "refuse",
        skew: timedelta = timedelta(0),
        clock: Clock | None = None,
    ) -> None:
        self._absent, self._expired = crl_absent, crl_expired
        self._skew, self._clock = skew, clock or SystemClock()
        self._watched = WatchedFiles((Path(anchors), *map(Path, crls)))
        self._looks_up = len(self._watched.paths) > 1
        self._lock = threading.Lock()
        self._trouble: SunesError | None = None
        self._paths: dict[x509.Certificate, _Path] = {}
        self._loaded = self._load()

    def __repr__(self) -> str:
        return f"TrustStore({', '.join(p.name for p in self._watched.paths)})"

    def check(
        self, certificate: x509.Certificate, at: datetime, others: Iterable[x509.Certificate] = ()
    ) -> tuple[x509.Certificate, ...]:
        """The chain of `certificate` to a pinned root, none of whose links is revoked at that instant.

        others: intermediates that came with it. Raises CertificateError (`CERTIFICATE_UNTRUSTED`,
        `CERTIFICATE_EXPIRED`, `CERTIFICATE_NOT_YET_VALID`, `CERTIFICATE_REVOKED`, `CRL_ABSENT`, `CRL_EXPIRED`,
        `CRL_NOT_YET_VALID`).
        """
        path = self._path(self._current(), certificate, at, tuple(others))
        if self._looks_up:
            for finding in self._revocation(path, at):
                if finding.severity is Severity.ERROR:
                    raise CertificateError(
                        finding.message, code=finding.code, path=finding.path, rule=finding.rule, hint=finding.hint,
                        hint_fr=finding.message_fr,
                    )  # fmt: skip
        return path.chain

    def findings(self, certificate: x509.Certificate, at: datetime, others: Iterable[x509.Certificate] = ()) -> Report:
        """What `check` would refuse, as errors, and what it lets pass, as warnings."""
        loaded = self._current()
        found: list[Finding] = []
        if self._trouble is not None:
            found.append(_not_reloaded(self._trouble))
        try:
            path = self._path(loaded, certificate, at, tuple(others))
        except CertificateError as e:
            found.append(
                Finding(code=e.code, message=e.message, path=e.path, rule=e.rule, hint=e.hint, message_fr=e.hint_fr)
            )
        else:
            if self._looks_up:
                found += self._revocation(path, at)
        return Report(tuple(found))

    def _current(self) -> _Loaded:
        stamps = self._watched.stamps()
        if stamps != self._watched.seen and self._lock.acquire(blocking=False):
            try:
                self._watched.seen = stamps
                self._loaded = self._load()
                self._trouble = None
            except SunesError as e:
                self._trouble = e
            finally:
                self._lock.release()
        return self._loaded

    def _load(self) -> _Loaded:
        anchors, *lists = self._watched.paths
        content = read_file(anchors, code="CERTIFICATE_UNREADABLE", what="the trusted certificates")
        try:
            certificates = tuple(x509.load_pem_x509_certificates(content))
        except ValueError:
            raise ConfigurationError(
                "no trusted certificate can be read", code="CERTIFICATE_UNREADABLE", path=anchors.name,
                hint="give a PEM file (-----BEGIN CERTIFICATE-----)",
            ) from None  # fmt: skip
        return _Loaded(certificates, tuple(map(_revocation_list, lists)))

    def _path(
        self, loaded: _Loaded, certificate: x509.Certificate, at: datetime, others: tuple[x509.Certificate, ...]
    ) -> _Path:
        """Signatures are verified once for a certificate; dates are looked at each time."""
        known = self._paths.get(certificate)
        if known is not None and known.loaded is loaded and known.start <= at <= known.end:
            return known
        chain = check_trusted(certificate, loaded.anchors, at, others)
        path = _Path(
            loaded=loaded,
            chain=chain,
            lists=tuple(_newest(loaded.lists, c, issuer) for c, issuer in pairwise(chain)),
            start=max(c.not_valid_before_utc for c in chain),
            end=min(c.not_valid_after_utc for c in chain),
        )
        if len(self._paths) >= _MOST_PATHS:
            self._paths.clear()
        self._paths[certificate] = path
        return path

    def _revocation(self, path: _Path, at: datetime) -> Iterator[Finding]:
        """Each link but the root, against the newest list that its issuer signed."""
        for index, (link, newest) in enumerate(zip(path.chain, path.lists, strict=False)):
            where = f"chain[{index}]"
            if newest is None:
                yield Finding(
                    code="CRL_ABSENT", message="no revocation list of the issuer is among the files", path=where,
                    severity=_SEVERITIES[self._absent], rule="RFC 5280, 6.3",
                    hint="download the list that the certificate's CRL distribution point names",
                    message_fr="Liste de révocation absente : prévenir le service informatique.",
                )  # fmt: skip
                continue
            # Against the present, not `at`: what is checked may be of before the list.
            if newest.last_update_utc > self._clock.now() + self._skew:
                yield Finding(
                    code="CRL_NOT_YET_VALID", message="the revocation list of the issuer is of the future", path=where,
                    rule="RFC 5280, 5.1.2.4 (thisUpdate)", hint="set the clock of this machine; then the file",
                    message_fr="Liste de révocation datée du futur : l'horloge de ce poste est à vérifier.",
                )  # fmt: skip
            if newest.next_update_utc is None or newest.next_update_utc < at:
                yield Finding(
                    code="CRL_EXPIRED", message="the revocation list of the issuer is out of date", path=where,
                    severity=_SEVERITIES[self._expired], rule="RFC 5280, 5.1.2.5 (nextUpdate)",
                    hint="refresh the file: is the job that downloads it still running?",
                    message_fr="Liste de révocation périmée : prévenir le service informatique.",
                )  # fmt: skip
            entry = newest.get_revoked_certificate_by_serial_number(link.serial_number)
            if entry is not None and entry.revocation_date_utc <= at:
                yield Finding(
                    code="CERTIFICATE_REVOKED", path=where,
                    message=f"the certificate was revoked on {entry.revocation_date_utc:%Y-%m-%d %H:%M} UTC",
                    rule="RFC 5280, 6.3", hint="stop using it; order a new certificate from IGC-Santé",
                    message_fr="Le certificat a été révoqué : en commander un autre auprès de l'IGC-Santé.",
                )  # fmt: skip


def _not_reloaded(trouble: SunesError) -> Finding:
    return Finding(
        code="TRUST_NOT_RELOADED",
        message=f"changed files are not used: {trouble.code}, {trouble.message}",
        path=trouble.path,
        severity=Severity.WARNING,
        hint=trouble.hint,
    )


_SEVERITIES: dict[CrlPolicy, Severity] = {"refuse": Severity.ERROR, "accept": Severity.WARNING}
_MOST_PATHS = 256


def _newest(
    lists: Iterable[x509.CertificateRevocationList], certificate: x509.Certificate, issuer: x509.Certificate
) -> x509.CertificateRevocationList | None:
    """The newest list that the issuer signed and that speaks of this kind of certificate."""
    key = issuer.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return None
    found = [
        crl
        for crl in lists
        if crl.issuer == issuer.subject and _speaks_of(crl, certificate) and crl.is_signature_valid(key)
    ]
    return max(found, key=lambda crl: crl.last_update_utc, default=None)


def _speaks_of(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    scope = next((e.value for e in crl.extensions if isinstance(e.value, x509.IssuingDistributionPoint)), None)
    if scope is None:
        return True
    constraints = next((e.value for e in certificate.extensions if isinstance(e.value, x509.BasicConstraints)), None)
    is_authority = constraints is not None and constraints.ca
    return not (scope.only_contains_user_certs if is_authority else scope.only_contains_ca_certs)


def _revocation_list(path: Path) -> x509.CertificateRevocationList:
    content = read_file(path, code="CRL_UNREADABLE", what="a revocation list")
    load = x509.load_pem_x509_crl if content.lstrip().startswith(b"-----") else x509.load_der_x509_crl
    try:
        crl = load(content)
        critical = [e.value for e in crl.extensions if e.critical]
    except ValueError:
        raise ConfigurationError(
            "not a revocation list that can be read", code="CRL_UNREADABLE", path=path.name,
            hint="give the file as IGC-Santé publishes it (DER or PEM)",
        ) from None  # fmt: skip
    for value in critical:
        # A list of part of the revocations would let the others pass.
        whole = isinstance(value, x509.IssuingDistributionPoint) and not (
            value.indirect_crl or value.only_some_reasons or value.only_contains_attribute_certs
        )
        if not whole:
            raise ConfigurationError(
                "a delta, indirect or partial revocation list is not used", code="CRL_UNSUPPORTED", path=path.name,
                rule="RFC 5280, 5.2: a critical extension that is not processed forbids the list",
                hint="give the complete list of the authority",
            )  # fmt: skip
    return crl
