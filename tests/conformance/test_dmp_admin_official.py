"""Administrative transactions: official messages of GIE SESAM-Vitale compared with ours, official answers read, and
our messages judged by the schemas of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.xml import parse
from sunes_sdk.dmp import td02, td03, td04, td05, td13, td14, td16
from sunes_sdk.dmp.hl7v3 import ContactPoint, MessageIds, PersonName, PostalAddress, Sender
from sunes_sdk.model import Ins, InsOid, Sex
from sunes_sdk.transport import soap

INS = Ins.of("207058575627097", InsOid.NIR_TEST)
SENDER = Sender(device_oid="1.3.6.1.4.1.48364", software="LPS GIE-SV", production=False)
MESSAGE, QUERY = "1633a409-3d61-4869-aed8-74d92ae20272", "87d5fd8f-72b2-43bf-938c-0402bf850d25"
NAME = PersonName(prefix="M", usual_family="patb-quatre", given="LAURENCE")
REGISTRAR = td13.Registrar(
    id="899900063480",
    family="LIBRE",
    given="MAX",
    specialty=("SM26", "1.2.250.1.71.4.2.5", "Qualifié en Médecine Générale (SM)"),
    structure_id="499900063480001",
    structure_name="CABINET DR LIBRE",
)
DATA = td13.AdministrativeData(
    name=NAME,
    telecoms=(
        ContactPoint(value="tel:0123456789", use="HP"),
        ContactPoint(value="tel:0607080901", use="MC"),
        ContactPoint(value="mailto:dominque.pattrois@mail.com"),
    ),
    sex="F",
    birth_date="19790328",
    address=PostalAddress(lines=("20 rue des edelweiss",), postal_code="75005", city="Paris", country="France"),
    opposes_break_glass=False,
    opposes_emergency=False,
)


def accept(_: Ins) -> None:
    """Every environment."""


def ids(at: str, query: str = QUERY) -> MessageIds:
    return MessageIds(
        message_uuid=MESSAGE, query_uuid=query, at=datetime.strptime(at, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    )  # fmt: skip


def existence() -> bytes:
    return td02.body(
        INS, device_oid=SENDER.device_oid, software=SENDER.software, message_uuid=MESSAGE, query_uuid=QUERY,
        at=datetime(2021, 5, 19, 17, 45, 7, tzinfo=UTC), production=False,
    )  # fmt: skip


def criteria() -> bytes:
    asked = ids("20190404100738", "4cf69f11-f58c-4a49-8dd3-2cca7c342e40")
    return td05.body(td05.PatientCriteria(family="DECHAINE"), SENDER, asked)


AT = "20210519174507"
OURS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "TD0.2": (td02.ACTION, existence),
    "TD0.3": (td03.ACTION, lambda: td03.body(td03.AuthorizationAction.ADD)),
    "TD0.4": (td04.ACTION, lambda: td04.body(datetime(2010, 10, 10, 20, 20, 10, tzinfo=UTC), td04.Since.DOCUMENT)),
    "TD0.5": (td05.ACTION, criteria),
    "TD1.3a": (td13.READ_ACTION, lambda: td13.read_body(INS, SENDER, ids(AT))),
    "TD1.3b": (td13.REVISE_ACTION, lambda: td13.revise_body(INS, DATA, REGISTRAR, SENDER, ids(AT))),
    "TD1.4": (td13.REVISE_ACTION, lambda: td14.body(INS, NAME, REGISTRAR, SENDER, ids(AT))),
    "TD1.6": (td16.ACTION, lambda: td16.body(td16.AuthorizationMode.ALL)),
}
"""By transaction: the wsa:Action, and our message for the input of the official one."""


Message = Callable[[str], bytes]


def official(dmp_message: Message, transaction: str, kind: str) -> bytes:
    """kind: `requete` or `reponse`; the published names have letters of another code page for their accents."""
    return dmp_message(f"{transaction}[ _]*_r*{kind[-2:]}.xml")


# --- requests ---------------------------------------------------------------------------------------------------------


PREFIXES = {"": "", soap.SOAP12: "soap:", "http://www.w3.org/2001/XMLSchema-instance": "xsi:"}


def facts(element: etree._Element, path: str = "") -> Iterator[tuple[str, str]]:
    """Every attribute, text, and order of children, by place."""
    for name, value in element.attrib.items():
        namespace, local = etree.QName(name).namespace, etree.QName(name).localname
        yield f"{path}@{PREFIXES[namespace or '']}{local}", value
    children = [child for child in element if isinstance(child.tag, str)]
    names = [etree.QName(child).localname for child in children]
    if (element.text or "").strip():
        yield f"{path}/text()", (element.text or "").strip()
    yield f"{path}/*", " ".join(names)
    for n, (child, name) in enumerate(zip(children, names, strict=True)):
        number = f"[{names[:n].count(name) + 1}]" if names.count(name) > 1 else ""
        place = f"{path}/{name}{number}".removeprefix("/")
        yield f"{place}#", etree.QName(child).namespace or ""
        yield from facts(child, place)


def envelope(xml: bytes) -> etree._Element:
    root = parse(xml)
    for assertion in list(root.iter("{*}Assertion")):
        parent = assertion.getparent()
        assert parent is not None
        parent.remove(assertion)
    return root


def differences(theirs: bytes, ours: bytes) -> dict[str, tuple[str | None, str | None]]:
    left, right = dict(facts(envelope(theirs))), dict(facts(envelope(ours)))
    return {
        place: (left.get(place), right.get(place))
        for place in sorted(left | right)
        if left.get(place) != right.get(place)
    }


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A difference between the official message and ours: where (`*` for any run), what each says, and why."""

    of: tuple[str, ...]
    place: str
    theirs: str | None
    ours: str | None
    why: str


