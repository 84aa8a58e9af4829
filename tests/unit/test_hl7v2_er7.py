"""The ER7 codec: places, escapes, character sets, line ends, and no way to inject."""

from __future__ import annotations

import pytest

from sunes_sdk.errors import Hl7Error
from sunes_sdk.hl7v2 import decode, encode
from sunes_sdk.hl7v2.er7 import Raw, build, components, escape, repetitions, segment, subcomponents, unescape

HEAD = "MSH|^~\\&|A|B|C|D|20260101||ADT^A01^ADT_A01|1|T|2.5|||||FRA|UNICODE UTF-8\r"


def message(rest: str = "", head: str = HEAD, charset: str = "utf-8") -> bytes:
    return (head + rest).encode(charset)


def test_places() -> None:
    m = decode(message("PID|1||a^^^X&1.2&ISO^PI~b^^^Y&3.4&ISO^INS||É^F\\S\\G\rOBX|1\rOBX|2|x\r"))
    assert m.get("PID-3[2].4.2") == "3.4"
    assert m.get("PID-3") == "a"
    assert m.get("PID-5.1") == "É"
    assert m.get("PID-5.2") == "F^G"
    assert m.get("OBX[2]-2") == "x"
    assert m.get("OBX[3]-2") == m.get("PID-3[3]") == m.get("PID-3.9") == m.get("PID-99") == m.get("ZZZ-1") == ""
    assert (m.get("MSH-1"), m.get("MSH-2"), m.get("MSH-3"), m.get("MSH-9.2")) == ("|", "^~\\&", "A", "A01")
    assert [s.name for s in m.segments] == ["MSH", "PID", "OBX", "OBX"]
    assert (len(m.all("OBX")), m.first("ZBE"), m.segments[1].last_field) == (2, None, 5)
    assert "É" not in repr(m) + repr(m.segments[1])
    with pytest.raises(Hl7Error, match="HL7_PATH"):
        m.get("PID3")


def test_escapes() -> None:
    text = "a|b^c~d&e\\f\rg\nh\x0bi\x1cj"
    assert escape(text) == "a\\F\\b\\S\\c\\R\\d\\T\\e\\E\\f\\X0D\\g\\X0A\\h\\X0B\\i\\X1C\\j"
    assert unescape(escape(text)) == text
    assert unescape("x\\.br\\y\\XC3A9\\\\H\\z\\N\\") == "x\nyé\\H\\z\\N\\"  # unknown sequences stay
    assert unescape("\\XE9\\", charset="iso8859-15") == "é"
    assert unescape("\\XZZ\\ \\alone") == "\\XZZ\\ \\alone"


def test_a_value_cannot_make_structure() -> None:
    evil = "X|Y^Z~W&V\rPID|9\nZZZ|1\x1c\x0b"
    line = segment("PID", {3: repetitions(components(evil, "", "", subcomponents(evil, "1"), "PI"), evil), 5: evil})
    data = build([HEAD.rstrip("\r"), line])
    m = decode(data)
    assert [s.name for s in m.segments] == ["MSH", "PID"]
    assert m.get("PID-3.1") == m.get("PID-3.4.1") == m.get("PID-3[2]") == m.get("PID-5") == evil
    assert m.get("PID-3.5") == "PI"
    assert b"\x0b" not in data
    assert b"\x1c" not in data
    with pytest.raises(Hl7Error, match="HL7_LINE_END"):
        build([HEAD.rstrip("\r"), Raw("PID|1\rZZZ|1")])
    with pytest.raises(Hl7Error, match="HL7_SEGMENT_NAME"):
        segment("PI|D", {1: "x"})


def test_empty_ends_are_dropped() -> None:
    assert segment("PV1", {1: "1", 3: components("a", "", ""), 9: ""}) == "PV1|1||a"
    assert segment("MSH", {3: "A"}) == "MSH|^~\\&|A"


@pytest.mark.parametrize(
    ("declared", "charset"), [("UNICODE UTF-8", "utf-8"), ("8859/15", "iso8859-15"), ("8859/1", "iso8859-1")]
)
def test_character_sets(declared: str, charset: str) -> None:
    data = message("PID|||||Éloïse\r", HEAD.replace("UNICODE UTF-8", declared), charset)
    m = decode(data)
    assert m.get("PID-5") == "Éloïse"
    assert encode(m) == data


def test_undeclared_character_set_is_guessed() -> None:
    head = HEAD.replace("|UNICODE UTF-8", "")
    for charset in ("utf-8", "iso8859-15"):
        m = decode(message("PID|||||Œuvré\r", head, charset))
        assert (m.declared, m.charset, m.get("PID-5")) == ("", charset, "Œuvré")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "HL7_NOT_ER7"), (b"\x0bMSH|^~\\&|", "HL7_NOT_ER7"), (b"PID|1\r", "HL7_NOT_ER7"),
        (b"MSH", "HL7_DELIMITERS"),
        ("MSH|^˜\\&|A\r".encode(), "HL7_DELIMITERS"), (b"MSH|^~\\|A\r", "HL7_DELIMITERS"),
        (b"MSH|^^\\&|A\r", "HL7_DELIMITERS"), (b"MSH|^~A&|A\r", "HL7_DELIMITERS"),
        (message("PID|\xe9\r", charset="latin-1"), "HL7_CHARSET"),
        (message(head=HEAD.replace("UNICODE UTF-8", "KLINGON")), "HL7_CHARSET"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(data: bytes, code: str) -> None:
    with pytest.raises(Hl7Error) as caught:
        decode(data)
    assert caught.value.code == code
    assert caught.value.hint


def test_size_is_bounded() -> None:
    with pytest.raises(Hl7Error, match="HL7_TOO_BIG"):
        decode(message(), max_bytes=10)


def test_line_ends_and_mark_are_kept_and_told() -> None:
    data = b"\xef\xbb\xbf" + message("PID|1\r\nPV1|1\n\nZBE|x").replace(b"\r\n", b"\r\n")
    m = decode(data)
    assert encode(m) == data
    assert (m.has_bom, m.is_terminated, m.line_ends) == (True, False, frozenset({"\r", "\r\n", "\n"}))
    assert [s.name for s in m.segments] == ["MSH", "PID", "PV1", "ZBE"]


def test_build_checks_the_character_set() -> None:
    with pytest.raises(Hl7Error, match="HL7_CHARSET"):
        build([HEAD.rstrip("\r").replace("UNICODE UTF-8", "8859/15"), segment("PID", {5: "’"})], charset="8859/15")
    with pytest.raises(Hl7Error, match="HL7_CHARSET"):
        build([HEAD.rstrip("\r")], charset="8859/15")


def test_other_delimiters() -> None:
    m = decode(b"MSH#*+!%#A\rPID###a*b%c!S!+d\r")
    assert (m.get("PID-3.2.2"), m.get("PID-3[2]")) == ("c*", "d")
