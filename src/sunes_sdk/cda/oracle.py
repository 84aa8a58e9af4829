"""The official judge: XSD and Schematrons of the ANS conformance kit, run as they are (extra `oracle`).

The kit (`ansforge/TestContenuCDA-3-0` or its successor) carries no licence: it is never bundled, its path is given.
It is never written to either: a repaired copy of its file names lives in a cache folder. A first check in a process
takes 10 to 20 seconds (Saxon compiles 1,730 asserts), the next ones 0.1 to 0.7 second: keep the `Oracle`, or let an
`OracleWorker` keep it warm in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from lxml import etree, isoschematron

from .._core.clock import Clock, SystemClock
from .._core.errors import ConfigurationError
from .._core.findings import Finding, Report, Severity
from .._core.redaction import mask_matricules
from .datatypes_reader import path_of
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
    "1.2.250.1.213.1.1.1.21": "CI-SIS_LDL-EES",
    "1.2.250.1.213.1.1.1.29": "CI-SIS_LDL-SES",
    "1.2.250.1.213.1.1.1.39": "CI-SIS_EP-MED-DM",
    "1.2.250.1.213.1.1.1.45": "CI-SIS_IMG-CR-IMG",
    "1.2.250.1.213.1.1.1.55": "CI-SIS_BIO-CR-BIO",
}
"""Document templateId → Schematron of its volet, without its version."""
_MODELS = "1.2.250.1.213.1.1.1."
_SMDS = "1.2.250.1.213.1.1.1.1"
_SVRL = "{http://purl.oclc.org/dsdl/svrl}"
_SVS = {"s": "urn:ihe:iti:svs:2008"}
_SKELETON = Path(isoschematron.__file__).parent / "resources/xsl/iso-schematron-xslt1"
_PARTS = ("schematrons", "jeuxDeValeurs", "infrastructure")
_STEP = re.compile(r"/\*\[local-name\(\)='(\w+)'[^\]]*\](\[[0-9]+\])?")
_SOFT_ROLES = frozenset({"warning", "info", "information", "hint"})
_SAFE_SCHEMA_ERRORS = frozenset({"SCHEMAV_ELEMENT_CONTENT"})


class Outcome(StrEnum):
    VALID = "valid"
    INVALID = "invalid"
    INCOMPLETE = "oracle incomplete"
    """Something of the kit that this document needs is missing: neither valid nor invalid can be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """Which kit judged. name: of its folder; commit: empty when the folder is no git clone; digest: SHA-256 of all its
    files; date: of its newest file, ISO 8601; repairs: what had to be mended for it to run."""

    name: str
    commit: str
    digest: str
    date: str
    repairs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the kit says of one document.

    schematrons: those that ran, in order, none when the XSD refuses the document; missing: files of the kit that this
    document needs and that are not there; unjudged: code systems whose file the kit lacks, which its terminologies
    profile passes over in silence.
    """

    outcome: Outcome
    report: Report
    kit: Kit
    judged_at: datetime
    schematrons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()


class Oracle:
    """The kit, repaired and compiled once. Safe to share between threads, which it makes wait.

    kit: folder that holds `schematrons`, `jeuxDeValeurs`, `infrastructure`; cache: where the repaired tree lives,
    `~/.cache/sunes_sdk` when not given; terminologies: judge codes and units too (needs the kit's RDF files).
    Raises ConfigurationError (`KIT_NOT_FOUND`, `EXTRA_MISSING`).
    """

    def __init__(
        self, kit: str | os.PathLike[str], *, cache: str | os.PathLike[str] | None = None,
        terminologies: bool = False, clock: Clock | None = None,
    ) -> None:  # fmt: skip
        try:
            from saxonche import PySaxonProcessor
        except ImportError:
            raise ConfigurationError(
                "the official Schematrons need saxonche", code="EXTRA_MISSING", path="cda.oracle",
                hint="pip install 'sunes-sdk[oracle]'",
            ) from None  # fmt: skip
        source = kit_folder(kit)
        folder = Path(cache) if cache else Path.home() / ".cache" / "sunes_sdk"
        self._tree, self.kit = _repaired(source, folder)
        self._profiles = {**PROFILES, "terminologies": TERMINOLOGIES} if terminologies else PROFILES
        self._clock = clock or SystemClock()
        self._saxon: Any = PySaxonProcessor(license=False)
        self._compiled: dict[str, Any] = {}
        self._absent: dict[str, tuple[str, ...]] = {}
        self._unjudged = _absent_terminologies(self._tree) if terminologies else ()
        self._schema: etree.XMLSchema | None = None
        self._lock = threading.Lock()

    def check(self, document: CdaDocument | bytes, *, volet: str | None = None) -> Report:
        """Every finding: XSD first (the Schematrons are skipped when it fails), then the profiles and the volet.

        volet: name of the volet's Schematron when it must not be chosen from the document's templateIds.
        Findings have the code `KIT_XSD`, `KIT_<profile>` or `KIT_INCOMPLETE`; the official test is their `rule`.
        """
        return self.judge(document, volet=volet).report

    def judge(self, document: CdaDocument | bytes, *, volet: str | None = None) -> Verdict:
        """`check`, with what was run, by which kit, and whether that is enough to say `valid`."""
        root = _root(document)
        schematrons = dict(self._profiles)
        name = volet or self.volet_of(root)
        if name:
            schematrons[name] = f"schematrons/{name}.sch"
        missing = list(dict.fromkeys(f for path in schematrons.values() for f in self._missing(path)))
        if not name:
            missing += [f"the Schematron of the volet {model}" for model in _models(root)]
        try:
            report = self._schema_report(root)
        except etree.XMLSchemaParseError:
            report, missing = Report(), ["the XSD, or a part of it", *missing]
        ran: list[str] = []
        if report.ok and not missing:
            text = etree.tostring(root, encoding="unicode", with_tail=False)
            with self._lock:
                node = self._saxon.parse_xml(xml_text=text)
                for profile, path in schematrons.items():
                    report += Report.of(self._run(profile, path, node, root))
                    ran.append(profile)
        if report.ok and missing:
            report += Report((_incomplete(missing),))
        outcome = Outcome.INCOMPLETE if missing else Outcome.VALID if report.ok else Outcome.INVALID
        if missing and any(f.code == "KIT_XSD" for f in report.errors):
            outcome = Outcome.INVALID
        return Verdict(
            outcome=outcome, report=report, kit=self.kit, judged_at=self._clock.now(), schematrons=tuple(ran),
            missing=tuple(missing), unjudged=self._unjudged,
        )  # fmt: skip

    def _missing(self, path: str) -> tuple[str, ...]:
        if path not in self._absent:
            self._absent[path] = tuple(_absent_files(self._tree, self._tree / path))
        return self._absent[path]

    def check_schema(self, document: CdaDocument | bytes) -> Report:
        """The XSD alone: about a millisecond."""
        return self._schema_report(_root(document))

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
            return Report.of(_schema_finding(e, own, root) for e in self._schema.error_log)

    def _run(self, profile: str, path: str, node: Any, root: etree._Element) -> Iterator[Finding]:
        svrl = self._executable(path).transform_to_string(xdm_node=node)
        if svrl is None:
            raise RuntimeError(f"the Schematron {profile} did not run")
        for element in etree.fromstring(svrl.encode()).iter(f"{_SVRL}failed-assert", f"{_SVRL}successful-report"):
            role = element.get("role") or element.get("flag") or ""
            said = element.find(f"{_SVRL}text")
            steps = _STEP.findall(element.get("location") or "")[1:]
            yield Finding(
                code=f"KIT_{profile}",
                message=mask_matricules(" ".join("".join(said.itertext()).split())) if said is not None else "",
                path="/".join(name + position for name, position in steps) or "/",
                severity=Severity.WARNING if role in _SOFT_ROLES else Severity.ERROR,
                rule=element.get("test") or "",
                source=f"ANS conformance kit, {profile}",
                line=_line(root, steps),
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


class OracleWorker:
    """Oracles in processes of their own, compiled once and kept warm: a service judges without Saxon in its memory.

    workers: how many processes, each about 500 MB. A process that dies is started again, once for each document. What
    the process raises is raised here. Close it, or use it as a context manager.
    """

    def __init__(
        self, kit: str | os.PathLike[str], *, cache: str | os.PathLike[str] | None = None,
        terminologies: bool = False, workers: int = 1,
    ) -> None:  # fmt: skip
        self._arguments = (str(kit_folder(kit)), str(cache) if cache else None, terminologies)
        self._workers = workers
        self._lock = threading.Lock()
        self._pool = self._started()

    def judge(self, document: CdaDocument | bytes) -> Verdict:
        """The verdict of `Oracle.judge`."""
        return next(self.judge_all([document]))

    def judge_all(self, documents: Iterable[CdaDocument | bytes]) -> Iterator[Verdict]:
        """One verdict for each document, in their order; the processes share the work."""
        contents = [d if isinstance(d, bytes) else d.content for d in documents]
        waiting = [self._submit(content) for content in contents]
        for content, future in zip(contents, waiting, strict=True):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield self._submit(content).result()

    def _submit(self, content: bytes) -> Future[Verdict]:
        with self._lock:
            try:
                return self._pool.submit(_judge, content)
            except BrokenProcessPool:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = self._started()
                return self._pool.submit(_judge, content)

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start,
            initargs=self._arguments,
        )  # fmt: skip

    @property
    def processes(self) -> tuple[int, ...]:
        """Identifiers of the processes that are started."""
        return tuple(self._pool._processes or ())

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_own: Oracle | None = None


def _start(kit: str, cache: str | None, terminologies: bool) -> None:
    global _own
    _own = Oracle(kit, cache=cache, terminologies=terminologies)


def _judge(content: bytes) -> Verdict:
    assert _own is not None
    return _own.judge(content)


def kit_folder(kit: str | os.PathLike[str]) -> Path:
    """The kit's folder. Raises ConfigurationError `KIT_NOT_FOUND`."""
    source = Path(kit).resolve()
    if not (source / "infrastructure/cda/CDA_extended.xsd").is_file():
        raise ConfigurationError(
            "this folder is not the ANS conformance kit", code="KIT_NOT_FOUND", path=str(kit),
            hint="give the folder of TestContenuCDA-3-0 that holds infrastructure/cda/CDA_extended.xsd",
        )  # fmt: skip
    return source


def _root(document: CdaDocument | bytes) -> etree._Element:
    return clinical_document(document if isinstance(document, bytes) else document.content, whole=True)


def _models(root: etree._Element) -> Iterator[str]:
    """Document models of CI-SIS that the document says it follows. A level-1 document has none to be judged by."""
    if root.find(f"{V3}component/{V3}nonXMLBody") is None:
        for template in root.iterchildren(f"{V3}templateId"):
            oid = template.get("root") or ""
            if oid.startswith(_MODELS) and oid != _SMDS:
                yield oid


def _incomplete(missing: list[str]) -> Finding:
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return Finding(
        code="KIT_INCOMPLETE", message=f"oracle incomplete, the kit lacks: {named}", path="/",
        rule="a document is judged by every Schematron and value set that concerns it", source="ANS conformance kit",
        hint="get the whole kit again; without git-lfs some of its files do not come",
        message_fr="Le kit de conformité est incomplet : le document n'a pas pu être jugé.",
    )  # fmt: skip


def _schema_finding(error: Any, own: etree._Element, root: etree._Element) -> Finding:
    """Only messages that name elements are kept: the others quote the document's values."""
    kept = error.message if error.type_name in _SAFE_SCHEMA_ERRORS else f"{error.type_name} (message withheld)"
    found = own.getroottree().xpath(error.path, namespaces={k: v for k, v in own.nsmap.items() if k})
    where = found[0] if isinstance(found, list) and found and isinstance(found[0], etree._Element) else own
    return Finding(
        code="KIT_XSD", message=kept, path=path_of(where), rule=error.type_name, source="CDA_extended.xsd",
        line=_same_place(where, root).sourceline or 0,
    )  # fmt: skip


def _same_place(copied: etree._Element, root: etree._Element) -> etree._Element:
    """The element of the original at the place of one of the copy."""
    positions = []
    while (parent := copied.getparent()) is not None:
        positions.append(parent.index(copied))
        copied = parent
    for position in reversed(positions):
        root = root[position]
    return root


def _line(root: etree._Element, steps: list[tuple[str, str]]) -> int:
    for name, position in steps:
        same = [e for e in root.iterchildren(etree.Element) if etree.QName(e).localname == name]
        place = int(position.strip("[]") or 1) - 1
        if place >= len(same):
            break
        root = same[place]
    return root.sourceline or 0


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


# --- Repairs: the published kit does not run as it is on a file system that tells cases apart. -----------------------


def _repaired(source: Path, cache: Path) -> tuple[Path, Kit]:
    """The repaired tree of links and the kit's identity; made once per content of the kit."""
    places = hashlib.sha256(str(source).encode())
    files = sorted(f for part in _PARTS for f in (source / part).rglob("*") if f.is_file())
    newest = 0.0
    for file in files:
        stat = file.stat()
        newest = max(newest, stat.st_mtime)
        places.update(f"{file.relative_to(source)} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    base = cache / f"kit-{places.hexdigest()[:16]}"
    ready = base / "kit.json"
    if not ready.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f"{base.name}.", dir=cache))
        tree = part / "kit"
        contents = hashlib.sha256()
        for file in files:
            contents.update(f"{file.relative_to(source)}\n".encode() + file.read_bytes())
            if file.suffix == ".rdf" and file.stat().st_size == 0:
                continue  # an absent terminology is skipped, an empty one fails
            _link(tree / file.relative_to(source), file)
        repairs = (*_repair_cases(source, tree), *_repair_value_sets(tree), *_rebuild_art_decor(tree))
        kit = Kit(
            name=source.name, commit=_commit(source), digest=contents.hexdigest(),
            date=datetime.fromtimestamp(newest, UTC).date().isoformat(), repairs=repairs,
        )  # fmt: skip
        _write_whole(part / ready.name, json.dumps(asdict(kit), ensure_ascii=False))
        try:
            part.rename(base)
        except OSError:
            shutil.rmtree(part)
            if not ready.exists():  # else another process was quicker, with the same content
                raise
    known = json.loads(ready.read_text(encoding="utf-8"))
    return base / "kit", Kit(**known | {"repairs": tuple(known["repairs"])})