ANY = "any"
ABSENT = None
QUERIES, REVISIONS = ("TD0.2", "TD0.5", "TD1.3a"), ("TD1.3b", "TD1.4")
DIFFERENCES = (
    Explained(
        of=tuple(OURS), place="Header/MessageID/text()", theirs=ANY, ours="urn:uuid:1",
        why="a fresh identifier for each message",
    ),
    Explained(
        of=tuple(OURS), place="Header/ReplyTo@mustUnderstand", theirs="true", ours=ABSENT,
        why="without the prefix of SOAP it means nothing; the DMP understands ReplyTo or needs it not",
    ),
    Explained(
        of=tuple(OURS), place="Header/Action@mustUnderstand", theirs="true", ours=ABSENT,
        why="an attribute of SOAP 1.2 bears its namespace: see soap:mustUnderstand",
    ),
    Explained(
        of=tuple(OURS), place="Header/Action@soap:mustUnderstand", theirs=ABSENT, ours="true",
        why="the standard form of Action/@mustUnderstand",
    ),
    Explained(
        of=(*QUERIES, *REVISIONS), place="Body/*/id@root", theirs="1.3.6.1.4.1.48364.1.1", ours=SENDER.device_oid,
        why="root of the message ids: the official example has an arc below the sender's OID, ours the OID itself",
    ),
    Explained(
        of=QUERIES, place="*/queryId@root", theirs="1.3.6.1.4.1.48364.2", ours=SENDER.device_oid,
        why="root of the query ids, in the same way",
    ),
    *(
        Explained(of=("TD1.3a",), place=place, theirs=ANY, ours=ANY if place.endswith("/[*]") else ABSENT, why=why)
        for why, places in {
            "optional elements that are nil say nothing; the official message of TD0.2 has them not": (
                "*/asLocatedEntity*", "*/asAgent*", "*/respondTo*", "*/reasonOf*", "*/overseer*",
                "*/authorOrPerformer*", "*/dataEnterer*", "*/informationRecipient*",
            ),
            "the order of children, without these": (
                "Body/PRPA_IN201307UV02/[*]", "*/controlActProcess/[*]", "*/receiver/device/[*]", "*/sender/device/[*]",
            ),
        }.items()
        for place in places
    ),
    Explained(
        of=REVISIONS, place="*/assignedEntity/code@code", theirs="1.2.250.1.71.4.2.5", ours="SM26",
        why="a defect of the official message: the OID of the table of specialties in place of its code",
    ),
    Explained(
        of=REVISIONS, place="*/assignedEntity/code@codeSystem", theirs=ABSENT, ours="1.2.250.1.71.4.2.5",
        why="the same defect",
    ),
    Explained(
        of=("TD1.3b",), place="*/assignedPerson/name@xsi:type", theirs="PN", ours=ABSENT,
        why="the schema types the name already; the official message of TD1.4 has it not",
    ),
    Explained(
        of=("TD1.3b",), place="*/representedOrganization/contactParty*", theirs=ABSENT, ours=ANY,
        why="required by the schema, and present in the official message of TD1.4",
    ),
    Explained(
        of=("TD1.3b",), place="*/representedOrganization/[*]", theirs="id name", ours="id name contactParty",
        why="the order of children, with contactParty",
    ),
    Explained(
        of=("TD1.3b",), place="Body/PRPA_IN201314UV02/creationTime@value", theirs="^{date}", ours=AT,
        why="a placeholder left in the official message",
    ),
    Explained(
        of=("TD1.4",), place="*/assignedPerson/name/family/text()", theirs="MAX", ours="LIBRE",
        why="a defect of the official message: family and given name of the professional are swapped (see TD1.3b)",
    ),
    Explained(
        of=("TD1.4",), place="*/assignedPerson/name/given/text()", theirs="LIBRE", ours="MAX", why="the same defect"
    ),
)  # fmt: skip


