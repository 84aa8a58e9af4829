"""Every body that DmpClient sends and every body that FakeDmp answers, judged by the official WSDL and XSD set."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from urllib.parse import unquote

import pytest
from lxml import etree

from sunes_sdk._core.clock import SystemClock
from sunes_sdk.dmp import AuthorizationAction, DmpClient, DocumentFilter, PatientCriteria
from sunes_sdk.model import Outcome, Receipt
from sunes_sdk.security import vihf
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki
from sunes_sdk.transport import HttpResponse, HttpsTransport

XSD = "{http://www.w3.org/2001/XMLSchema}"
SOAP = "{http://www.w3.org/2003/05/soap-envelope}"
INCLUDE = "{http://www.w3.org/2004/08/xop/include}Include"
WSDL = {
    "repository": "XDS.b_DocumentRepository.wsdl",
    "registry": "XDS.b_DocumentRegistry.wsdl",
    "patients": "GestionDossierPatientPartage.wsdl",
    "patientsPDQ": "PDQSupplier.wsdl",
    "patientsSpecific": "PatientsSpecific.wsdl",
    "habilitations": "Habilitations.wsdl",
}
"""By the path of the service."""

ACTOR = samples.physician().at(samples.hospital())
WHO = samples.patient().identity
TRAITS = PatientCriteria(family="PAT-TROIS", given="DOMINIQUE", birth_date="19790328", sex=samples.traits().sex)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Exchanged:
    """The bodies of a call: of the request, of the answer, and the service that it was made to."""

    service: str
    request: etree._Element
    answer: etree._Element


def body_of(content_type: str, message: bytes) -> etree._Element:
    """The child of the SOAP Body, documents in their place, read without any code of ours."""
    parts: dict[str, bytes] = {}
    if content_type.startswith("multipart/"):
        whole = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + message)
        for n, part in enumerate(whole.walk()):
            content = part.get_payload(decode=True)
            if n == 1:
                assert isinstance(content, bytes)
                message = content
            elif n:
                assert isinstance(content, bytes)
                parts[str(part["Content-ID"]).strip("<>")] = content
    (body,) = etree.fromstring(message).iterchildren(f"{SOAP}Body")
    (child,) = body
    for include in list(child.iter(INCLUDE)):
        holder = include.getparent()
        assert holder is not None
        holder.remove(include)
        holder.text = base64.b64encode(parts[unquote(include.get("href", "").removeprefix("cid:"))]).decode()
    return child


class Recording:
    """A transport that keeps what passes."""

    def __init__(self, https: HttpsTransport) -> None:
        self._https = https
        self.kept: list[Exchanged] = []

    def post(self, url: str, body: bytes | tuple[bytes, ...], headers: Mapping[str, str]) -> HttpResponse:
        sent = body if isinstance(body, bytes) else b"".join(body)
        answer = self._https.post(url, body, headers)
        self.kept.append(
            Exchanged(
                url.rpartition("/")[2],
                body_of(headers["Content-Type"], sent),
                body_of(answer.headers["content-type"], answer.body),
            )
        )
        return answer

    def close(self) -> None:
        self._https.close()


@dataclass(frozen=True)
class Scene:
    fake: FakeDmp
    client: DmpClient
    regulation: DmpClient
    kept: list[Exchanged]

    def submit(self) -> str:
        document = samples.discharge_letter().render(samples.issuer())
        assert self.client.submit(document).outcome is Outcome.ACCEPTED
        return document.unique_id


@pytest.fixture
def scene(pki: TestPki) -> Iterator[Scene]:
    with FakeDmp(pki) as fake:
        fake.open_dmp(samples.ins(), traits=samples.traits(), attached_to_ens=False)
        fake.authorize(samples.ins())
        dmp = fake.settings().model_copy(
            update={"mode": "INDIRECTE_RENFORCEE", "authn_declaration": "APP_BROWSER_AUTH"}
        )
        transport = Recording(HttpsTransport(dmp.tls, timeout_seconds=10, clock=SystemClock()))
        settings = samples.settings(dmp=dmp)
        with DmpClient(settings, actor=ACTOR, transport=transport) as client:
            regulation = DmpClient(settings, actor=ACTOR, transport=transport, purpose=vihf.REGULATION_ACCESS)
            yield Scene(fake, client, regulation, transport.kept)


def replace(scene: Scene) -> object:
    first = samples.discharge_letter()
    old = first.render(samples.issuer())
    receipt = scene.client.submit(old)
    return scene.client.replace(first.revise(old).render(samples.issuer()), of=receipt)


def refused(scene: Scene) -> None:
    scene.fake.fail_next("XDSRepositoryError", call="ITI-41")
    document = samples.discharge_letter().render(samples.issuer())
    assert scene.client.submit(document).outcome is not Outcome.ACCEPTED


def update_data(scene: Scene) -> None:
    scene.client.update_administrative_data(WHO, scene.client.administrative_data(WHO))


def archive_and_delete(scene: Scene) -> object:
    unique_id = scene.submit()
    assert scene.client.archive(unique_id, WHO).outcome.is_success
    return scene.client.delete(unique_id, WHO)


CALLS: dict[str, Callable[[Scene], object]] = {
    "TD0.2": lambda s: s.client.existence(WHO),
    "TD0.3 add": lambda s: s.client.set_authorization(WHO),
    "TD0.3 remove": lambda s: s.client.set_authorization(WHO, AuthorizationAction.REMOVE),
    "TD0.4": lambda s: s.client.authorized_patients(LONG_AGO),
    "TD0.5": lambda s: s.regulation.search_patient(TRAITS),
    "TD1.3a": lambda s: s.client.administrative_data(WHO),
    "TD1.3b": update_data,
    "TD1.4": lambda s: s.client.close_record(WHO),
    "TD1.6": lambda s: s.client.authorizations(WHO),
    "TD2.1": lambda s: s.submit(),
    "TD2.1 replace": replace,
    "TD2.1 refused": refused,
    "TD3.1": lambda s: (s.submit(), s.client.find(WHO)),
    "TD3.1 filtered": lambda s: s.client.find(WHO, DocumentFilter(created_from=LONG_AGO, authors=("899700000001^%",))),
    "TD3.1 sets": lambda s: (s.submit(), s.client.find_submission_sets(WHO)),
    "DMP_3.1b": lambda s: s.client.find_entry_uuid(s.submit(), WHO),
    "TD3.2": lambda s: (s.submit(), s.client.retrieve(*s.client.find(WHO), of=WHO)),
    "TD3.3 mask": lambda s: s.client.mask(s.submit(), WHO),
    "TD3.3 hide from the patient": lambda s: s.client.set_patient_visibility(s.submit(), WHO, patient=False),
    "TD3.3c delete": lambda s: s.client.delete(s.submit(), WHO),
    "TD3.3c delete archived": archive_and_delete,
    "TD3.3d archive": lambda s: s.client.archive(s.submit(), WHO),
}
"""One line for each; what it sends and is answered is judged."""


def write_schema(wsdl: Path, out: Path) -> Path:
    """The types of a WSDL as a schema of one import for each namespace: libxml2 reads one file for each."""
    found = list(etree.parse(wsdl).iter(f"{XSD}schema"))
    files: dict[str, list[str]] = {}
    for each in found:
        for child in list(each.iterchildren(f"{XSD}include", f"{XSD}import")):
            where = (wsdl.parent / child.get("schemaLocation", "")).resolve().as_uri()
            files.setdefault(child.get("namespace") or each.get("targetNamespace") or "", []).append(where)
            each.remove(child)
    main = etree.Element(f"{XSD}schema")
    inline = [each for each in found if each.find(f"{XSD}element") is not None]
    for each in inline:
        own = out / f"{wsdl.stem}-own.xsd"
        for namespace in files:
            each.insert(0, etree.Element(f"{XSD}import", namespace=namespace, schemaLocation=namespace_file(namespace)))
        declared = etree.Element(f"{XSD}schema", nsmap=each.nsmap, attrib=dict(each.attrib))
        declared.extend(list(each))
        own.write_bytes(etree.tostring(declared))
        etree.SubElement(main, f"{XSD}import", namespace=each.get("targetNamespace", ""), schemaLocation=own.name)
    for namespace, locations in files.items():
        together = etree.Element(f"{XSD}schema", targetNamespace=namespace, elementFormDefault="qualified")
        for where in dict.fromkeys(locations):
            etree.SubElement(together, f"{XSD}include", schemaLocation=where)
        (out / namespace_file(namespace)).write_bytes(etree.tostring(together))
        etree.SubElement(main, f"{XSD}import", namespace=namespace, schemaLocation=namespace_file(namespace))
    path = out / f"{wsdl.stem}.xsd"
    path.write_bytes(etree.tostring(main))
    return path


def namespace_file(namespace: str) -> str:
    return f"{re.sub('[^a-z0-9]+', '-', namespace)}.xsd"


@pytest.fixture(scope="module")
def schemas(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, etree.XMLSchema]:
    """Of the contract, by service."""
    made = {}
    for service, name in WSDL.items():
        written = write_schema(samples / "dmp" / "contract" / "wsdl" / name, tmp_path_factory.mktemp("contract"))
        made[service] = etree.XMLSchema(etree.parse(written))
    return made


@pytest.mark.parametrize("call", CALLS)
def test_what_is_sent_and_answered_is_valid(scene: Scene, schemas: dict[str, etree.XMLSchema], call: str) -> None:
    done = CALLS[call](scene)
    assert not isinstance(done, Receipt) or done.outcome.is_success
    assert scene.kept
    for one in scene.kept:
        for body in (one.request, one.answer):
            schemas[one.service].assertValid(body)


@pytest.mark.parametrize("call", CALLS)
def test_a_changed_body_is_invalid(scene: Scene, schemas: dict[str, etree.XMLSchema], call: str) -> None:
    """An element more at the end or in the last leaf of each body, and another name of the whole."""
    CALLS[call](scene)
    for one in scene.kept:
        for body in (one.request, one.answer):
            for place in (body, list(body.iter())[-1]):
                more = etree.SubElement(place, "surplus")
                assert not schemas[one.service].validate(body)
                place.remove(more)
            body.tag = etree.QName(etree.QName(body).namespace, "Other")
            assert not schemas[one.service].validate(body)
