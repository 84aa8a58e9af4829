#!/usr/bin/env python3
"""Rebuild `src/sunes_sdk/terminology/data/*.json` from the tables that ANS publishes. Run it, then review the diff.

    python scripts/refresh_terminology.py KIT_DIR [--nos NOS_DIR] [--vihf-roles JDV_J65.xml] [--check]

KIT_DIR: a copy of the ANS conformance kit (`jeuxDeValeurs/`, `schematrons/`); NOS_DIR: the folder of FHIR resources of
ansforge/IG-terminologie-de-sante (`ValueSet-*.json`, `CodeSystem-tre-r397-*.json`, `ConceptMap-ASS-*.json`);
JDV_J65.xml: the roles of the VIHF.
A set whose source is not given keeps its file. Only facts are kept: code, system, label. --check writes nothing and
fails when a file would change.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from lxml import etree

DATA = Path(__file__).resolve().parents[1] / "src" / "sunes_sdk" / "terminology" / "data"
Concept = tuple[str, str, str]

KIT_SETS = {
    "JDV_J01": "JDV_J01_XdsAuthorSpecialty_CISIS",
    "JDV_J02": "JDV_J02_XdsHealthcareFacilityTypeCode_CISIS",
    "JDV_J04": "JDV_J04_XdsPracticeSettingCode_CISIS",
    "JDV_J07": "JDV_J07_XdsTypeCode_CISIS",
    "JDV_J11": "JDV_J11_RelationPatient_CISIS",
    "JDV_J47": "JDV_J47_FunctionCode_CISIS",
    "JDV_J140": "JDV_J140_EncounterParticipationType_CISIS",
    "JDV_J142": "JDV_J142_TypeRencontre_CISIS",
    "JDV_J143": "JDV_J143_AdministrativeGender_CISIS",
    "JDV_J144": "JDV_J144_ParticipationType_CISIS",
    "JDV_J245": "JDV_J245_Civilite_CISIS",
    "JDV_J246": "JDV_J246_Titre_CISIS",
    "JDV_MODALITE_ENTREE": "JDV_ModaliteEntree_CISIS",
    "JDV_MODALITE_SORTIE": "JDV_ModaliteSortie_CISIS",
    "JDV_STATUT_DOC": "JDV_StatutDoc_CISIS",
    "JDV_MODALITE_ACQUISITION": "JDV_ModaliteAcquisition_CISIS",
    "JDV_REGION_ANATOMIQUE": "JDV_RegionAnatomique_CISIS",
    "JDV_LOCALISATION_ANATOMIQUE": "JDV_LocalisationAnatomique_CISIS",
    "JDV_STATUT_GROSSESSE": "JDV_StatutGrossesse_CISIS",
    "JDV_QUANTITE_EXPOSITION": "JDV_QuantiteExpositionRayonnements_CISIS",
    "JDV_OBSERVATION_INTERPRETATION": "JDV_HL7_ObservationInterpretation_CISIS",
    "JDV_SPECIMEN_TYPE": "JDV_HL7_SpecimenType_CISIS",
    "JDV_SOP_CLASS": "JDV_SOPClass_CISIS",
    "JDV_CONTRE_INDICATIONS": "JDV_Contre_indications_CISIS",
    "JDV_LATERALITE": "JDV_LateraliteTechniqueImagerie_CISIS",
    "JDV_OBJECTIF_REFERENCE": "JDV_ImagerieObjectifsReference_CISIS",
    "JDV_TYPE_ALLERGIE": "JDV_TypeEvenementIndesirablePrevisible_CISIS",
    "JDV_ALLERGIE_ABSENTE": "JDV_AbsentOrUnknownAllergy_CISIS",
    "JDV_STATUT_ALLERGIE": "JDV_HL7_allergyintolerance_clinical_CISIS",
    "JDV_CRITICITE": "JDV_HL7_allergy_intolerance_criticality_CISIS",
    "JDV_CERTITUDE": "JDV_HL7_condition_ver_status_CISIS",
    "JDV_SEVERITE": "JDV_SeveriteObservation_CISIS",
    "JDV_TYPE_PROBLEME": "JDV_ProblemCodes_CISIS",
    "JDV_STATUT_PROBLEME": "JDV_HL7_ConditionClinical_CISIS",
    "JDV_PRIORITE": "JDV_HL7_ActPriority_CISIS",
}
"""Our name of a set to the kit's file name."""

