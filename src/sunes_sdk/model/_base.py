"""The base of every value object: frozen, keyword-only, strict about unknown fields, masked in its repr."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import pydantic
from pydantic import BaseModel, ConfigDict
from pydantic_core import PydanticCustomError

from .._core.errors import ModelError
from .._core.findings import Finding
from .._core.redaction import mask


class Model(BaseModel):
    """Frozen value object. Construction raises `ModelError`, never pydantic's own error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, str_strip_whitespace=True, hide_input_in_errors=True
    )

    masked: ClassVar[frozenset[str]] = frozenset()
    """Names of the fields whose value never shows in `repr()`."""

    def __init__(self, /, **data: Any) -> None:
        try:
            # What BaseModel.__init__ does, without taking the fields apart once more: every object passes here.
            self.__pydantic_validator__.validate_python(data, self_instance=self)
        except pydantic.ValidationError as error:
            raise model_error(error, type(self).__name__) from None

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, mask(value) if name in self.masked else value

    __str__ = BaseModel.__repr__


def invalid(
    code: str, message: str, *, rule: str = "", hint: str = "", hint_fr: str = "", path: str = ""
) -> PydanticCustomError:
    """The error a validator raises: becomes a `ModelError` with these parts and the field's path."""
    context = {"rule": rule, "hint": hint, "hint_fr": hint_fr, "path": path}
    escaped = message.replace("{", "{{").replace("}", "}}")
    return PydanticCustomError(code, escaped, context)


def model_error(error: pydantic.ValidationError, model: str) -> ModelError:
    """Turn pydantic's error into ours, without the offending values (they may be personal data)."""
    findings = tuple(_finding(details, model) for details in error.errors(include_input=False, include_url=False))
    first = findings[0]
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return ModelError(
        first.message + more,
        code=first.code,
        path=first.path,
        rule=first.rule,
        hint=first.hint,
        hint_fr=first.message_fr,
        findings=findings,
    )


_HINTS = {"missing": "give this field", "extra_forbidden": "remove this field or mend its name"}


def _finding(details: Any, model: str) -> Finding:
    context = details.get("ctx", {})
    nested = context.get("error")
    place = ".".join([model, *(str(part) for part in details["loc"])])
    if isinstance(nested, ModelError):
        inner = nested.path.partition(".")[2]
        return Finding(
            code=nested.code,
            message=nested.message,
            path=f"{place}.{inner}" if inner else place,
            rule=nested.rule,
            hint=nested.hint,
            message_fr=nested.hint_fr,
        )
    kind = details["type"]
    if context.get("path"):
        place = f"{place}.{context['path']}"
    return Finding(
        code=kind if kind.isupper() else f"MODEL_{kind.upper()}",
        message=details["msg"].removeprefix("Value error, "),
        path=place,
        rule=context.get("rule", ""),
        hint=context.get("hint", "") or _HINTS.get(kind, ""),
        message_fr=context.get("hint_fr", ""),
    )
