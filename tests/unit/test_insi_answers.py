"""What a RESULTAT says is kept as received; what is incomplete, contradictory or said twice is refused."""

from __future__ import annotations

import pytest

from sunes_sdk._core.findings import Severity
from sunes_sdk._core.retry import RetryKind
from sunes_sdk._core.xml import parse
from sunes_sdk.errors import InsiError
from sunes_sdk.insi import SearchCode, SearchResult, decode_search
from sunes_sdk.insi.codec import MAX_TEXT, RESULT
from sunes_sdk.model import InsOid

ACTIVE = (
    "<INSACTIF><IdIndividu><NumIdentifiant>2751263220749</NumIdentifiant><Cle>74</Cle></IdIndividu>"
    "<OID>1.2.250.1.213.1.4.8</OID></INSACTIF>"
)
TIQ = (
    "<TIQ><NomNaissance>ADRUN</NomNaissance><Prenom>ZOE</Prenom><ListePrenom>ZOE LEA</ListePrenom><Sexe>F</Sexe>"
    "<DateNaissance>1975-12-31</DateNaissance><LieuNaissance>63220</LieuNaissance></TIQ>"
)
FOUND = "<CR><CodeCR>00</CodeCR><LibelleCR>OK</LibelleCR></CR>"
TOLD = ("ADRUN", "ZOE", "1975-12-31", "63220", "2751263220749")


def answer(content: str) -> SearchResult:
    return decode_search(parse(f'<RESULTAT xmlns="{RESULT}">{content}</RESULTAT>'.encode()), request_id="id-1")


def person(active: str = ACTIVE, tiq: str = TIQ, history: str = "") -> SearchResult:
    return answer(f"{FOUND}<INDIVIDU>{active}{history}{tiq}</INDIVIDU>")


def former(number: str, key: str, oid: str = InsOid.NIR.value) -> str:
    return (
        f"<INSHISTO><IdIndividu><NumIdentifiant>{number}</NumIdentifiant><Cle>{key}</Cle></IdIndividu>"
        f"<OID>{oid}</OID></INSHISTO>"
    )


@pytest.mark.parametrize(("code", "expected"), [("01", SearchCode.NOT_FOUND), (" 02\n", SearchCode.AMBIGUOUS)])
def test_codes_without_a_person(code: str, expected: SearchCode) -> None:
    assert answer(f"<CR><CodeCR>{code}</CodeCR></CR>") == SearchResult(code=expected)


def test_traits_are_kept_byte_for_byte() -> None:
    odd = TIQ.replace(">ADRUN<", "> d'Ad-rùn  <").replace("1975-12-31", "1950-00-00").replace("63220", "99999")
    found = person(tiq=odd).person
    assert found is not None
    assert (found.birth_name, found.birth_date, found.birth_place) == (" d'Ad-rùn  ", "1950-00-00", "99999")


@pytest.mark.parametrize("name", ["Prenom", "ListePrenom", "LieuNaissance"])
def test_a_trait_left_out_is_none_and_no_remark(name: str) -> None:
    tree = parse(TIQ.encode())
    element = tree.find(name)
    assert element is not None
    text = TIQ.replace(f"<{name}>{element.text}</{name}>", "")
    for tiq in (text, text.replace("</TIQ>", f"<{name}/></TIQ>"), text.replace("</TIQ>", f"<{name}>  </{name}></TIQ>")):
        result = person(tiq=tiq)
        assert result.person is not None
        field = {"Prenom": "first_given_name", "ListePrenom": "given_names", "LieuNaissance": "birth_place"}[name]
        assert getattr(result.person, field) is None
        assert result.remarks.findings == ()


