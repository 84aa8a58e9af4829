from __future__ import annotations

import pytest

from sunes_sdk.cda.pdf import check_pdf
from sunes_sdk.testing import demo

DEMO = ("compte_rendu_operatoire.pdf", "prescription.pdf", "compte_rendu_biologie.pdf")


@pytest.mark.parametrize("name", DEMO)
def test_demonstration_files_pass_and_are_small(name: str) -> None:
    data = demo.read_example(name)
    assert check_pdf(data).findings == ()
    assert len(data) < 60_000


def good() -> bytes:
    return demo.read_example(DEMO[0])


@pytest.mark.parametrize(
    ("data", "codes"),
    [
        (b"", ["CDA_PDF_UNREADABLE"]),
        (b"<html/>", ["CDA_PDF_UNREADABLE"]),
        (good()[:-200], ["CDA_PDF_UNREADABLE"]),
        (good().replace(b"/Root", b"/Encrypt 9 0 R /Root"), ["CDA_PDF_UNREADABLE"]),
        (good().replace(b"pdfaid:part>1", b"pdfaid:part>3"), ["CDA_PDF_NOT_PDFA"]),
        (good().replace(b"pdfaid", b"pdfxid"), ["CDA_PDF_NOT_PDFA"]),
        (good().replace(b"/Type /Catalog", b"/Type /Catalog/OpenAction<</S/JavaScript/JS(x)>>"), ["CDA_PDF_ACTIVE"]),
    ],
    ids=["empty", "html", "cut", "encrypted", "part 3", "no claim", "script"],
)
def test_what_is_refused(data: bytes, codes: list[str]) -> None:
    assert data != good()
    report = check_pdf(data)
    assert [f.code for f in report.errors] == codes
    assert all(f.hint and f.message_fr for f in report)
