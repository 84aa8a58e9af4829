"""Checks of XDS metadata before they leave: mandatory attributes, one patient, unique identifiers, the form of every
person, structure and patient in them; for the DMP its value sets and the visibility of documents.

Source: CI-SIS volet *Partage de documents de santé*, cardinalities of the submission set and of the entry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final

from .. import terminology
from .._core.findings import Finding, Report
from .._core.ids import is_oid
from ..model import Code
from .datatypes import PROFESSIONALS, STRUCTURES, components, is_ins
from .metadata import UPDATES_STATUS, Association, Author, DocumentEntry, Folder, Submission, SubmissionSet

_VOLET = "CI-SIS Partage de documents de santé"
_ENTRY_TEXT = (
    "mime_type", "patient_id", "title", "creation_time", "service_start", "language", "legal_authenticator",
    "source_patient_id", "hash",
)  # fmt: skip
_ENTRY_CODES = ("type_code", "class_code", "format_code", "facility_type", "practice_setting")
_SET_TEXT = ("patient_id", "source_id", "submission_time")
_TEXT_OF_ENTRY, _CODES_OF_ENTRY = attrgetter(*_ENTRY_TEXT), attrgetter(*_ENTRY_CODES)
_EXAMPLES = "ANS model of the CI-SIS metadata and its examples"
_VISIBILITY = "1.2.250.1.213.1.1.4.13"
_MASKED, _INVISIBLE = "MASQUE_PS", "INVISIBLE_PATIENT"
_SIGNATURE_CLASS = "urn:oid:1.3.6.1.4.1.19376.1.2.1.1.1"
MAX_CONFIDENTIALITY: Final = 4
_DTM = re.compile(r"[0-9]{4}(?:[0-9]{2}){0,5}", re.ASCII)
_TIMES = re.compile(rf"(?:{_DTM.pattern})?,(?:{_DTM.pattern})?,(?:{_DTM.pattern})?", re.ASCII)
_SHA1 = re.compile(r"[0-9a-f]{40}", re.ASCII)
_HD = re.compile(r"&([0-9.]+)&ISO", re.ASCII)
_INS = re.compile(r"[0-9]{5}[0-9AB][0-9]{9}", re.ASCII)
_PERSON_ID = re.compile(r"[0134568][0-9A-Za-z]+(?:/.+)?")
"""PS_IdNat: type of identifier, identifier, `/` and an internal one when it is local; letters in Corsica, in tests."""
_STRUCTURE_ID = re.compile(r"[0-9A-Za-z-]+", re.ASCII)
_XCN_AUTHORITIES = {"IDNPS": PROFESSIONALS, "EI": PROFESSIONALS}
_XON_TYPES = {STRUCTURES: "IDNST", "1.3.2": "SIREN"}
_PID = re.compile(r"PID-(3|5|7|8|11|13|14|15|16|18|21)\|(.*)", re.ASCII | re.DOTALL)
_BIRTH = re.compile(r"[0-9]{4}(?:[0-9]{2}){0,2}", re.ASCII)
_SEXES = frozenset("FMUOA")
_DMP_SETS = (
    ("class_code", "JDV_J57"), ("type_code", "JDV_J66"), ("format_code", "JDV_J60"), ("facility_type", "JDV_J61"),
    ("practice_setting", "JDV_J62"),
)  # fmt: skip
_DmpCodes = tuple[Code | None, Code | None, Code | None, Code | None, Code | None, tuple[Code, ...]]
_DMP_CODES = attrgetter(*(name for name, _ in _DMP_SETS), "confidentiality")


def _missing(path: str) -> Finding:
    return Finding(
        code="XDS_MISSING", message="a mandatory attribute is empty", path=path, rule="cardinality 1..1", source=_VOLET,
        hint="complete the CDA header it is projected from", message_fr="Une métadonnée obligatoire est absente.",
    )  # fmt: skip


def _wrong(code: str, message: str, path: str, rule: str, hint: str, source: str = _VOLET, fr: str = "") -> Finding:
    return Finding(code=code, message=message, path=path, rule=rule, source=source, hint=hint, message_fr=fr)


# --- persons, structures, patients ------------------------------------------------------------------------------------


def _at(values: Sequence[str], number: int) -> str:
    """Component `number`, from 1."""
    return values[number - 1] if len(values) >= number else ""


def _authority(text: str) -> str:
    found = _HD.fullmatch(text)
    return found[1] if found and is_oid(found[1]) else ""


def check_person(value: str, path: str) -> Iterator[Finding]:
    """An XCN: authorPerson, legalAuthenticator. Codes `XDS_XCN_ID`, `XDS_XCN_NAME`, `XDS_XCN_AUTHORITY`,
    `XDS_XCN_KIND`, `XDS_XCN_TYPE`."""
    parts = components(value)
    number, kind, id_type, authority = _at(parts, 1), _at(parts, 10), _at(parts, 13), _authority(_at(parts, 9))
    if not number:
        yield _wrong("XDS_XCN_ID", "a person or device without identifier", f"{path}.XCN-1", "XCN.1 is mandatory",
                     "give the author an identifier")  # fmt: skip
    if not _at(parts, 2) or (kind == "D" and id_type in _XCN_AUTHORITIES and not _at(parts, 3)):
        yield _wrong(
            "XDS_XCN_NAME", "a name is missing", f"{path}.XCN-2", "family and given name of a professional (RG_2230)",
            "give both names; the DMP rejects empty ones", "GIE SESAM-Vitale PDT-INF-617",
            "Le nom ou le prénom d'un auteur manque.",
        )  # fmt: skip
    if not authority:
        yield _wrong("XDS_XCN_AUTHORITY", "the identifier has no authority", f"{path}.XCN-9", "XCN.9: &<OID>&ISO",
                     "give the OID of who assigned it")  # fmt: skip
    if kind not in ("D", "U"):
        yield _wrong("XDS_XCN_KIND", "neither a person nor a system", f"{path}.XCN-10", "XCN.10: D person, U system",
                     "write D or U")  # fmt: skip
    wanted = _XCN_AUTHORITIES.get(id_type)
    wrong = (
        id_type not in ("IDNPS", "EI", "RI", "NH")
        or (kind == "U") != (id_type == "RI")
        or (id_type == "NH") != is_ins(authority)
        or (wanted is not None and authority != wanted)
    )
    if kind in ("D", "U") and authority and wrong:
        yield _wrong(
            "XDS_XCN_TYPE", "the type of the identifier does not go with the rest", f"{path}.XCN-13",
            "IDNPS national, EI local to a structure, RI system, NH patient", "derive it from the kind of author",
            _EXAMPLES,
        )  # fmt: skip
    elif number and ((id_type == "NH" and not _INS.fullmatch(number)) or (wanted and not _PERSON_ID.fullmatch(number))):
        yield _wrong("XDS_XCN_ID", "the identifier has not the form of its type", f"{path}.XCN-1",
                     "PS_IdNat: type, identifier, /internal; an INS has 15 characters", "check the identifier",
                     _EXAMPLES)  # fmt: skip


def check_structure(value: str, path: str) -> Iterator[Finding]:
    """An XON: authorInstitution. Code `XDS_XON`. Without identifier (nullFlavor) only the name is written."""
    parts = components(value)
    authority, id_type, number = _at(parts, 6), _at(parts, 7), _at(parts, 10)
    if not (authority or id_type or number):
        if not _at(parts, 1):
            yield _wrong("XDS_XON", "a structure with neither name nor identifier", path, "XON.1, XON.10",
                         "leave the institution out, or say which")  # fmt: skip
        return
    oid = _authority(authority)
    if not (oid and number) or id_type != _XON_TYPES.get(oid, id_type) or not _STRUCTURE_ID.fullmatch(number):
        yield _wrong(
            "XDS_XON", "the identifier of the structure is not whole", path,
            "XON.6 &<OID>&ISO, XON.7 IDNST (or SIREN), XON.10 Struct_IdNat: all or none",
            "give the FINESS, SIREN or SIRET with its prefix", _EXAMPLES,
        )  # fmt: skip


def check_patient_id(value: str, path: str) -> Iterator[Finding]:
    """A CX: patientId, sourcePatientId. Code `XDS_CX`. An effective date in CX.7 is accepted."""
    parts = components(value)
    oid, kind = _authority(_at(parts, 4)), _at(parts, 5)
    number = _at(parts, 1)
    is_national = is_ins(oid)
    if not (oid and number) or (kind == "NH") != is_national:
        yield _wrong("XDS_CX", "the identifier of the patient is not whole", path,
                     "<id>^^^&<OID>&ISO^NH for an INS, ^PI for an IPP", "take it from the identity",
                     fr="L'identifiant du patient n'est pas complet.")  # fmt: skip
    elif is_national and not _INS.fullmatch(number):
        yield _wrong("XDS_CX", "an INS has 15 characters", path, "matricule and key", "check the INS")


@lru_cache(maxsize=16)
def _is_whole(patient_id: str) -> bool:
    """Nothing to find: the objects of a submission name one patient."""
    return next(check_patient_id(patient_id, ""), None) is None


def check_author(author: Author, path: str) -> Iterator[Finding]:
    """One author. Codes of its person and structure, `XDS_SPECIALTY`, `XDS_ROLE`, `XDS_PATIENT_INSTITUTION`."""
    if author.person:
        yield from check_person(author.person, f"{path}.person")
    if author.institution:
        yield from check_structure(author.institution, f"{path}.institution")
        if _at(components(author.person), 13) == "NH":
            yield _wrong("XDS_PATIENT_INSTITUTION", "a patient who writes has no institution", f"{path}.institution",
                         "authorInstitution 0..0 for a patient", "leave it out", _EXAMPLES)  # fmt: skip
    for i, specialty in enumerate(author.specialties):
        parts = components(specialty)
        if len(parts) != 3 or not all(parts):
            yield _wrong("XDS_SPECIALTY", "a specialty is code, label and system", f"{path}.specialties[{i}]",
                         "<code>^<label>^<OID>", "take it from JDV_J01")  # fmt: skip
    for i, role in enumerate(author.roles):
        if not role.strip() or "^" in role:
            yield _wrong("XDS_ROLE", "a role is a label, not a code", f"{path}.roles[{i}]",
                         "authorRole: displayName of JDV_J47", "give the label")  # fmt: skip


@lru_cache(maxsize=1024)
def _is_sound(author: Author) -> bool:
    """Nothing to find: a professional writes many documents."""
    return next(check_author(author, ""), None) is None


@lru_cache(maxsize=1024)
def _is_sound_person(person: str) -> bool:
    return next(check_person(person, ""), None) is None


def _patient_info(values: Iterable[str], path: str) -> Iterator[Finding]:
    """sourcePatientInfo: one value per field, PID-5 with the birth names. Code `XDS_PID`."""
    fields: list[tuple[str, str]] = []
    for i, value in enumerate(values):
        found = _PID.fullmatch(value)
        if not found or not found[2].strip():
            yield _wrong("XDS_PID", "no PID field of this kind", f"{path}[{i}]",
                         "PID-n|value; n in 3 5 7 8 11 13 14 15 16 18 21", "write one value per field")  # fmt: skip
            continue
        fields.append((found[1], found[2]))
    for number, value in fields:
        if (number == "7" and not _BIRTH.fullmatch(value)) or (number == "8" and value not in _SEXES):
            yield _wrong("XDS_PID", f"PID-{number} has not its form", path, "PID-7 AAAAMMJJ; PID-8 F M U",
                         "take it from the identity")  # fmt: skip
    if fields and not any(n == "5" and _at(v.split("^"), 7) in ("L", "D", "S", "U") for n, v in fields):
        yield _wrong("XDS_PID", "no name with its type", path, "PID-5|NOM^Prénom^^^^^L", "give the birth names")


# --- objects ----------------------------------------------------------------------------------------------------------


def _not_an_oid(path: str, hint: str) -> Finding:
    return _wrong("XDS_UNIQUE_ID", "the uniqueId is not an OID of at most 64 characters", path,
                  "IHE ITI volume 3, uniqueId", hint)  # fmt: skip


def _times(entry: DocumentEntry, at: str) -> Iterator[Finding]:
    for name in ("creation_time", "service_start", "service_stop"):
        value = getattr(entry, name)
        if value and not _DTM.fullmatch(value):
            yield _wrong("XDS_TIME", "not a time", f"{at}.{name}", "HL7 DTM in UTC, without zone",
                         "convert it with to_dtm_utc")  # fmt: skip
    if not _in_order(entry.service_start, entry.service_stop):
        yield _wrong("XDS_TIME_ORDER", "the act ends before it begins", f"{at}.service_stop", "start <= stop",
                     "check documentationOf/serviceEvent/effectiveTime",
                     fr="La fin de l'acte est avant son début.")  # fmt: skip


def _in_order(start: str, stop: str) -> bool:
    precision = min(len(start), len(stop))
    return start[:precision] <= stop[:precision]


def _entry(entry: DocumentEntry, at: str) -> Iterator[Finding]:
    if not all(_TEXT_OF_ENTRY(entry)) or not all(_CODES_OF_ENTRY(entry)):
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
        yield _not_an_oid(f"{at}.unique_id", "make the CDA id a pure OID")
    if entry.hash and not _SHA1.fullmatch(entry.hash):
        yield _wrong("XDS_HASH", "not a SHA-1 in hexadecimal", f"{at}.hash", "40 lower-case hex digits",
                     "hash the exact bytes")  # fmt: skip
    start, stop = entry.service_start, entry.service_stop
    if not _TIMES.fullmatch(f"{entry.creation_time},{start},{stop}") or not _in_order(start, stop):
        yield from _times(entry, at)
    for i, author in enumerate(entry.authors):
        if not author.person:
            yield _missing(f"{at}.authors[{i}].person")
        if not _is_sound(author):
            yield from check_author(author, f"{at}.authors[{i}]")
    if entry.legal_authenticator and not _is_sound_person(entry.legal_authenticator):
        yield from check_person(entry.legal_authenticator, f"{at}.legal_authenticator")
    if entry.patient_id and not _is_whole(entry.patient_id):
        yield from check_patient_id(entry.patient_id, f"{at}.patient_id")
    if entry.source_patient_id and not _is_whole(entry.source_patient_id):
        yield from check_patient_id(entry.source_patient_id, f"{at}.source_patient_id")
    if entry.source_patient_info:
        yield from _patient_info(entry.source_patient_info, f"{at}.source_patient_info")


def _set(s: SubmissionSet) -> Iterator[Finding]:
    for name in _SET_TEXT:
        if not getattr(s, name):
            yield _missing(f"submission_set.{name}")
    if s.author is None or not s.author.person:
        yield _missing("submission_set.author")
    if s.content_type is None:
        yield _missing("submission_set.content_type")
    if not is_oid(s.unique_id):
        yield _not_an_oid("submission_set.unique_id", "draw it under an OID root of the establishment")
    if s.author is not None and not _is_sound(s.author):
        yield from check_author(s.author, "submission_set.author")
    if s.patient_id and not _is_whole(s.patient_id):
        yield from check_patient_id(s.patient_id, "submission_set.patient_id")


def _folder(folder: Folder, at: str) -> Iterator[Finding]:
    if not folder.codes:
        yield _missing(f"{at}.codes")
    if not is_oid(folder.unique_id):
        yield _not_an_oid(f"{at}.unique_id", "draw it under an OID root of the establishment")
    yield from check_patient_id(folder.patient_id, f"{at}.patient_id")


def _association(link: Association, at: str) -> Iterator[Finding]:
    """Slots of a change of status: both statuses, that differ. Code `XDS_ASSOCIATION`."""
    slots = dict(link.slots)
    if link.type == UPDATES_STATUS:
        statuses = [slots.get(name, ()) for name in ("OriginalStatus", "NewStatus")]
        if any(len(values) != 1 for values in statuses) or statuses[0] == statuses[1]:
            yield _wrong("XDS_ASSOCIATION", "a change of status names the present and the new one", at,
                         "OriginalStatus, NewStatus", "write both", "IHE ITI-57")  # fmt: skip
    if not (link.source and link.target):
        yield _wrong("XDS_ASSOCIATION", "an association links two objects", at, "sourceObject, targetObject",
                     "name both", "ebRIM 3.0")  # fmt: skip


# --- the DMP ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _is_in(value_set: str, code: str, system: str | None) -> bool:
    return terminology.value_set(value_set).contains(code, system)


def check_confidentiality(
    codes: Sequence[Code], path: str = "confidentiality", *, together: bool = False, signature: bool = False
) -> Report:
    """Confidentiality codes of a document of the DMP: `N` and visibility codes beside it.

    together: whether a document may be hidden from professionals and from the patient (parameter
    `cumul-invisible_patient-masque_ps` of the DMP's *param-lps*, false by default); signature: of the signature of a
    set, which always is. Codes `XDS_CONFIDENTIALITY`, `XDS_VISIBILITY_TOGETHER`.
    """
    findings: list[Finding] = []
    names = [code.code for code in codes]
    for i, code in enumerate(codes):
        if not _is_in("JDV_J58", code.code, code.system):
            findings.append(_wrong("XDS_CONFIDENTIALITY", "not a confidentiality code of the DMP", f"{path}[{i}]",
                                   "JDV_J58", "take it from JDV_J58"))  # fmt: skip
    if names.count("N") != 1 or len(set(names)) < len(names) or len(names) > MAX_CONFIDENTIALITY:
        findings.append(
            _wrong("XDS_CONFIDENTIALITY", "N is always there, once, and each visibility code at most once", path,
                   f"1..{MAX_CONFIDENTIALITY} codes of JDV_J58, N kept", "add visibility codes beside N")
        )  # fmt: skip
    if _MASKED in names and _INVISIBLE in names and not (together or signature):
        findings.append(
            _wrong(
                "XDS_VISIBILITY_TOGETHER", "hidden from professionals and from the patient at once", path,
                "EX_2.1-1050, while cumul-invisible_patient-masque_ps is false",
                "choose one, or set settings.dmp.mask_and_hide when param-lps says true", "DMP, param-lps",
                "Un document ne peut être à la fois masqué aux professionnels et invisible pour le patient.",
            )
        )  # fmt: skip
    return Report.of(findings)


def _codes_of_dmp(codes: _DmpCodes, at: str, together: bool) -> Iterator[Finding]:
    class_code, type_code, *_, confidentiality = codes
    for (name, set_name), code in zip(_DMP_SETS, codes[:-1], strict=True):
        if code is not None and not _is_in(set_name, code.code, code.system):
            yield _wrong("XDS_CODE", f"not in {set_name}", f"{at}.{name}", f"value set {set_name}",
                         "the DMP takes a part of the CI-SIS codes: choose one of that set",
                         fr="Le DMP ne connaît pas ce code.")  # fmt: skip
    if type_code and class_code and _is_in("JDV_J66", type_code.code, None):
        wanted = terminology.class_code(type_code).code
        if class_code.code != wanted:
            yield _wrong("XDS_CLASS", "the class does not follow from the type", f"{at}.class_code",
                         "ASS_X04, ASS_X16", f"write {wanted}")  # fmt: skip
    is_signature = class_code is not None and class_code.code == _SIGNATURE_CLASS
    yield from check_confidentiality(
        confidentiality, f"{at}.confidentiality", together=together, signature=is_signature
    )


@lru_cache(maxsize=1024)
def _are_of_dmp(codes: _DmpCodes, together: bool) -> bool:
    """Nothing to find: documents of one kind have the same codes."""
    return next(_codes_of_dmp(codes, "", together), None) is None


def check_dmp(submission: Submission, *, together: bool = False) -> Report:
    """What `check` finds, and what the DMP asks for more: an INS (`XDS_NO_INS`), its value sets (`XDS_CODE`), the class
    of each type (`XDS_CLASS`), visibility (see `check_confidentiality`)."""
    findings = list(check(submission))
    s = submission.submission_set
    if s is not None and s.patient_id and _at(components(s.patient_id), 5) != "NH":
        findings.append(_wrong("XDS_NO_INS", "the patient of a DMP is known by the INS", "submission_set.patient_id",
                               "patientId = INS", "qualify the identity", fr="Le DMP exige un INS."))  # fmt: skip
    for i, entry in enumerate(submission.entries):
        codes = _DMP_CODES(entry)
        if not _are_of_dmp(codes, together):
            findings += _codes_of_dmp(codes, f"entries[{i}]", together)
    return Report.of(findings)


# --- everything -------------------------------------------------------------------------------------------------------


def check(submission: Submission) -> Report:
    """What the metadata lack or contradict: codes `XDS_MISSING`, `XDS_UNIQUE_ID`, `XDS_PATIENTS`, `XDS_DUPLICATE`,
    `XDS_TIME`, `XDS_TIME_ORDER`, `XDS_HASH`, `XDS_PID`, `XDS_CX`, `XDS_ASSOCIATION` and those of `check_author`."""
    findings: list[Finding] = []
    s = submission.submission_set
    if s is not None:
        findings += _set(s)
    for i, entry in enumerate(submission.entries):
        findings += _entry(entry, f"entries[{i}]")
    for i, folder in enumerate(submission.folders):
        findings += _folder(folder, f"folders[{i}]")
    for i, link in enumerate(submission.associations):
        findings += _association(link, f"associations[{i}]")
    objects: tuple[SubmissionSet | DocumentEntry | Folder, ...] = (
        *((s,) if s else ()), *submission.entries, *submission.folders,
    )  # fmt: skip
    if len({tuple(o.patient_id.split("^")[:5]) for o in objects}) > 1:  # beyond: effective dates
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
