"""Our signatures over a range of texts, judged by xmlsec1 and signxml, and by digests recomputed with xmllint and
hashlib: no code of ours takes part in the judgement.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.model import Code
from sunes_sdk.security import Pkcs12Signer, vihf, xades
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.testing.pki import PASSWORD, TestPki

NOW = SystemClock().now()
DS = "{http://www.w3.org/2000/09/xmldsig#}"
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
# Whatever XML 1.0 can hold, with what C14N treats apart more often than chance would.
XML_CHARACTERS = st.characters(
    exclude_categories=("Cs", "Cc"), include_characters="\t\n\r", exclude_characters="\ufffe\uffff"
)
TEXTS = st.one_of(
    st.text(XML_CHARACTERS, min_size=1, max_size=40),
    st.text(st.sampled_from("éÀœŸç'’\"<>&;\t\r\n ]-𝄞\u0301\u2028"), min_size=1, max_size=200),
    st.sampled_from(["&amp;", "]]>", "<!-- -->", " x ", "É" * 3000, "A, B + C=\\D", "&#13;"]),
)
# xmlsec1 starts a process for each example.
judged = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def signer(pki: TestPki) -> Pkcs12Signer:
    return Pkcs12Signer(pki.signing.pkcs12, PASSWORD)


@pytest.fixture(scope="module")
def xmlsec1(pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> Any:
    program = shutil.which("xmlsec1")
    if program is None:
        pytest.skip("xmlsec1 is not installed (Debian package xmlsec1)")
    path = tmp_path_factory.mktemp("xmlsec") / "signed.xml"
    root, intermediate = (path.with_name(f"{n}.pem") for n in ("root", "intermediate"))
    for target, pem in zip(
        (root, intermediate), pki.ca_file.read_text().split("-----END CERTIFICATE-----\n"), strict=False
    ):
        target.write_text(pem + "-----END CERTIFICATE-----\n")

    def run(xml: bytes, *options: str) -> str:
        """What it said, empty when it accepts."""
        path.write_bytes(xml)
        done = subprocess.run(
            [program, "--verify", "--trusted-pem", root, "--untrusted-pem", intermediate, *options, path],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return run


@st.composite
def requests(draw: st.DrawFn) -> vihf.VihfRequest:
    mode: vihf.Mode = draw(st.sampled_from(["INDIRECTE", "INDIRECTE_RENFORCEE", "DIRECTE"]))
    role = st.builds(
        Code,
        code=st.just("60"),
        system=st.just("1.2.250.1.71.1.2.7"),
        display=TEXTS,
        system_name=st.just("G15") | TEXTS,
    )
    return vihf.VihfRequest(
        subject=draw(TEXTS), structure_id=draw(TEXTS), sector=Code(code="SA01", system="1.2.250.1.71.4.2.4"),
        roles=tuple(draw(st.lists(role, min_size=1, max_size=2))), subject_id=draw(TEXTS),
        authn_context=vihf.SMARTCARD if mode == "DIRECTE" else draw(TEXTS), software_name=draw(TEXTS),
        software_version=draw(TEXTS), software_id=draw(TEXTS), homologation=draw(TEXTS),
        ins_cx=draw(st.none() | TEXTS), mode=mode,
        purpose=draw(st.sampled_from([vihf.NORMAL_ACCESS, vihf.EMERGENCY_ACCESS, vihf.REGULATION_ACCESS])),
        version=draw(st.sampled_from(["3.0", "4.0"])),
        mode_attribute=draw(st.sampled_from(["Authentification_Mode", "Authentification_mode"])),
        issuer_form=draw(st.sampled_from(["rfc2253", "rfc2253_oids", "country_first"])),
        authn_declaration=draw(TEXTS) if mode == "INDIRECTE_RENFORCEE" else None,
        confidentiality=draw(st.sampled_from([None, vihf.HIDDEN_FROM_GUARDIANS])),
    )  # fmt: skip


def build(request: vihf.VihfRequest, signer: Pkcs12Signer, digest: Any) -> bytes:
    return vihf.build(request, signer, assertion_id="_id1", issue_instant=NOW, digest=digest)


@given(request=requests(), digest=st.sampled_from(["sha1", "sha256"]))
@judged
def test_xmlsec1_accepts_any_vihf(xmlsec1: Any, signer: Pkcs12Signer, request: vihf.VihfRequest, digest: Any) -> None:
    xml = build(request, signer, digest)
    envelope = b'<e:E xmlns:e="urn:e" xmlns="urn:d" xmlns:q="urn:q"><h>' + xml + b"</h></e:E>"
    for signed in (xml, envelope):
        assert not xmlsec1(signed, "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion")


@given(request=requests())
@judged
def test_signxml_accepts_any_vihf_and_reads_what_was_asked(
    pki: TestPki, signer: Pkcs12Signer, request: vihf.VihfRequest
) -> None:
    signxml = pytest.importorskip("signxml")
    root = etree.fromstring(build(request, signer, "sha256"))
    assert [etree.QName(e).localname for e in root[:2]] == ["Issuer", "Signature"]
    seen = (
        signxml.XMLVerifier()
        .verify(root, ca_pem_file=str(pki.ca_file), expect_references=1, id_attribute="ID", validate_schema=False)
        .signed_xml
    )
    assert seen.findtext(f"{SAML}Subject/{SAML}NameID") == request.subject
    values = {
        a.get("Name"): a.findtext(f"{SAML}AttributeValue")
        for a in seen.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute")
    }
    assert values["LPS_Nom"] == request.software_name
    assert values[request.mode_attribute] == request.mode
    assert values.get(vihf.RESOURCE_ID) == request.ins_cx
    assert values.get(vihf.SUBJECT_ID) == (None if request.mode == "DIRECTE" else request.subject_id)
    assert [r.get("displayName") for r in seen.iter("{urn:hl7-org:v3}Role")] == [r.display for r in request.roles]


# --- XAdES ------------------------------------------------------------------------------------------------------------


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """XML as people write it: attributes in any order, entities, comments, CDATA, CR LF, accents, declarations."""

    def attribute(name: str) -> str:
        value = draw(TEXTS).replace("&", "&amp;").replace("<", "&lt;").replace('"', "&#x22;").replace("\r", "&#13;")
        return f'{name}="{value}"'

    names = draw(st.permutations(["b", "a", "é", "n:a", "n:z"]))
    attributes = " ".join(attribute(n) for n in names)
    text = draw(TEXTS).replace("&", "&amp;").replace("<", "&lt;").replace("]]>", "]]&gt;").replace("\r", "&#xD;")
    extra = draw(st.sampled_from(["", "<!-- é -->", "<![CDATA[<&]]>", "<?pi x?>", "\r\n", '<c xmlns=""/>', "<c></c>"]))
    head = draw(st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>\r\n', "<!-- before -->\n"]))
    return f'{head}<D xmlns="urn:d" xmlns:n="urn:n" xmlns:u="urn:u" {attributes}>{text}{extra}<e/></D>'.encode()


def canonical_by_xmllint(content: bytes) -> bytes:
    program = shutil.which("xmllint")
    if program is None:
        pytest.skip("xmllint is not installed (Debian package libxml2-utils)")
    return subprocess.run([program, "--c14n", "-"], input=content, capture_output=True, check=True, timeout=60).stdout


@given(contents=st.lists(documents(), min_size=1, max_size=3), digest=st.sampled_from(["sha1", "sha256"]))
@judged
def test_xmlsec1_accepts_any_xades_and_hashlib_its_manifest(
    xmlsec1: Any, signer: Pkcs12Signer, contents: list[bytes], digest: Any
) -> None:
    given_bytes = {f"1.2.3.{n}": content for n, content in enumerate(contents)}
    binary = b"\x00\xffDICM\r\n"
    signed = xades.sign_submission(
        submission_unique_id="1.2.9",
        documents=[xades.SignedDocument(uid, xades.canonical_form(c)) for uid, c in given_bytes.items()]
        + [xades.SignedDocument("1.2.4", binary, is_xml=False)],
        signer=signer, signing_time=NOW, signature_id="_s1", digest=digest,
    )  # fmt: skip
    assert not xmlsec1(signed, "--ignore-manifests")
    manifest = etree.fromstring(signed).find(f"{DS}Object/{DS}Manifest")
    assert manifest is not None
    entries = {r.get("URI"): r for r in manifest.iterfind(f"{DS}Reference")}
    assert entries.keys() == {f"urn:oid:{uid}" for uid in (*given_bytes, "1.2.9", "1.2.4")}
    expected = {uid: canonical_by_xmllint(content) for uid, content in given_bytes.items()} | {"1.2.4": binary}
    for uid, data in expected.items():
        reference = entries[f"urn:oid:{uid}"]
        assert reference.findtext(f"{DS}DigestValue") == base64.b64encode(hashlib.new(digest, data).digest()).decode()
        transforms = [t.get("Algorithm") for t in reference.iter(f"{DS}Transform")]
        assert transforms == (
            [] if uid == "1.2.4" else ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments"]
        )
    assert entries["urn:oid:1.2.9"].findtext(f"{DS}DigestValue") == "AA=="


def test_long_names_of_holders_are_signed(tmp_path: Path) -> None:
    """A subject near the limits of X.520, with what a DN escapes, in Issuer and in the VIHF's own texts."""
    other = TestPki(tmp_path / "long", structure='É, "+ <&>;' * 6)
    signer = Pkcs12Signer(other.signing.pkcs12, PASSWORD)
    xml = build(
        vihf.VihfRequest(
            subject="8" * 400, structure_id="1", sector=Code(code="SA01", system="1.2.250.1.71.4.2.4"),
            roles=(Code(code="60", system="1.2.250.1.71.1.2.7"),), subject_id="Ç" * 4000, authn_context="x",
            software_name="x", software_version="x", software_id="x", homologation="x",
        ),
        signer, "sha256",
    )  # fmt: skip
    root = etree.fromstring(xml)
    assert root.findtext(f"{SAML}Issuer") == signer.subject_dn
    signxml = pytest.importorskip("signxml")
    signxml.XMLVerifier().verify(root, ca_pem_file=str(other.ca_file), id_attribute="ID", validate_schema=False)
    assert vihf.verify(root, trusted_roots=load_certificates(other.ca_file), at=NOW).issuer == signer.subject_dn
