"""The native check: coded rules, in milliseconds, in line with every sending.

It does not replace the official validator (`cda.oracle`); it adds the rules that validator is silent on. No finding
never means "conforming": it means that none of `RULES` saw anything.
"""

from __future__ import annotations

from lxml import etree

from ..._core.errors import CdaError, XmlSecurityError
from ..._core.findings import Finding, Report
from ..._core.xml import is_well_formed
from ..header import CdaDocument
from ..reader import clinical_document
from .admission_letter import ADMISSION_LETTER
from .body import BODY
from .clinical import CLINICAL
from .discharge_letter import DISCHARGE_LETTER
from .engine import Rule, View
from .header import HEADER
from .imaging import IMAGING
from .laboratory import LABORATORY
from .parties import PARTIES
from .prescription import PRESCRIPTION
from .structure import STRUCTURE
from .templates import TEMPLATE_RULES
from .unstructured import UNSTRUCTURED

RULES: tuple[Rule, ...] = (
    *HEADER.rules, *PARTIES.rules, *BODY.rules, *CLINICAL.rules, *DISCHARGE_LETTER.rules,
    *ADMISSION_LETTER.rules, *PRESCRIPTION.rules, *LABORATORY.rules, *IMAGING.rules, *UNSTRUCTURED.rules,
    *STRUCTURE.rules, *TEMPLATE_RULES.rules,
)  # fmt: skip
"""The catalogue: one rule, one code."""
_OF_OURS: tuple[Rule, ...] = tuple(rule for rule in RULES if rule.held is not True)
_ASKED = tuple(dict.fromkeys(rule.held for rule in RULES if not isinstance(rule.held, bool)))


def check(document: CdaDocument | bytes, *, relaxed: bool = False) -> Report:
    """Every finding of the native rules, in the order of the catalogue.

    relaxed: what the official text says and the official validator does not look at (`Rule.kit_is_silent`) is only a
    warning; for documents of others.
    All rules look at bytes and at received documents. A document of ours is asked only what its models may have broken
    (`Rule.held` says what they cannot); when that is nothing its bytes are proved well-formed, and not taken apart:
    give `document.content` to have all looked at. Bytes that cannot be parsed give one finding, with the parser's code.
    """
    rules = RULES
    if isinstance(document, bytes):
        content = document
    else:
        content = document.content
        if document.is_ours:
            rules = _may_be_broken(document)
            if not rules and is_well_formed(content):
                return Report()
    try:
        root = clinical_document(content)
    except (XmlSecurityError, CdaError) as e:
        return Report((Finding(code=e.code, message=e.message, path=e.path, rule=e.rule, hint=e.hint),))
    return check_parsed(root, rules=rules, relaxed=relaxed)


def _may_be_broken(document: CdaDocument) -> tuple[Rule, ...]:
    """The rules to ask of a document of ours."""
    broken = {held for held in _ASKED if not held(document)}
    return tuple([rule for rule in _OF_OURS if rule.held is False or rule.held in broken])


def check_parsed(root: etree._Element, *, rules: tuple[Rule, ...] = RULES, relaxed: bool = False) -> Report:
    """`check` of a ClinicalDocument that is already parsed (`reader.clinical_document`)."""
    view = View(root)
    return Report(
        tuple([rule.finding(view, where, seen, relaxed=relaxed) for rule in rules for where, seen in rule.run(view)])
    )


__all__ = ["RULES", "Rule", "check", "check_parsed"]