NOS_SETS = {
    "JDV_J06": "JDV-J06-XdsClassCode-CISIS",
    "JDV_J57": "JDV-J57-ClassCode-DMP",
    "JDV_J58": "JDV-J58-ConfidentialityCode-DMP",
    "JDV_J59": "JDV-J59-ContentTypeCode-DMP",
    "JDV_J60": "JDV-J60-FormatCode-DMP",
    "JDV_J61": "JDV-J61-HealthcareFacilityTypeCode-DMP",
    "JDV_J62": "JDV-J62-PracticeSettingCode-DMP",
    "JDV_J64": "JDV-J64-RestrictionAudienceVIHF-DMP",
    "JDV_J66": "JDV-J66-TypeCode-DMP",
    "JDV_J368": "jdv-j368-categorie-etablissement-cisis",
}
NOS_MAPS = {
    "ASS_X04": "ASS-X04-CorrespondanceType-Classe-CISIS",
    "ASS_X16": "ASS-X16-CorrespondanceType-Classe-DMP",
    "ASS_A11": "ASS-A11-CorresModeleCDA-XdsFormatCode-CISIS",
}
NOS_SYSTEMS = {
    "TRE-A00-ProducteurDocNonPS": "1.2.250.1.213.1.1.4.6",
    "TRE-A01-CadreExercice": "1.2.250.1.213.1.1.4.9",
    "TRE-A03-ClasseDocument": "1.2.250.1.213.1.1.4.1",
    "TRE-A05-TypeDocComplementaire": "1.2.250.1.213.1.1.4.12",
    "TRE-A06-FormatCodeComplementaire": "1.2.250.1.213.1.1.4.2.282",
    "TRE-A07-StatutVisibiliteDocument": "1.2.250.1.213.1.1.4.13",
    "TRE-A08-HL7Confidentiality": "2.16.840.1.113883.5.25",
    "TRE-A10-NomenclatureURN": "URN",
    "TRE-A11-IheFormatCode": "1.3.6.1.4.1.19376.1.2.3",
    "TRE-A12-NomenclatureASTM": "ASTM",
    "TRE-R02-SecteurActivite": "1.2.250.1.71.4.2.4",
    "TRE-R209-TypeActivite": "1.2.250.1.213.2.2",
    "TRE-R276-FormeActivite": "1.2.250.1.213.1.6.1.8",
    "loinc": "2.16.840.1.113883.6.1",
    "tre-r397-categorie-entite-geographique-exercice": "1.2.250.1.213.1.6.1.378",
}
"""Last part of a NOS code system's URL to the scheme that the DMP writes (an OID, or `URN`, `ASTM`)."""

SVS = "{urn:ihe:iti:svs:2008}"
UCUM = "2.16.840.1.113883.6.8"


def digest(rows: list[list[str]]) -> str:
    """The hash that the tests recompute."""
    return hashlib.sha256(json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


class Writer:
    """Writes a file per set, or with `check` only notes those that would change."""

    def __init__(self, *, check: bool) -> None:
        self.check = check
        self.changed: list[str] = []

    def __call__(self, name: str, *, oid: str, version: str, source: str, kind: str, rows: list[list[str]]) -> None:
        """One row a line so that a diff reads well. kind: `concepts` (code, system, label) or `pairs`."""
        head = {"name": name, "oid": oid, "version": version, "source": source, "sha256": digest(rows)}
        lines = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in rows)
        text = json.dumps(head, ensure_ascii=False, indent=2)[:-2] + f',\n  "{kind}": [\n{lines}\n  ]\n}}\n'
        file = DATA / f"{name}.json"
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            self.changed.append(name)
            if not self.check:
                file.write_text(text, encoding="utf-8")
                print(f"{name}: {len(rows)} rows, version {version}")


def svs_concepts(path: Path) -> tuple[etree._Element, list[list[str]]]:
    """The ValueSet element and its concepts, those with an end date left out."""
    root = etree.parse(path, etree.XMLParser(resolve_entities=False, no_network=True)).getroot()
    value_set = next(root.iter(f"{SVS}ValueSet", "ValueSet"))
    rows = [
        [c.get("code", ""), c.get("codeSystem", ""), " ".join(c.get("displayName", "").split())]
        for c in value_set.iter(f"{SVS}Concept", "Concept")
        if not c.get("dateFin")
    ]
    unique = list(dict.fromkeys(map(tuple, rows)))
    return value_set, [list(r) for r in unique]


