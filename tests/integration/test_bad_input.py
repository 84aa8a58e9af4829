"""Each kind of bad input gives one clear error (code, place, rule, fix) and leaves nothing half sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sunes_sdk import flows
from sunes_sdk.cda import OperativeReport, ccam
from sunes_sdk.dmp import DmpClient
from sunes_sdk.errors import SunesError
from sunes_sdk.insi import InsiClient
from sunes_sdk.model import Identity, IdentityStatus, Ins, Traits
from sunes_sdk.mss import MssClient
from sunes_sdk.outbox import Outbox
from sunes_sdk.settings import Environment, Settings
from sunes_sdk.testing import Fakes, TestPki, samples
from sunes_sdk.testing.demo import read_example

GP = str(samples.general_practitioner().mss_address)
PDF = read_example("compte_rendu_operatoire.pdf")


@dataclass
class Hospital:
    fakes: Fakes
    folder: Path

    def outbox(self, settings: Settings) -> Outbox:
        actor = samples.physician().at(samples.hospital())
        channels = {
            "dmp": DmpClient(settings, actor=actor),
            "mss": MssClient(settings, pdf=lambda _: PDF),
        }
        return Outbox.open(f"sqlite:///{self.folder / 'outbox.db'}", channels)

    def send(self, settings: Settings | None = None, **changes: object) -> None:
        document = samples.discharge_letter(**changes).render(samples.issuer())
        with self.outbox(settings or self.fakes.settings) as outbox:
            flows.send(document, to=[GP], outbox=outbox)


@pytest.fixture
def hospital(pki: TestPki, tmp_path: Path) -> Iterator[Hospital]:
    with Fakes(pki) as fakes:
        yield Hospital(fakes, tmp_path)
        assert fakes.dmp.documents == []
        assert fakes.mss.mails == []
    if (tmp_path / "outbox.db").exists():
        with Outbox.open(f"sqlite:///{tmp_path / 'outbox.db'}", {}) as outbox:
            assert list(outbox.entries()) == []
            assert outbox.forward(lambda events: pytest.fail(f"{len(events)} events of nothing")) == 0


def refused(error: SunesError, code: str, path: str, *, french: bool = False) -> None:
    assert error.code == code
    assert path in error.path
    assert error.rule, "the rule that was broken"
    assert error.hint, "what to do"
    if french:
        assert error.hint_fr, "what to tell the clinician"
    personal = [samples.ins().value, "PAT-TROIS", "DOMINIQUE", "1979-03-28", GP, "1234567890121"]
    assert not [p for p in personal if p in str(error)]


def test_invalid_matricule(hospital: Hospital) -> None:
    with pytest.raises(SunesError) as caught:
        hospital.send(patient=samples.patient(identity=Identity(
            traits=samples.traits(), status=IdentityStatus.QUALIFIEE,
            ins=Ins(matricule="279035121518988", oid=samples.ins().oid),  # type: ignore[arg-type]  # a text, as a caller writes it: pydantic makes the Matricule
        )))  # fmt: skip
    refused(caught.value, "INS_KEY", "matricule", french=True)


@pytest.mark.parametrize("status", [IdentityStatus.PROVISOIRE, IdentityStatus.VALIDEE, IdentityStatus.RECUPEREE])
def test_identity_that_is_not_qualified(hospital: Hospital, status: IdentityStatus) -> None:
    ins = samples.ins() if status is IdentityStatus.RECUPEREE else None
    identity = Identity(traits=samples.traits(), status=status, ins=ins)
    with pytest.raises(SunesError) as caught:
        hospital.send(patient=samples.patient(identity=identity))
    refused(caught.value, "INS_NOT_QUALIFIED", "", french=True)


def test_missing_strict_trait(hospital: Hospital) -> None:
    values = {k: v for k, v in samples.traits() if k != "birth_place"}
    with pytest.raises(SunesError) as caught:
        hospital.send(patient=samples.patient(identity={"traits": Traits(**values)}))
    assert caught.value.code == "MODEL_MISSING"
    assert caught.value.path == "Traits.birth_place"
    assert caught.value.hint


@pytest.mark.parametrize("which", ["dmp_signing", "dmp_tls", "mss_tls", "insi_tls"])
def test_expired_certificate(hospital: Hospital, which: str) -> None:
    settings, pki = hospital.fakes.settings, hospital.fakes.pki
    dmp, mss, insi = settings.require_dmp(), settings.require_mss(), settings.require_insi()
    expired = pki.expired_client.tls(pki.ca_file)
    changed = {
        "dmp_signing": {"dmp": dmp.model_copy(update={"signing": pki.expired_signing.signing()})},
        "dmp_tls": {"dmp": dmp.model_copy(update={"tls": expired})},
        "mss_tls": {"mss": mss.model_copy(update={"tls": expired})},
        "insi_tls": {"insi": insi.model_copy(update={"tls": expired})},
    }[which]
    settings = settings.model_copy(update=changed)

    def act() -> None:
        if which == "insi_tls":
            InsiClient(settings).search(samples.patient().identity)
        else:
            hospital.send(settings)

    with pytest.raises(SunesError) as caught:
        act()
    refused(caught.value, "CERTIFICATE_EXPIRED", "")
    assert not hospital.fakes.insi.calls


def test_test_identity_towards_production(hospital: Hospital) -> None:
    settings = hospital.fakes.settings.model_copy(update={"environment": Environment.PRODUCTION})
    with pytest.raises(SunesError) as caught:
        hospital.send(settings)
    refused(caught.value, "ENVIRONMENT_IDENTITY", "oid", french=True)


@pytest.mark.parametrize("body", [b"hello", PDF[: len(PDF) // 2], b"%PDF-1.4\n%%EOF\n"])
def test_unreadable_pdf(hospital: Hospital, body: bytes) -> None:
    with pytest.raises(SunesError) as caught:
        OperativeReport(
            patient=samples.patient(), author=samples.physician().at(samples.hospital()), custodian=samples.hospital(),
            stay=samples.stay(), body=body, act=ccam("HHFA001", "Appendicectomie"), performed_at=samples.ADMITTED,
        )  # fmt: skip
    assert caught.value.code == "CDA_PDF_UNREADABLE"
    assert "body" in caught.value.path
    assert caught.value.hint


ADMISSION = read_example("admission.hl7")


@pytest.mark.parametrize(
    ("message", "place"),
    [
        (b"", "MSH"),
        (b"hello", "MSH"),
        (ADMISSION.replace(b"PID|", b"PIX|"), "PID"),
        (ADMISSION.replace(b"||19790328|", b"||28/03/1979|"), "PID-7"),
        (ADMISSION.replace(b"ADT^A01^ADT_A01", b"ADT^A99^ADT_A01"), "MSH-9"),
        (ADMISSION[:400], ""),
    ],
)
def test_malformed_adt(hospital: Hospital, message: bytes, place: str) -> None:
    settings = hospital.fakes.settings
    with hospital.outbox(settings) as outbox, pytest.raises(SunesError) as caught:
        flows.admit(message, settings=settings, outbox=outbox)
    refused(caught.value, caught.value.code, place)
    assert "28/03/1979" not in str(caught.value)
