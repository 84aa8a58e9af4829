"""A usage report for people: one HTML page that opens anywhere, and rows for a terminal.

The page is self-contained: no script, no font, no picture to fetch. It says what was counted, what was assumed, and
what proves it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, TextIO

from .._core.clock import PARIS
from .._core.errors import ModelError
from .._version import __version__
from ..settings import Environment
from .evaluation import IndicatorResult, Stage, Status, percent_fr
from .profile import MARKS_FR, THRESHOLD_UNKNOWN_FR

if TYPE_CHECKING:
    from jinja2 import Template

WORDING_FR = (
    "Comptage observé par le logiciel émetteur : ce n'est un comptage officiel ni du DMP ni de l'opérateur MSSanté. "
    "La décision d'acceptation appartient à l'ARS."
)
STATUS_FR: Mapping[Status, str] = {
    Status.ATTEINTE: "Cible atteinte",
    Status.NON_ATTEINTE: "Cible non atteinte",
    Status.EN_COURS: "En cours",
    Status.INATTEIGNABLE: "Cible hors d'atteinte",
    Status.NON_EVALUABLE: "Non évaluable",
}
ENVIRONMENT_FR: Mapping[Environment, str] = {
    Environment.FAKE: "Environnement factice",
    Environment.INTEGRATION: "Environnement d'intégration",
    Environment.PRODUCTION: "Production",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """What a blocker means to people: its name, who mends it, how."""

    label: str
    owner: str
    advice: str


CAUSES_FR: Mapping[Stage, Cause] = {
    Stage.NOT_PRODUCED: Cause("Document non produit", "Médecin, DIM",
                              "Relancer la rédaction ; vérifier que le type de document est le bon et qu'il porte le "
                              "numéro de venue."),
    Stage.NOT_VALIDATED: Cause("Document non validé", "Médecin", "Valider les documents en attente de signature."),
    Stage.INS_NOT_QUALIFIED: Cause("INS non qualifiée", "Bureau des entrées, identitovigilance",
                                   "Qualifier l'identité (pièce d'identité et appel INSi), puis relancer l'envoi."),
    Stage.OPPOSITION: Cause("Opposition ou connexion secrète", "Médecin",
                            "Aucune action : choix du patient, à tracer."),
    Stage.DESTDMP_N: Cause("Envoi au DMP non demandé", "Médecin, DSI",
                           "Vérifier le paramétrage du document (destination DMP)."),
    Stage.NO_DMP: Cause("Patient sans DMP", "–", "Aucune action technique : le DMP n'existe pas ou il est fermé."),
    Stage.NOT_SUBMITTED: Cause("Produit, pas encore envoyé", "DSI", "Vérifier la file d'envoi et son paramétrage."),
    Stage.REJECTED_TECHNICAL: Cause("Rejet technique", "DSI, éditeur, opérateur",
                                    "Lire le code de rejet et relancer l'envoi."),
    Stage.REJECTED_DATA: Cause("Rejet : donnée à corriger", "Bureau des entrées, éditeur",
                               "Corriger l'identité, l'adresse ou le document, puis renvoyer."),
    Stage.REJECTED_AUTH: Cause("Rejet : droits ou certificat", "DSI",
                               "Vérifier les certificats, le FINESS et les habilitations."),
    Stage.PENDING: Cause("Réponse attendue", "DSI", "Attendre la réponse ; contrôler les plus anciens envois."),
    Stage.UNKNOWN: Cause("Issue inconnue", "DSI", "Réconcilier : interroger le service avant tout nouvel envoi."),
    Stage.LATE: Cause("Accepté hors délai", "DSI", "Envoyer plus tôt : accepté après la fin de la période."),
    Stage.WITHDRAWN: Cause("Document retiré", "Médecin", "Vérifier qu'une nouvelle version doit être envoyée."),
}  # fmt: skip
_INS_CAUSES_FR: Mapping[Stage, Cause] = {
    Stage.UNKNOWN: Cause("Statut d'identité non transmis", "DSI, éditeur",
                         "Transmettre le statut de l'identité avec chaque document."),
}  # fmt: skip
EXCLUDED_FR: Mapping[str, str] = {
    "CANCELLED": "séjour annulé",
    "TEST_IDENTITY": "identité de test",
    "SEANCE": "séance",
    "CLASS": "autre type de venue",
    "ACTIVITY": "autre activité",
    "DURATION": "durée de séjour hors champ",
    "SECRET": "séjour secret",
    "DEATH": "décès",
    "TRANSFER_INTERNAL": "transfert interne",
    "NEWBORN_WITHOUT_INS": "nouveau-né sans INS",
    "OPPOSITION": "opposition du patient",
    "NO_DMP": "patient sans DMP",
    "NO_STAY": "document sans séjour connu",
    "NOT_EXIT": "ordonnance hors sortie",
    "FINESS_UNKNOWN": "établissement non précisé",
}
NOTICES_FR: Mapping[str, str] = {
    "SUCCESS_ON_CANCELLED_STAY": "document accepté pour un séjour annulé : à vérifier, peut-être à supprimer",
    "STAY_WITHOUT_ACTIVITY": "séjour sans activité (MCO, SMR…), gardé au dénominateur",
    "STAY_WITHOUT_CLASS": "séjour sans type de venue, gardé au dénominateur",
    "STAY_WITHOUT_NUMBER": "événement de séjour sans numéro de venue, ignoré",
    "DOCUMENT_WITHOUT_ID": "événement de document sans identifiant, ignoré",
    "MSS_WITHOUT_CHANNEL": "événement MSSanté sans destinataire (professionnel ou patient), ignoré",
    "SENT_WITHOUT_PRODUCTION": "document envoyé dont la production n'a pas été enregistrée",
}

SUMMARY_COLUMNS = ("Indicateur", "Num./Dén.", "Taux", "Borne haute", "Seuil", "Statut", "Premier blocage")


def cause_fr(stage: Stage, result: IndicatorResult) -> Cause:
    """What a blocker of this indicator means to people."""
    special = _INS_CAUSES_FR if result.profile.numerator.success == "INS_QUALIFIED" else {}
    return special.get(stage, CAUSES_FR[stage])


def summary_rows(results: Iterable[IndicatorResult]) -> list[tuple[str, ...]]:
    """One row of texts for each indicator, under `SUMMARY_COLUMNS`."""
    rows: list[tuple[str, ...]] = []
    for result in results:
        first = max(result.blockers, key=lambda b: b.count, default=None)
        blocked = "–" if first is None else f"{cause_fr(first.stage, result).label} ({first.count})"
        rows.append(
            (
                result.profile.title_fr,
                f"{result.num}/{result.den}",
                result.rate_fr,
                result.rate_high_fr,
                result.threshold_fr,
                _status_fr(result),
                blocked,
            )
        )
    return rows


def print_summary(results: Sequence[IndicatorResult], *, file: TextIO | None = None) -> None:
    """The summary as aligned plain text."""
    table = [SUMMARY_COLUMNS, *summary_rows(results)]
    widths = [max(len(row[i]) for row in table) for i in range(len(SUMMARY_COLUMNS))]
    out = file or sys.stdout
    for number, row in enumerate(table):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip(), file=out)
        if number == 0:
            print("  ".join("-" * width for width in widths), file=out)
    tests = max((r.test_identities for r in results), default=0)
    if tests:
        print(f"Environnement factice : les identités de test sont comptées (jusqu'à {tests}).", file=out)
    print(WORDING_FR, file=out)


def render_html(
    results: Sequence[IndicatorResult],
    *,
    title: str,
    establishment: str,
    environment: Environment,
    generated_at: datetime,
) -> str:
    """The report as one HTML page in French, without script or anything to fetch.

    results: of one `evaluate_all`, or of several over the same period; at least one. generated_at: aware. The same
    arguments give the same bytes.
    Raises ModelError `REPORT_EMPTY`, `NAIVE_TIME`, `REPORT_ENVIRONMENT` (a result of another environment).
    """
    _check(results, environment, generated_at)
    from .charts import rates_svg, waterfall_svg

    first = results[0]
    return _template().render(
        title=title,
        establishment=establishment,
        environment=environment.value,
        environment_fr=ENVIRONMENT_FR[environment],
        generated_at=generated_at.astimezone(PARIS),
        period=first.period,
        results=[
            {
                "r": result,
                "status": _status_fr(result),
                "why": _why_not_evaluable(result),
                "tone": _TONES[result.status],
                "waterfall": waterfall_svg(result, {b.stage: cause_fr(b.stage, result).label for b in result.blockers})
                if result.den
                else "",
                "blockers": [(cause_fr(b.stage, result), b.count, percent_fr(b.share)) for b in result.blockers],
                "excluded": [(EXCLUDED_FR.get(name, name), n) for name, n in result.excluded.items()],
                "notices": [(NOTICES_FR.get(name, name), n) for name, n in result.notices.items()],
            }
            for result in results
        ],
        rates=rates_svg(results),
        marks=MARKS_FR,
        heads=sorted({(r.ledger.count, r.ledger.hash.hex(), r.as_of.astimezone(PARIS)) for r in results}),
        verified=all(r.chain_verified for r in results),
        tests=max(r.test_identities for r in results),
        threshold_unknown=any(r.profile.share is None for r in results),
        threshold_unknown_fr=THRESHOLD_UNKNOWN_FR,
        wording=WORDING_FR,
        version=__version__,
    )


_TONES: Mapping[Status, str] = {
    Status.ATTEINTE: "good",
    Status.NON_ATTEINTE: "bad",
    Status.INATTEIGNABLE: "bad",
    Status.EN_COURS: "open",
    Status.NON_EVALUABLE: "none",
}


def _status_fr(result: IndicatorResult) -> str:
    why = _why_not_evaluable(result)
    return STATUS_FR[result.status] + (f" ({why})" if why else "")


def _why_not_evaluable(result: IndicatorResult) -> str:
    if result.status is not Status.NON_EVALUABLE:
        return ""
    return "rien à compter" if result.den == 0 else "seuil non renseigné"


def _check(results: Sequence[IndicatorResult], environment: Environment, generated_at: datetime) -> None:
    if not results:
        raise ModelError("a report needs a result", code="REPORT_EMPTY", path="results", hint="evaluate a profile")
    if generated_at.tzinfo is None:
        raise ModelError(
            "generated_at has no offset", code="NAIVE_TIME", path="generated_at", hint="give an aware datetime"
        )
    for index, result in enumerate(results):
        if result.environment is not environment:
            raise ModelError(
                f"this result was counted for {result.environment.value}", code="REPORT_ENVIRONMENT",
                path=f"results[{index}]", rule="test identities count under FAKE only",
                hint="evaluate for the environment of the report",
            )  # fmt: skip


@cache
def _template() -> Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    text = (resources.files(__package__) / "templates" / "report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)