def explains(explained: Explained, place: str, theirs: str | None, ours: str | None) -> bool:
    values = zip((explained.theirs, explained.ours), (theirs, ours), strict=True)
    return fnmatchcase(place, explained.place) and all(
        said == wanted or (wanted == ANY and said is not None) for wanted, said in values
    )


@pytest.mark.parametrize("transaction", OURS)
def test_each_difference_with_the_official_request_is_explained(dmp_message: Message, transaction: str) -> None:
    action, body = OURS[transaction]
    ours = soap.envelope(action=action, message_id="urn:uuid:1", headers=soap.security(b""), body=body())
    found = differences(official(dmp_message, transaction, "requete"), ours)
    table = [e for e in DIFFERENCES if transaction in e.of]
    unexplained = {place: said for place, said in found.items() if not any(explains(e, place, *said) for e in table)}
    assert not unexplained
    unfound = [e for e in table if not any(explains(e, place, *said) for place, said in found.items())]
    assert not unfound


def test_the_comparison_sees_each_kind_of_difference() -> None:
    """An attribute, a text, an element more, an order, a namespace."""
    base = b'<e><a x="1">t</a><b xmlns="urn:n"/><c/></e>'
    for changed in (
        base.replace(b'"1"', b'"2"'),
        base.replace(b">t<", b">u<"),
        base.replace(b"<c/>", b"<c/><c/>"),
        b'<e><b xmlns="urn:n"/><a x="1">t</a><c/></e>',
        base.replace(b"urn:n", b"urn:m"),
        base.replace(b'x="1"', b'x="1" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"'),
    ):
        assert differences(base, changed), changed
    assert not differences(base, base.replace(b"><", b">\n  <"))


# --- answers ----------------------------------------------------------------------------------------------------------


def answer(dmp_message: Message, transaction: str, action: str) -> etree._Element:
    read = soap.parse(official(dmp_message, transaction, "reponse"), "application/soap+xml")
    assert read.action == action
    return read.body


def test_the_official_answer_to_td03(dmp_message: Message) -> None:
    """The authorisation was there before: a success, with a remark."""
    said = td03.decode(answer(dmp_message, "TD0.3", f"{td03.ACTION}Response"))
    assert said.already
    assert said.remark == "Autorisation déjà présente aucune action effectuée"


def test_the_official_answer_to_td04(dmp_message: Message) -> None:
    listed = td04.decode(answer(dmp_message, "TD0.4", f"{td04.ACTION}Response"), accept)
    assert (len(listed), listed.complete, listed.warnings) == (2, True, ())
    first, second = listed
    assert first.ins == Ins.of("153078987658513", InsOid.NIR_TEST, certified=True)
    assert second.ins == INS
    assert [i.root for i in first.ids] == ["1.2.250.1.213.1.4.2", "1.2.250.1.213.1.4.10"]
    assert (first.family, first.given, first.birth_date) == ("PAT-TROIS", "DOMINIQUE", "19790328")
    assert (first.attending, second.attending, first.has_message) == (False, True, False)
    assert first.last_access == datetime(2021, 6, 1, 9, 41, 5, tzinfo=UTC)
    assert first.last_update == datetime(2021, 5, 25, 13, 47, 38, tzinfo=UTC)
    assert first.last_addition == datetime(2021, 5, 25, 13, 47, 35, tzinfo=UTC)


def test_the_official_answer_to_td05(dmp_message: Message) -> None:
    found = td05.decode(answer(dmp_message, "TD0.5", "urn:hl7-org:v3:PRPA_IN201306UV02"), accept)
    (patient,) = found
    assert found.complete
    assert patient.ins == Ins.of("157069329642881", InsOid.NIR_TEST, certified=True)
    assert patient.name == PersonName(prefix="Mme", given="IRENE", usual_family="ENCHAINE", birth_family="DECHAINE")
    assert (patient.sex, patient.birth_date, patient.match_percent) == ("F", "19570628", 100)
    assert patient.address == PostalAddress(city="SECLIN", postal_code="59113")
    assert patient.is_open
    assert patient.opposes_emergency is False


