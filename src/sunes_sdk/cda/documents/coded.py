"""Fields that hold a code of a value set, as text."""

from __future__ import annotations

from pydantic import AfterValidator

from ...terminology import code as terminology_code


def in_set(name: str) -> AfterValidator:
    """Accepts the codes of one value set. The field's error is ModelError `TERMINOLOGY`, with the nearest codes."""

    def known(value: str) -> str:
        terminology_code(name, value)
        return value

    return AfterValidator(known)
