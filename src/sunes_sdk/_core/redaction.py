"""Masking of what must not reach a log, a repr or an exception text."""

from __future__ import annotations

import logging
import re

MASK = "***"
_MATRICULE = re.compile(r"(?<![0-9A-Za-z.])[1-478][0-9]{4}(?:[0-9]{2}|2[ABab])[0-9]{6}(?:[0-9]{2})?(?![0-9A-Za-z])")


def mask(value: object) -> str:
    """`***` for any value that is there, empty for one that is not."""
    return MASK if value not in (None, "", ()) else ""


def mask_matricules(text: str) -> str:
    """Replace every run that looks like a matricule (13 or 15 characters) by a mask keeping its last two."""
    return _MATRICULE.sub(lambda m: MASK + m.group()[-2:], text)


UNREADABLE = "UNREADABLE"
"""In place of what a peer gave as a code and is none."""
_PEER_CODE = re.compile(r"[\w.#/+-]{1,80}", re.ASCII)


def peer_code(text: str) -> str:
    """The last word of a code that a peer gave (`urn:…:XDSRegistryBusy`, `soap:DMPInvalidCertificate`), empty for none.

    `UNREADABLE` for a text that is no code, with blanks or a matricule: it may name the patient, and codes are shown.
    """
    code = text.strip().rpartition(":")[2]
    return code if not code or (_PEER_CODE.fullmatch(code) and mask_matricules(code) == code) else UNREADABLE


def peer_text(code: str, text: str) -> str:
    """What a peer said, as written, after what was in place of a code and is none."""
    return f"{code} {text}".strip() if peer_code(code) == UNREADABLE else text


class MatriculeFilter(logging.Filter):
    """A logging filter that masks matricules in the rendered message; attach it to the application's handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = mask_matricules(record.getMessage())
        record.args = None
        return True
