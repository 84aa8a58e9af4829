"""Pictures and files that a document shows: they travel inside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from pydantic import field_validator

from ...model import Model
from ...model._base import invalid
from ...model.code import Text
from ..pdf_body import checked_pdf
from ..sections import Draft, Narrative, observation_media

_SIGNATURES = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"GIF8", "image/gif"))


def _media_type(data: bytes) -> str:
    return next((kind for start, kind in _SIGNATURES if data.startswith(start)), "")


class Picture(Model):
    """*Image illustrative*: a JPEG, a PNG or a GIF. data 1..1: its bytes; caption 1..1: what it shows.
    Raises ModelError `CDA_PICTURE`."""

    masked: ClassVar[frozenset[str]] = frozenset({"data", "caption"})

    data: bytes
    caption: Text

    @field_validator("data")
    @classmethod
    def _known(cls, value: bytes) -> bytes:
        if not _media_type(value):
            raise invalid("CDA_PICTURE", "neither a JPEG, a PNG nor a GIF", rule="CI-SIS entry FR-Image-illustrative",
                          hint="convert the picture; a DICOM object is not embedded but referred to",
                          hint_fr="Image illisible : fournissez un fichier JPEG, PNG ou GIF.")  # fmt: skip
        return value

    @property
    def media_type(self) -> str:
        return _media_type(self.data)


class AttachedPdf(Model):
    """*Document attaché*: a PDF. title 1..1: what it is; data 1..1. Raises CdaError `CDA_PDF_UNREADABLE`."""

    masked: ClassVar[frozenset[str]] = frozenset({"data", "title"})

    title: Text
    data: bytes

    @field_validator("data")
    @classmethod
    def _readable(cls, value: bytes) -> bytes:
        return checked_pdf(value, "data")


def pictures(draft: Draft, narrative: Narrative, shown: Iterable[Picture]) -> Iterator[str]:
    """observationMedia of each picture, which the narrative shows under its caption."""
    for picture in shown:
        narrative.paragraph(picture.caption)
        media, xml = observation_media(draft, picture.media_type, picture.data)
        narrative.media(media)
        yield xml
