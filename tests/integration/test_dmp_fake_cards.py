"""A professional with a card: what mode DIRECTE may do at the fake DMP, and what shows that the card is another's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sunes_sdk.dmp import DmpClient, DocumentFilter
from sunes_sdk.errors import CertificateError
from sunes_sdk.model import Outcome
from sunes_sdk.testing import samples
from sunes_sdk.testing.dmp_caller import CallAnswer, DmpCaller
from sunes_sdk.testing.dmp_registry import FIND_DOCUMENTS
from sunes_sdk.testing.fake_dmp import AUTHN_CONTEXT, FakeDmp
from sunes_sdk.testing.pki import Card, TestPki

DOCTOR = samples.physician().national_id
APPROVED = [("$XDSDocumentEntryStatus", "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')")]


@pytest.fixture(scope="module")
def card(pki: TestPki) -> Card:
    return pki.card(DOCTOR)


@pytest.fixture
def dmp(pki: TestPki) -> Iterator[FakeDmp]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins())
        yield fake


def refused(answer: CallAnswer, code: str, text: str) -> None:
    assert answer.code.rpartition(":")[2] == code
    assert text in answer.text


def test_a_doctor_feeds_and_reads(dmp: FakeDmp, card: Card) -> None:
    dmp.authorize(samples.ins(), DOCTOR)
    settings = samples.settings(dmp=dmp.settings(mode="DIRECTE", card=card))
    with DmpClient(settings, actor=samples.physician().at(samples.hospital())) as client:
        receipt = client.submit(samples.discharge_letter().render(samples.issuer()))
        assert receipt.outcome is Outcome.ACCEPTED
        found = list(client.find(samples.patient().identity, DocumentFilter()))
    assert len(found) == 1


def test_the_authorisation_is_the_doctors(dmp: FakeDmp, pki: TestPki, card: Card) -> None:
    dmp.authorize(samples.ins())  # the structure's does not do
    with DmpCaller(dmp, pki, mode="DIRECTE", tls=card.authentication, signing=card.signature) as caller:
        refused(caller.query(FIND_DOCUMENTS, APPROVED), "DMPAccessDeniedByRightsService", "TD0.3")
        dmp.authorize(samples.ins(), DOCTOR)
        assert caller.query(FIND_DOCUMENTS, APPROVED).status == "Success"


def test_a_card_of_another(dmp: FakeDmp, pki: TestPki, card: Card) -> None:
    other = pki.card("801234567890")
    for changes, code, text in (
        ({"user": "801234567890", "tls": card.authentication, "signing": card.signature}, "InvalidSecurity", "card of"),
        ({"tls": other.authentication, "signing": card.signature}, "DMPInvalidCertificate", "not of the card"),
        (
            {"tls": card.authentication, "signing": card.signature, "authn_context": AUTHN_CONTEXT},
            "InvalidSecurity",
            "SmartcardPKI",
        ),
        ({"tls": pki.client, "signing": card.signature}, "DMPInvalidCertificate", "not of the card"),
        ({"tls": pki.client, "signing": pki.signing}, "InvalidSecurity", "mode must be INDIRECTE"),
        ({"mode": "INDIRECTE", "signing": card.signature}, "InvalidSecurity", "signed by ORG_SIGN"),
    ):
        with DmpCaller(dmp, pki, **{"mode": "DIRECTE", **changes}) as caller:  # type: ignore[arg-type]  # by keyword
            refused(caller.query(FIND_DOCUMENTS, APPROVED), code, text)


def test_the_certificates_of_a_card_are_not_swapped(dmp: FakeDmp, pki: TestPki, card: Card) -> None:
    with pytest.raises(CertificateError):
        DmpCaller(dmp, pki, mode="DIRECTE", tls=card.signature, signing=card.signature)
