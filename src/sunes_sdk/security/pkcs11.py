"""Signing with a card or an HSM through its PKCS#11 library: the key never leaves it. Extra `pkcs11`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography import x509
from pydantic import SecretStr

from .._core.clock import Clock
from .._core.errors import ConfigurationError, SigningError
from . import dsig
from .callback import CallbackSigner
from .keys import Trust
from .signer import DigestName

CPS_SIGNATURE_SUFFIX = 0x10
"""Last byte of CKA_ID of a CPS card's signature key; 0x20 is its authentication key (seen with a live card)."""
_DIGEST_INFO: dict[DigestName, bytes] = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
"""DER of DigestInfo before the digest (RFC 8017, 9.2): CKM_RSA_PKCS pads and encrypts what it is given."""


class Pkcs11Signer(CallbackSigner):
    """A `Signer` over a key of a PKCS#11 token.

    library: path of the vendor's module; token: its label (`token_label`) or serial number (`token_serial`), none when
    there is one token; pin: None for a token that asks on its own keypad; key_id: CKA_ID of key and certificate, None
    for the CPS signature key (last byte 0x10), else for the only certificate with a private key; chain: issuers that
    the token does not hold; hash_on_token: CKM_SHA*_RSA_PKCS over the data instead of CKM_RSA_PKCS over the digest,
    for tokens that refuse the latter.

    Signatures are made one at a time: a card knows one session. A lost session (card taken out and put back, HSM
    restarted) is opened again once per signature. A PIN that was refused is never tried twice: three tries lock a card.

    Raises ConfigurationError (`PKCS11_MISSING` without python-pkcs11, `PKCS11_LIBRARY`, `PKCS11_TOKEN`, `PKCS11_KEY`),
    SigningError (`PKCS11_PIN`, `PKCS11_FAILED`, `SIGNING_WRONG_KEY`), and CertificateError as `KeyPair` does.
    """

    def __init__(
        self,
        library: str | os.PathLike[str],
        *,
        pin: str | SecretStr | None = None,
        token_label: str | None = None,
        token_serial: str | None = None,
        key_id: bytes | None = None,
        chain: Iterable[x509.Certificate] = (),
        hash_on_token: bool = False,
        clock: Clock | None = None,
        trust: Trust | None = None,
    ) -> None:
        self._pkcs11, self._library = _load(Path(library))
        self._pin = SecretStr(pin) if isinstance(pin, str) else pin
        self._label, self._serial = token_label, token_serial
        self._hash_on_token = hash_on_token
        self._refused = False
        self._session: Any = None
        self._key: Any = None
        try:
            self._open()
            self._id, certificate, others = self._find(key_id)
            self._key = self._private(self._id)
        except self._pkcs11.PKCS11Error as e:
            raise self._failed(e) from None
        super().__init__(
            certificate, (*others, *chain), sign=self._on_token, parallel=False, clock=clock, trust=trust,
            name=token_label or token_serial or Path(library).name,
        )  # fmt: skip

    def close(self) -> None:
        """End the session; the next signature opens another."""
        session, self._session, self._key = self._session, None, None
        if session is not None:
            try:
                session.close()
            except self._pkcs11.PKCS11Error:
                return  # the token is gone, and the session with it

    def _open(self) -> None:
        if self._refused:
            raise _pin_refused("not tried again: too many wrong tries lock the card")
        tokens = self._library.get_tokens(token_label=self._label, token_serial=_bytes(self._serial))
        found = [t for t in tokens if t.flags & self._pkcs11.TokenFlag.TOKEN_INITIALIZED]
        if len(found) != 1:
            raise ConfigurationError(
                "no token answers to this label or serial number" if not found else "several tokens are present",
                code="PKCS11_TOKEN", path="token",
                hint="insert the card, or give token_label or token_serial as `pkcs11-tool --list-slots` shows them",
                hint_fr="Carte absente ou lecteur non reconnu : insérer la carte.",
            )  # fmt: skip
        pin = self._pin.get_secret_value() if self._pin else None
        try:
            self._session = found[0].open(user_pin=pin)
        except self._pkcs11.exceptions.UserAlreadyLoggedIn:
            self._session = found[0].open()  # the login of a process holds for all its sessions
        except (
            self._pkcs11.exceptions.PinIncorrect,
            self._pkcs11.exceptions.PinInvalid,
            self._pkcs11.exceptions.PinLenRange,
            self._pkcs11.exceptions.PinLocked,
            self._pkcs11.exceptions.PinExpired,
        ) as e:
            self._refused = True
            raise _pin_refused(type(e).__name__) from None

    def _find(self, key_id: bytes | None) -> tuple[bytes, x509.Certificate, list[x509.Certificate]]:
        """The certificate that goes with the key, and the others of the token."""
        attribute, kinds = self._pkcs11.Attribute, self._pkcs11.ObjectClass
        certificates: dict[bytes, x509.Certificate] = {}
        everything = []
        for held in self._session.get_objects({attribute.CLASS: kinds.CERTIFICATE}):
            try:
                parsed = x509.load_der_x509_certificate(held[attribute.VALUE])
            except ValueError:
                continue  # another application's: the wanted one is missed below, by name
            everything.append(parsed)
            certificates[bytes(held[attribute.ID])] = parsed
        keys = {bytes(k[attribute.ID]) for k in self._session.get_objects({attribute.CLASS: kinds.PRIVATE_KEY})}
        both = [i for i in certificates if i in keys]
        wanted = [i for i in both if i == key_id] if key_id is not None else both
        if key_id is None and len(wanted) > 1:
            wanted = [i for i in both if i[-1:] == bytes([CPS_SIGNATURE_SUFFIX])]
        if len(wanted) != 1:
            raise ConfigurationError(
                f"{len(wanted)} keys with a certificate answer on this token", code="PKCS11_KEY", path="key_id",
                hint="give key_id: one of " + (", ".join(sorted(i.hex() for i in both)) or "none, the token is empty"),
            )  # fmt: skip
        chosen = wanted[0]
        return chosen, certificates[chosen], [c for c in everything if c is not certificates[chosen]]

    def _private(self, key_id: bytes) -> Any:
        return self._session.get_key(object_class=self._pkcs11.ObjectClass.PRIVATE_KEY, id=key_id)

    def _on_token(self, data: bytes, digest: DigestName) -> bytes:
        """Called under the lock of CallbackSigner, which verifies the result with the certificate's key."""
        try:
            return self._signed(data, digest)
        except self._lost_errors():
            self.close()
        except self._pkcs11.PKCS11Error as e:
            raise self._failed(e) from None
        try:
            return self._signed(data, digest)
        except self._pkcs11.PKCS11Error as e:
            self.close()
            raise self._failed(e) from None

    def _signed(self, data: bytes, digest: DigestName) -> bytes:
        if self._key is None:
            self._open()
            self._key = self._private(self._id)
        mechanisms = self._pkcs11.Mechanism
        if self._hash_on_token:
            mechanism = mechanisms.SHA1_RSA_PKCS if digest == "sha1" else mechanisms.SHA256_RSA_PKCS
            return bytes(self._key.sign(data, mechanism=mechanism))
        return bytes(self._key.sign(_DIGEST_INFO[digest] + dsig.digest(data, digest), mechanism=mechanisms.RSA_PKCS))

    def _lost_errors(self) -> tuple[type[Exception], ...]:
        errors = self._pkcs11.exceptions
        return (
            errors.SessionHandleInvalid, errors.SessionClosed, errors.DeviceRemoved, errors.TokenNotPresent,
            errors.KeyHandleInvalid, errors.ObjectHandleInvalid, errors.UserNotLoggedIn, errors.DeviceError,
        )  # fmt: skip

    def _failed(self, error: Exception) -> SigningError:
        return SigningError(
            f"the token refused: {type(error).__name__}", code="PKCS11_FAILED", path="token",
            hint="check the card and its reader, then the mechanism (hash_on_token)",
            hint_fr="La carte ou le module de signature ne répond pas.",
        )  # fmt: skip


def _bytes(serial: str | None) -> bytes | None:
    return serial.encode() if serial is not None else None


def _pin_refused(why: str) -> SigningError:
    return SigningError(
        f"the PIN was refused: {why}", code="PKCS11_PIN", path="pin",
        hint="give the right PIN to a new signer", hint_fr="Code porteur refusé : le vérifier avant tout nouvel essai.",
    )  # fmt: skip


def _load(library: Path) -> tuple[Any, Any]:
    try:
        import pkcs11
        import pkcs11.exceptions
    except ImportError:
        raise ConfigurationError(
            "python-pkcs11 is not installed", code="PKCS11_MISSING", path="pkcs11",
            hint="pip install 'sunes-sdk[pkcs11]'",
        ) from None  # fmt: skip
    try:
        return pkcs11, pkcs11.lib(str(library))
    except (RuntimeError, OSError, pkcs11.PKCS11Error) as e:
        raise ConfigurationError(
            f"the PKCS#11 library cannot be loaded: {type(e).__name__}", code="PKCS11_LIBRARY", path=library.name,
            hint="give the path of the card's or HSM's module (.so, .dll), built for this machine",
        ) from None  # fmt: skip
