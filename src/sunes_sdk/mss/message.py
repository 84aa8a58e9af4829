"""The mail that carries an `IHE_XDM.ZIP`: subject, headers and MIME tree of *Référentiel socle MSSanté #2*.

The message is a byte string made once: lines are written whole and in ASCII, so that no mail library folds
`X-MSS-CODECDA` into encoded-words that operators cannot read, and so that the frozen bytes are the ones sent.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from email.header import Header
from email.utils import format_datetime, quote

from .._core.clock import PARIS
from .._core.errors import ModelError
from .._core.text import fold_ascii
from ..cda.header import CdaHeader, HeaderPatient
from ..model import Code

SUBJECT_PREFIX = "XDM/1.0/DDM+"
LABEL_LENGTH = 40
ARCHIVE_NAME = "IHE_XDM.ZIP"
LINE_LIMIT = 998
"""RFC 5322 §2.1.1, without CRLF."""

_PRINTABLE = re.compile(r"[ -~]*", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_NOT_FOR_FILES = re.compile(r"[^0-9A-Za-z.-]+")
_BIRTH = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)
_SUBJECT = re.compile(r"\s*(?P<tags>(?:\[[^\]]*\]\s*)*)XDM/1\.0/DDM\s*\+?\s*(?P<rest>.*)", re.DOTALL)


def _checked(text: str, path: str) -> str:
    """Refuse, never strip, what could start another header line."""
    if _CONTROL.search(text):
        raise ModelError(
            "a line break or a control character cannot go into a mail header",
            code="MSS_HEADER_INJECTION", path=path, rule="RFC 5322 §2.2",
            hint="remove the control characters at the source of this value",
            hint_fr="Un champ contient un caractère interdit (saut de ligne) : corrigez-le dans le dossier.",
        )  # fmt: skip
    return text


def label(code: Code, title: str = "") -> str:
    """The *libellé* of a document: display name of its code, without accents, cut to 40 characters (ECO.2.1.3)."""
    text = code.display or title or code.code
    return fold_ascii(_checked(text, "code.displayName"))[:LABEL_LENGTH].rstrip()


def birth_date(birth_time: str) -> str:
    """`19790328` as `28/03/1979`; empty when the date is not a full calendar date (it is optional in the subject)."""
    m = _BIRTH.match(birth_time)
    if not m:
        return ""
    try:
        return date(int(m[1]), int(m[2]), int(m[3])).strftime("%d/%m/%Y")
    except ValueError:
        return ""


def subject(headers: Sequence[CdaHeader]) -> str:
    """`XDM/1.0/DDM+<libellé> <NOM> <prénom> <JJ/MM/AAAA>`, or `N documents` as libellé when there are several.

    Source: Référentiel socle MSSanté #2, ECO.2.1.3 (second-hand). The raw value is ASCII: an encoded-word would hide
    the prefix from the operators' routing rules. Raises ModelError `MSS_HEADER_INJECTION`.
    """
    first = headers[0]
    what = label(first.code, first.title) if len(headers) == 1 else f"{len(headers)} documents"
    patient = first.patient
    parts = (what, *_names(patient), birth_date(patient.birth_time))
    return SUBJECT_PREFIX + " ".join(filter(None, parts))


def _names(patient: HeaderPatient) -> tuple[str, str]:
    given = patient.first_given or patient.birth_givens.split(" ")[0]
    return (
        fold_ascii(_checked(patient.birth_family, "patient.birth_family")).upper(),
        fold_ascii(_checked(given, "patient.first_given")),
    )


def readable_subject(raw: str) -> str:
    """What to show a reader: the subject without its technical prefix (ECO.3.1.3). Never identifies a patient."""
    m = _SUBJECT.fullmatch(raw)
    return f"{m['tags']}{m['rest']}".strip() if m else raw.strip()


def pdf_name(header: CdaHeader, taken: Sequence[str] = ()) -> str:
    """`<AAAAMMJJ>_<type>_<NOM>_<prénom>.pdf`, in ASCII letters, digits, `.`, `-` and `_` only.

    The date is that of the act (first service event, else the document); the optional *numéro de dossier* is left
    out. A name already in `taken` gets a number.
    """
    event = header.service_events[0].start if header.service_events else ""
    day = (event or header.effective_time)[:8]
    parts = [day, label(header.code, header.title), *_names(header.patient)]
    stem = "_".join(filter(None, (_NOT_FOR_FILES.sub("_", part).strip("_.") for part in parts)))
    name, n = f"{stem}.pdf", 2
    while name in taken:
        name, n = f"{stem}_{n}.pdf", n + 1
    return name


def from_field(text: str, address: str) -> str:
    """The value of `From`: a quoted label, or encoded-words when it is not ASCII; the address is never encoded."""
    _checked(text, "mss.label")
    if text.isascii():
        return f'"{quote(text)}" <{address}>'
    words = Header(text, "utf-8", maxlinelen=75).encode(linesep="\n", maxlinelen=75)
    return f"{words.replace(chr(10), '')} <{address}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """Everything a message is made of. `from_value` comes from `from_field`.

    headers and pdfs: one per document of the archive, in its order; qualified: the INS is qualified (`X-MSS-INS: O`);
    final: the patient may not answer (`X-MSS-MES: FIN`); read_receipt: ask an MDN; body: text read by a person.
    """

    from_value: str
    reply_to: str
    recipient: str = field(repr=False)
    nil: str
    message_id: str
    boundary: str
    at: datetime
    headers: tuple[CdaHeader, ...] = field(repr=False)
    qualified: bool
    archive: bytes = field(repr=False)
    pdfs: tuple[bytes, ...] = field(repr=False)
    body: str = field(repr=False)
    final: bool = False
    read_receipt: bool = False

    def to_bytes(self) -> bytes:
        """The exact bytes of the message, CRLF line ends, ASCII only.

        Raises ModelError (`MSS_HEADER_INJECTION`, `MSS_HEADER_NOT_ASCII`, `MSS_HEADER_TOO_LONG`).
        """
        fields = [
            ("Date", format_datetime(self.at.astimezone(PARIS))),
            ("From", self.from_value),
            ("Reply-To", f"<{self.reply_to}>"),
            ("To", f"<{self.recipient}>"),
            ("Subject", subject(self.headers)),
            ("Message-ID", self.message_id),
            ("X-MSS-NIL", self.nil),
            # One code per CDA, in the archive's order, never de-duplicated (ECO.2.4.1).
            ("X-MSS-CODECDA", ",".join(h.code.code for h in self.headers)),
            ("X-MSS-INS", "O" if self.qualified else "N"),
        ]
        if self.final:
            fields.append(("X-MSS-MES", "FIN"))
        if self.read_receipt:
            fields.append(("Disposition-Notification-To", f"<{self.reply_to}>"))
        fields.append(("MIME-Version", "1.0"))
        fields.append(("Content-Type", f'multipart/mixed; boundary="{self.boundary}"'))
        edge = f"--{self.boundary}\r\n".encode("ascii")
        out = ["".join(_line(name, value) for name, value in fields).encode("ascii"), b"\r\n", edge]
        out.append(_TEXT_PART)
        out.append(binascii.b2a_qp(_crlf(self.body).encode(), istext=True))
        out += (b"\r\n", edge, _attachment("application/zip", ARCHIVE_NAME), _base64(self.archive))
        names: list[str] = []
        for header, pdf in zip(self.headers, self.pdfs, strict=True):
            names.append(pdf_name(header, names))
            out += (b"\r\n", edge, _attachment("application/pdf", names[-1]), _base64(pdf))
        out.append(f"\r\n--{self.boundary}--\r\n".encode("ascii"))
        return b"".join(out)


_TEXT_PART = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def _line(name: str, value: str) -> str:
    if not _PRINTABLE.fullmatch(_checked(value, name)):
        raise ModelError(
            "a mail header holds a character that is not ASCII",
            code="MSS_HEADER_NOT_ASCII", path=name, rule="RFC 5322 §2.2",
            hint="write addresses and identifiers in ASCII; internationalised domains as xn--…",
        )  # fmt: skip
    line = f"{name}: {value}"
    if len(line) > LINE_LIMIT:
        raise ModelError(
            f"a header line of {len(line)} characters is over {LINE_LIMIT}",
            code="MSS_HEADER_TOO_LONG", path=name, rule="RFC 5322 §2.1.1",
            hint="send fewer documents in one message, or shorten the value",
        )  # fmt: skip
    return line + "\r\n"


def _attachment(content_type: str, name: str) -> bytes:
    # The name is given twice: some receivers read only the one of Content-Type.
    return (
        f'Content-Type: {content_type}; name="{name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
    ).encode("ascii")


def _base64(data: bytes) -> bytes:
    encoded = binascii.b2a_base64(data, newline=False)
    return b"\r\n".join([encoded[i : i + 76] for i in range(0, len(encoded), 76)])


def _crlf(text: str) -> str:
    return "\r\n".join(text.splitlines()) + "\r\n"


_TO_PROFESSIONAL = """Bonjour,

