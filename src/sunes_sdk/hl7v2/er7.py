"""ER7, the wire form of HL7 v2, without loss: `encode(decode(data)) == data`, unknown segments and odd line ends too.

A decoded message keeps its text and splits it on demand. What is built goes through `segment`, which escapes every
value: none can make a new field, a new segment or an MLLP frame.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from .._core.errors import Hl7Error

MAX_BYTES = 64 * 1024 * 1024
CHARSETS = {"UNICODE UTF-8": "utf-8", "8859/15": "iso8859-15", "8859/1": "iso8859-1", "ASCII": "ascii"}
"""MSH-18 (table 0211) as met in France, and the codecs of Python."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(r"(\r\n?|\n)")
_PATH = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:\[([1-9][0-9]*)\])?-([1-9][0-9]*)(?:\[([1-9][0-9]*)\])?"
    r"(?:\.([1-9][0-9]*))?(?:\.([1-9][0-9]*))?",
    re.ASCII,
)
_NAME = re.compile(r"[A-Z][A-Z0-9]{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The five characters that MSH-1 and MSH-2 declare."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"

    @property
    def msh_2(self) -> str:
        return self.component + self.repetition + self.escape + self.subcomponent


STANDARD = Delimiters()


class Raw(str):
    """Text that is already ER7: made by `components`, `subcomponents` and `repetitions`, not escaped by `segment`."""

    __slots__ = ()


@cache
def _escapes(d: Delimiters) -> dict[int, str]:
    e = d.escape
    table = {code: f"{e}X{code:02X}{e}" for code in (*range(32), 0x7F)}
    table |= {ord(d.field): f"{e}F{e}", ord(d.component): f"{e}S{e}", ord(d.subcomponent): f"{e}T{e}"}
    return table | {ord(d.repetition): f"{e}R{e}", ord(d.escape): f"{e}E{e}"}


def escape(text: str, delimiters: Delimiters = STANDARD) -> Raw:
    """A value as ER7: delimiters and control characters (CR, LF, MLLP bytes) become escape sequences."""
    return text if isinstance(text, Raw) else Raw(text.translate(_escapes(delimiters)))


@cache
def _sequence(escape_character: str) -> re.Pattern[str]:
    e = re.escape(escape_character)
    return re.compile(f"{e}([^{e}]*){e}")


def unescape(text: str, delimiters: Delimiters = STANDARD, charset: str = "utf-8") -> str:
    """An ER7 value as text: `\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\X..\\ \\.br\\`; any other sequence is left as it is."""
    if delimiters.escape not in text:
        return text
    plain = {
        "F": delimiters.field, "S": delimiters.component, "T": delimiters.subcomponent, "R": delimiters.repetition,
        "E": delimiters.escape, ".br": "\n",
    }  # fmt: skip

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in plain:
            return plain[name]
        if name[:1] == "X":
            try:
                return bytes.fromhex(name[1:]).decode(charset)
            except ValueError:
                return match[0]
        return match[0]

    return _sequence(delimiters.escape).sub(value, text)


def _joined(parts: Sequence[str], delimiter: str) -> Raw:
    return Raw(delimiter.join(map(escape, parts)).rstrip(delimiter))


def subcomponents(*parts: str) -> Raw:
    """`a&b`, each part escaped."""
    return _joined(parts, STANDARD.subcomponent)


def components(*parts: str) -> Raw:
    """`a^b^c`, each part escaped (a `Raw` made by `subcomponents` is kept)."""
    return _joined(parts, STANDARD.component)


def repetitions(*parts: str) -> Raw:
    """`a~b`, each part escaped (a `Raw` made by `components` is kept)."""
    return Raw(STANDARD.repetition.join(map(escape, parts)))


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment from its numbered fields: plain text is escaped, `Raw` is kept, empty fields at the end are dropped.

    `MSH` starts at field 3: its delimiters are the standard ones. Raises Hl7Error `HL7_SEGMENT_NAME`.
    """
    if not _NAME.fullmatch(name):
        raise Hl7Error("not a segment name", code="HL7_SEGMENT_NAME", rule="three characters, capitals and digits")
    first = 3 if name == "MSH" else 1
    last = max((n for n, value in fields.items() if value), default=0)
    head = f"MSH|{STANDARD.msh_2}" if name == "MSH" else name
    return "|".join([head, *(escape(fields.get(n, "")) for n in range(first, last + 1))])


class Repetition:
    """One repetition of a field."""

    __slots__ = ("_charset", "_components", "_delimiters", "raw")

    def __init__(self, raw: str, delimiters: Delimiters, charset: str) -> None:
        self.raw = raw
        self._delimiters = delimiters
        self._charset = charset
        self._components = raw.split(delimiters.component)

    def value(self, component: int = 1, subcomponent: int = 1) -> str:
        """The unescaped text, empty when absent. Positions start at 1."""
        if component > len(self._components):
            return ""
        text = self._components[component - 1]
        if subcomponent > 1 or self._delimiters.subcomponent in text:
            parts = text.split(self._delimiters.subcomponent)
            if subcomponent > len(parts):
                return ""
            text = parts[subcomponent - 1]
        return unescape(text, self._delimiters, self._charset)

    def __len__(self) -> int:
        return len(self._components)


class Segment:
    """One segment: `raw` text, fields by number. The text never shows in the repr."""

    __slots__ = ("_charset", "_delimiters", "_fields", "_shift", "name", "raw")

    def __init__(self, raw: str, delimiters: Delimiters, charset: str) -> None:
        self.raw = raw
        self.name = raw[:3]
        self._delimiters = delimiters
        self._charset = charset
        self._fields: list[str] | None = None
        self._shift = 1 if self.name == "MSH" else 0

    def __repr__(self) -> str:
        return f"Segment({self.name})"

    def field(self, number: int) -> str:
        """The ER7 text of a field, empty when absent. MSH-1 is the field delimiter itself."""
        if self._fields is None:
            self._fields = self.raw.split(self._delimiters.field)
        index = number - self._shift
        if index == 0:
            return self._delimiters.field if self._shift else self.name
        return self._fields[index] if index < len(self._fields) else ""

    @property
    def last_field(self) -> int:
        self.field(1)
        return len(self._fields or ()) - 1 + self._shift

    def repetitions(self, number: int) -> tuple[Repetition, ...]:
        """The repetitions of a field; none when it is empty."""
        text = self.field(number)
        if not text:
            return ()
        if self._shift and number <= 2:
            return (Repetition(text, Delimiters("\0", "\0", "\0", "\0", "\0"), self._charset),)
        parts = text.split(self._delimiters.repetition)
        return tuple(Repetition(p, self._delimiters, self._charset) for p in parts)

    def value(self, number: int, component: int = 1, subcomponent: int = 1, *, repetition: int = 1) -> str:
        """The unescaped text at this place, empty when absent."""
        found = self.repetitions(number)
        return found[repetition - 1].value(component, subcomponent) if repetition <= len(found) else ""


class Message:
    """A decoded message. Immutable; `decode` and `build` make it.

    charset: Python codec of the bytes; declared: MSH-18 as written (first repetition), empty when absent.
    """

    __slots__ = ("_parts", "_prefix", "charset", "declared", "delimiters", "segments")

    def __init__(
        self, parts: Sequence[str], *, charset: str, declared: str, delimiters: Delimiters, prefix: bytes = b""
    ) -> None:
        self._parts = tuple(parts)  # line, line end, line, line end … as they came
        self._prefix = prefix
        self.charset = charset
        self.declared = declared
        self.delimiters = delimiters
        self.segments = tuple(Segment(line, delimiters, charset) for line in self._parts[::2] if line.strip())

    def __repr__(self) -> str:
        return f"Message({' '.join(s.name for s in self.segments)})"

    @property
    def line_ends(self) -> frozenset[str]:
        """The line ends met; `\\r` alone is the standard."""
        return frozenset(self._parts[1::2])

    @property
    def is_terminated(self) -> bool:
        """Whether the last segment has its line end."""
        return not self._parts[-1].strip()

    @property
    def has_bom(self) -> bool:
        return bool(self._prefix)

    def all(self, name: str) -> tuple[Segment, ...]:
        return tuple(s for s in self.segments if s.name == name)

    def first(self, name: str) -> Segment | None:
        return next((s for s in self.segments if s.name == name), None)

    def get(self, path: str) -> str:
        """The unescaped text at `PID-3[2].4.2` or `PRT[2]-15.4`, empty when absent; a part left out means 1.

        Raises Hl7Error `HL7_PATH`.
        """
        name, occurrence, number, repetition, component, subcomponent = _parsed_path(path)
        found = self.all(name)
        if occurrence > len(found):
            return ""
        return found[occurrence - 1].value(number, component, subcomponent, repetition=repetition)


@lru_cache(maxsize=512)
def _parsed_path(path: str) -> tuple[str, int, int, int, int, int]:
    m = _PATH.fullmatch(path)
    if not m:
        raise Hl7Error("not a place in a message", code="HL7_PATH", path=path[:40], hint="write PID-3[2].4.2")
    return m[1], *(int(part or 1) for part in m.groups()[1:])  # type: ignore[return-value]  # five integers


def decode(data: bytes, *, max_bytes: int = MAX_BYTES) -> Message:
    """Read a message, in the character set that its MSH-18 names (empty: ASCII, else UTF-8, else 8859/15).

    Raises Hl7Error: `HL7_TOO_BIG`, `HL7_NOT_ER7` (no MSH), `HL7_DELIMITERS`, `HL7_CHARSET` (unknown, or the bytes
    are not in it).
    """
    if len(data) > max_bytes:
        raise Hl7Error(f"message of {len(data)} bytes is over the limit of {max_bytes}", code="HL7_TOO_BIG",
                       hint="raise the limit knowingly, or refuse the message")  # fmt: skip
    prefix = _BOM if data.startswith(_BOM) else b""
    body = data[len(prefix) :]
    header = re.split(r"[\r\n]", body[:4096].lstrip(b"\r\n").decode("latin-1"), maxsplit=1)[0]
    if not header.startswith("MSH"):
        raise Hl7Error("the message does not start with MSH", code="HL7_NOT_ER7", path="MSH", rule="HL7 v2 ch. 2",
                       hint="give the ER7 bytes, without MLLP framing")  # fmt: skip
    delimiters = _delimiters(header)
    fields = header.split(delimiters.field)
    declared = fields[17].split(delimiters.repetition)[0].strip() if len(fields) > 17 else ""
    charset = CHARSETS.get(declared) if declared else _guess(body)
    if charset is None:
        raise Hl7Error("the character set is not known", code="HL7_CHARSET", path="MSH-18",
                       rule=f"one of {', '.join(CHARSETS)}", hint="ask the sender for UNICODE UTF-8")  # fmt: skip
    try:
        text = body.decode(charset)
    except UnicodeDecodeError as e:
        raise Hl7Error(f"byte {e.start} is not in the declared character set", code="HL7_CHARSET", path="MSH-18",
                       rule="the whole message is in the character set of MSH-18",
                       hint="ask the sender to declare the character set it really uses") from None  # fmt: skip
    if "\n" in text and "\r" in text:
        parts = _LINE_END.split(text)
    else:  # far faster on a document of megabytes
        end = "\n" if "\n" in text else "\r"
        lines = text.split(end)
        parts = [end] * (2 * len(lines) - 1)
        parts[::2] = lines
    return Message(parts, charset=charset, declared=declared, delimiters=delimiters, prefix=prefix)


def _delimiters(header: str) -> Delimiters:
    separator = header[3:4]
    declared = header[4:].split(separator, 1)[0] if separator else ""
    marks = separator + declared
    # A fifth character (truncation, HL7 v2.7) may follow.
    right = len(declared) in (4, 5) and len(set(marks)) == len(marks)
    if not right or not all(c.isascii() and c.isprintable() and not c.isalnum() and c != " " for c in marks):
        raise Hl7Error("the delimiters are not usable", code="HL7_DELIMITERS", path="MSH-2",
                       rule="MSH-1 is | and MSH-2 is ^~\\& in ASCII",
                       hint="check MSH-2: some files hold U+02DC, which looks like ~")  # fmt: skip
    return Delimiters(separator, *declared[:4])


def _guess(body: bytes) -> str:
    if body.isascii():
        return "ascii"
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return "iso8859-15"
    return "utf-8"


def encode(message: Message) -> bytes:
    """The bytes of a message; for a decoded one, exactly those it came from."""
    return message._prefix + "".join(message._parts).encode(message.charset)


def build(segments: Sequence[str], *, charset: str = "UNICODE UTF-8") -> bytes:
    """The bytes of a new message: segments made by `segment`, each ended by CR.

    charset: MSH-18, which the MSH given must hold too. Raises Hl7Error `HL7_CHARSET` (a character has no place in it),
    `HL7_NOT_ER7`, `HL7_LINE_END` (a segment holds a line end: it was not made by `segment`).
    """
    if charset not in CHARSETS:
        raise Hl7Error("the character set is not known", code="HL7_CHARSET", path="MSH-18",
                       rule=f"one of {', '.join(CHARSETS)}")  # fmt: skip
    for number, text in enumerate(segments, 1):
        if "\r" in text or "\n" in text or "\x0b" in text or "\x1c" in text:
            raise Hl7Error("a segment holds a line end or a frame byte", code="HL7_LINE_END", path=f"segment {number}",
                           hint="make segments with segment(), which escapes them")  # fmt: skip
    try:
        data = "".join([f"{s}\r" for s in segments]).encode(CHARSETS[charset])
    except UnicodeEncodeError:
        raise Hl7Error(f"a character cannot be written in {charset}", code="HL7_CHARSET", path="MSH-18",
                       hint="send the message in UNICODE UTF-8") from None  # fmt: skip
    if decode(data).declared != charset:
        raise Hl7Error("MSH-18 does not name the character set of the bytes", code="HL7_CHARSET", path="MSH-18",
                       hint=f"write {charset} in MSH-18")  # fmt: skip
    return data