def test_the_official_answer_to_td13a(dmp_message: Message) -> None:
    data = td13.read_decode(answer(dmp_message, "TD1.3a", "urn:hl7-org:v3:PRPA_IN201308UV02"), INS)
    assert data.is_open
    assert data.name == NAME
    assert data.telecoms == (  # the official answer repeats them
        ContactPoint(value="mailto:alain@gmail.com"),
        ContactPoint(value="tel:0102030405", use="MC"),
    )
    assert (data.sex, data.birth_date, data.deceased) == ("M", "19070525", False)
    assert data.address == PostalAddress(lines=("1, rue du Chat qui pêche",), postal_code="75005", city="Paris")
    assert (data.opposes_break_glass, data.opposes_emergency) == (False, False)
    (contact,) = data.contacts
    assert contact.relationship == "FTH"
    assert contact.name == PersonName(prefix="M", given="Jean", family="REPLEG")
    assert [t.value for t in contact.telecoms] == ["tel:0923456789", "tel:0601020304", "mailto:replegl@foogentle.com"]
    assert contact.address is not None
    assert contact.address.locator == "Residence du Parc"
    sent_back = parse(td13.revise_body(INS, data, REGISTRAR, SENDER, ids(AT)))
    assert b"Chat qui p" in etree.tostring(sent_back)


@pytest.mark.parametrize(("transaction", "is_open"), [("TD1.3b", True), ("TD1.4", False)])
def test_the_official_answers_to_revisions(dmp_message: Message, transaction: str, is_open: bool) -> None:
    decode = td13.revise_decode if is_open else td14.decode
    body = answer(dmp_message, transaction, "urn:hl7-org:v3:PRPA_IN201314ResponseUV02")
    assert decode(body, INS) == td13.RecordState(is_open=is_open)


def test_the_official_answer_to_td16(dmp_message: Message) -> None:
    (row,) = td16.decode(answer(dmp_message, "TD1.6", f"{td16.ACTION}Response"))
    assert (row.national_id, row.id_type, row.family, row.given) == (
        "899900063480", "1.2.250.1.71.4.2.1", "LIBRE", "MAX",
    )  # fmt: skip
    assert row.specialties == (("G15_10/SM26", "Médecin - Qualifié en Médecine générale (SM)"),)
    assert row.since == datetime(2021, 6, 1, 13, 58, 4, tzinfo=UTC)
    assert row.last_action == datetime(2021, 6, 1, 14, 6, 6, tzinfo=UTC)
    assert (row.mode, row.is_blocked, row.attending) == ("ACTIVE", False, False)


# --- the contract -----------------------------------------------------------------------------------------------------


def contract(samples: Path, transaction: str) -> etree.XMLSchema:
    """The schema of a transaction's request, loaded plainly: schemas include each other from files."""
    folder = samples / "dmp" / "contract"
    wsdl = {"TD0.3": "Habilitations", "TD1.6": "Habilitations", "TD0.4": "PatientsSpecific"}.get(transaction)
    if wsdl:
        (inner,) = etree.parse(folder / "wsdl" / f"{wsdl}.wsdl").iter("{http://www.w3.org/2001/XMLSchema}schema")
        return etree.XMLSchema(etree.fromstring(etree.tostring(inner)))
    edition, name = {
        "TD0.5": ("NE2008", "PRPA_IN201305UV02"),
        "TD1.3b": ("NE2009", "PRPA_IN201314UV02"),
        "TD1.4": ("NE2009", "PRPA_IN201314UV02"),
    }.get(transaction, ("NE2009", "PRPA_IN201307UV02"))
    return etree.XMLSchema(etree.parse(folder / "schema" / "HL7V3" / edition / "multicacheschemas" / f"{name}.xsd"))


def bodies(transaction: str) -> Iterator[bytes]:
    """Every form of a request."""
    yield OURS[transaction][1]()
    if transaction == "TD0.3":
        yield td03.body(td03.AuthorizationAction.REMOVE, attending=True)
    if transaction == "TD0.4":
        yield td04.body(datetime(2026, 1, 1, tzinfo=UTC), td04.Since.AUTHORIZATION)
    if transaction == "TD0.5":
        full = td05.PatientCriteria(
            family="L'ÉPÉE <&>", given="ÉLOI", birth_date="19570628", sex=Sex.MALE, postal_code="2A004", city="AJACCIO"
        )
        yield td05.body(full, SENDER, ids(AT))
    if transaction == "TD1.3b":
        yield td13.revise_body(INS, td13.AdministrativeData(name=PersonName()), REGISTRAR, SENDER, ids(AT))
    if transaction == "TD1.6":
        yield from (td16.body(mode) for mode in td16.AuthorizationMode)


@pytest.mark.parametrize("transaction", OURS)
def test_our_requests_are_valid_by_the_schemas_of_the_contract(samples: Path, transaction: str) -> None:
    schema = contract(samples, transaction)
    for body in bodies(transaction):
        tree = etree.fromstring(etree.tostring(parse(body)))
        schema.assertValid(tree)
        if len(tree) > 1:
            tree.append(tree[0])  # out of order
        else:
            tree[0].text = "SOMETHING"
        assert not schema.validate(tree)
