"""Text folding shared by file names, mail subjects and INS comparisons."""

from __future__ import annotations

import re
import unicodedata

_EQUIVALENTS = str.maketrans(
    {
        "’": "'", "‘": "'", "ʼ": "'",
        "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ẞ": "SS",
        "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "TH",
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
        "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    }
)  # fmt: skip


def strip_accents(text: str) -> str:
    """Replace ligatures, typographic marks and accented letters by their ASCII equivalents; keep the rest."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_EQUIVALENTS))
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def fold_ascii(text: str) -> str:
    """`strip_accents`, then drop what is still not printable ASCII and collapse blanks."""
    kept = "".join(c for c in strip_accents(text) if " " <= c <= "~" or c in "\t\r\n")
    return re.sub(r"\s+", " ", kept).strip()
