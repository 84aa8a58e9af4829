from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk._core.errors import ModelError, SecurityError, SunesError, XmlSecurityError
from sunes_sdk.model import Code
from sunes_sdk.security import Pkcs12Signer, vihf
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.testing.pki import PASSWORD, TestPki

NS = {"s": vihf.SAML, "d": "http://www.w3.org/2000/09/xmldsig#"}
DOCTOR = Code(code="10", system="1.2.250.1.71.1.2.7", display="Médecin", system_name="G15")
SPECIALTY = Code(code="SM27", system="1.2.250.1.71.4.2.5", display="Médecine interne (SM)")


def request(**changes: Any) -> vihf.VihfRequest:
    values: dict[str, Any] = {
        "subject": "801234567897",
        "structure_id": "10B0127189",
        "sector": Code(code="SA01", system="1.2.250.1.71.4.2.4"),
        "roles": (DOCTOR, SPECIALTY),
        "subject_id": "Charles DAVID",
        "authn_context": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
        "software_name": "DPI de démonstration",
        "software_version": "1.0",
        "software_id": "1",
        "homologation": "DEMO",
        "ins_cx": "279035121518989^^^&1.2.250.1.213.1.4.10&ISO^NH",
    }
    return vihf.VihfRequest(**values | changes)


@pytest.fixture(scope="module")
def signer(pki: TestPki) -> Pkcs12Signer:
    return Pkcs12Signer(pki.signing.pkcs12, PASSWORD)


def build(signer: Pkcs12Signer, **changes: Any) -> bytes:
    return vihf.build(request(**changes), signer, assertion_id="_a", issue_instant=SystemClock().now())


def verify(xml: bytes | etree._Element, pki: TestPki, **changes: Any) -> vihf.VihfClaims:
    element = etree.fromstring(xml) if isinstance(xml, bytes) else xml
    values = {"trusted_roots": load_certificates(pki.ca_file), "at": SystemClock().now()}
    return vihf.verify(element, **values | changes)


def test_written_bytes_are_canonical(signer: Pkcs12Signer) -> None:
    xml = build(signer, subject_id="L'é&<>\"\t\r\n", software_name="x > y")
    assert etree.tostring(etree.fromstring(xml), method="c14n", exclusive=True) == xml


def test_claims_are_those_of_the_request(pki: TestPki, signer: Pkcs12Signer) -> None:
    claims = verify(build(signer), pki)
    asked = request()
    assert (claims.subject, claims.structure_id, claims.ins_cx) == (asked.subject, asked.structure_id, asked.ins_cx)
    assert (claims.sector, claims.mode, claims.purpose) == ("SA01^1.2.250.1.71.4.2.4", "INDIRECTE", vihf.NORMAL_ACCESS)
    assert claims.roles == (DOCTOR, SPECIALTY)
    assert claims.issuer == signer.subject_dn
    assert claims.attributes["LPS_ID_HOMOLOGATION_DMP"] == "DEMO"
    assert claims.attributes["VIHF_Version"] == "3.0"
    assert claims.attributes["Ressource_URN"] == "urn:dmp"


def test_order_and_signature_place(signer: Pkcs12Signer) -> None:
    root = etree.fromstring(build(signer))
    assert [etree.QName(e).localname for e in root] == [
        "Issuer", "Signature", "Subject", "AuthnStatement", "AttributeStatement",
    ]  # fmt: skip
    roles = root.findall(f".//s:Attribute[@Name='{vihf.ROLE}']", NS)
    assert len(roles) == 1
    assert len(roles[0]) == 2


def test_options_are_written(signer: Pkcs12Signer, pki: TestPki) -> None:
    xml = build(
        signer,
        version="4.0",
        mode="INDIRECTE_RENFORCEE",
        mode_attribute="Authentification_mode",
        authn_declaration="APP_BROWSER_AUTH",
        confidentiality="INVISIBLE_REPRESENTANTS_LEGAUX",
        ins_cx=None,
        issuer="C=FR, ST=Paris (75), O=HOPITAL DE DEMONSTRATION, OU=10B0127189, CN=org-sign.test",
    )
    claims = verify(xml, pki)
    assert claims.mode == "INDIRECTE_RENFORCEE"
    assert claims.attributes["VIHF_Version"] == "4.0"
    assert claims.ins_cx is None
    assert claims.attributes[vihf.CONFIDENTIALITY] == "INVISIBLE_REPRESENTANTS_LEGAUX"
    assert b"<saml2:AuthnContextDecl>APP_BROWSER_AUTH<" in xml


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
def test_both_digests_verify(pki: TestPki, signer: Pkcs12Signer, digest: Any) -> None:
    xml = vihf.build(request(), signer, assertion_id="_x", issue_instant=SystemClock().now(), digest=digest)
    assert xml.count(digest.encode()) >= 2
    assert verify(xml, pki).assertion_id == "_x"


