"""The patient of a CDA alone (`recordTarget/patientRole`, SMDS): written from a `Patient`, and read into one.

Documents are written and read by the same functions: what this module gives is what a document holds.
"""

from __future__ import annotations

from .._core.errors import CdaError
from .._core.hl7time import format_ts
from .._core.xml import parse
from ..model import Patient
from .envelope import V3
from .header_reader import SDTC, patient_role_of
from .header_writer import patient_data, patient_role_xml
from .issuer import Issuer
from .reading.people import patient_of

_START = "<patientRole"
_NAMESPACES = f' xmlns="{V3[1:-1]}" xmlns:sdtc="{SDTC[1:-1]}"'


def write_patient_role(patient: Patient, issuer: Issuer) -> bytes:
    """The `patientRole` element as XML, with its namespaces, in UTF-8.

    The INS goes by the gate (`Issuer.ins_of`): that of a qualified identity, of the issuer's environment; any other
    identity goes with its local identifiers alone. A birth date that is no calendar date is cut to what is known.
    Raises InsError `ENVIRONMENT_IDENTITY`, CdaError `CDA_PATIENT_ID` (neither INS nor local identifier),
    XmlSecurityError `XML_CHARACTER`.
    """
    data = patient_data(patient, issuer.ins_of(patient), lambda at: format_ts(at, issuer.zone))
    written = patient_role_xml(data)
    return f"{_START}{_NAMESPACES}{written.removeprefix(_START)}".encode()


def read_patient_role(data: bytes) -> Patient:
    """The patient that a `patientRole` element names. An INS makes the identity qualified, since a CDA bears no other;
    without one it is provisional. Names of authorities and types of identifiers are not in a CDA.

    Raises XmlSecurityError (not well-formed, too big …), CdaError `CDA_NOT_CDA` (another element), `CDA_NOT_TYPED`
    (a trait is missing or malformed: no trait is made up).
    """
    root = parse(data)
    if root.tag != f"{V3}patientRole":
        raise CdaError("not a patientRole", code="CDA_NOT_CDA", path="/", rule="SMDS recordTarget/patientRole",
                       hint="give the element alone; read a document with cda.read")  # fmt: skip
    return patient_of(patient_role_of(root))
