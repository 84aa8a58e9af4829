"""What the fake DMP holds survives a restart, and its page shows it without trusting it."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from lxml import html

from sunes_sdk.cda import CdaDocument
from sunes_sdk.dmp import MASKED, DmpClient
from sunes_sdk.model import Dmp, Outcome
from sunes_sdk.testing import samples
from sunes_sdk.testing.dmp_caller import DmpCaller
from sunes_sdk.testing.dmp_registry import FIND_DOCUMENTS, FIND_SETS, GET_ASSOCIATIONS
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki

STATUS = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')"


def client(dmp: FakeDmp) -> DmpClient:
    return DmpClient(samples.settings(dmp=dmp.settings()), actor=samples.physician().at(samples.hospital()))


def letter() -> CdaDocument:
    return samples.discharge_letter().render(samples.issuer())


def test_a_restart_forgets_nothing(pki: TestPki, tmp_path: Path) -> None:
    path = tmp_path / "dmp.sqlite"
    first = samples.discharge_letter()
    rendered = first.render(samples.issuer())
    with FakeDmp(pki, store=path) as dmp, client(dmp) as sender:
        dmp.open_dmp(samples.ins(), traits=samples.traits(), break_glass=False)
        dmp.authorize(samples.ins(), attending=True, specialty=("SM26", "MG"))
        receipt = sender.submit(rendered)
        second = first.revise(rendered).render(samples.issuer())
        sender.replace(second, of=receipt)
        sender.submit(letter(), visibility=(MASKED,))
        before, patient = dmp.documents, dmp.patient(samples.ins())
        versions = dmp.versions(rendered.unique_id)
    with FakeDmp(pki, store=path) as dmp, client(dmp) as sender, DmpCaller(dmp, pki) as caller:
        assert dmp.documents == before
        assert dmp.versions(rendered.unique_id) == versions
        assert dmp.patient(samples.ins()) == patient
        assert caller.retrieve(second.unique_id).status == "Success"
        assert before[1].entry_uuid in caller.query(FIND_DOCUMENTS, [("$XDSDocumentEntryStatus", STATUS)]).ids()
        sets = caller.query(FIND_SETS, [("$XDSSubmissionSetStatus", STATUS)]).ids()
        assert len(sets) == 3
        assert len(caller.query(GET_ASSOCIATIONS, [("$uuid", f"('{sets[0]}')")]).ids()) == 3
        assert sender.submit(second).outcome is Outcome.DUPLICATE
        dmp.clear()
        dmp.forget_patients()
    with FakeDmp(pki, store=path) as dmp:
        assert dmp.documents == []
        assert dmp.patient(samples.ins()) is None


def test_what_was_not_accepted_is_not_kept(pki: TestPki, tmp_path: Path) -> None:
    path = tmp_path / "dmp.sqlite"
    with FakeDmp(pki, store=path) as dmp, client(dmp) as sender:
        dmp.open_dmp(samples.ins())
        dmp.fail_next("XDSRepositoryBusy")
        prepared = sender.prepare(letter(), Dmp())
        sender.send(prepared)
    with FakeDmp(pki, store=path) as dmp:
        assert dmp.documents == []


# --- the page ---------------------------------------------------------------------------------------------------------


def get(url: str, **headers: str) -> tuple[str, dict[str, str]]:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.read().decode(), dict(answer.headers)


def test_the_page_shows_what_is_held(pki: TestPki) -> None:
    with FakeDmp(pki) as dmp, client(dmp) as sender:
        dmp.open_dmp(samples.ins(), traits=samples.traits(), emergency=False)
        dmp.authorize(samples.ins(), attending=True)
        first = samples.discharge_letter()
        rendered = first.render(samples.issuer())
        receipt = sender.submit(rendered, visibility=(MASKED,))
        sender.replace(first.revise(rendered).render(samples.issuer()), of=receipt)
        text, headers = get(dmp.page_url)
        assert dmp.page_url == dmp.page_url
    page = html.fromstring(text)
    rows = [[cell.text_content() for cell in row] for row in page.iter("tr")]
    assert [row[1:4] for row in rows if rendered.unique_id in row] == [
        ["1", "Deprecated", "masqué aux professionnels"]
    ]  # fmt: skip
    assert "PAT-TROIS DOMINIQUE (279035121518989)" in text
    assert "médecin traitant" in text
    assert "opposition à l&#x27;accès d&#x27;urgence" in text
    assert list(page.iter("script", "form", "img", "link", "a")) == []
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_page_escapes_what_was_sent(pki: TestPki) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins(), traits=samples.traits(), usual_family=hostile)
        dmp.authorize(samples.ins(), hostile)
        text, _ = get(dmp.page_url)
    assert "<script" not in text
    assert hostile in html.fromstring(text).text_content()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [("other", "127.0.0.1", 404), ("../", "127.0.0.1", 404), ("", "evil.example", 421), ("", "127.0.0.1.evil", 421)],
)
def test_the_page_is_for_this_machine(pki: TestPki, path: str, host: str, status: int) -> None:
    with FakeDmp(pki) as dmp:
        url = dmp.page_url + path
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(url, Host=f"{host}:{url.split(':')[2].split('/')[0]}")
        caught.value.close()
    assert caught.value.code == status


def test_the_page_is_read_only(pki: TestPki) -> None:
    with FakeDmp(pki) as dmp:
        with urllib.request.urlopen(urllib.request.Request(dmp.page_url, method="HEAD"), timeout=5) as answer:
            assert answer.read() == b""
        for method in ("POST", "PUT", "DELETE"):
            request = urllib.request.Request(dmp.page_url, data=b"x", method=method)
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(request, timeout=5)
            caught.value.close()
            assert caught.value.code == 501
