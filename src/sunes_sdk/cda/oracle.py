"""The official judge: XSD and Schematrons of the ANS conformance kit, run as they are (extra `oracle`).

The kit (`ansforge/TestContenuCDA-3-0` or its successor) carries no licence: it is never bundled, its path is given.
It is never written to either: a repaired copy of its file names lives in a cache folder. A first check in a process
takes 10 to 20 seconds (Saxon compiles 1,730 asserts), the next ones 0.1 to 0.7 second: keep the `Oracle`.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree, isoschematron

from .._core.errors import ConfigurationError
from .._core.findings import Finding, Report, Severity
from .._core.redaction import mask_matricules
from .header import CdaDocument
from .reader import V3, clinical_document

PROFILES = {
    "IHE": "schematrons/profils/IHE.sch",
    "StrucMin": "schematrons/profils/structurationMinimale/ASIP-STRUCT-MIN-StrucMin.sch",
    "ModelesDeContenusCDA": "schematrons/profils/CI-SIS_ModelesDeContenusCDA.sch",
    "Modeles_ANS": "schematrons/profils/CI-SIS_Modeles_ANS.sch",
}
"""Schematrons that judge every document, in the official order."""
TERMINOLOGIES = "schematrons/profils/terminologies/schematron/terminologie.sch"
VOLETS = {
    "1.2.250.1.213.1.1.1.29": "CI-SIS_LDL-SES",
    "1.2.250.1.213.1.1.1.39": "CI-SIS_EP-MED-DM",
    "1.2.250.1.213.1.1.1.45": "CI-SIS_IMG-CR-IMG",
    "1.2.250.1.213.1.1.1.55": "CI-SIS_BIO-CR-BIO",
}
"""Document templateId → Schematron of its volet, without its version."""
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_SVS = {"s": "urn:ihe:iti:svs:2008"}
_SKELETON = Path(isoschematron.__file__).parent / "resources/xsl/iso-schematron-xslt1"
_PARTS = ("schematrons", "jeuxDeValeurs", "infrastructure")
_STEP = re.compile(r"/\*\[local-name\(\)='(\w+)'[^\]]*\](\[[0-9]+\])?")
_SOFT_ROLES = frozenset({"warning", "info", "information", "hint"})
_SAFE_SCHEMA_ERRORS = frozenset({"SCHEMAV_ELEMENT_CONTENT"})


class Oracle:
    """The kit, repaired and compiled once. Safe to share between threads, which it makes wait.

    kit: folder that holds `schematrons`, `jeuxDeValeurs`, `infrastructure`; cache: where the repaired tree lives,
    `~/.cache/sunes_sdk` when not given; terminologies: judge codes and units too (needs the kit's RDF files).
    Raises ConfigurationError (`KIT_NOT_FOUND`, `EXTRA_MISSING`).
    """

    def __init__(
        self, kit: str | os.PathLike[str], *, cache: str | os.PathLike[str] | None = None, terminologies: bool = False
    ) -> None:
        try:
            from saxonche import PySaxonProcessor
        except ImportError:
            raise ConfigurationError(
                "the official Schematrons need saxonche", code="EXTRA_MISSING", path="cda.oracle",
                hint="pip install 'sunes-sdk[oracle]'",
            ) from None  # fmt: skip
        source = Path(kit).resolve()
        if not (source / "infrastructure/cda/CDA_extended.xsd").is_file():
            raise ConfigurationError(
                "this folder is not the ANS conformance kit", code="KIT_NOT_FOUND", path=str(kit),
                hint="give the folder of TestContenuCDA-3-0 that holds infrastructure/cda/CDA_extended.xsd",
            )  # fmt: skip
        folder = Path(cache) if cache else Path.home() / ".cache" / "sunes_sdk"
        self._tree, self.repairs = _repaired(source, folder)
        self._profiles = {**PROFILES, "terminologies": TERMINOLOGIES} if terminologies else PROFILES
        self._saxon: Any = PySaxonProcessor(license=False)
        self._compiled: dict[str, Any] = {}
        self._schema: etree.XMLSchema | None = None
        self._lock = threading.Lock()

    def check(self, document: CdaDocument | bytes, *, volet: str | None = None) -> Report:
        """Every finding: XSD first (the Schematrons are skipped when it fails), then the profiles and the volet.

        volet: name of the volet's Schematron when it must not be chosen from the document's templateIds.
        Findings have the code `KIT_XSD` or `KIT_<profile>`; the official test is their `rule`.
        """
        root = clinical_document(document if isinstance(document, bytes) else document.content)
        report = self._schema_report(root)
        if not report.ok:
            return report
        text = etree.tostring(root, encoding="unicode", with_tail=False)
        schematrons = dict(self._profiles)
        name = volet or self.volet_of(root)
        if name:
            schematrons[name] = f"schematrons/{name}.sch"
        with self._lock:
            node = self._saxon.parse_xml(xml_text=text)
            for profile, path in schematrons.items():
                report += Report.of(self._run(profile, path, node))
        return report

    def check_schema(self, document: CdaDocument | bytes) -> Report:
        """The XSD alone: about a millisecond."""
        return self._schema_report(clinical_document(document if isinstance(document, bytes) else document.content))

    def volet_of(self, document: etree._Element) -> str | None:
        """Name of the volet's Schematron: @extension gives the version, the highest one otherwise."""
        for template in document.findall(f"{V3}templateId"):
            stem = VOLETS.get(template.get("root") or "")
            if stem:
                versions = sorted(p.stem for p in (self._tree / "schematrons").glob(f"{stem}_*.sch"))
                asked = f"{stem}_{template.get('extension')}"
                return asked if asked in versions else versions[-1] if versions else None
        return None

    def _schema_report(self, root: etree._Element) -> Report:
        with self._lock:
            if self._schema is None:
                parser = etree.XMLParser(no_network=True, resolve_entities=False)
                self._schema = etree.XMLSchema(
                    etree.parse(str(self._tree / "infrastructure/cda/CDA_extended.xsd"), parser)
                )
            own = etree.fromstring(etree.tostring(root, with_tail=False), etree.XMLParser(huge_tree=True))
            self._schema.validate(own)
            return Report.of(_schema_finding(e) for e in self._schema.error_log)

    def _run(self, profile: str, path: str, node: Any) -> Iterator[Finding]:
        svrl = self._executable(path).transform_to_string(xdm_node=node)
        if svrl is None:
            raise RuntimeError(f"the Schematron {profile} did not run")
        for element in etree.fromstring(svrl.encode()).iter(f"{_SVRL}failed-assert", f"{_SVRL}successful-report"):
            role = element.get("role") or element.get("flag") or ""
            said = element.find(f"{_SVRL}text")
            yield Finding(
                code=f"KIT_{profile}",
                message=mask_matricules(" ".join("".join(said.itertext()).split())) if said is not None else "",
                path="/".join(name + position for name, position in _STEP.findall(element.get("location") or "")[1:])
                or "/",
                severity=Severity.WARNING if role in _SOFT_ROLES else Severity.ERROR,
                rule=element.get("test") or "",
                source=f"ANS conformance kit, {profile}",
            )

    def _executable(self, path: str) -> Any:
        if path not in self._compiled:
            schematron = self._tree / path
            # Beside the Schematron: its rules open ../jeuxDeValeurs by a relative path.
            stylesheet = schematron.with_suffix(".xsl")
            processor = self._saxon.new_xslt30_processor()
            if not stylesheet.exists():
                _write_whole(stylesheet, self._stylesheet(processor, schematron))
            self._compiled[path] = processor.compile_stylesheet(stylesheet_file=str(stylesheet))
        return self._compiled[path]

    def _stylesheet(self, processor: Any, schematron: Path) -> str:
        """The Schematron as XSLT 2, by the ISO skeleton that lxml ships for XSLT 1, patched."""
        node = self._saxon.parse_xml(xml_file_name=str(schematron))
        text = ""
        for step in ("iso_dsdl_include", "iso_abstract_expand", "iso_svrl_for_xslt1"):
            executable = processor.compile_stylesheet(stylesheet_file=str(_SKELETON / f"{step}.xsl"))
            text = executable.transform_to_string(xdm_node=node)
            if text is None:
                raise RuntimeError(f"{schematron.name}: {step} failed")
            if step == "iso_abstract_expand":  # the skeleton refuses the name of the binding, not what it means
                text = text.replace('queryBinding="xslt2"', 'queryBinding="xslt"', 1)
            if step != "iso_svrl_for_xslt1":
                between = schematron.with_name(f"{schematron.stem}.{step}.xml")
                _write_whole(between, text)
                node = self._saxon.parse_xml(xml_file_name=str(between))
        text = re.sub(r'(<xsl:stylesheet[^>]*?)version="1.0"', r'\1version="2.0"', text, count=1)
        for walked, elements_only in (
            ('"@*|*"', '"*"'),
            ('"@*|node()"', '"node()"'),
            ('"@*|*|comment()|processing-instruction()"', '"*|comment()|processing-instruction()"'),
        ):
            text = text.replace(f"select={walked}", f"select={elements_only}")
        return text


def _schema_finding(error: Any) -> Finding:
    """Only messages that name elements are kept: the others quote the document's values."""
    kept = error.message if error.type_name in _SAFE_SCHEMA_ERRORS else f"{error.type_name} (message withheld)"
    return Finding(
        code="KIT_XSD", message=kept, path=f"line {error.line}", rule=error.type_name, source="CDA_extended.xsd"
    )  # fmt: skip


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


# --- Repairs: the published kit does not run as it is on a file system that tells cases apart. -----------------------


def _repaired(source: Path, cache: Path) -> tuple[Path, tuple[str, ...]]:
    """The repaired tree of links and what was repaired; made once per content of the kit."""
    digest = hashlib.sha256(str(source).encode())
    files = sorted(f for part in _PARTS for f in (source / part).rglob("*") if f.is_file())
    for file in files:
        stat = file.stat()
        digest.update(f"{file.relative_to(source)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    base = cache / f"kit-{digest.hexdigest()[:16]}"
    tree, ready = base / "kit", base / "READY"
    if not ready.exists():
        for file in files:
            if file.suffix == ".rdf" and file.stat().st_size == 0:
                continue  # an absent terminology is skipped, an empty one fails
            _link(tree / file.relative_to(source), file)
        repairs = [*_repair_cases(source, tree), *_repair_value_sets(tree), *_rebuild_art_decor(tree)]
        _write_whole(ready, "\n".join(repairs))
    return tree, tuple(ready.read_text(encoding="utf-8").splitlines())


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(target)


def _without_comments(path: Path) -> str:
    return re.sub(r"<!--.*?-->", "", path.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)


def _repair_cases(source: Path, tree: Path) -> Iterator[str]:
    """Includes whose case differs from the file's."""
    lower = {str(f.relative_to(source)).lower(): f for f in (source / "schematrons").rglob("*.sch")}
    for schematron in list((tree / "schematrons").rglob("*.sch")):
        for href in re.findall(r'<include\s+href\s*=\s*"([^"]+)"', _without_comments(schematron)):
            wanted = Path(os.path.normpath(schematron.parent / href))
            found = lower.get(str(wanted.relative_to(tree)).lower())
            if not wanted.exists() and found:
                _link(wanted, found)
                yield f"case of an include: {href}"


def _repair_value_sets(tree: Path) -> Iterator[str]:
    """Value sets that the Schematrons name otherwise than their file."""
    folder = tree / "jeuxDeValeurs"

    def plain(name: str) -> str:
        return name.replace("HL7_", "").replace("-", "_").lower()

    known = {plain(f.name): f for f in folder.iterdir()}
    for schematron in list((tree / "schematrons").rglob("*.sch")):
        for name in set(re.findall(r"jeuxDeValeurs/([\w.-]+\.xml)'", _without_comments(schematron))):
            found = known.get(plain(name))
            if not (folder / name).exists() and found:
                _link(folder / name, found.resolve())
                yield f"name of a value set: {name}"


def _rebuild_art_decor(tree: Path) -> Iterator[str]:
    """Value sets that the header's Schematron wants in ART-DECOR form and that are missing (JDV_J07)."""
    folder = tree / "schematrons/profils/structurationMinimale/include"
    wanted = {
        oid
        for schematron in folder.glob("1.2.250*.sch")
        for oid in re.findall(r"voc-([0-9.]+)-DYNAMIC\.xml", schematron.read_text(encoding="utf-8"))
    }
    missing = {oid for oid in wanted if not (folder / f"voc-{oid}-DYNAMIC.xml").exists()}
    for file in sorted((tree / "jeuxDeValeurs").glob("*.xml")) if missing else ():
        try:
            value_set = etree.parse(str(file)).find(".//s:ValueSet", _SVS)
        except etree.XMLSyntaxError:
            continue  # three files of the kit are empty
        oid = value_set.get("id") if value_set is not None else None
        if value_set is None or oid not in missing:
            continue
        root = etree.Element("valueSets")
        rebuilt = etree.SubElement(root, "valueSet", id=str(oid), displayName=file.stem)
        concepts = etree.SubElement(rebuilt, "conceptList")
        for concept in value_set.iterfind(".//s:Concept", _SVS):
            etree.SubElement(
                concepts,
                "concept",
                code=concept.get("code") or "",
                codeSystem=concept.get("codeSystem") or "",
                displayName=concept.get("displayName") or "",
            )
        _write_whole(folder / f"voc-{oid}-DYNAMIC.xml", etree.tostring(root, encoding="unicode"))
        yield f"value set rebuilt: {oid}"
