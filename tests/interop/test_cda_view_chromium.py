"""The page of each document kind in a browser that we did not write: nothing overflows, who and what are seen."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from sunes_sdk.cda import CdaDocument, Issuer
from sunes_sdk.cda.html import to_html
from sunes_sdk.testing import demo, samples

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
KINDS = ("letter", "prescription", "operative", "biology", "imaging")
_PROBE = """
<script>
function box(selector) {
  const e = document.querySelector(selector); if (!e) return null;
  const r = e.getBoundingClientRect();
  return [r.left, r.top, r.width, r.height];
}
addEventListener('load', () => {
  const root = document.documentElement;
  const wide = [...document.querySelectorAll('body *')].filter(e => e.className !== 'skip' &&
    e.getBoundingClientRect().right > root.clientWidth + 1).map(e => e.tagName);
  const said = {scroll: root.scrollWidth, width: root.clientWidth, wide, title: box('h1'), patient: box('.patient'),
    who: box('.who'), copy: box('.copy a'), main: box('main'), height: root.scrollHeight};
  document.body.innerHTML = ''; document.title = JSON.stringify(said);
});
</script>
"""


@pytest.fixture(scope="module")
def documents() -> dict[str, CdaDocument]:
    made = demo.discharge_documents(
        samples.patient(), samples.stay(), author=samples.physician().at(samples.hospital()),
        recipient=samples.general_practitioner(),
    )  # fmt: skip
    return {k: d.render(Issuer(oid_root=samples.DOCUMENT_ROOT)) for k, d in zip(KINDS, made, strict=True)}


def chromium(folder: Path, *arguments: str) -> str:
    assert CHROMIUM
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        f"--user-data-dir={folder / 'profile'}", *arguments,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def measured(folder: Path, page: str, width: int) -> dict[str, object]:
    """What the browser lays out. The probe needs a script: the page's own policy, which forbids any, is taken off."""
    assert "<script" not in page.lower()
    file = folder / "probe.html"
    file.write_text(re.sub(r"<meta http-equiv=[^>]*>", "", page).replace("</body>", f"{_PROBE}</body>"), "utf-8")
    shown = chromium(folder, f"--window-size={width},1000", "--dump-dom", file.as_uri())
    found = re.search(r"<title>(\{.*?\})</title>", shown)
    assert found, shown[:500]
    return json.loads(found[1])  # type: ignore[no-any-return]  # what the page wrote


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_readable(kind: str, documents: dict[str, CdaDocument], tmp_path: Path) -> None:
    page = to_html(documents[kind])
    for width in (1100, 500):
        seen = measured(tmp_path, page, width)
        assert seen["scroll"] == seen["width"], f"{width}: it scrolls sideways"
        assert seen["wide"] == [], f"{width}: {seen['wide']} leave the page"
        for what in ("title", "patient", "who"):
            left, top, wide, high = seen[what]  # type: ignore[misc]  # four numbers, or None when not on the page
            assert left >= 0, what
            assert wide > 100 or what == "who", what
            assert 10 < high < 900, what
            assert top < 900, f"{width}: {what} is not seen without scrolling"
        if kind in ("prescription", "biology", "operative"):
            assert seen["copy"], "the PDF is offered"
            assert seen["copy"][1] < 1000  # type: ignore[index]  # seen just above


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_each_kind(kind: str, documents: dict[str, CdaDocument], tmp_path: Path) -> None:
    file, picture = tmp_path / "page.html", tmp_path / f"{kind}.png"
    file.write_text(to_html(documents[kind]), "utf-8")
    chromium(tmp_path, "--window-size=1100,1300", f"--screenshot={picture}", file.as_uri())
    with Image.open(picture) as image:
        grey = image.convert("L")
        assert image.size == (1100, 1300)
        dark = sum(grey.histogram()[:110])
        assert dark > 3000, "there is text"
        assert grey.getpixel((550, 60)) > 100 or dark < 700_000
