"""Pictures, attached PDF and medical devices: what several kinds of documents share."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from ..._core.errors import ModelError
from ..datatypes_reader import code_of, find, ii_of, path_of
from ..documents.attachments import AttachedPdf, Picture
from ..documents.clinical import MedicalDevice
from ..envelope import V3
from .entries import Body, file_of, lines_of, partial_date, statements
from .people import identifier

DEVICES = "1.2.250.1.213.1.1.2.1"


def read_picture(body: Body, media: etree._Element) -> Picture:
    """observationMedia; its caption is the paragraph before the place that shows it. Raises ModelError."""
    file = file_of(media)
    shown = next(
        (r for r in body.root.iter(f"{V3}renderMultiMedia") if r.get("referencedObject") == media.get("ID")), None
    )  # fmt: skip
    before = shown.getprevious() if shown is not None else None
    picture = Picture(data=file.data if file else b"", caption=lines_of(before) if before is not None else "")
    body.notes.take(media, "value")
    return picture


def read_attached(body: Body, template: str) -> Iterator[AttachedPdf]:
    """The PDF files of a section of *FR-Document-attache*."""
    section = body.section(template)
    for organizer in statements(section, "organizer") if section is not None else ():
        file = file_of(organizer)
        title = next((body.said(find(o, "text")) for o in organizer.iter(f"{V3}observation")), "")
        try:
            yield AttachedPdf(title=title, data=file.data if file else b"")
        except ModelError as e:
            body.notes.leave("an attached document", path_of(organizer), e.message)
            continue
        body.notes.take(organizer, "*")


def read_medical_devices(body: Body) -> Iterator[MedicalDevice]:
    """*FR-Dispositifs-medicaux*."""
    section = body.section(DEVICES)
    for supply in statements(section, "supply") if section is not None else ():
        role = find(supply, "participant", "participantRole")
        code = find(role, "playingDevice", "code")
        udi = ii_of(find(role, "id"))
        period = find(supply, "effectiveTime")
        place = body.place(find(supply, "text"))
        named = body.around(place).get("Dispositif médical") if place is not None else None
        coded = code_of(code)
        translations = (code_of(t) for t in code.iterchildren(f"{V3}translation")) if code is not None else ()
        try:
            device = MedicalDevice(
                name=named or body.said(find(supply, "text")) or (coded.display if coded else ""),
                code=coded,
                translations=tuple(t for t in translations if t),
                udi=identifier(udi) if udi and udi.extension else None,
                start=partial_date(find(period, "low"), body.notes),
                end=partial_date(find(period, "high"), body.notes),
            )
        except ModelError as e:
            body.notes.leave("a device", path_of(supply), e.message)
            continue
        body.notes.take(supply, "effectiveTime", "participant")
        yield device
