"""TD0.9, the address at which the professionals' web site opens on a patient's DMP. No I/O.

Source: GIE SESAM-Vitale PDT-INF-527 v1.7 (22/04/2024).
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from .._core.errors import ConfigurationError, ModelError
from ..model import Ins
from .rights import RIGHTS_CODE, Mode, Transaction, rule

_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*(?::[0-9]{1,5})?",
    re.ASCII,
)


class WebPage(StrEnum):
    """Pages that can be opened. All are about a patient, but `SETTINGS`; `DASHBOARD` may be."""

    DASHBOARD = "TableauDeBord"
    RECORD = "DossierPatient"
    MANAGEMENT = "GestionDMPPatient"
    DOCUMENTS = "Documents"
    CARE_PATHWAY = "ParcoursDeSoins"
    ACCESS_HISTORY = "HistoriqueAcces"
    WISHES = "VolontesEtDroits"
    VACCINATION = "CarnetVaccination"
    SETTINGS = "Parametrages"


def url(page: WebPage, ins: Ins | None, *, domain: str, mode: Mode) -> str:
    """The address of a page, for the browser of a professional. It holds the matricule: do not log it.

    domain: host name of the site, without scheme; mode: how the professional's browser authenticates, `DIRECTE` (card
    or e-CPS), the only one that the site takes. The matricule alone goes in the address (form of `[INS]`: unverified).

    Raises ConfigurationError `DMP_RIGHTS` for another mode, `DMP_WEB_DOMAIN`; ModelError `DMP_WEB_PATIENT` when the
    page needs a patient, or takes none.
    """
    found = rule(mode, Transaction.WEB)
    if mode != "DIRECTE":
        raise ConfigurationError(
            f"the web site of the DMP is not open to mode {mode}", code=RIGHTS_CODE, path="mode", rule=found.source,
            hint='for a user who has a card or an e-CPS, give mode="DIRECTE"',
            hint_fr="Le site Web du DMP s'ouvre avec une carte CPS ou une e-CPS.",
        )  # fmt: skip
    if not _HOST.fullmatch(domain):
        raise ConfigurationError(
            "the host name of the DMP's web site has not the form of one", code="DMP_WEB_DOMAIN",
            path="settings.dmp.web_domain", rule="host name, no scheme, no path", hint="write web.example.fr",
        )  # fmt: skip
    if ins is None and page not in (WebPage.DASHBOARD, WebPage.SETTINGS):
        raise _patient("a patient is missing", page)
    if ins is not None and page is WebPage.SETTINGS:
        raise _patient("no patient is asked for", page)
    path = f"https://{domain}/AccesDirect/{page.value}"
    return path if ins is None else f"{path}/{quote(ins.value, safe='')}"


def _patient(what: str, page: WebPage) -> ModelError:
    return ModelError(
        f"{what} for the page {page.value}", code="DMP_WEB_PATIENT", path="of", rule="GIE SESAM-Vitale PDT-INF-527",
        hint="give the identity for every page but Parametrages",
    )  # fmt: skip
