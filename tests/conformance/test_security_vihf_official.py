"""VIHF of the official messages: each is read, and ours for the same content says the same in the same place."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.model import Code
from sunes_sdk.security import Pkcs12Signer, dsig, vihf
from sunes_sdk.security.keys import distinguished_name, load_certificates
from sunes_sdk.testing.pki import PASSWORD, TestPki

SAML = f"{{{vihf.SAML}}}"
Message = Callable[[str], bytes]
TRANSACTIONS = (
    "TD0.2", "TD0.3", "TD0.4", "TD0.5", "TD1.3a", "TD1.3b", "TD1.4", "TD1.6", "TD2.1", "TD3.1", "TD3.2", "TD3.3c",
    "TD3.3d",
)  # fmt: skip
MODES = {f"{transaction}[ _]*_r*te.xml": "DIRECTE" for transaction in TRANSACTIONS} | {
    "VIHF_DIRECTE_sign*.xml": "DIRECTE",
    "VIHF_INDIRECTE_sign*.xml": "INDIRECTE",
    "VIHF_INDIRECTE_RENFORCEE_sign*.xml": "INDIRECTE_RENFORCEE",
}
INDIRECT = "VIHF_INDIRECTE_sign*.xml"


def assertion(content: bytes) -> etree._Element:
    """The assertion in a message; TD2.1 is a MIME package whose first part is the envelope."""
    if not content.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"<"):
        found = re.search(rb"<(\w+:)?Envelope.*?</(\w+:)?Envelope>", content, re.DOTALL)
        assert found is not None
        content = found.group()
    content = content.decode("utf-8", "replace").encode()  # a name of some is not UTF-8
    return next(etree.fromstring(content).iter(f"{SAML}Assertion"))


def texts(element: etree._Element) -> dict[str, Any]:
    """Name → text values, or the attributes of the coded values (`xsi:type` included)."""
    return {
        a.get("Name", ""): [
            dict(v[0].attrib) if len(v) else v.text for v in a.iterfind(f"{SAML}AttributeValue")
        ]
        for a in element.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute")
    }  # fmt: skip


def shape(element: etree._Element) -> list[str]:
    return [etree.QName(e).localname for e in element if etree.QName(e).localname != "Signature"]


@pytest.mark.parametrize(("name", "mode"), MODES.items())
def test_ours_says_the_same_in_the_same_place(dmp_message: Message, pki: TestPki, name: str, mode: vihf.Mode) -> None:
    official = assertion(dmp_message(name))
    said = texts(official)
    assert said["Authentification_mode"] == [mode]
    code, _, system = said["Secteur_Activite"][0].partition("^")

    def coded(values: dict[str, str]) -> Code:
        return Code(
            code=values["code"], system=values["codeSystem"], display=values["displayName"],
            system_name=values.get("codeSystemName", ""),
        )  # fmt: skip

    issuer = official.findtext(f"{SAML}Issuer") or ""
    request = vihf.VihfRequest(
        subject=official.findtext(f"{SAML}Subject/{SAML}NameID") or "",
        structure_id=said["Identifiant_Structure"][0], sector=Code(code=code, system=system),
        roles=tuple(map(coded, said[vihf.ROLE])), subject_id=said.get(vihf.SUBJECT_ID, ["not written"])[0],
        authn_context=official.findtext(f".//{SAML}AuthnContextClassRef") or "",
        authn_declaration=official.findtext(f".//{SAML}AuthnContextDecl"), software_name=said["LPS_Nom"][0],
        software_version=said["LPS_Version"][0], software_id=said["LPS_ID"][0],
        homologation=said["LPS_ID_HOMOLOGATION_DMP"][0], ins_cx=said[vihf.RESOURCE_ID][0],
        purpose=coded(said[vihf.PURPOSE_OF_USE][0]), mode=mode, mode_attribute="Authentification_mode", issuer=issuer,
    )  # fmt: skip
    signer = Pkcs12Signer(pki.signing.pkcs12, PASSWORD)
    ours = etree.fromstring(vihf.build(request, signer, assertion_id="_a", issue_instant=SystemClock().now()))
    assert texts(ours) == said
    assert list(texts(ours)) == list(said)  # in their order
    assert shape(ours) == shape(official)
    assert ours.find(f"{SAML}Issuer").attrib == official.find(f"{SAML}Issuer").attrib  # type: ignore[union-attr]  # both have one
    statement = f"{SAML}AuthnStatement/{SAML}AuthnContext"
    assert shape(ours.find(statement)) == shape(official.find(statement))  # type: ignore[arg-type]  # both have one


def test_ours_reads_the_signed_one(dmp_message: Message) -> None:
    """Its attributes were edited after signing (digest), and its certificate has ended: what it says is read."""
    official = assertion(dmp_message(INDIRECT))
    certificate = dsig.signer_certificate(next(official.iter(f"{{{dsig.DS}}}Signature")))
    claims = vihf._claims(official, official.findtext(f"{SAML}Issuer") or "", certificate)
    assert (claims.subject, claims.structure_id, claims.mode) == ("899900063480", "339172288100052", "INDIRECTE")
    assert [(r.code, r.system) for r in claims.roles] == [
        ("10", "1.2.250.1.71.1.2.7"), ("SM26", "1.2.250.1.71.4.2.5"),
    ]  # fmt: skip
    assert claims.purpose.code == "normal"
    assert vihf._is_subject(claims.issuer, certificate)


def test_its_signature_value_holds_by_openssl_alone(dmp_message: Message) -> None:
    """SignedInfo in exclusive canonical form, RSA-SHA1, with lxml and OpenSSL only."""
    official = assertion(dmp_message(INDIRECT))
    signature = next(official.iter(f"{{{dsig.DS}}}Signature"))
    info = signature.find(f"{{{dsig.DS}}}SignedInfo")
    assert info is not None
    key = dsig.signer_certificate(signature).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    value = base64.b64decode("".join((signature.findtext(f"{{{dsig.DS}}}SignatureValue") or "").split()))
    key.verify(
        value, etree.tostring(info, method="c14n", exclusive=True), padding.PKCS1v15(), hashes.SHA1()
    )  # raises when it does not hold


def test_the_issuer_forms_of_cards_are_ours(dmp_message: Message, pki: TestPki) -> None:
    """Messages signed by a card name it with OIDs, for want of RFC 2253 keywords."""
    issuer = assertion(dmp_message(next(iter(MODES)))).findtext(f"{SAML}Issuer") or ""
    card = load_certificates(pki.card("899900038839", "DERAL", "FADEMIS").signature.certificate)[0]
    wanted = distinguished_name(card.subject, "rfc2253_oids")
    for part in ("CN=899900038839", "2.5.4.4=#", "2.5.4.42=#"):
        assert part in issuer
        assert part in wanted


def test_the_automaton_of_the_public_example(samples: Path) -> None:
    """The 2024 example of the ANS: country first, SHA-256, and the upper-case attribute."""
    root = etree.parse(str(samples / "dmp/ans_mit/vihf_automate_ans_2024.xml")).getroot()
    found = next(root.iter(f"{SAML}Assertion"))
    names = [a.get("Name") for a in found.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute")]
    assert "Authentification_Mode" in names
    assert (found.findtext(f"{SAML}Issuer") or "").startswith("C=FR, ST=Paris (75), ")
    methods = {e.get("Algorithm") for e in found.iter(f"{{{dsig.DS}}}SignatureMethod", f"{{{dsig.DS}}}DigestMethod")}
    assert methods == {dsig.SIGNATURE_METHODS["sha256"], dsig.DIGEST_METHODS["sha256"]}