def from_kit(kit: Path, write: Writer) -> None:
    for name, file in KIT_SETS.items():
        path = kit / "jeuxDeValeurs" / f"{file}.xml"
        if not path.is_file():  # the kit's forks do not agree on this prefix
            path = path.with_name(path.name.replace("JDV_HL7_", "JDV_"))
        value_set, rows = svs_concepts(path)
        version = re.sub(r"[-:T]", "", value_set.get("revisionDate", "")[:19])
        write(
            name, oid=value_set.get("id", ""), version=version, source=f"ANS kit TestContenuCDA, {file}",
            kind="concepts", rows=rows,
        )  # fmt: skip
    path = kit / "schematrons/profils/terminologies/terminologie" / f"{UCUM}.xml"
    # A few rows have stray blanks (`g/kg `): the unit meant is kept, though the validator then refuses it.
    rows = [
        [(row.findtext("code") or "").strip(), UCUM, " ".join((row.findtext("name") or "").split())]
        for row in etree.parse(path).getroot().iter("row")
    ]
    unique = list({r[0]: r for r in rows if r[0]}.values())
    write(
        "UCUM", oid=UCUM, version="", source="ANS kit TestContenuCDA, profile terminologies: its finite list of units",
        kind="concepts", rows=unique,
    )  # fmt: skip


def system_of(url: str) -> str:
    last = url.rstrip("/").rsplit("/", 1)[-1]
    if url.startswith("urn:oid:"):
        return url.removeprefix("urn:oid:")
    if last not in NOS_SYSTEMS:
        sys.exit(f"unknown code system {url}: add it to NOS_SYSTEMS")
    return NOS_SYSTEMS[last]


def from_nos(nos: Path, write: Writer) -> None:
    for name, resource in NOS_SETS.items():
        fhir: dict[str, Any] = json.loads((nos / f"ValueSet-{resource}.json").read_text(encoding="utf-8"))
        rows = [
            [c["code"], system_of(include["system"]), c.get("display", "")]
            for include in fhir["compose"]["include"]
            for c in include.get("concept") or _whole(nos, include["system"])
        ]
        write(name, **_identity(fhir, resource), kind="concepts", rows=rows)
    for name, resource in NOS_MAPS.items():
        fhir = json.loads((nos / f"ConceptMap-{resource}.json").read_text(encoding="utf-8"))
        rows = [
            [element["code"].removeprefix("urn:oid:"), target["code"]]
            for group in fhir["group"]
            for element in group["element"]
            for target in element.get("target", ())
        ]
        write(name, **_identity(fhir, resource), kind="pairs", rows=rows)


def _whole(nos: Path, url: str) -> list[dict[str, str]]:
    """The concepts of a code system that a set includes whole, ended ones too, by code."""
    path = nos / f"CodeSystem-{url.rstrip('/').rsplit('/', 1)[-1]}.json"
    return sorted(json.loads(path.read_text(encoding="utf-8"))["concept"], key=lambda concept: concept["code"])


def _identity(fhir: dict[str, Any], resource: str) -> dict[str, str]:
    given = fhir.get("identifier", [])  # one in a ConceptMap, several in a ValueSet
    oids = [i["value"].removeprefix("urn:oid:") for i in (given if isinstance(given, list) else [given])]
    version = re.sub(r"[-:T]", "", fhir.get("date", "")[:19])
    return {"oid": next(iter(oids), ""), "version": version, "source": f"ANS NOS (FHIR), {resource}"}


def from_vihf_roles(path: Path, write: Writer) -> None:
    value_set, rows = svs_concepts(path)
    write(
        "JDV_J65", oid=value_set.get("id", ""), version=value_set.get("dateMaj", ""),
        source="JDV_J65-SubjectRole-DMP, as published with prosanteconnect/generate-VIHF", kind="concepts", rows=rows,
    )  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("kit", type=Path)
    arguments.add_argument("--nos", type=Path)
    arguments.add_argument("--vihf-roles", type=Path)
    arguments.add_argument("--check", action="store_true")
    given = arguments.parse_args()
    write = Writer(check=given.check)
    DATA.mkdir(exist_ok=True)
    from_kit(given.kit, write)
    if given.nos:
        from_nos(given.nos, write)
    if given.vihf_roles:
        from_vihf_roles(given.vihf_roles, write)
    if given.check and write.changed:
        sys.exit(f"these sets differ from their source: {', '.join(write.changed)}")


if __name__ == "__main__":
    main()