def test_instant_is_utc_with_milliseconds(signer: Pkcs12Signer) -> None:
    at = datetime(2026, 1, 15, 10, 30, 0, 123456, UTC).astimezone()
    xml = vihf.build(request(), signer, assertion_id="_x", issue_instant=at)
    assert xml.count(b'Instant="2026-01-15T10:30:00.123Z"') == 2


def test_embedding_under_other_namespaces_keeps_it_valid(pki: TestPki, signer: Pkcs12Signer) -> None:
    envelope = b'<a:E xmlns:a="urn:a" xmlns="urn:default" xmlns:q="urn:q"><h>' + build(signer) + b"tail</h></a:E>"
    verify(etree.fromstring(envelope)[0][0], pki)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"roles": (DOCTOR,)}, "VIHF_ROLE"),
        ({"roles": (Code(code="21", system="1.2.250.1.71.1.2.7"),)}, "VIHF_ROLE"),
        ({"roles": ()}, "VIHF_ROLE"),
        ({"roles": (DOCTOR, SPECIALTY, SPECIALTY)}, "VIHF_ROLE"),
        ({"subject": ""}, "VIHF_MISSING"),
        ({"homologation": ""}, "VIHF_MISSING"),
    ],
)
def test_impossible_requests_are_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError) as e:
        request(**changes)
    assert e.value.code == code


def test_a_nurse_needs_no_specialty() -> None:
    assert request(roles=(Code(code="60", system="1.2.250.1.71.1.2.7"),)).roles


def test_control_characters_are_refused(signer: Pkcs12Signer) -> None:
    with pytest.raises(XmlSecurityError):
        build(signer, subject_id="a\x00b")


def test_repr_masks_the_patient_and_the_person() -> None:
    shown = repr(request())
    assert "279035121518989" not in shown
    assert "DAVID" not in shown


def _text(path: str, text: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = root.find(path, NS)
        assert found is not None
        found.text = text

    return change


def _move_signature_last(root: etree._Element) -> None:
    root.append(root[1])


def _drop(path: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = root.find(path, NS)
        assert found is not None
        parent = found.getparent()
        assert parent is not None
        parent.remove(found)

    return change


def _attribute(path: str, name: str, value: str) -> Callable[[etree._Element], None]:
    def change(root: etree._Element) -> None:
        found = root if path == "." else root.find(path, NS)
        assert found is not None
        found.set(name, value)

    return change


def _duplicate_signature(root: etree._Element) -> None:
    root[2].append(etree.fromstring(etree.tostring(root[1])))


@pytest.mark.parametrize(
    ("mutate", "code"),
    [
        (_text("s:Subject/s:NameID", "899900000000"), "SIGNATURE_DIGEST"),
        (_text(f".//s:Attribute[@Name='{vihf.RESOURCE_ID}']/s:AttributeValue", "1^^^"), "SIGNATURE_DIGEST"),
        (_text("s:Issuer", "CN=x"), "SIGNATURE_DIGEST"),
        (_attribute(".", "ID", "_other"), "SIGNATURE_REFERENCE"),
        (_attribute(".", "Version", "1.1"), "VIHF_SHAPE"),
        (_move_signature_last, "VIHF_SHAPE"),
        (_drop("d:Signature"), "VIHF_SHAPE"),
        (_duplicate_signature, "VIHF_SHAPE"),
        (_drop("d:Signature/d:KeyInfo"), "SIGNATURE_CERTIFICATE"),
        (_drop("d:Signature/d:SignatureValue"), "SIGNATURE_VALUE"),
        (_text("d:Signature/d:SignatureValue", "AAAA"), "SIGNATURE_VALUE"),
        (_text("d:Signature/d:SignatureValue", "é"), "SIGNATURE_MALFORMED"),
        (_text(".//d:DigestValue", "AAAA"), "SIGNATURE_VALUE"),
        (_attribute(".//d:SignatureMethod", "Algorithm", "urn:none"), "SIGNATURE_ALGORITHM"),
        (_attribute(".//d:CanonicalizationMethod", "Algorithm", "urn:none"), "SIGNATURE_ALGORITHM"),
        (_drop("d:Signature/d:SignedInfo"), "SIGNATURE_MALFORMED"),
    ],
)
def test_verification_refuses_a_mutated_assertion(
    pki: TestPki, signer: Pkcs12Signer, mutate: Callable[[etree._Element], None], code: str
) -> None:
    root = etree.fromstring(build(signer))
    verify(root, pki)
    mutate(root)
    with pytest.raises(SecurityError) as e:
        verify(root, pki)
    assert e.value.code == code


class Resigned:
    """Signs whatever it is given: to reach the checks that stand behind the signature."""

    def __init__(self, signer: Pkcs12Signer, change: Callable[[bytes], bytes]) -> None:
        self._signer = signer
        self._change = change

    @property
    def certificate_der(self) -> bytes:
        return self._signer.certificate_der

    @property
    def chain_der(self) -> tuple[bytes, ...]:
        return self._signer.chain_der

    @property
    def subject_dn(self) -> str:
        return self._signer.subject_dn

    def sign(self, data: bytes, digest: Any) -> bytes:
        return self._signer.sign(self._change(data), digest)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"#enveloped-signature", b"#base64"),
        (b'URI="#_a"', b'URI=""'),
    ],
)
def test_verification_refuses_well_signed_but_wrong_references(
    pki: TestPki, signer: Pkcs12Signer, old: bytes, new: bytes
) -> None:
    resigned = Resigned(signer, lambda data: data.replace(old, new))
    xml = vihf.build(request(), resigned, assertion_id="_a", issue_instant=SystemClock().now()).replace(old, new)
    with pytest.raises(SecurityError) as e:
        verify(xml, pki)
    assert e.value.code in ("SIGNATURE_REFERENCE", "SIGNATURE_ALGORITHM")


