"""The seam through which everything is signed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, Protocol

DigestName = Literal["sha1", "sha256"]


class Signer(Protocol):
    """A private key that signs, and the certificate that goes with it. Thread-safe.

    certificate_der: the leaf; chain_der: leaf, then intermediates up to and including the root when known;
    subject_dn: RFC 2253 form of the leaf's subject, `ST=` and `GN=` spelled so; sign: RSASSA-PKCS1-v1_5 over
    `digest(data)`, raw bytes.
    """

    @property
    def certificate_der(self) -> bytes: ...
    @property
    def chain_der(self) -> tuple[bytes, ...]: ...
    @property
    def subject_dn(self) -> str: ...
    def sign(self, data: bytes, digest: DigestName) -> bytes: ...


class Renewable(ABC):
    """A signer whose key and certificate may be replaced while it serves."""

    @abstractmethod
    def current(self) -> Signer:
        """The key and certificate of now, which go together whatever changes afterwards."""


def current(signer: Signer) -> Signer:
    """What one signature must use throughout: its parts name the certificate several times and sign once."""
    return signer.current() if isinstance(signer, Renewable) else signer