Veuillez trouver ci-joint : {what}.

Le document est joint sous deux formes : l'archive {archive}, à intégrer dans votre logiciel, et un fichier PDF, à lire.

{sender}
Pour répondre : {reply_to}
"""
_TO_PATIENT = """Bonjour,

Vous recevez un document de santé : {what}.

Ouvrez le fichier PDF joint pour le lire. L'autre fichier joint est destiné aux logiciels de santé.

{sender}
{answer}
"""
_MAY_ANSWER = "Vous pouvez répondre à ce message."
_MAY_NOT_ANSWER = "Vous ne pouvez pas répondre à ce message."


def body_for_professional(headers: Sequence[CdaHeader], *, sender: str, reply_to: str) -> str:
    return _TO_PROFESSIONAL.format(what=_what(headers), archive=ARCHIVE_NAME, sender=sender, reply_to=reply_to)


def body_for_patient(headers: Sequence[CdaHeader], *, sender: str, may_answer: bool) -> str:
    answer = _MAY_ANSWER if may_answer else _MAY_NOT_ANSWER
    return _TO_PATIENT.format(what=_what(headers), sender=sender, answer=answer)


def _what(headers: Sequence[CdaHeader]) -> str:
    return ", ".join(h.title or h.code.display or h.code.code for h in headers)