def _commit(source: Path) -> str:
    """Of a git clone, empty otherwise."""
    try:
        head = (source / ".git/HEAD").read_text(encoding="ascii").strip()
        name = head.removeprefix("ref: ")
        if name == head:
            return head
        loose = source / ".git" / name
        if loose.is_file():
            return loose.read_text(encoding="ascii").strip()
        packed = (source / ".git/packed-refs").read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
    return next((line.split()[0] for line in packed.splitlines() if line.endswith(f" {name}")), "")


_INCLUDE = re.compile(r'<include\s+href\s*=\s*"([^"]+)"')
_VALUE_SET = re.compile(r"""<let\s+name="([\w-]+)"\s+value="'[^"']*jeuxDeValeurs/([\w.-]+\.xml)'""")
_ART_DECOR = re.compile(r"doc\('(include/[\w.-]+\.xml)'\)")
_UCUM = "2.16.840.1.113883.6.8.xml"


def _absent_files(tree: Path, schematron: Path) -> Iterator[str]:
    """Files that a Schematron, or one that it includes, uses and that are not there."""
    texts: dict[Path, str] = {}
    waiting = [schematron]
    wanted = {schematron}
    while waiting:
        file = waiting.pop()
        if file not in texts and file.is_file():
            texts[file] = _without_comments(file)
            included = [Path(os.path.normpath(file.parent / href)) for href in _INCLUDE.findall(texts[file])]
            wanted.update(included)
            waiting += included
    whole = "\n".join(texts.values())
    # A value set that is named, and that nothing looks up, is not needed.
    wanted.update(tree / "jeuxDeValeurs" / name for let, name in _VALUE_SET.findall(whole) if f"${let}" in whole)
    wanted.update(schematron.parent / name for name in _ART_DECOR.findall(whole))
    if schematron == tree / TERMINOLOGIES:
        wanted.add(schematron.parents[1] / "terminologie" / _UCUM)
    return (str(file.relative_to(tree)) for file in sorted(wanted) if not file.is_file())


def _absent_terminologies(tree: Path) -> tuple[str, ...]:
    """Code systems of the kit's list that have no file."""
    folder = (tree / TERMINOLOGIES).parents[1] / "terminologie"
    listed = folder / "Terminologies.txt"
    text = listed.read_text(encoding="utf-8", errors="replace") if listed.is_file() else ""
    oids = re.findall(r"\b\d+(?:\.\d+){4,}\b", text)
    return tuple(o for o in dict.fromkeys(oids) if not any((folder / f"{o}.{e}").is_file() for e in ("rdf", "xml")))


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
