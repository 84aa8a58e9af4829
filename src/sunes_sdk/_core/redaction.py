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


class MatriculeFilter(logging.Filter):
    """A logging filter that masks matricules in the rendered message; attach it to the application's handlers."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = mask_matricules(record.getMessage())
        record.args = None
        return True
