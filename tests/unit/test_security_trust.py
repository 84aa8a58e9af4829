"""Pinned authorities and revocation lists, holders of certificates, and warnings before they end."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from sunes_sdk._core.clock import FixedClock, SystemClock
from sunes_sdk._core.errors import CertificateError, ConfigurationError, SecurityError
from sunes_sdk._core.findings import Severity
from sunes_sdk.model import Code
from sunes_sdk.security import Pkcs12Signer, TrustStore, vihf, xades
from sunes_sdk.security.configured import certificates_report, require_certificates, trust_of
from sunes_sdk.security.keys import (
    Holder,
    check_holder,
    check_same_holder,
    distinguished_name,
    expiry_finding,
    holder_of,
    load_certificates,
)
from sunes_sdk.settings import TrustSettings
from sunes_sdk.testing.pki import PASSWORD, STRUCTURE, Issued, TestPki

NOW = SystemClock().now()


@pytest.fixture
def own(pki: TestPki, tmp_path: Path) -> TestPki:
    """A copy of `pki` whose files a test may change."""
    copied = copy.copy(pki)
    folder = tmp_path / "own"
    shutil.copytree(pki.ca_file.parent, folder)
    copied._folder, copied.ca_file = folder, folder / "ca.pem"
    for name in ("client", "signing", "rogue_client"):
        issued: Issued = getattr(pki, name)
        setattr(copied, name, Issued(*(folder / getattr(issued, f).name for f in ("certificate", "key", "pkcs12"))))
    return copied


@pytest.fixture(scope="module")
def other_pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(tmp_path_factory.mktemp("other"), structure="1750803447")


def leaf(pki: TestPki, name: str = "signing") -> x509.Certificate:
    return load_certificates(getattr(pki, name).certificate)[0]


def refusal(check: Callable[[], Any]) -> str:
    with pytest.raises(SecurityError) as e:
        check()
    return e.value.code


# --- authorities ------------------------------------------------------------------------------------------------------


def test_a_chain_to_a_pinned_root(own: TestPki) -> None:
    chain = TrustStore(own.ca_file).check(leaf(own), NOW)
    assert [len(chain), chain[0], chain[2].issuer] == [3, leaf(own), chain[2].subject]


def test_a_root_alone_needs_the_intermediate_that_came_along(own: TestPki, tmp_path: Path) -> None:
    root, intermediate = load_certificates(own.ca_file)
    only = tmp_path / "root.pem"
    only.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    store = TrustStore(only)
    assert refusal(lambda: store.check(leaf(own), NOW)) == "CERTIFICATE_UNTRUSTED"
    assert len(store.check(leaf(own), NOW, (intermediate,))) == 3


def test_another_pki_is_not_trusted(own: TestPki, other_pki: TestPki) -> None:
    assert refusal(lambda: TrustStore(own.ca_file).check(leaf(other_pki), NOW)) == "CERTIFICATE_UNTRUSTED"
    assert refusal(lambda: TrustStore(own.ca_file).check(leaf(own, "rogue_client"), NOW)) == "CERTIFICATE_UNTRUSTED"


def test_dates_are_looked_at_each_time(own: TestPki) -> None:
    store = TrustStore(own.ca_file)
    store.check(leaf(own), NOW)
    assert refusal(lambda: store.check(leaf(own), NOW + timedelta(days=400))) == "CERTIFICATE_EXPIRED"
    assert refusal(lambda: store.check(leaf(own), NOW - timedelta(days=40))) == "CERTIFICATE_NOT_YET_VALID"


def test_anchors_that_change_are_read_again(own: TestPki, other_pki: TestPki) -> None:
    store = TrustStore(own.ca_file)
    store.check(leaf(own), NOW)
    own.ca_file.write_bytes(other_pki.ca_file.read_bytes())
    assert refusal(lambda: store.check(leaf(own), NOW)) == "CERTIFICATE_UNTRUSTED"
    store.check(leaf(other_pki), NOW)
    own.ca_file.write_bytes(b"half")
    store.check(leaf(other_pki), NOW)
    assert [f.code for f in store.findings(leaf(other_pki), NOW)] == ["TRUST_NOT_RELOADED"]


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_anchors_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as e:
        TrustStore(path)
    assert e.value.code == "CERTIFICATE_UNREADABLE"


# --- revocation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("der", [True, False])
def test_a_revoked_certificate(own: TestPki, der: bool) -> None:
    store = TrustStore(own.ca_file, own.crls(own.client, der=der))
    store.check(leaf(own), NOW)
    assert refusal(lambda: store.check(leaf(own, "client"), NOW)) == "CERTIFICATE_REVOKED"
    # What was signed before the revocation stays good.
    store.check(leaf(own, "client"), NOW - timedelta(hours=2))


def test_lists_that_the_user_refreshes(own: TestPki) -> None:
    store = TrustStore(own.ca_file, own.crls())
    store.check(leaf(own), NOW)
    own.crls(own.signing)
    assert refusal(lambda: store.check(leaf(own), NOW)) == "CERTIFICATE_REVOKED"
    broken = own.crls()[0]
    broken.write_bytes(b"half a list")
    # A file that cannot be read brings back nobody: the last list that could be read goes on.
    assert refusal(lambda: store.check(leaf(own), NOW)) == "CERTIFICATE_REVOKED"
    assert {f.code for f in store.findings(leaf(own), NOW)} == {"TRUST_NOT_RELOADED", "CERTIFICATE_REVOKED"}


def test_the_newest_list_counts(own: TestPki, tmp_path: Path) -> None:
    old = own.crls(own.signing, issued=NOW - timedelta(days=3))[0].rename(tmp_path / "old.crl")
    new, root = own.crls()
    TrustStore(own.ca_file, (new, old, root)).check(leaf(own), NOW)
    assert refusal(lambda: TrustStore(own.ca_file, (old, root)).check(leaf(own), NOW)) == "CERTIFICATE_REVOKED"


@pytest.mark.parametrize("policy", ["refuse", "accept"])
def test_an_absent_list(own: TestPki, policy: Any) -> None:
    store = TrustStore(own.ca_file, own.crls()[:1], crl_absent=policy)
    found = store.findings(leaf(own), NOW)
    assert [(f.code, f.path) for f in found] == [("CRL_ABSENT", "chain[1]")]
    assert found.ok is (policy == "accept")
    if policy == "accept":
        store.check(leaf(own), NOW)
    else:
        assert refusal(lambda: store.check(leaf(own), NOW)) == "CRL_ABSENT"


@pytest.mark.parametrize("policy", ["refuse", "accept"])
def test_an_outdated_list(own: TestPki, policy: Any) -> None:
    lists = own.crls(own.client, issued=NOW - timedelta(days=9), until=NOW - timedelta(days=1))
    store = TrustStore(own.ca_file, lists, crl_expired=policy)
    assert store.findings(leaf(own), NOW).ok is (policy == "accept")
    if policy == "accept":
        store.check(leaf(own), NOW)
        assert refusal(lambda: store.check(leaf(own, "client"), NOW)) == "CERTIFICATE_REVOKED"
    else:
        assert refusal(lambda: store.check(leaf(own), NOW)) == "CRL_EXPIRED"


@pytest.mark.parametrize(("ahead", "ok"), [(-1, True), (290, True), (310, False)])
def test_a_list_of_the_future(own: TestPki, ahead: int, ok: bool) -> None:
    """But for the clocks: ours may be late. What was signed before the list was issued is looked up all the same."""
    lists = own.crls(issued=(NOW + timedelta(seconds=ahead)).replace(microsecond=0))
    settings = TrustSettings(anchors=own.ca_file, crls=lists, crl_expired="accept", crl_absent="accept")
    store = trust_of(settings, clock=FixedClock(NOW))
    assert store is not None
    for at in (NOW, NOW - timedelta(hours=1)):
        assert store.findings(leaf(own), at).ok is ok
        if ok:
            store.check(leaf(own), at)
        else:
            assert refusal(lambda at=at: store.check(leaf(own), at)) == "CRL_NOT_YET_VALID"


def test_a_list_that_another_signed_does_not_count(own: TestPki, other_pki: TestPki) -> None:
    theirs = other_pki.crls()  # the same names, another key
    assert refusal(lambda: TrustStore(own.ca_file, theirs).check(leaf(own), NOW)) == "CRL_ABSENT"


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN X509 CRL-----", b"\x30\x03"])
def test_a_list_that_cannot_be_read(own: TestPki, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.crl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as e:
        TrustStore(own.ca_file, (path,))
    assert e.value.code == "CRL_UNREADABLE"


@pytest.mark.parametrize(
    "extension",
    [
        x509.DeltaCRLIndicator(1),
        x509.IssuingDistributionPoint(
            full_name=None, relative_name=None, only_contains_user_certs=False, only_contains_ca_certs=False,
            only_some_reasons=None, indirect_crl=True, only_contains_attribute_certs=False,
        ),
    ],
)  # fmt: skip
def test_a_list_of_part_of_the_revocations_is_refused(own: TestPki, tmp_path: Path, extension: Any) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(leaf(own).issuer)
        .last_update(NOW)
        .next_update(NOW + timedelta(days=1))
        .add_extension(extension, critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "a.crl"
    path.write_bytes(crl.public_bytes(serialization.Encoding.DER))
    with pytest.raises(ConfigurationError) as e:
        TrustStore(own.ca_file, (path,))
    assert e.value.code == "CRL_UNSUPPORTED"


def test_a_signer_whose_certificate_is_revoked_stops(own: TestPki) -> None:
    store = TrustStore(own.ca_file, own.crls())
    signer = Pkcs12Signer(own.signing.pkcs12, PASSWORD, trust=store)
    assert signer.sign(b"x", "sha256")
    own.crls(own.signing)
    assert refusal(lambda: signer.sign(b"x", "sha256")) == "CERTIFICATE_REVOKED"
    assert refusal(lambda: Pkcs12Signer(own.signing.pkcs12, PASSWORD, trust=store)) == "CERTIFICATE_REVOKED"


def test_received_signatures_are_looked_up(own: TestPki) -> None:
    signer = Pkcs12Signer(own.signing.pkcs12, PASSWORD)
    signed = xades.sign_submission(
        submission_unique_id="1.2.3", documents=[], signer=signer, signing_time=NOW, signature_id="_s"
    )
    assertion = etree.fromstring(vihf.build(request(), signer, assertion_id="_a", issue_instant=NOW))
    good = TrustStore(own.ca_file, own.crls())
    assert xades.verify(signed, trusted_roots=good, at=NOW).ok
    vihf.verify(assertion, trusted_roots=good, at=NOW)
    own.crls(own.signing)
    assert xades.verify(signed, trusted_roots=good, at=NOW).codes == ("CERTIFICATE_REVOKED",)
    assert refusal(lambda: vihf.verify(assertion, trusted_roots=good, at=NOW)) == "CERTIFICATE_REVOKED"


# --- holders ----------------------------------------------------------------------------------------------------------


def test_holders(pki: TestPki, other_pki: TestPki) -> None:
    card = other_pki.card("899900063480", "LIBRE", "MAX")
    organization, person = leaf(pki), load_certificates(card.signature.certificate)[0]
    assert holder_of(organization) == (Holder.ORGANIZATION, STRUCTURE)
    assert holder_of(person) == (Holder.PERSON, "899900063480")
    for mode in ("INDIRECTE", "INDIRECTE_RENFORCEE"):
        check_holder(organization, mode)
        assert refusal(lambda m=mode: check_holder(person, m)) == "CERTIFICATE_HOLDER"  # type: ignore[misc]  # bound now
    check_holder(person, "DIRECTE")
    assert refusal(lambda: check_holder(organization, "DIRECTE")) == "CERTIFICATE_HOLDER"


def test_certificates_of_two_structures(pki: TestPki, other_pki: TestPki) -> None:
    assert check_same_holder(leaf(pki, "client"), leaf(pki)) is None
    found = check_same_holder(leaf(other_pki, "client"), leaf(pki))
    assert found is not None
    assert (found.code, found.severity) == ("CERTIFICATES_OF_TWO_HOLDERS", Severity.ERROR)
    signer = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)
    clock = SystemClock()
    require_certificates(signer, pki.tls, mode="INDIRECTE", clock=clock)
    with pytest.raises(CertificateError) as e:
        require_certificates(signer, other_pki.tls, mode="INDIRECTE", clock=clock)
    assert e.value.code == "CERTIFICATES_OF_TWO_HOLDERS"
    with pytest.raises(CertificateError) as e:
        require_certificates(signer, pki.tls, mode="DIRECTE", clock=clock)
    assert e.value.code == "CERTIFICATE_HOLDER"


def test_a_revoked_tls_certificate_is_refused_before_any_call(own: TestPki) -> None:
    trust = trust_of(TrustSettings(anchors=own.ca_file, crls=own.crls(own.client)))
    signer = Pkcs12Signer(own.signing.pkcs12, PASSWORD)
    with pytest.raises(CertificateError) as e:
        require_certificates(signer, own.tls, mode="INDIRECTE", clock=SystemClock(), trust=trust)
    assert e.value.code == "CERTIFICATE_REVOKED"
    assert trust_of(None) is None


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("rfc2253", "CN=899900063480+SN=LIBRE+GN=MAX,OU=Médecin,C=FR"),
        ("rfc2253_oids", "CN=899900063480+2.5.4.4=#0c054c49425245+2.5.4.42=#0c034d4158,OU=Médecin,C=FR"),
        ("country_first", "C=FR, OU=Médecin, CN=899900063480+SN=LIBRE+GN=MAX"),
    ],
)
def test_forms_of_a_name(form: Any, text: str) -> None:
    oid = x509.oid.NameOID
    name = x509.Name([
        x509.RelativeDistinguishedName([x509.NameAttribute(oid.COUNTRY_NAME, "FR")]),
        x509.RelativeDistinguishedName([x509.NameAttribute(oid.ORGANIZATIONAL_UNIT_NAME, "Médecin")]),
        x509.RelativeDistinguishedName([
            x509.NameAttribute(oid.COMMON_NAME, "899900063480"),
            x509.NameAttribute(oid.SURNAME, "LIBRE"),
            x509.NameAttribute(oid.GIVEN_NAME, "MAX"),
        ]),
    ])  # fmt: skip
    assert distinguished_name(name, form) == text


# --- expiry -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days_left", "code", "severity"),
    [(31, None, None), (29, "CERTIFICATE_EXPIRES_SOON", Severity.WARNING), (-1, "CERTIFICATE_EXPIRED", Severity.ERROR)],
)
def test_warnings_before_the_end(pki: TestPki, days_left: int, code: str | None, severity: Severity | None) -> None:
    certificate = leaf(pki)
    at = certificate.not_valid_after_utc - timedelta(days=days_left)
    found = expiry_finding(certificate, at, days=30)
    assert (found.code, found.severity) == (code, severity) if found else code is None


def test_a_daily_report(own: TestPki) -> None:
    clock = FixedClock(NOW)
    trust = TrustStore(own.ca_file, own.crls(until=NOW + timedelta(days=400)))
    signer = Pkcs12Signer(own.signing.pkcs12, PASSWORD, clock=clock)
    tls = own.tls
    assert not certificates_report(signer, tls, clock=clock, days=30, trust=trust).findings
    clock.advance(timedelta(days=350))
    found = certificates_report(signer, tls, clock=clock, days=30, trust=trust)
    assert [(f.code, f.path) for f in found] == [
        ("CERTIFICATE_EXPIRES_SOON", "signing"), ("CERTIFICATE_EXPIRES_SOON", "tls"),
    ]  # fmt: skip
    assert found.ok
    clock.advance(timedelta(days=30))
    found = certificates_report(signer, tls, clock=clock, days=30)
    assert [f.code for f in found.errors] == ["CERTIFICATE_EXPIRED", "CERTIFICATE_EXPIRED"]
    assert len(certificates_report(signer, None, clock=clock, days=30)) == 1
    os.truncate(own.signing.pkcs12, 10)
    assert "CERTIFICATE_NOT_RELOADED" in {f.code for f in certificates_report(signer, tls, clock=clock, days=0)}


def request() -> vihf.VihfRequest:
    return vihf.VihfRequest(
        subject="801234567897", structure_id="10B0127189", sector=Code(code="SA01", system="1.2.250.1.71.4.2.4"),
        roles=(Code(code="60", system="1.2.250.1.71.1.2.7", display="Infirmier"),), subject_id="A B",
        authn_context="urn:oasis:names:tc:SAML:2.0:ac:classes:Password", software_name="DPI", software_version="1",
        software_id="1", homologation="DEMO",
    )  # fmt: skip
