"""Writes the PDF/A-1 files of the demonstration, in examples/demo. Their facts are those of `sunes_sdk.testing.demo`.

    python scripts/make_demo_pdfs.py [folder]

The same WeasyPrint and fonts give the same bytes. All people are published test people or invented.
"""

from __future__ import annotations

import sys
from datetime import date, datetime
from pathlib import Path

from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.documents.laboratory import LaboratoryReport
from sunes_sdk.cda.documents.laboratory_content import LaboratoryResult
from sunes_sdk.cda.documents.measures import Measure
from sunes_sdk.cda.documents.prescription import MedicationPrescription
from sunes_sdk.cda.documents.unstructured import OperativeReport
from sunes_sdk.cda.pdf import check_pdf, write_pdf
from sunes_sdk.model import Actor, Organization
from sunes_sdk.testing import demo, samples

STYLE = """
.head { display: table; width: 100%; border-bottom: 1.2pt solid #123c69; padding-bottom: 2mm; margin-bottom: 4mm }
.head div { display: table-cell; vertical-align: top; font-size: 8.5pt }
.head .right { text-align: right }
.head b { font-size: 12pt; color: #123c69 }
h1 { text-align: center; margin: 4mm 0 }
h2 { margin-top: 3.5mm }
.patient { border: .6pt solid #9db4cc; background: #f4f7fa; padding: 2mm 3mm }
.patient strong { font-size: 11pt }
.sign { margin-top: 8mm; margin-left: 55%; border-top: .6pt solid #9aa7b4; padding-top: 2mm }
.drug { border-left: 2pt solid #123c69; padding: 1mm 3mm; margin: 3mm 0 }
.drug b { font-size: 11pt }
td.high { font-weight: bold }
"""
OPERATIVE = """
<h2>Indication</h2>
<p>Patiente de 46 ans, admise aux urgences pour une douleur fébrile de la fosse iliaque droite évoluant depuis
24 heures. Défense localisée, température 38,4 °C, leucocytes 14,8 G/L, CRP 86,4 mg/L. Scanner : appendice de 11 mm à
paroi épaissie, infiltration de la graisse, pas de collection. Appendicite aiguë non compliquée.</p>
<h2>Anesthésie et installation</h2>
<p>Anesthésie générale, intubation orotrachéale. Décubitus dorsal. Antibioprophylaxie à l'induction (céfazoline 2 g).
Liste de contrôle « sécurité du patient au bloc opératoire » : trois temps réalisés, sans réserve.</p>
<h2>Description de l'intervention</h2>
<ol>
<li>Incision au point de McBurney, dissociation des muscles larges, ouverture du péritoine.</li>
<li>Épanchement séreux minime, prélevé pour bactériologie. Appendice rétro-cæcal, œdématié et inflammatoire, non
perforé.</li>
<li>Ligature et section du méso-appendice. Ligature et section de la base, en tissu sain ; moignon non enfoui.</li>
<li>Exploration de la dernière anse grêle sur 60 cm : pas de diverticule de Meckel. Annexes droites d'aspect
normal.</li>
<li>Lavage, contrôle de l'hémostase. Comptes de compresses et d'instruments exacts. Pas de drainage.</li>
<li>Fermeture plan par plan, surjet intradermique résorbable. Pansement sec.</li>
</ol>
<h2>Pertes sanguines, prélèvements, incidents</h2>
<p>Pertes inférieures à 20 mL, pas de transfusion. Pièce d'appendicectomie adressée en anatomopathologie, liquide
péritonéal en bactériologie. Aucun incident peropératoire. Aucun dispositif médical implanté.</p>
<h2>Suites et consignes</h2>
<p>Reprise de l'alimentation à J1, lever le soir même. Paracétamol 1 g toutes les 6 heures. Pas d'antibiothérapie
postopératoire. Ablation du pansement à J5, consultation de contrôle à un mois avec le résultat anatomopathologique.</p>
"""


def day(value: date) -> str:
    return f"{value:%d/%m/%Y}"


def minute(value: datetime) -> str:
    return f"{value.astimezone(samples.PARIS_WINTER):%d/%m/%Y à %H:%M}"


def person(actor: Actor) -> str:
    return f"Dr {actor.professional.given} {actor.professional.family}"


def letterhead(organization: Organization, right: str) -> str:
    return (
        f'<div class="head"><div><b>{organization.name}</b><br>1 place de l\'Hôpital, 75013 PARIS<br>'
        f'Tél. 01 23 45 67 89 · FINESS {organization.finess_geo}</div><div class="right">{right}</div></div>'
    )


def patient() -> str:
    traits = samples.traits()
    return (
        f'<div class="patient"><strong class="who">{traits.birth_name} {traits.first_given_name}</strong>, née le '
        f"{day(date.fromisoformat(str(traits.birth_date)))} (46 ans), sexe féminin<br>INS (NIR de test) : "
        f"2 79 03 51 215 189 89 · IPP : {samples.patient().identifiers[0].value} · "
        f"Venue : {samples.stay().visit.value}</div>"
    )


def page(title: str, body: str) -> str:
    return (
        f'<!DOCTYPE html><html lang="fr"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"</head><body>{body}</body></html>"
    )