@pytest.mark.parametrize(
    ("tiq", "said"),
    [
        ("", "NomNaissance, Sexe, DateNaissance, ListePrenom"),
        (TIQ.replace("<Sexe>F</Sexe>", ""), "Sexe"),
        (TIQ.replace("<Prenom>ZOE</Prenom><ListePrenom>ZOE LEA</ListePrenom>", ""), "ListePrenom"),
    ],
    ids=["no TIQ", "no sex", "no given name"],
)
def test_missing_strict_traits_are_remarked(tiq: str, said: str) -> None:
    (remark,) = person(tiq=tiq).remarks.warnings
    assert (remark.code, remark.message) == ("INSI_TRAITS_ABSENT", f"INSi left out {said}")


def test_a_wrong_key_is_kept() -> None:
    result = person(active=ACTIVE.replace("<Cle>74", "<Cle>60"))
    assert result.person is not None
    assert result.person.ins.value == "275126322074960"
    assert [(f.code, f.severity) for f in result.remarks] == [("INSI_KEY_WRONG", Severity.INFO)]


def test_an_absent_key_is_computed_and_told() -> None:
    result = person(active=ACTIVE.replace("<Cle>74</Cle>", ""))
    assert result.person is not None
    assert result.person.ins.value == "275126322074974"
    assert [f.code for f in result.remarks] == ["INSI_KEY_ABSENT"]


def test_a_nia_is_told_by_its_oid_only() -> None:
    found = person(active=ACTIVE.replace(InsOid.NIR.value, InsOid.NIA.value)).person
    assert found is not None
    assert found.ins.oid is InsOid.NIA


def test_history_is_kept_in_order_repeated_numbers_and_wrong_keys_included() -> None:
    result = person(history=former("2751263220749", "74") + former("2810363220456", "10") + former("1600CHANGED", "00"))
    assert result.person is not None
    assert [i.value for i in result.person.history] == ["275126322074974", "281036322045610"]
    (remark,) = result.remarks.warnings
    assert (remark.code, remark.path) == ("INSI_HISTORY_UNREADABLE", "RESULTAT/INDIVIDU/INSHISTO[3]")


@pytest.mark.parametrize("oid", ["1.2.250.1.213.1.4.2", "", "1.2.3"])
def test_a_former_number_under_another_oid_is_remarked(oid: str) -> None:
    result = person(history=former("2810363220456", "10", oid))
    assert [f.code for f in result.remarks] == ["INSI_HISTORY_UNREADABLE"]


def test_dates_before_the_number_and_traits_first_change_nothing() -> None:
    dated = ACTIVE.replace("<INSACTIF>", "<INSACTIF><DateDeb>2021-05-05</DateDeb><DateFin>2021-05-04</DateFin>")
    assert answer(f"<INDIVIDU>{TIQ}{dated}</INDIVIDU>{FOUND}") == person()


def test_a_comment_inside_a_text_does_not_cut_it() -> None:
    found = person(tiq=TIQ.replace(">ADRUN<", ">AD<!-- x -->RUN<")).person
    assert found is not None
    assert found.birth_name == "ADRUN"


