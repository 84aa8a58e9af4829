"""TD2.2: a medical secretary feeds the DMP with a CPE, the card of the staff of a practice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import AuthorizationAction, AvailabilityStatus, DmpClient
from sunes_sdk.dmp.frames import transaction_name
from sunes_sdk.dmp.user import secretary_of_card, user_of
from sunes_sdk.errors import ConfigurationError, DmpError, ModelError, RemoteError, SoapFault
from sunes_sdk.model import STAFF, Actor, Outcome, Professional
from sunes_sdk.settings import Settings
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import STRUCTURE, TestPki
from sunes_sdk.transport import HttpsTransport, RecordingTransport

NUMBER = "699900063480/0001"
WHO = samples.patient().identity
APPROVED = AvailabilityStatus.APPROVED


def secretary(number: str = NUMBER) -> Actor:
    return Professional(family="SECRÉTAIRE", given="ANNE", local_id=number, profession=STAFF).at(samples.hospital())


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        yield fake


def settings_of(dmp: FakeDmp, pki: TestPki, number: str = NUMBER, **changes: object) -> Settings:
    section = dmp.settings(mode="DIRECTE", card=pki.card(number, family="SECRÉTAIRE", given="ANNE"))
    return samples.settings(dmp=section.model_copy(update=changes))


@pytest.fixture
def client(dmp: FakeDmp, pki: TestPki) -> Iterator[DmpClient]:
    with DmpClient(settings_of(dmp, pki), actor=secretary()) as made:
        yield made


def letter() -> CdaDocument:
    """Written by a doctor."""
    return samples.discharge_letter().render(samples.issuer())


def test_a_secretary_feeds(client: DmpClient, dmp: FakeDmp) -> None:
    document = letter()
    receipt = client.submit(document)
    assert (receipt.outcome, receipt.warnings) == (Outcome.ACCEPTED, ())
    assert client.submit(document).outcome is Outcome.DUPLICATE
    assert client.find_entry_uuid(document.unique_id, WHO) == dmp.documents[0].entry_uuid
    following = samples.discharge_letter().revise(document).render(samples.issuer())
    assert client.replace(following, of=document).outcome is Outcome.ACCEPTED
    assert [d.status for d in dmp.documents] == ["Deprecated", "Approved"]


def test_who_the_vihf_and_the_set_name(client: DmpClient, dmp: FakeDmp, pki: TestPki, tmp_path: Path) -> None:
    user = user_of(secretary(), dmp.settings(mode="DIRECTE"))
    assert (user.subject, user.structure_id) == (NUMBER, STRUCTURE)
    assert user.roles == ((STAFF, "1.2.250.1.213.1.1.4.6", "Secrétariat médical", ""),)
    settings, frames = settings_of(dmp, pki), tmp_path / "frames"
    recorder = RecordingTransport(
        HttpsTransport(settings.require_dmp().tls, timeout_seconds=10), frames, masked=False, naming=transaction_name
    )
    with DmpClient(settings, actor=secretary(), transport=recorder) as recorded:
        recorded.submit(letter())
    (frame,) = (path for path in frames.iterdir() if path.is_dir())
    assert frame.name.startswith("0001-TD2.2-")
    request = (frame / "request.http").read_bytes().decode("utf-8", "replace")
    author = f"{NUMBER}^SECRÉTAIRE^ANNE^^^^^^&amp;1.2.250.1.71.4.2.1&amp;ISO^D^^^EI"
    assert request.count(author) >= 2, "author of the set, author and legal authenticator of its signature"
    assert "SECRETARIAT_MEDICAL^Secrétariat médical^1.2.250.1.213.1.1.4.6" in request
    with DmpClient(samples.settings(dmp=dmp.settings()), actor=samples.physician().at(samples.hospital())) as hospital:
        assert transaction_name("urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", b"<Role code=") == "TD2.1"
        assert hospital.submit(letter()).outcome is Outcome.ACCEPTED


def test_documents_are_those_of_the_structure(client: DmpClient, dmp: FakeDmp, pki: TestPki) -> None:
    """Any CPE of it, and the structure itself, deletes them."""
    first, second = letter(), letter()
    client.submit(first)
    client.submit(second)
    other = "699900063480/0002"
    with DmpClient(settings_of(dmp, pki, other), actor=secretary(other)) as colleague:
        assert colleague.delete(first.unique_id, WHO, status=APPROVED).outcome is Outcome.ACCEPTED
    with DmpClient(samples.settings(dmp=dmp.settings()), actor=samples.physician().at(samples.hospital())) as hospital:
        assert hospital.delete(second.unique_id, WHO, status=APPROVED).outcome is Outcome.ACCEPTED
    assert [d.status for d in dmp.documents] == ["Deleted", "Deleted"]


def test_what_a_cpe_may_not_do(client: DmpClient, dmp: FakeDmp, pki: TestPki) -> None:
    document = letter()
    client.submit(document)
    client.set_authorization(WHO)
    closed: tuple[Callable[[DmpClient], object], ...] = (
        lambda c: c.find(WHO),
        lambda c: c.mask(document.unique_id, WHO),
        lambda c: c.set_patient_visibility(document.unique_id, WHO, patient=False),
        lambda c: c.archive(document.unique_id, WHO, status=APPROVED),
        lambda c: c.authorizations(WHO),
    )
    for call in closed:
        with pytest.raises(RemoteError) as caught:
            call(client)
        assert isinstance(caught.value, SoapFault | DmpError)
    with pytest.raises(RemoteError) as caught:
        client.find(WHO)
    assert "a card of staff (CPE) call TD3.1: ask with find_entry_uuid" in caught.value.hint
    with pytest.raises(SoapFault, match="SOAP_FAULT"):
        client.set_authorization(WHO, AuthorizationAction.REMOVE)
    assert len(dmp.versions(document.unique_id)) == 1
    before = len(dmp.requests)
    with DmpClient(settings_of(dmp, pki, rights="refuse"), actor=secretary()) as careful:
        for call in closed:
            with pytest.raises(ConfigurationError, match="DMP_RIGHTS"):
                call(careful)
    assert len(dmp.requests) == before


def test_the_card_of_another(dmp: FakeDmp, pki: TestPki) -> None:
    with (
        DmpClient(settings_of(dmp, pki, "699900063480/0002"), actor=secretary()) as client,
        pytest.raises(RemoteError),
    ):
        client.existence(WHO)


# --- who is on the card -----------------------------------------------------------------------------------------------


def certificate(**names: str) -> x509.Certificate:
    oids = {"cn": NameOID.COMMON_NAME, "o": NameOID.ORGANIZATION_NAME, "sn": NameOID.SURNAME, "gn": NameOID.GIVEN_NAME}
    subject = x509.Name([x509.NameAttribute(oids[name], value) for name, value in names.items()])
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


def test_a_card_with_names() -> None:
    found = secretary_of_card(certificate(cn=NUMBER, o="CABINET", sn="DURAND", gn="ANNE"))
    assert (found.family, found.given, found.national_id, found.role_code) == ("DURAND", "ANNE", NUMBER, STAFF)


@pytest.mark.parametrize(
    ("structure", "family"),
    [
        ("CABINET DU DR D'ARC", "CABINET DU DR D'ARC"), ("S.C.M. L’ÉTÉ & CIE", "S-C-M- L’ÉTÉ - CIE"),
        ("MAISON_DE SANTÉ-SUD (1)", "MAISON-DE SANTÉ-SUD -1-"),
    ],
)  # fmt: skip
def test_a_card_that_is_not_directly_nominative(structure: str, family: str) -> None:
    """PDT-INF-617: the structure's name, and the number, of letters, digits, apostrophes, hyphens and blanks."""
    found = secretary_of_card(certificate(cn=NUMBER, o=structure))
    assert (found.family, found.given) == (family, "699900063480-0001")
    assert found.national_id == NUMBER


@pytest.mark.parametrize("names", [{"cn": "899900063480", "o": "X"}, {"cn": NUMBER}, {"o": "X"}])
def test_another_card(names: dict[str, str]) -> None:
    with pytest.raises(ModelError, match="CPE_CARD"):
        secretary_of_card(certificate(**names))
