"""L2: keys and certificates, the Signer seam, VIHF assertions, XAdES signatures of submission sets."""

from .keys import CertificateUsage, Pkcs12Signer, check_certificate_file
from .signer import DigestName, Signer

__all__ = ["CertificateUsage", "DigestName", "Pkcs12Signer", "Signer", "check_certificate_file"]
