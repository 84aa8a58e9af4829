"""VIHF of every mode, purpose, name form and lifetime; reuse; the Pro Santé Connect context; the official samples."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk._core.errors import ModelError, SecurityError
from sunes_sdk.dmp.user import professional_of_pro_sante_connect, user_of
from sunes_sdk.model import Actor, Code
from sunes_sdk.security import Pkcs12Signer, vihf
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.settings import DmpPaths, DmpSettings, SoftwareId
from sunes_sdk.testing import samples
from sunes_sdk.testing.pki import PASSWORD, TestPki

NOW = SystemClock().now()
SAML = f"{{{vihf.SAML}}}"
DOCTOR = Code(code="10", system="1.2.250.1.71.1.2.7", display="Médecin")
SPECIALTY = Code(code="SM26", system="1.2.250.1.71.4.2.5", display="Qualifié en médecine générale (SM)")


@pytest.fixture(scope="module")
def signer(pki: TestPki) -> Pkcs12Signer:
    return Pkcs12Signer(pki.signing.pkcs12, PASSWORD)


def request(**changes: Any) -> vihf.VihfRequest:
    values: dict[str, Any] = {
        "subject": "899900063480", "structure_id": "499900063480001",
        "sector": Code(code="SA07", system="1.2.250.1.71.4.2.4"), "roles": (DOCTOR, SPECIALTY),
        "subject_id": "MAX LIBRE", "authn_context": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
        "software_name": "LPS", "software_version": "1", "software_id": "01.01.01.01", "homologation": "N",
        "ins_cx": "207058575627097^^^&1.2.250.1.213.1.4.10&ISO^NH",
    }  # fmt: skip
    return vihf.VihfRequest(**values | changes)


def built(signer: Any, at: Any = NOW, **changes: Any) -> etree._Element:
    return etree.fromstring(vihf.build(request(**changes), signer, assertion_id="_a", issue_instant=at))


def verified(pki: TestPki, element: etree._Element, **options: Any) -> vihf.VihfClaims:
    values: dict[str, Any] = {"trusted_roots": load_certificates(pki.ca_file), "at": NOW}
    return vihf.verify(element, **values | options)


def attributes(element: etree._Element) -> dict[str, str | None]:
    return {
        a.get("Name", ""): a.findtext(f"{SAML}AttributeValue")
        for a in element.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute")
    }


# --- modes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode_attribute", ["Authentification_Mode", "Authentification_mode"])
@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_direct_is_signed_by_the_card_and_has_no_subject_id(pki: TestPki, version: str, mode_attribute: str) -> None:
    card = pki.card("899900063480", "LIBRE", "MAX")
    signer = Pkcs12Signer(card.signature.pkcs12, PASSWORD)
    element = built(
        signer, mode="DIRECTE", authn_context=vihf.SMARTCARD, version=version, mode_attribute=mode_attribute
    )
    claims = verified(pki, element)
    assert (claims.mode, claims.authn_context, claims.issuer) == ("DIRECTE", vihf.SMARTCARD, signer.subject_dn)
    found = attributes(element)
    assert vihf.SUBJECT_ID not in found
    assert (found["VIHF_Version"], found[mode_attribute]) == (version, "DIRECTE")


def test_reinforced_declares_its_context(pki: TestPki, signer: Pkcs12Signer) -> None:
    element = built(signer, mode="INDIRECTE_RENFORCEE", authn_declaration="APP_BROWSER_AUTH")
    assert verified(pki, element).mode == "INDIRECTE_RENFORCEE"
    context = element.find(f"{SAML}AuthnStatement/{SAML}AuthnContext")
    assert context is not None
    assert [(etree.QName(e).localname, e.text) for e in context] == [
        ("AuthnContextClassRef", "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"),
        ("AuthnContextDecl", "APP_BROWSER_AUTH"),
    ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mode": "DIRECTE"}, "VIHF_MODE"),
        ({"mode": "INDIRECTE_RENFORCEE"}, "VIHF_MODE"),
        ({"authn_declaration": "APP_BROWSER_AUTH"}, "VIHF_MODE"),
        ({"confidentiality": "N"}, "VIHF_CONFIDENTIALITY"),
        ({"subject_id": ""}, "VIHF_MISSING"),
        ({"roles": (DOCTOR,)}, "VIHF_ROLE"),
    ],
)
def test_what_does_not_hold_together_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ModelError) as e:
        request(**changes)
    assert e.value.code == code


@pytest.mark.parametrize("purpose", [vihf.NORMAL_ACCESS, vihf.EMERGENCY_ACCESS, vihf.REGULATION_ACCESS])
def test_purposes_and_the_secret_connection(pki: TestPki, signer: Pkcs12Signer, purpose: Code) -> None:
    claims = verified(pki, built(signer, purpose=purpose, confidentiality=vihf.HIDDEN_FROM_GUARDIANS))
    assert claims.purpose == purpose
    assert claims.purpose.system == "1.2.250.1.213.1.1.4.248"
    assert claims.attributes[vihf.CONFIDENTIALITY] == "INVISIBLE_REPRESENTANTS_LEGAUX"


@pytest.mark.parametrize("form", ["rfc2253", "rfc2253_oids", "country_first"])
def test_issuer_in_each_form_is_known_again(pki: TestPki, form: Any) -> None:
    card = Pkcs12Signer(pki.card("899900063481", "LIBRE", "MAX").signature.pkcs12, PASSWORD)
    element = built(card, mode="DIRECTE", authn_context=vihf.SMARTCARD, issuer_form=form)
    issuer = verified(pki, element).issuer
    assert issuer.startswith("C=FR, " if form == "country_first" else "CN=899900063481,")
    assert ("2.5.4.4=#" in issuer) is (form == "rfc2253_oids")


# --- lifetime ---------------------------------------------------------------------------------------------------------


def test_no_conditions_by_default(signer: Pkcs12Signer) -> None:
    assert built(signer).find(f"{SAML}Conditions") is None


def test_conditions_and_skew(pki: TestPki, signer: Pkcs12Signer) -> None:
    at = NOW.replace(microsecond=0)
    element = built(signer, at, validity=timedelta(minutes=5), skew=timedelta(seconds=30))
    conditions = element.find(f"{SAML}Conditions")
    assert conditions is not None
    assert conditions.getprevious() is element.find(f"{SAML}Subject")
    assert conditions.getnext() is element.find(f"{SAML}AuthnStatement")
    for seconds, ok in ((-31, False), (-30, True), (299, True), (300, False)):
        when = at + timedelta(seconds=seconds)
        if ok:
            verified(pki, element, at=when)
        else:
            with pytest.raises(SecurityError) as e:
                verified(pki, element, at=when)
            assert e.value.code == "VIHF_CONDITIONS"
            verified(pki, element, at=when, skew=timedelta(minutes=1))


def test_reuse_while_young_only(signer: Pkcs12Signer) -> None:
    made: list[int] = []

    def make() -> bytes:
        made.append(1)
        return b"%d" % len(made)

    none, cache = vihf.AssertionCache(), vihf.AssertionCache(60)
    one = request()
    assert [none.get(one, signer, NOW, make) for _ in range(2)] == [b"1", b"2"]
    assert [cache.get(request(), signer, NOW + timedelta(seconds=s), make) for s in (0, 59, 60, 61)] == [
        b"3", b"3", b"4", b"4",
    ]  # fmt: skip
    other = request(purpose=vihf.EMERGENCY_ACCESS)
    assert cache.get(other, signer, NOW, make) == b"5"
    assert cache.get(request(ins_cx=None), signer, NOW, make) == b"6"
    assert cache.get(other, signer, NOW - timedelta(seconds=1), make) == b"7"  # a clock that went back


def test_reuse_stops_with_the_certificate(pki: TestPki, signer: Pkcs12Signer) -> None:
    cache = vihf.AssertionCache(60)
    other = Pkcs12Signer(pki.card("899900063482").signature.pkcs12, PASSWORD)
    assert cache.get(request(), signer, NOW, lambda: b"a") == b"a"
    assert cache.get(request(), other, NOW, lambda: b"b") == b"b"


def test_reuse_by_threads_is_bounded(signer: Pkcs12Signer) -> None:
    cache = vihf.AssertionCache(60)

    def work(start: int) -> None:
        for n in range(start, start + 600):
            assert cache.get(request(subject=str(n)), signer, NOW, lambda n=n: b"%d" % n) == b"%d" % n  # type: ignore[misc]  # n bound now

    threads = [threading.Thread(target=work, args=(i * 600,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(cache._held) <= 1024


# --- settings ---------------------------------------------------------------------------------------------------------


def dmp_settings(pki: TestPki, **changes: Any) -> DmpSettings:
    values: dict[str, Any] = {
        "base_url": "https://localhost/", "paths": DmpPaths(repository="r", registry="g", patients="p"),
        "tls": pki.tls, "signing": pki.signing.signing(), "source_id": "1.2.3", "device_oid": "1.2.4",
        "authn_context": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password",
    }  # fmt: skip
    return DmpSettings(**values | changes)


SOFTWARE = SoftwareId(name="DPI", version="1", publisher="E", instance="1", dmp_homologation="H")


def test_settings_reach_the_request(pki: TestPki) -> None:
    settings = dmp_settings(
        pki, vihf_issuer_form="country_first", vihf_validity_seconds=300, vihf_skew_seconds=10, vihf_version="4.0",
        vihf_mode_attribute="Authentification_mode",
    )  # fmt: skip
    user = user_of(Actor(professional=samples.physician(), organization=samples.hospital()), settings)
    asked = user.request(settings, SOFTWARE, None, purpose=vihf.EMERGENCY_ACCESS, secret=True)
    assert (asked.issuer_form, asked.validity, asked.skew) == (
        "country_first", timedelta(seconds=300), timedelta(seconds=10),
    )  # fmt: skip
    assert (asked.version, asked.mode_attribute, asked.purpose) == (
        "4.0", "Authentification_mode", vihf.EMERGENCY_ACCESS,
    )  # fmt: skip
    assert asked.confidentiality == vihf.HIDDEN_FROM_GUARDIANS


def test_reuse_beyond_validity_is_refused(pki: TestPki) -> None:
    with pytest.raises(ModelError) as e:
        dmp_settings(pki, vihf_validity_seconds=60, vihf_reuse_seconds=60)
    assert "VIHF" in e.value.code


# --- Pro Santé Connect ------------------------------------------------------------------------------------------------


def user_info(*practices: dict[str, Any], **changes: Any) -> dict[str, Any]:
    first = {
        "codeProfession": "10", "codeSavoirFaire": "SM26", "nomDexercice": "DOC0036624", "prenomDexercice": "KIT",
    }  # fmt: skip
    return {"SubjectNameID": "899700366240", "SubjectRefPro": {"exercices": list(practices) or [first]}} | changes


def test_a_pro_sante_connect_context(pki: TestPki, signer: Pkcs12Signer) -> None:
    settings = dmp_settings(
        pki, authn_context=vihf.PRO_SANTE_CONNECT, vihf_mode_attribute="Authentification_mode"
    )  # fmt: skip
    person = professional_of_pro_sante_connect(user_info())
    actor = Actor(professional=person, organization=samples.hospital())
    asked = user_of(actor, settings).request(settings, SOFTWARE, None)
    claims = verified(pki, etree.fromstring(vihf.build(asked, signer, assertion_id="_a", issue_instant=NOW)))
    assert (claims.subject, claims.mode) == ("899700366240", "INDIRECTE")
    assert claims.authn_context == "urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered"
    assert [(r.code, r.system) for r in claims.roles] == [
        ("10", "1.2.250.1.71.1.2.7"), ("SM26", "1.2.250.1.71.4.2.5"),
    ]  # fmt: skip


def test_several_practices_are_chosen_from(pki: TestPki) -> None:
    nurse = {"codeProfession": "60", "nomDexercice": "N", "prenomDexercice": "P", "codeSavoirFaire": ""}
    info = user_info(user_info()["SubjectRefPro"]["exercices"][0], nurse)
    assert professional_of_pro_sante_connect(info, practice=1).profession == "60"
    for chosen in (None, 2):
        with pytest.raises(ModelError) as e:
            professional_of_pro_sante_connect(info, practice=chosen)
        assert e.value.code == "PSC_USER_INFO"


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"SubjectRefPro": None},
        {"SubjectRefPro": {"exercices": {}}},
        {"SubjectRefPro": {"exercices": []}},
        {"SubjectRefPro": {"exercices": ["x"]}, "SubjectNameID": "899700366240"},
        user_info(SubjectNameID=None),
        user_info(SubjectNameID=""),
        user_info({"codeProfession": 10}),
    ],
)
def test_an_answer_without_a_professional(info: dict[str, Any]) -> None:
    with pytest.raises(ModelError) as e:
        professional_of_pro_sante_connect(info)
    assert e.value.code == "PSC_USER_INFO"