def test_issuer_must_be_the_signer(pki: TestPki, signer: Pkcs12Signer) -> None:
    with pytest.raises(SecurityError) as e:
        verify(build(signer, issuer="CN=somebody else,C=FR"), pki)
    assert e.value.code == "VIHF_ISSUER"


def test_what_was_accepted_once_is_judged_again(pki: TestPki, signer: Pkcs12Signer) -> None:
    """The name is remembered with its certificate alone, and neither dates nor authorities are remembered."""
    xml = build(signer)
    verify(xml, pki)
    card = Pkcs12Signer(pki.card("801234567897").signature.pkcs12, PASSWORD)
    verify(build(card), pki)
    with pytest.raises(SecurityError) as e:
        verify(build(card, issuer=signer.subject_dn), pki)
    assert e.value.code == "VIHF_ISSUER"
    for changes, code in (
        ({"at": SystemClock().now() + timedelta(days=400)}, "CERTIFICATE_EXPIRED"),
        ({"trusted_roots": ()}, "CERTIFICATE_UNTRUSTED"),
    ):
        with pytest.raises(SunesError) as refused:
            verify(xml, pki, **changes)
        assert refused.value.code == code


def test_trust_and_dates_are_checked(pki: TestPki, signer: Pkcs12Signer) -> None:
    xml = build(signer)
    for changes, code in (
        ({"trusted_roots": ()}, "CERTIFICATE_UNTRUSTED"),
        ({"at": SystemClock().now() + timedelta(days=400)}, "CERTIFICATE_EXPIRED"),
    ):
        with pytest.raises(SunesError) as e:
            verify(xml, pki, **changes)
        assert e.value.code == code


def test_comments_cannot_split_a_claim(pki: TestPki, signer: Pkcs12Signer) -> None:
    """C14N drops comments: they can be added without breaking the digest, and must not change what is read."""
    xml = build(signer).replace(b"801234567897</saml2:NameID>", b"8012<!-- -->34567897</saml2:NameID>")
    assert verify(xml, pki).subject == "801234567897"


def test_claims_never_show_in_repr(pki: TestPki, signer: Pkcs12Signer) -> None:
    assert "801234567897" not in repr(verify(build(signer), pki))


def test_request_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        request().subject = "x"  # type: ignore[misc]  # frozen: that is the test


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "899999999999"},
        {"structure_id": "10B0000000"},
        {"sector": Code(code="SA05", system="1.2.250.1.71.4.2.4")},
        {"roles": (DOCTOR, SPECIALTY.model_copy(update={"display": "autre"}))},
        {"subject_id": "Autre NOM"},
        {"authn_context": "urn:autre"},
        {"software_name": "Autre"},
        {"software_version": "2.0"},
        {"software_id": "2"},
        {"homologation": "AUTRE"},
        {"ins_cx": None},
        {"purpose": vihf.EMERGENCY_ACCESS},
        {"mode": "INDIRECTE_RENFORCEE", "authn_declaration": "déclaration"},
        {"version": "4.0"},
        {"mode_attribute": "Authentification_mode"},
        {"issuer": "CN=autre"},
        {"issuer_form": "country_first"},
        {"confidentiality": vihf.HIDDEN_FROM_GUARDIANS},
        {"validity": timedelta(minutes=5)},
        {"validity": timedelta(minutes=5), "skew": timedelta(minutes=1)},
    ],
    ids=lambda changes: "+".join(changes),
)
def test_what_is_kept_of_a_user_is_of_that_request(signer: Pkcs12Signer, changes: dict[str, Any]) -> None:
    """One field changed, the assertion changes: nothing that was kept for another request is given."""
    at = SystemClock().now()
    xml, other = (
        vihf.build(request(**given), signer, assertion_id="_a", issue_instant=at) for given in ({}, changes)
    )  # fmt: skip
    assert xml != other
    assert vihf.build(request(), signer, assertion_id="_a", issue_instant=at) == xml
    vihf._lasting.cache_clear()
    assert vihf.build(request(**changes), signer, assertion_id="_a", issue_instant=at) == other
