"""Ready-made people, places and settings for tests and demos. All identities are published test people."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from ..model import (
    Address,
    Code,
    Identifier,
    Identity,
    IdentityStatus,
    Ins,
    InsOid,
    Organization,
    Patient,
    Professional,
    Sex,
    Stay,
    StayClass,
    Telecom,
    Traits,
)
from ..settings import Environment, OidSettings, Settings, SoftwareId

if TYPE_CHECKING:
    from ..cda.documents.discharge_letter import DischargeLetter
    from ..cda.issuer import Issuer

IPP_ROOT = "1.2.250.1.213.9.1.1"
VISIT_ROOT = "1.2.250.1.213.9.1.2"
DOCUMENT_ROOT = "1.2.250.1.213.9.2.1"
SUBMISSION_ROOT = "1.2.250.1.213.9.2.2"
SOURCE_ID = "1.2.250.1.213.9.3"
FINESS = "0B0127189"
"""The test FINESS of the test certificates' holder."""
PARIS_WINTER = timezone(timedelta(hours=1))
ADMITTED = datetime(2026, 1, 10, 9, 0, tzinfo=PARIS_WINTER)
DISCHARGED = datetime(2026, 1, 15, 10, 0, tzinfo=PARIS_WINTER)
WRITTEN = datetime(2026, 1, 15, 10, 30, tzinfo=PARIS_WINTER)


def traits() -> Traits:
    """PAT-TROIS, the test person of the official CDA examples."""
    return Traits(
        birth_name="PAT-TROIS",
        birth_given_names="DOMINIQUE MARIE-LOUISE",
        first_given_name="DOMINIQUE",
        birth_date="1979-03-28",
        sex=Sex.FEMALE,
        birth_place="51215",
    )


def ins() -> Ins:
    return Ins.of("279035121518989", InsOid.NIR_TEST)


def patient(**changes: Any) -> Patient:
    values: dict[str, Any] = {
        "identity": Identity(traits=traits(), status=IdentityStatus.QUALIFIEE, ins=ins()),
        "identifiers": (Identifier(value="1234567890121", root=IPP_ROOT, authority="HOPITAL-DEMO", type_code="PI"),),
        "used_name": "PAT-TROIS",
        "used_given_name": "DOMINIQUE",
        "birth_city": "DOMPREMY",
        "addresses": (
            Address(house_number="28", street_name="Avenue de Breteuil", postal_code="75007", city="PARIS", use="H"),
        ),
        "telecoms": (Telecom(value="tel:+33144534551", use="H"),),
    }
    return Patient(**values | changes)


def hospital(**changes: Any) -> Organization:
    values: dict[str, Any] = {
        "name": "Hôpital de démonstration",
        "finess_geo": FINESS,
        "finess_ej": FINESS,
        "address": Address(street_name="1 place de l'Hôpital", postal_code="75013", city="PARIS"),
        "telecoms": (Telecom(value="tel:+33123456789"),),
    }
    return Organization(**values | changes)


def laboratory() -> Organization:
    return hospital(name="Laboratoire de l'hôpital de démonstration", facility_type="SA25")


def physician(**changes: Any) -> Professional:
    values: dict[str, Any] = {
        "rpps": "01234567897",
        "family": "DAVID",
        "given": "Charles",
        "profession": "10",
        "specialty": "SM27",
        "civility": "M",
        "title": "DR",
        "mss_address": "charles.david@hopital-demo.mssante.fr",
    }
    return Professional(**values | changes)


def general_practitioner() -> Professional:
    return physician(
        rpps="01234567905", family="DUPONT", given="Jeanne", specialty="SM26", civility="MME",
        mss_address="jeanne.dupont@medecin.mssante.fr",
    )  # fmt: skip


def stay(**changes: Any) -> Stay:
    values: dict[str, Any] = {
        "visit": Identifier(value="2600012345", root=VISIT_ROOT, authority="HOPITAL-DEMO", type_code="VN"),
        "admitted_at": ADMITTED,
        "discharged_at": DISCHARGED,
        "organization": hospital(),
        "stay_class": StayClass.INPATIENT,
        "unit": "6268",
        "unit_label": "Médecine interne",
    }
    return Stay(**values | changes)


def software(**changes: Any) -> SoftwareId:
    values: dict[str, Any] = {
        "name": "DPI de démonstration",
        "version": "1.0",
        "publisher": "sunes_sdk",
        "instance": "7f3a5f0e-3f3c-4d35-9d0e-3a1f2a2b9c11",
        "nil": "DEMO-NIL-0001",
        "dmp_homologation": "DEMO-DMP-0001",
    }
    return SoftwareId(**values | changes)


def settings(**sections: Any) -> Settings:
    """FAKE settings without any section: give `dmp=`, `mss=`, `insi=` as the fakes print them."""
    values: dict[str, Any] = {
        "environment": Environment.FAKE,
        "software": software(),
        "organization": hospital(),
        "oids": OidSettings(documents=DOCUMENT_ROOT, submissions=SUBMISSION_ROOT, ipp=IPP_ROOT, visits=VISIT_ROOT),
    }
    return Settings(**values | sections)


def loinc(code: str, display: str) -> Code:
    return Code(code=code, system="2.16.840.1.113883.6.1", display=display, system_name="LOINC")


def discharge_letter(**changes: Any) -> DischargeLetter:
    """The letter of this stay, with two treatments at discharge. Render it with `issuer()`."""
    from ..cda.documents.discharge_letter import DischargeLetter, EntryMode, ExitMode, Synthesis
    from ..cda.documents.treatments import Quantity, Treatment

    values: dict[str, Any] = {
        "patient": patient(),
        "author": physician().at(hospital()),
        "custodian": hospital(),
        "stay": stay(),
        "recipients": (general_practitioner().at(hospital(name="Cabinet du Dr Dupont")),),
        "written_at": WRITTEN,
        "reason": "Pneumopathie aiguë communautaire",
        "synthesis": Synthesis(
            entry_mode=EntryMode.EMERGENCY,
            exit_mode=ExitMode.HOME,
            medical_summary="Évolution favorable sous antibiothérapie. Apyrexie à J3, sevrage de l'oxygène à J4.",
            mdro_search=False,
            transfusion=False,
            blood_derivatives=False,
        ),
        "discharge_treatments": (
            Treatment(
                name="AMOXICILLINE 1 g, comprimé",
                cis="60090763",
                posology="1 comprimé matin, midi et soir pendant 5 jours",
                start=DISCHARGED.date(),
                dose=Quantity(value=1, unit="{tbl}"),  # type: ignore[arg-type]  # numbers are coerced
            ),
            Treatment(name="PARACETAMOL 1 g, comprimé", cis="67468023", posology="1 comprimé si douleur"),
        ),
    }
    return DischargeLetter(**values | changes)


def issuer(**changes: Any) -> Issuer:
    """Random identifiers under the demonstration arc; give `ids` and `clock` for reproducible documents."""
    from ..cda.issuer import Issuer

    return Issuer(**{"oid_root": DOCUMENT_ROOT} | changes)