def signature(actor: Actor, role: str, at: datetime) -> str:
    return (
        f'<div class="sign">Le {minute(at)}<br><b>{person(actor)}</b><br>{role}<br>RPPS {actor.professional.rpps}</div>'
    )


def operative_report(report: OperativeReport) -> tuple[str, str]:
    assert report.act is not None
    assert report.ended_at is not None
    assert report.written_at is not None
    body = (
        letterhead(report.custodian, f"Chirurgie viscérale et digestive<br>{person(report.author)}")
        + "<h1>Compte rendu opératoire</h1>"
        + patient()
        + f"<p><b>Intervention</b> du {minute(report.performed_at)} à {report.ended_at:%H:%M} : {report.act.display} "
        f"(CCAM {report.act.code})<br><b>Opérateur</b> : {person(report.author)} · <b>Anesthésiste</b> : "
        "Dr Hugo LAMBERT · <b>Aide</b> : Mme Inès ROUX, IBODE</p>"
        + OPERATIVE
        + signature(report.author, "Chirurgienne viscérale et digestive", report.written_at)
    )
    return "Compte rendu opératoire", page("Compte rendu opératoire", body)


def prescription(document: MedicationPrescription) -> tuple[str, str]:
    assert document.written_at is not None
    drugs = "".join(
        f'<div class="drug"><b>{t.name}</b><br>{t.posology}<br>Du {day(t.start)} au {day(t.end)} · '
        f"Quantité : {t.boxes} boîtes · Non renouvelable</div>"
        for t in document.treatments
        if t.start and t.end
    )
    body = (
        letterhead(document.custodian, f"Médecine interne<br>{person(document.author)}<br>"
                   f"RPPS {document.author.professional.rpps}")
        + "<h1>Ordonnance de sortie</h1>"
        + patient()
        + f"<h2>Médicaments prescrits</h2>{drugs}"
        + f"<p>Ordonnance valable jusqu'au {day(document.valid_until)}.</p>"
        + signature(document.author, "Médecin - Médecine interne (SM)", document.written_at)
    )  # fmt: skip
    return "Ordonnance de sortie", page("Ordonnance de sortie", body)


UNITS = {"umol/L": "µmol/L", "10*9/L": "G/L"}
TITLES = {"18719-5": "Biochimie", "18723-7": "Hématologie"}


def laboratory_report(report: LaboratoryReport) -> tuple[str, str]:
    assert report.written_at is not None
    rows = []
    for chapter in report.chapters:
        rows.append(f"<tr><th colspan=4>{TITLES[chapter.code.code]}</th></tr>")
        for result in chapter.results:
            assert isinstance(result, LaboratoryResult)
            assert isinstance(result.value, Measure)
            assert result.code is not None
            low, high = (result.reference.low, result.reference.high) if result.reference else (None, None)
            usual = f"{low} à {high}" if low is not None else f"inférieur à {high}"
            kind = ' class="high"' if result.interpretation == "H" else ""
            name = result.code.display.partition(" [")[0]
            value = f"{result.value.value} {UNITS.get(result.value.unit, result.value.unit)}".replace(".", ",")
            rows.append(
                f"<tr><td>{name}</td><td{kind}>{value}</td><td>{usual}</td><td{kind}>"
                f"{'élevé' if result.interpretation == 'H' else 'normal'}</td></tr>"
            )
    assert report.prescriber is not None
    assert report.order is not None
    collected = report.chapters[0].specimens[0].collected_at
    body = (
        letterhead(samples.laboratory(), f"Biologie médicale<br>{person(report.author)}")
        + "<h1>Compte rendu d'examens biologiques</h1>"
        + patient()
        + f"<p>Prélèvement : sang veineux, le {minute(collected)} · Réception : {minute(report.received_at)}<br>"
        f"Prescripteur : {person(report.prescriber)} · Demande n° {report.order.value}</p>"
        "<table><thead><tr><th>Examen</th><th>Résultat</th><th>Valeurs usuelles</th><th>Interprétation</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
        + signature(report.author, "Biologiste médical - résultats validés", report.written_at)
    )
    return "Compte rendu d'examens biologiques", page("Compte rendu d'examens biologiques", body)


NAMES: dict[type[ClinicalDocument], str] = {
    OperativeReport: "compte_rendu_operatoire.pdf",
    MedicationPrescription: "prescription.pdf",
    LaboratoryReport: "compte_rendu_biologie.pdf",
}


def main(folder: Path) -> int:
    for name in NAMES.values():  # the documents are built around the files that are about to be written
        if not (demo.example_folder() / name).exists():
            (demo.example_folder() / name).write_bytes(write_pdf(page("", ""), title="-"))
    documents = demo.discharge_documents(
        samples.patient(),
        samples.stay(),
        author=samples.physician().at(samples.hospital()),
        recipient=samples.general_practitioner(),
    )
    for document in documents:
        if isinstance(document, OperativeReport):
            title, text = operative_report(document)
        elif isinstance(document, MedicationPrescription):
            title, text = prescription(document)
        elif isinstance(document, LaboratoryReport):
            title, text = laboratory_report(document)
        else:
            continue
        name = NAMES[type(document)]
        data = write_pdf(text, title=title, producer_of=document.custodian.name)
        check_pdf(data).raise_for_errors()
        (folder / name).write_bytes(data)
        print(f"{name}: {len(data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else demo.example_folder()))
