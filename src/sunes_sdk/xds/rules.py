"""Checks of XDS metadata before they leave: mandatory attributes, one patient, unique identifiers.

Source: CI-SIS volet *Partage de documents de santé*, cardinalities of the submission set and of the entry.
"""

from __future__ import annotations

from collections.abc import Iterator

from .._core.findings import Finding, Report
from .._core.ids import is_oid
from .metadata import DocumentEntry, Submission, SubmissionSet

_VOLET = "CI-SIS Partage de documents de santé"
_ENTRY_TEXT = (
    "mime_type", "patient_id", "title", "creation_time", "service_start", "language", "legal_authenticator",
    "source_patient_id", "hash",
)  # fmt: skip
_ENTRY_CODES = ("type_code", "class_code", "format_code", "facility_type", "practice_setting")
_SET_TEXT = ("patient_id", "source_id", "submission_time")


def _missing(path: str) -> Finding:
    return Finding(
        code="XDS_MISSING", message="a mandatory attribute is empty", path=path, rule="cardinality 1..1", source=_VOLET,
        hint="complete the CDA header it is projected from", message_fr="Une métadonnée obligatoire est absente.",
    )  # fmt: skip


def _entry(entry: DocumentEntry, at: str) -> Iterator[Finding]:
    for name in _ENTRY_TEXT:
        if not getattr(entry, name):
            yield _missing(f"{at}.{name}")
    for name in _ENTRY_CODES:
        if getattr(entry, name) is None:
            yield _missing(f"{at}.{name}")
    if not entry.confidentiality:
        yield _missing(f"{at}.confidentiality")
    if not entry.authors:
        yield _missing(f"{at}.authors")
    if not entry.size:
        yield _missing(f"{at}.size")
    if not is_oid(entry.unique_id.partition("^")[0]):
        yield Finding(code="XDS_UNIQUE_ID", message="the uniqueId is not an OID of at most 64 characters",
                      path=f"{at}.unique_id", rule="IHE ITI volume 3, uniqueId", source=_VOLET,
                      hint="make the CDA id a pure OID")  # fmt: skip


def _set(s: SubmissionSet) -> Iterator[Finding]:
    for name in _SET_TEXT:
        if not getattr(s, name):
            yield _missing(f"submission_set.{name}")
    if s.author is None or not s.author.person:
        yield _missing("submission_set.author")
    if s.content_type is None:
        yield _missing("submission_set.content_type")
    if not is_oid(s.unique_id):
        yield Finding(code="XDS_UNIQUE_ID", message="the uniqueId is not an OID of at most 64 characters",
                      path="submission_set.unique_id", rule="IHE ITI volume 3, uniqueId", source=_VOLET,
                      hint="draw it under an OID root of the establishment")  # fmt: skip


def check(submission: Submission) -> Report:
    """What the metadata lack or contradict: codes `XDS_MISSING`, `XDS_UNIQUE_ID`, `XDS_PATIENTS`, `XDS_DUPLICATE`."""
    findings: list[Finding] = []
    s = submission.submission_set
    if s is not None:
        findings += _set(s)
    for i, entry in enumerate(submission.entries):
        findings += _entry(entry, f"entries[{i}]")
    objects: tuple[SubmissionSet | DocumentEntry, ...] = (*((s,) if s else ()), *submission.entries)
    if len({o.patient_id for o in objects}) > 1:
        findings.append(Finding(code="XDS_PATIENTS", message="the objects are not about one patient", path="patient_id",
                                rule="one submission, one patient", source=_VOLET,
                                hint="submit the documents of each patient apart"))  # fmt: skip
    for name in ("id", "unique_id"):
        values = [getattr(o, name) for o in objects]
        if len(set(values)) < len(values):
            findings.append(Finding(code="XDS_DUPLICATE", message="the same identifier is used twice", path=name,
                                    rule="identifiers are unique in a message", source="IHE ITI volume 3",
                                    hint="give each object its own"))  # fmt: skip
    return Report.of(findings)
