"""Settings: what only the vendor or the establishment knows. Nothing here is guessed; a missing value is an error.

Order of precedence: arguments, then `SUNES_*` variables (`SUNES_DMP__SOURCE_ID` for `dmp.source_id`), then TOML.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, SecretStr, StringConstraints, model_validator

from ._core.errors import ConfigurationError
from ._core.redaction import MASK
from .model import Environment as Environment  # part of this module's face
from .model import Ins, Model, Organization, check_environment
from .model._base import invalid
from .model.code import Oid, Text


class SoftwareId(Model):
    """The software that calls.

    nil: product number given by Convergence, required to send by MSSanté; dmp_homologation: number given by the
    CNDA, required for the DMP; instance: identifier of this installation, constant.
    """

    name: Text
    version: Text
    publisher: Text
    instance: Text
    nil: str | None = None
    dmp_homologation: str | None = None


class TlsSettings(Model):
    """Mutual TLS: `ca_file` PEM bundle of the only roots trusted; `certificate` PEM with chain, `key` its PEM key.

    For HTTPS: connect_seconds, total_seconds: limits of a connection and of a whole call, beside the `timeout_seconds`
    of each wait; proxy: `http://host:port` of a proxy that takes CONNECT, never read from the environment, None goes
    straight; proxy_credentials: `user:password` for it.
    """

    ca_file: Path
    certificate: Path
    key: Path
    connect_seconds: float = Field(default=10.0, gt=0)
    total_seconds: float = Field(default=300.0, gt=0)
    proxy: Annotated[str, StringConstraints(pattern=r"^http://[A-Za-z0-9.\[\]:-]+:[0-9]{1,5}/?$")] | None = None
    proxy_credentials: SecretStr | None = None


class SigningSettings(Model):
    """What signs: the ORG_SIGN certificate (*cachet*), or a card's signature certificate in mode `DIRECTE`.

    One of: `pkcs12` with its `password`; `certificate` (PEM, followed by its issuers) and `key` (PEM, `password` when
    it is encrypted); `pkcs11` (the vendor's library) with `pin`, the token's `token_label` or `token_serial` when
    there are several, `key_id` (CKA_ID in hexadecimal) when it holds several keys, `hash_on_token` for tokens without
    CKM_RSA_PKCS, and `certificate` (PEM) of the issuers when the token lacks them.
    A key that is elsewhere is given to the client as a `CallbackSigner`.
    """

    pkcs12: Path | None = None
    password: SecretStr | None = None
    certificate: Path | None = None
    key: Path | None = None
    pkcs11: Path | None = None
    pin: SecretStr | None = None
    token_label: str | None = None
    token_serial: str | None = None
    key_id: Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2})+$")] | None = None
    hash_on_token: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> SigningSettings:
        kinds = [self.pkcs12 is not None, self.key is not None, self.pkcs11 is not None]
        complete = (self.password is not None) if self.pkcs12 else (self.pkcs11 or self.certificate)
        if sum(kinds) != 1 or not complete:
            raise invalid("SIGNING_KIND", "one of pkcs12 with password, certificate with key, or pkcs11 is needed",
                          path="pkcs12", rule="one signing key", hint="give one kind, whole")  # fmt: skip
        return self


class TrustSettings(Model):
    """Authorities that our own certificates must chain to, and revocation lists, in files that the user refreshes.

    anchors: PEM of roots and intermediates of IGC-Santé; crls: files (PEM or DER), none looks up no revocation;
    crl_absent, crl_expired: what a certificate becomes without a list of its issuer, or with an outdated one
    (`refuse`, or `accept` with a warning in the client's `certificates()`); crl_skew_seconds: how far ahead of our
    clock a list may have been issued (our choice: no public text says).
    """

    anchors: Path
    crls: tuple[Path, ...] = ()
    crl_absent: Literal["refuse", "accept"] = "refuse"
    crl_expired: Literal["refuse", "accept"] = "refuse"
    crl_skew_seconds: float = Field(default=300.0, ge=0, le=86_400)


class OidSettings(Model):
    """OID roots of the establishment.

    documents: arc under which CDA ids and setIds are drawn; submissions: arc of submission-set and signature ids;
    ipp: authority of the IPP; visits: authority of the visit numbers.
    """

    documents: Oid
    submissions: Oid
    ipp: Oid
    visits: Oid


class DmpPaths(Model):
    """Service paths under `base_url`, as given by the homologation campaign (seen: `repository`, `registry`,
    `patients`, `habilitations`, `patientsPDQ`, `patientsSpecific`). The last three are needed by administrative
    transactions only: TD0.3 and TD1.6; TD0.5; TD0.4."""

    repository: Text
    registry: Text
    patients: Text
    habilitations: Text | None = None
    patients_pdq: Text | None = None
    patients_specific: Text | None = None

    def require(self, name: Literal["habilitations", "patients_pdq", "patients_specific"]) -> str:
        """An optional path. Raises ConfigurationError `SETTING_MISSING`."""
        path: str | None = getattr(self, name)
        if path is None:
            raise _missing(f"dmp.paths.{name}", "the path of this service")
        return path


class DmpSettings(Model):
    """The DMP in establishment mode (`INDIRECTE`).

    source_id: OID of the sending instance (XDSSubmissionSet.sourceId); device_oid: OID of the sender in HL7v3
    messages; authn_context: how the hospital authenticated its user
    (`urn:oasis:names:tc:SAML:2.0:ac:classes:Password`…); structure_id: Identifiant_Structure when it differs from
    the organisation's own (legal entity's certificate, geographic structure); mode: authentication mode;
    authn_declaration: AuthnContextDecl of `INDIRECTE_RENFORCEE` (seen: `APP_BROWSER_AUTH`); web_domain: host name of
    the professionals' web site (TD0.9), without scheme; rights: what to do with a call that the public table of rights
    says the DMP will refuse (`dmp.rights`): `warn` and let it decide, or `refuse` to send it;
    repository_unique_id: OID of the DMP's repository, only needed to mask a document in a mode that may not read it
    (`1.2.250.1.213.4.1.1.1.2` in the official test messages);
    trust: checks our own certificates, None does not; expiry_warning_days: from when `certificates()` warns.
    vihf_validity_seconds: writes Conditions with that lifetime, starting `vihf_skew_seconds` before the present (the
    official messages have none, and the lifetime that the DMP grants is not public); vihf_reuse_seconds: a VIHF may
    serve again for so long, 0 makes one for each request.

    several_versions: which of several entryUUIDs of one document (DMP_3.1b) is the version in use, in a mode that may
    not read their status: the `first` or the `last` that the DMP lists, or none (`refuse`: nothing is replaced or
    changed). One is expected; whether several come once metadata were changed, and in which order, is unverified.

    timeout_seconds: of each wait of a call, in seconds.

    The rest has defaults where official sources disagree (the project's table of choices says how), each unverified:
    vihf_version (`3.0` in every message, `4.0` in one table); vihf_mode_attribute: its letter case; vihf_issuer:
    the Issuer as written, in place of the subject of the signing certificate, whose order of parts vihf_issuer_form
    says (CN first, CN first with OIDs, C first); vihf_digest and xades_digest: of the signatures (the DMP's samples:
    SHA-256 for the VIHF, SHA-1 for XAdES); vihf_subject_order: of the names in subject-id; mask_and_hide: whether a
    document may be hidden from professionals and from the patient at once (*param-lps* of the DMP).
    """

    base_url: Text
    paths: DmpPaths
    tls: TlsSettings
    signing: SigningSettings
    trust: TrustSettings | None = None
    expiry_warning_days: int = Field(default=30, ge=0)
    source_id: Oid
    device_oid: Oid
    authn_context: Text
    structure_id: str | None = None
    repository_unique_id: Oid | None = None
    mode: Literal["INDIRECTE", "INDIRECTE_RENFORCEE", "DIRECTE"] = "INDIRECTE"
    authn_declaration: str | None = None
    vihf_version: str = "3.0"
    vihf_mode_attribute: Literal["Authentification_Mode", "Authentification_mode"] = "Authentification_Mode"
    vihf_issuer: str | None = None
    vihf_issuer_form: Literal["rfc2253", "rfc2253_oids", "country_first"] = "rfc2253"
    vihf_validity_seconds: float | None = Field(default=None, gt=0)
    vihf_skew_seconds: float = Field(default=0.0, ge=0, le=3600)
    vihf_reuse_seconds: float = Field(default=0.0, ge=0, le=3600)
    vihf_digest: Literal["sha256", "sha1"] = "sha256"
    vihf_subject_order: Literal["given_family", "family_given"] = "given_family"
    xades_digest: Literal["sha1", "sha256"] = "sha1"
    web_domain: str | None = None
    rights: Literal["warn", "refuse"] = "warn"
    mask_and_hide: bool = False
    several_versions: Literal["refuse", "first", "last"] = "refuse"
    timeout_seconds: float = 30.0

    @model_validator(mode="after")
    def _reuse_within_validity(self) -> DmpSettings:
        if self.vihf_validity_seconds is not None and self.vihf_reuse_seconds >= self.vihf_validity_seconds:
            raise invalid("VIHF_REUSE", "a VIHF would be used again after its end", path="vihf_reuse_seconds",
                          rule="vihf_reuse_seconds < vihf_validity_seconds", hint="lower it")  # fmt: skip
        return self


class MssSettings(Model):
    """MSSanté by the operator's SMTP submission with STARTTLS and client certificate.

    sender: our mailbox; mailbox_type: `PER ORG APP CAB`; label: shown beside the address; reply_to: an address that
    can be answered, required for an APP mailbox (ECO.2.2.5); source_id: OID for XDSSubmissionSet.sourceId;
    trusted_domains: domains of the white list this sender may write to; max_message_bytes: operator's limit.
    professional_policy / patient_policy: what to do when the connection is lost after the final dot.
    patient_may_reply: False adds `X-MSS-MES: FIN` to messages to patients; ask_read_receipt: adds
    `Disposition-Notification-To`; timeout_seconds: of each command; final_reply_seconds: how long the server may take
    to accept a whole message (RFC 5321 §4.5.3.2.6 asks for ten minutes).
    derogation_without_ins: whether `Mss(without_ins=True)` may be used at all. The ANS gave the derogation until the
    end of 2023, then renewable until it is revoked (volet *Transmission de documents CDA en HL7 v2*); whether it
    stands today is unverified: an establishment that knows it does not sets False.
    """

    host: Text
    port: int = 587
    tls: TlsSettings
    sender: Text
    mailbox_type: Literal["PER", "ORG", "APP", "CAB"]
    label: Text
    reply_to: Text
    source_id: Oid
    trusted_domains: tuple[str, ...]
    patient_domain: str = "patient.mssante.fr"
    max_message_bytes: int = 25_000_000
    professional_policy: Literal["at_least_once", "at_most_once"] = "at_least_once"
    patient_policy: Literal["at_least_once", "at_most_once"] = "at_most_once"
    patient_may_reply: bool = True
    ask_read_receipt: bool = False
    derogation_without_ins: bool = True
    timeout_seconds: float = 30.0
    final_reply_seconds: float = 600.0

    @model_validator(mode="after")
    def _no_proxy(self) -> MssSettings:
        if self.tls.proxy is not None:
            raise invalid("MSS_PROXY", "a proxy is of no use to SMTP", path="tls.proxy",
                          rule="proxy is for HTTPS", hint="leave tls.proxy out of the MSSanté section")  # fmt: skip
        return self


class InsiVerification(Model):
    """EXPERIMENTAL: the messages of the unit verification of an INS (WS_INS3, `verifierInsAvecTraitsIdentite`).

    Its schema is not public. What was seen: the name of the operation, the names inside the request (`IndividuVerifie`,
    `INSFourni`, `TraitsIdentiteIndividu`) and the namespace of the answer. The rest has no default, because any would
    be made up: copy it from the integration guide of the téléservice (SEL-MP-043) that the GIE SESAM-Vitale gives to
    vendors. Nothing here was tried against the service.

    action: wsa:Action; request_namespace, request_element: of the element in the Body; confirmed_codes, refuted_codes:
    the `CodeCR` that mean that INSi confirms the INS with its traits, and that it does not.
    """

    action: Text
    request_namespace: Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-~]+$")]
    request_element: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
    answer_namespace: Text = "http://www.cnamts.fr/INSiLot2/REPUnitaire"
    confirmed_codes: frozenset[str]
    refuted_codes: frozenset[str]

    @model_validator(mode="after")
    def _one_meaning(self) -> InsiVerification:
        if self.confirmed_codes & self.refuted_codes:
            raise invalid("INSI_VERIFICATION_CODES", "a code means both yes and no", path="refuted_codes",
                          rule="a CodeCR has one meaning", hint="leave it in one of the two lists")  # fmt: skip
        return self


class InsiSettings(Model):
    """The téléservice INSi by software certificate (mutual TLS, CN `INSI-AUTO` or `INSI-MANU`).

    idam: authorisation number given by the CNDA; message_id_prefix: `` as the official sample, or `uuid:`.
    calls_per_minute, batch_limit: most calls in any minute, most people in one `search_many`; the service's own limits
    are not public, these are this library's (unverified); the *référentiel INS* wants searches made as patients come,
    not over a whole base. attempts: calls made in all when INSi is busy or an answer is lost (a search changes nothing
    there), with the wait that the error advises between them; 1 leaves that to the caller.
    verification: opt-in to the experimental unit verification.
    """

    url: Text
    tls: TlsSettings
    idam: Text
    message_id_prefix: Literal["", "uuid:"] = ""
    timeout_seconds: float = Field(default=30.0, gt=0)
    calls_per_minute: int = Field(default=120, ge=1, le=100_000)
    batch_limit: int = Field(default=1000, ge=1)
    attempts: int = Field(default=1, ge=1, le=10)
    verification: InsiVerification | None = None


class Settings(Model):
    """All settings. Sections are optional until a client needs them: `require_dmp()` and its like raise
    `ConfigurationError` naming what is missing.

    test_people: matricules of published test people that carry production OIDs, accepted outside `PRODUCTION`.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"test_people"})

    environment: Environment
    software: SoftwareId
    organization: Organization
    oids: OidSettings
    dmp: DmpSettings | None = None
    mss: MssSettings | None = None
    insi: InsiSettings | None = None
    test_people: frozenset[str] = frozenset()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, *, env: Mapping[str, str] | None = None, **arguments: Any
    ) -> Settings:
        """Merge TOML (`path`, else `SUNES_CONFIG`), `SUNES_*` variables and arguments (nested dicts), then validate.

        Raises ConfigurationError (`SETTINGS_UNREADABLE`, `SETTING_INVALID`).
        """
        variables = os.environ if env is None else env
        file = path or variables.get("SUNES_CONFIG")
        origins: dict[str, str] = {}
        merged: dict[str, Any] = {}
        if file:
            try:
                with open(file, "rb") as f:
                    _merge(merged, tomllib.load(f), f"TOML {file}", origins)
            except (OSError, tomllib.TOMLDecodeError) as e:
                raise ConfigurationError(
                    f"cannot read settings: {e.__class__.__name__}", code="SETTINGS_UNREADABLE", path=str(file),
                    hint="give the path of a readable TOML file",
                ) from e  # fmt: skip
        for name, value in variables.items():
            if name.startswith("SUNES_") and name not in _OTHER_VARIABLES:
                nested: Any = value
                for part in reversed(name.removeprefix("SUNES_").lower().split("__")):
                    nested = {part: nested}
                if next(iter(nested)) in cls.model_fields:
                    _merge(merged, nested, f"environment {name}", origins)
        _merge(merged, arguments, "argument", origins)
        from ._core.errors import ModelError

        try:
            settings = cls(**merged)
        except ModelError as e:
            missing = e.code == "MODEL_MISSING"
            raise ConfigurationError(
                e.message, code="SETTING_MISSING" if missing else "SETTING_INVALID", path=e.path,
                hint=e.hint or "mend this setting",
            ) from None  # fmt: skip
        settings._origins.update(origins)
        return settings

    def explain(self) -> str:
        """One line for each value that was set: name, value (secrets masked), where it came from."""
        values = _flatten(self.model_dump(mode="json", exclude_none=True))
        return "\n".join(
            f"{name} = {MASK if name.rsplit('.')[-1] in _SECRET_NAMES else value}  ({self._origin(name)})"
            for name, value in values.items()
        )

    def _origin(self, name: str) -> str:
        return next((o for n, o in self._origins.items() if name == n or name.startswith(f"{n}.")), "default")

    def require_dmp(self) -> DmpSettings:
        if self.dmp is None:
            raise _missing("dmp", "base_url, paths, tls, signing, source_id, device_oid, authn_context")
        if not self.software.dmp_homologation:
            raise _missing("software.dmp_homologation", "the homologation number given by the CNDA")
        return self.dmp

    def require_mss(self) -> MssSettings:
        if self.mss is None:
            raise _missing("mss", "host, tls, sender, mailbox_type, label, reply_to, source_id, trusted_domains")
        if not self.software.nil:
            raise _missing("software.nil", "the product number (NIL) given by Convergence")
        return self.mss

    def require_insi(self) -> InsiSettings:
        if self.insi is None:
            raise _missing("insi", "url, tls, idam")
        return self.insi

    def check_identity(self, ins: Ins) -> None:
        """Refuse an INS received or asked about that is not of this environment (`model.check_environment`).

        To write one, pass the gate: `Identity.for_transmission`. Raises InsError `ENVIRONMENT_IDENTITY`.
        """
        check_environment(ins, self.environment, test_people=self.test_people)


_SECRET_NAMES = frozenset({"password", "pin", "test_people"})
_OTHER_VARIABLES = frozenset({"SUNES_CONFIG", "SUNES_ANS_KIT", "SUNES_SAMPLES"})


def _missing(path: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the setting {path} is missing",
        code="SETTING_MISSING",
        path=path,
        rule="values that only the vendor or the establishment knows are never made up",
        hint=f"give {what}: as an argument, in TOML, or as SUNES_{path.upper().replace('.', '__')}…",
    )


def _merge(
    target: dict[str, Any], source: Mapping[str, Any], origin: str, origins: dict[str, str], at: str = ""
) -> None:
    for key, value in source.items():
        name = f"{at}{key}"
        if isinstance(value, Mapping):
            below = target.get(key)
            target[key] = below if isinstance(below, dict) else {}
            _merge(target[key], value, origin, origins, f"{name}.")
        elif value is not None:
            target[key] = value
            origins[name] = origin


def _flatten(values: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{at}{key}."))
        else:
            flat[f"{at}{key}"] = value
    return flat