UNUSABLE = {
    "no CR": ("", "INSI_ANSWER"),
    "no CodeCR": ("<CR><LibelleCR>OK</LibelleCR></CR>", "INSI_ANSWER"),
    "unknown code": ("<CR><CodeCR>03</CodeCR></CR>", "INSI_RESULT_CODE"),
    "two CR": (f"{FOUND}{FOUND}<INDIVIDU>{ACTIVE}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "two codes": ("<CR><CodeCR>01</CodeCR><CodeCR>00</CodeCR></CR>", "INSI_ANSWER"),
    "00 without a person": (FOUND, "INSI_ANSWER"),
    "01 with a person": (f"<CR><CodeCR>01</CodeCR></CR><INDIVIDU>{ACTIVE}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "two people": (f"{FOUND}<INDIVIDU>{ACTIVE}{TIQ}</INDIVIDU><INDIVIDU>{ACTIVE}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "two active": (f"{FOUND}<INDIVIDU>{ACTIVE}{ACTIVE}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "two TIQ": (f"{FOUND}<INDIVIDU>{ACTIVE}{TIQ}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "two names": (f"{FOUND}<INDIVIDU>{ACTIVE}{TIQ.replace('</TIQ>', '<Sexe>M</Sexe></TIQ>')}</INDIVIDU>",
                  "INSI_ANSWER"),
    "no active": (f"{FOUND}<INDIVIDU>{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "unknown OID": (f"{FOUND}<INDIVIDU>{ACTIVE.replace('4.8', '4.12')}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "no number": (f"{FOUND}<INDIVIDU>{ACTIVE.replace('2751263220749', '')}{TIQ}</INDIVIDU>", "INSI_ANSWER"),
    "short number": (f"{FOUND}<INDIVIDU>{ACTIVE.replace('2751263220749', '275126322074')}{TIQ}</INDIVIDU>",
                     "INSI_ANSWER"),
    "blanks in the number": (f"{FOUND}<INDIVIDU>{ACTIVE.replace('2751263', '2 75 12 63 ')}{TIQ}</INDIVIDU>",
                             "INSI_ANSWER"),
    "digits of another script": (f"{FOUND}<INDIVIDU>{ACTIVE.replace('2751263', '٢٧٥١٢٦٣')}{TIQ}</INDIVIDU>",
                                 "INSI_ANSWER"),
    "number and key cut elsewhere": (
        f"{FOUND}<INDIVIDU>{ACTIVE.replace('2751263220749</Num', '275126322074974</Num').replace('>74<', '><')}{TIQ}"
        "</INDIVIDU>", "INSI_ANSWER"),
    "element in a name": (f"{FOUND}<INDIVIDU>{ACTIVE}{TIQ.replace('>ADRUN', '><b>ADRUN</b>')}</INDIVIDU>",
                          "INSI_ANSWER"),
    "endless name": (f"{FOUND}<INDIVIDU>{ACTIVE}{TIQ.replace('ADRUN', 'A' * (MAX_TEXT + 1))}</INDIVIDU>",
                     "INSI_ANSWER"),
    "another namespace inside": (FOUND.replace("<CR>", '<CR xmlns="">'), "INSI_ANSWER"),
}  # fmt: skip


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_relied_on_is_refused_and_not_told(name: str) -> None:
    content, code = UNUSABLE[name]
    with pytest.raises(InsiError) as caught:
        answer(content)
    error = caught.value
    assert error.code == code
    assert error.request_id == "id-1"
    assert error.path
    assert error.rule
    assert error.hint
    assert error.hint_fr
    assert error.retry.kind is (RetryKind.NEVER if code == "INSI_RESULT_CODE" else RetryKind.AFTER)
    assert not [t for t in TOLD if t in f"{error}{error!r}{error.__cause__}"]


@pytest.mark.parametrize(
    "body",
    [
        f'<RESULTAT xmlns="{RESULT}x"/>',
        f'<r:RESULTATS xmlns:r="{RESULT}"/>',
        "<html><body>Service unavailable</body></html>",
    ],
)
def test_another_body_is_no_answer(body: str) -> None:
    with pytest.raises(InsiError) as caught:
        decode_search(parse(body.encode()))
    assert (caught.value.code, caught.value.path) == ("INSI_ANSWER", "Body")


def test_two_answers_in_one_body_are_refused() -> None:
    one = f'<RESULTAT xmlns="{RESULT}"><CR><CodeCR>01</CodeCR></CR></RESULTAT>'
    with pytest.raises(InsiError, match="INSI_ANSWER"):
        decode_search(parse(f"<Body>{one}{one}</Body>".encode())[0])


def test_an_unknown_code_is_kept_but_only_shown_when_it_is_a_code() -> None:
    with pytest.raises(InsiError, match=r"not known \(07\)") as caught:
        answer("<CR><CodeCR>07</CodeCR></CR>")
    assert caught.value.remote_code == "07"
    with pytest.raises(InsiError) as caught:
        answer("<CR><CodeCR>ADRUN ZOE</CodeCR></CR>")
    assert caught.value.remote_code == "ADRUN ZOE"
    assert "ADRUN" not in str(caught.value)
