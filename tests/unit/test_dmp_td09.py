"""TD0.9: the address of the web site, and what is never put in it."""

from __future__ import annotations

import pytest

from sunes_sdk._core.errors import ConfigurationError, ModelError
from sunes_sdk.dmp import td09
from sunes_sdk.dmp.rights import Mode
from sunes_sdk.dmp.td09 import WebPage
from sunes_sdk.model import Ins, InsOid

INS = Ins.of("207058575627097", InsOid.NIR_TEST)
CORSICAN = Ins.of("297022A02077878", InsOid.NIR_TEST, certified=True)


@pytest.mark.parametrize("page", WebPage)
def test_each_page(page: WebPage) -> None:
    if page is not WebPage.SETTINGS:
        assert (
            td09.url(page, INS, domain="web.dmp.test:8443", mode="DIRECTE")
            == f"https://web.dmp.test:8443/AccesDirect/{page.value}/207058575627097"
        )
    if page in (WebPage.SETTINGS, WebPage.DASHBOARD):
        assert td09.url(page, None, domain="web.dmp.test", mode="DIRECTE") == (
            f"https://web.dmp.test/AccesDirect/{page.value}"
        )


def test_a_matricule_with_letters() -> None:
    assert td09.url(WebPage.RECORD, CORSICAN, domain="a", mode="DIRECTE").endswith("/DossierPatient/297022A02077878")


def test_what_is_not_a_matricule_stays_one_step_of_the_path() -> None:
    """No `Ins` can hold it; were it so, it would still be encoded."""
    odd = INS.model_copy(update={"matricule": INS.matricule.model_copy(update={"value": "../x?y#z é&%"})})
    assert td09.url(WebPage.RECORD, odd, domain="a", mode="DIRECTE") == (
        "https://a/AccesDirect/DossierPatient/..%2Fx%3Fy%23z%20%C3%A9%26%25"
    )


@pytest.mark.parametrize("mode", ["INDIRECTE", "INDIRECTE_RENFORCEE"])
def test_direct_authentication_only(mode: Mode) -> None:
    with pytest.raises(ConfigurationError) as caught:
        td09.url(WebPage.RECORD, INS, domain="web.dmp.test", mode=mode)
    assert caught.value.code == "DMP_RIGHTS"
    assert "PDT-INF-527" in caught.value.rule
    assert caught.value.hint_fr


@pytest.mark.parametrize(
    "domain",
    [
        "", "https://web.dmp.test", "web.dmp.test/", "user@web.dmp.test", "web.dmp.test\n", "a b", "-a.fr", "a..fr",
        "é.fr", "a" * 64, ".".join(["a" * 60] * 5), "a:port", "a.fr?x", "a.fr#", "a%2f.fr",
    ],
)  # fmt: skip
def test_a_domain_is_a_host_name(domain: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        td09.url(WebPage.SETTINGS, None, domain=domain, mode="DIRECTE")
    assert (caught.value.code, caught.value.path) == ("DMP_WEB_DOMAIN", "settings.dmp.web_domain")


def test_pages_say_whether_they_are_about_a_patient() -> None:
    for page in set(WebPage) - {WebPage.DASHBOARD, WebPage.SETTINGS}:
        with pytest.raises(ModelError) as caught:
            td09.url(page, None, domain="a", mode="DIRECTE")
        assert caught.value.code == "DMP_WEB_PATIENT"
    with pytest.raises(ModelError) as caught:
        td09.url(WebPage.SETTINGS, INS, domain="a", mode="DIRECTE")
    assert caught.value.code == "DMP_WEB_PATIENT"
    assert INS.value not in str(caught.value)
