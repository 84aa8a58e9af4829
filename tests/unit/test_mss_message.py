"""Subject, names and headers of an MSSanté message."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest

from sunes_sdk.cda.header import (
    II,
    CdaHeader,
    HeaderEncounter,
    HeaderName,
    HeaderOrganization,
    HeaderParty,
    HeaderPatient,
    HeaderServiceEvent,
)
from sunes_sdk.errors import ModelError
from sunes_sdk.model import Code
from sunes_sdk.mss import Mail, pdf_name, readable_subject, subject
from sunes_sdk.mss.message import birth_date, from_field, label


def header(
    display: str = "Lettre de liaison à la sortie d'un établissement de soins",
    *,
    code: str = "11490-0",
    family: str = "VIAL",
    given: str = "Paul",
    birth: str = "19781126",
    act: str = "20220531101500+0200",
) -> CdaHeader:
    party = HeaderParty(
        time=act, ids=(II("1.2.250.1.71.4.2.1", "801234567897"),), name=HeaderName(family="DAVID", given="Charles")
    )
    return CdaHeader(
        template_ids=(),
        id=II("1.2.3.4"),
        code=Code(code=code, system="2.16.840.1.113883.6.1", display=display),
        title=display,
        effective_time="20220601120000+0200",
        confidentiality=Code(code="N", system="2.16.840.1.113883.5.25"),
        language="fr-FR",
        set_id=II("1.2.3.5"),
        version_number=1,
        patient=HeaderPatient(
            ids=(II("1.2.250.1.213.1.4.10", "279035121518989"),),
            birth_family=family, birth_givens=given, first_given=given, sex="M", birth_time=birth,
        ),
        authors=(party,),
        custodian=HeaderOrganization(id=II("1.2.250.1.71.4.2.2", "10B0127189"), name="Hôpital"),
        legal_authenticator=party,
        service_events=(HeaderServiceEvent(start=act),),
        encounter=HeaderEncounter(start=act),
    )  # fmt: skip


def mail(**changes: object) -> Mail:
    values: dict[str, object] = {
        "from_value": from_field("Hôpital A – Service Cardiologie", "dpi@hopital-a.mssante.fr"),
        "reply_to": "service@hopital-a.mssante.fr",
        "recipient": "jeanne.dupont@medecin.mssante.fr",
        "nil": "NIL-1",
        "message_id": "<5f8e@hopital-a.mssante.fr>",
        "boundary": "=_5f8e",
        "at": datetime(2026, 1, 15, 9, 30, tzinfo=UTC),
        "headers": (header(),),
        "qualified": True,
        "archive": b"PK\x05\x06" + bytes(18),
        "pdfs": (b"%PDF-1.4\n" + bytes(range(256)) * 3,),
        "body": "Bonjour,\n.un point au début\nFrom de début de ligne\n" + "é" * 200,
    }
    return Mail(**values | changes)  # type: ignore[arg-type]  # values of many kinds


def parsed(message: bytes) -> EmailMessage:
    return email.message_from_bytes(message, policy=email.policy.default)


def test_subject_of_one_document_is_folded_then_cut_at_40() -> None:
    expected = "XDM/1.0/DDM+Lettre de liaison a la sortie d'un etabl VIAL Paul 26/11/1978"
    assert subject([header()]) == expected


def test_subject_of_a_short_label() -> None:
    expected = "XDM/1.0/DDM+CR d'examens biologiques VIAL Paul 26/11/1978"
    assert subject([header("CR d’examens biologiques")]) == expected


def test_subject_of_several_documents_counts_them() -> None:
    assert subject([header(), header("x")]) == "XDM/1.0/DDM+2 documents VIAL Paul 26/11/1978"


def test_ligature_is_folded_before_the_cut() -> None:
    assert label(header("œ" * 39).code) == "oe" * 20


@pytest.mark.parametrize("lunar", ["", "1950", "195000", "19500000", "19500231"])
def test_a_birth_date_that_is_no_calendar_date_is_left_out(lunar: str) -> None:
    assert birth_date(lunar) == ""
    assert subject([header("A", birth=lunar)]) == "XDM/1.0/DDM+A VIAL Paul"


@pytest.mark.parametrize("field", ["display", "family", "given"])
@pytest.mark.parametrize("bad", ["a\r\nBcc: x@y.fr", "a\nb", "a\rb", "a\x00b", "a\x85b", "a\u2028b"])
def test_a_line_break_is_refused_never_stripped(field: str, bad: str) -> None:
    with pytest.raises(ModelError) as e:
        subject([header(**{field: bad})])
    assert e.value.code == "MSS_HEADER_INJECTION"
    assert bad not in str(e.value)


@pytest.mark.parametrize("name", ["nil", "recipient", "reply_to", "message_id", "from_value"])
def test_no_value_can_start_another_header(name: str) -> None:
    with pytest.raises(ModelError) as e:
        mail(**{name: "a@b.fr>\r\nBcc: <x@y.fr"}).to_bytes()
    assert e.value.code == "MSS_HEADER_INJECTION"


def test_label_with_a_line_break_is_refused() -> None:
    with pytest.raises(ModelError):
        from_field("a\nBcc: b", "x@y.fr")


def test_headers_are_ascii() -> None:
    with pytest.raises(ModelError) as e:
        mail(recipient="é@medecin.mssante.fr").to_bytes()
    assert e.value.code == "MSS_HEADER_NOT_ASCII"


def test_a_header_over_998_characters_is_refused() -> None:
    with pytest.raises(ModelError) as e:
        mail(headers=(header(family="A" * 1000),)).to_bytes()
    assert e.value.code == "MSS_HEADER_TOO_LONG"


def test_pdf_name() -> None:
    assert pdf_name(header("CR d'imagerie médicale", family="CORSE", given="FIGATELLIX")) == (
        "20220531_CR_d_imagerie_medicale_CORSE_FIGATELLIX.pdf"
    )


def test_pdf_name_never_makes_a_path_and_stays_unique() -> None:
    h = header("../a/b\\c:d*e", family="O'NEIL", given="J.")
    assert pdf_name(h) == "20220531_a_b_c_d_e_O_NEIL_J.pdf"
    assert pdf_name(h, [pdf_name(h)]) == "20220531_a_b_c_d_e_O_NEIL_J_2.pdf"


def test_pdf_name_without_service_event_uses_the_document_date() -> None:
    assert pdf_name(replace(header("A"), service_events=())).startswith("20220601_A_")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("XDM/1.0/DDM+CR VIAL Paul 26/11/1978", "CR VIAL Paul 26/11/1978"),
        ("XDM/1.0/DDM+ CR VIAL PAUL", "CR VIAL PAUL"),
        ("[KO Intégration système !][902] XDM/1.0/DDM+CR X", "[KO Intégration système !][902] CR X"),
        ("Bonjour", "Bonjour"),
    ],
)
def test_the_prefix_is_hidden_from_readers(raw: str, shown: str) -> None:
    assert readable_subject(raw) == shown


def test_message_is_read_back_whole() -> None:
    m = mail(headers=(header(), header("B", code="34112-3"), header(code="11490-0")), pdfs=(b"%PDF-1", b"2", b""))
    message = parsed(m.to_bytes())
    assert message["X-MSS-CODECDA"] == "11490-0,34112-3,11490-0"
    assert message["X-MSS-INS"] == "O"
    assert message["X-MSS-NIL"] == "NIL-1"
    assert message["X-MSS-MES"] is None
    assert message["Reply-To"].addresses[0].addr_spec == "service@hopital-a.mssante.fr"
    sender = message["From"].addresses[0]
    assert (sender.display_name, sender.addr_spec) == ("Hôpital A – Service Cardiologie", "dpi@hopital-a.mssante.fr")
    assert message["Date"].datetime == datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
    body, *attachments = message.iter_parts()
    assert body.get_content().replace("\r\n", "\n") == m.body + "\n"
    names = [a.get_filename() for a in attachments]
    assert names[0] == "IHE_XDM.ZIP"
    assert len(set(names)) == 4
    assert [a["Content-Type"].params["name"] for a in attachments] == names
    assert [a.get_content() for a in attachments] == [m.archive, *m.pdfs]


def test_many_codes_are_never_encoded_nor_folded() -> None:
    codes = tuple(header(code=f"{n}-0") for n in range(10000, 10030))
    raw = mail(headers=codes, pdfs=(b"",) * 30, read_receipt=True, final=True).to_bytes()
    line = b"X-MSS-CODECDA: " + ",".join(h.code.code for h in codes).encode() + b"\r\n"
    assert line in raw
    assert b"\r\nDisposition-Notification-To: <service@hopital-a.mssante.fr>\r\n" in raw
    assert b"\r\nX-MSS-MES: FIN\r\n" in raw


def test_every_line_ends_with_crlf_and_is_short_ascii() -> None:
    raw = mail().to_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    assert max(map(len, raw.split(b"\r\n"))) <= 200


def test_ascii_label_is_quoted() -> None:
    value = from_field('Dr_Marie_MARTIN_Cabinet "Medical", Paris', "marie.martin@medecin.mssante.fr")
    message = parsed(mail(from_value=value).to_bytes())
    assert message["From"].addresses[0].display_name == 'Dr_Marie_MARTIN_Cabinet "Medical", Paris'


def test_a_long_accented_label_stays_legal() -> None:
    text = "Hôpital " + "é" * 150
    value = from_field(text, "a@b.fr")
    assert all(len(word) <= 75 for word in value.split(" "))
    words, address = value.rsplit(" ", 1)
    assert (str(make_header(decode_header(words))), address) == (text, "<a@b.fr>")


def test_reprs_hide_the_patient() -> None:
    assert "VIAL" not in repr(mail())
    assert "dupont" not in repr(mail())
