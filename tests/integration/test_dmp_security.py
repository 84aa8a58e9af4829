"""The client's certificates and VIHF against a fake DMP: cards, purposes, reuse, renewal, revocation, two holders."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sunes_sdk._core.errors import CertificateError, ConfigurationError, ModelError, SoapFault
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Actor, Dmp
from sunes_sdk.security import Pkcs12Signer, vihf
from sunes_sdk.security.keys import load_certificates
from sunes_sdk.settings import Settings, TrustSettings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki

ACTOR = Actor(professional=samples.physician(), organization=samples.hospital())
IDENTITY = samples.patient().identity


@pytest.fixture(scope="module")
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins(), traits=samples.traits())
        yield fake


def settings(dmp: FakeDmp, *, mode: Any = "INDIRECTE", card: Any = None, **changes: Any) -> Settings:
    return samples.settings(dmp=dmp.settings(mode=mode, card=card).model_copy(update=changes))


def test_a_card_calls_in_its_holder_s_name(dmp: FakeDmp, pki: TestPki) -> None:
    doctor = samples.physician()
    card = pki.card(doctor.national_id, doctor.family, doctor.given)
    with DmpClient(settings(dmp, mode="DIRECTE", card=card), actor=ACTOR) as client:
        assert client.existence(IDENTITY).is_open
        assert not client.certificates().findings


@pytest.mark.parametrize("purpose", [vihf.EMERGENCY_ACCESS, vihf.REGULATION_ACCESS])
@pytest.mark.parametrize("secret", [False, True])
def test_purposes_reach_the_dmp(dmp: FakeDmp, purpose: Any, secret: bool) -> None:
    air = settings(dmp, mode="INDIRECTE_RENFORCEE")
    with DmpClient(air, actor=ACTOR, purpose=purpose, secret=secret) as client:
        assert client.existence(IDENTITY).found


def test_mode_and_context_must_agree(dmp: FakeDmp) -> None:
    wrong = settings(dmp, mode="INDIRECTE_RENFORCEE", authn_declaration=None)
    with DmpClient(wrong, actor=ACTOR) as client, pytest.raises(ModelError) as e:
        client.existence(IDENTITY)
    assert e.value.code == "VIHF_MODE"


def test_conditions_and_other_forms_are_taken(dmp: FakeDmp) -> None:
    changes = {"vihf_validity_seconds": 60.0, "vihf_skew_seconds": 5.0, "vihf_issuer_form": "country_first"}
    with DmpClient(settings(dmp, **changes), actor=ACTOR) as client:
        assert client.existence(IDENTITY).is_open


def test_a_vihf_serves_once_unless_asked_otherwise(dmp: FakeDmp) -> None:
    """The fake sees a VIHF that comes back: so reuse does what it says, and a DMP may refuse it."""
    with DmpClient(settings(dmp), actor=ACTOR) as client:
        for _ in range(3):
            assert client.existence(IDENTITY).is_open
    with DmpClient(settings(dmp, vihf_reuse_seconds=60.0), actor=ACTOR) as client:
        assert client.existence(IDENTITY).is_open
        with pytest.raises(SoapFault):
            client.existence(IDENTITY)


def test_a_client_lives_longer_than_its_certificate(dmp: FakeDmp, pki: TestPki, tmp_path: Path) -> None:
    path = tmp_path / "sign.p12"
    shutil.copy(pki.signing.pkcs12, path)
    other = pki._issue("renewed-signing", "org-sign-2.test", None)
    signing = pki.signing.signing().model_copy(update={"pkcs12": path})
    with DmpClient(settings(dmp, signing=signing), actor=ACTOR) as client:
        assert client.existence(IDENTITY).is_open
        shutil.copy(other.pkcs12, path)
        assert client.existence(IDENTITY).is_open
        assert isinstance(client._signer, Pkcs12Signer)
        assert client._signer.certificate == load_certificates(other.certificate)[0]
        path.write_bytes(b"half")
        assert client.existence(IDENTITY).is_open
        assert [f.code for f in client.certificates()] == ["CERTIFICATE_NOT_RELOADED"]


@pytest.mark.parametrize("revoked", ["signing", "client"])
def test_a_revoked_certificate_calls_nobody(dmp: FakeDmp, pki: TestPki, tmp_path: Path, revoked: str) -> None:
    lists = copy.copy(pki)
    lists._folder = tmp_path
    trust = TrustSettings(anchors=pki.ca_file, crls=lists.crls())
    with DmpClient(settings(dmp, trust=trust), actor=ACTOR) as client:
        assert client.existence(IDENTITY).is_open
        lists.crls(getattr(pki, revoked))
        assert "CERTIFICATE_REVOKED" in {f.code for f in client.certificates()}
        if revoked == "signing":
            with pytest.raises(CertificateError) as e:
                client.existence(IDENTITY)
            assert e.value.code == "CERTIFICATE_REVOKED"
    with pytest.raises(CertificateError) as e:
        DmpClient(settings(dmp, trust=trust), actor=ACTOR)
    assert e.value.code == "CERTIFICATE_REVOKED"


def test_certificates_of_two_holders_call_nobody(dmp: FakeDmp, pki: TestPki) -> None:
    card = pki.card("899900063480")
    for changes, code in (
        ({"signing": card.signature.signing()}, "CERTIFICATE_HOLDER"),
        ({"tls": card.authentication.tls(pki.ca_file)}, "CERTIFICATE_HOLDER"),
    ):
        with pytest.raises(CertificateError) as e:
            DmpClient(settings(dmp, **changes), actor=ACTOR)
        assert e.value.code == code
    elsewhere = copy.copy(pki)
    elsewhere._structure = "1750803447"
    signing = elsewhere._issue("elsewhere-signing", "org-sign.test", None).signing()
    with pytest.raises(CertificateError) as e:
        DmpClient(settings(dmp, signing=signing), actor=ACTOR)
    assert e.value.code == "CERTIFICATES_OF_TWO_HOLDERS"
    assert "structure" in e.value.hint_fr


def test_a_delivery_is_sent_by_the_holder_who_signed_it(dmp: FakeDmp, pki: TestPki) -> None:
    """Processes of two establishments on one outbox: the certificates of one never carry what the other signed."""
    of_card = settings(dmp, mode="DIRECTE", card=pki.card(samples.physician().national_id))
    document = samples.discharge_letter().render(samples.issuer())
    with (
        DmpClient(settings(dmp), actor=ACTOR) as establishment,
        DmpClient(of_card, actor=ACTOR) as holder,
    ):
        prepared = establishment.prepare(document, Dmp())
        before = len(dmp.requests)
        for call in (holder.send, holder.reconcile):
            with pytest.raises(ConfigurationError) as caught:
                call(prepared)
            assert caught.value.code == "DMP_PREPARED_HOLDER"
        assert len(dmp.requests) == before
        assert establishment.send(prepared).outcome.is_success


def test_the_version_of_the_vihf_is_agreed_on(dmp: FakeDmp, pki: TestPki) -> None:
    with DmpClient(settings(dmp, vihf_version="4.0"), actor=ACTOR) as newer:
        with pytest.raises(SoapFault):
            newer.existence(IDENTITY)
        assert "VIHF_Version must be 3.0" in dmp.requests[-1].text
    with FakeDmp(pki, vihf_version="4.0") as other:
        other.open_dmp(samples.ins())
        with DmpClient(settings(other, vihf_version="4.0"), actor=ACTOR) as newer:
            assert newer.existence(IDENTITY).is_open
