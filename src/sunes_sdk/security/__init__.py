"""L2: keys and certificates, the Signer seam, VIHF assertions, XAdES signatures of submission sets."""

from .callback import CallbackSigner
from .keys import CertificateUsage, PemSigner, Pkcs12Signer, check_certificate_file
from .pkcs11 import Pkcs11Signer
from .signer import DigestName, Signer
from .trust import TrustStore

__all__ = [
    "CallbackSigner", "CertificateUsage", "DigestName", "PemSigner", "Pkcs11Signer", "Pkcs12Signer", "Signer",
    "TrustStore", "check_certificate_file",
]  # fmt: skip
