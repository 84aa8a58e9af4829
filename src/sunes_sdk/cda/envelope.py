"""Where the ClinicalDocument is in received bytes: the root, or what an enveloping signature or a stylesheet holds."""

from __future__ import annotations

from lxml import etree

from .._core.errors import CdaError
from .._core.xml import parse

V3 = "{urn:hl7-org:v3}"


def clinical_document(data: bytes) -> etree._Element:
    """The ClinicalDocument of the bytes: the root, or what an enveloping signature or a stylesheet holds.

    Raises XmlSecurityError, CdaError (`CDA_NOT_CDA`).
    """
    root = parse(data)
    if root.tag == f"{V3}ClinicalDocument":
        return root
    found = root.find(f".//{V3}ClinicalDocument")
    if found is None:
        raise CdaError("there is no ClinicalDocument in these bytes", code="CDA_NOT_CDA", path="/",
                       rule="CDA R2: root ClinicalDocument of urn:hl7-org:v3",
                       hint="check that this is a CDA document",
                       hint_fr="Ce fichier n'est pas un document CDA.")  # fmt: skip
    return found
