"""*Compte rendu d'imagerie médicale* (volet IMG-CR-IMG 2024.01)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Discriminator, Field, Tag, field_validator, model_validator

from ..._core.xml import escape_attribute
from ...model import Actor, Code, Identifier, Model, Organization
from ...model._base import invalid
from ...model.code import Oid, Text
from ...terminology import code as terminology_code
from .. import datatypes as dt
from ..datatypes import CCAM, LOINC, PS_ROOT, SNOMED_CT, NullFlavor, Ref, Translation
from ..header import II, HeaderOrder
from ..header_writer import Performer, ServiceEvent, author_xml
from ..pdf_body import checked_pdf
from ..sections import (
    Draft,
    Narrative,
    SectionKind,
    attached_pdf,
    code_text,
    comment_relationship,
    comment_section,
    entry,
    pdf_copy_section,
    section,
)
from ._base import ClinicalDocument
from .attachments import AttachedPdf, Picture, pictures
from .clinical import MedicalDevice, devices_section
from .coded import in_set
from .measures import Measure, listed_unit, shown_number, shown_unit
from .treatments import ATC, CIP, Quantity

DCM = "1.2.840.10008.2.16.4"
"""DICOM controlled terminology."""
_ACTIVITIES = frozenset({"kBq", "MBq", "GBq"})
"""Units that the official list lacks, though they are UCUM; the validator does not look at them in a doseQuantity."""
LISTED_DOSES = {
    "uSv": ("Sv", -6),
    "mSv": ("Sv", -3),
    "uGy": ("Gy", -6),
    "kBq": ("Bq", 3),
    "MBq": ("Bq", 6),
    "GBq": ("Bq", 9),
}
"""Usual units that the official list lacks: the unit of the list and the power of ten that give the same quantity."""
_VOLET = "CI-SIS volet IMG-CR-IMG 2024.01"


Modality = Annotated[str, in_set("JDV_MODALITE_ACQUISITION")]
Region = Annotated[str, in_set("JDV_REGION_ANATOMIQUE")]
Location = Annotated[str, in_set("JDV_LOCALISATION_ANATOMIQUE")]
Laterality = Annotated[str, in_set("JDV_LATERALITE")]


class PregnancyStatus(StrEnum):
    """*Statut de grossesse* (JDV_StatutGrossesse). The volet wants one with each exposure, for a man too: `ABSENT`."""

    ABSENT = "60001007"
    PREGNANT = "77386006"
    UNKNOWN = "261665006"


class ReferencePurpose(StrEnum):
    """Why the report points at an image (JDV_ImagerieObjectifsReference)."""

    PRELIMINARY = "121079"
    BEST_ILLUSTRATION = "121080"
    SOURCE_OF_MEASUREMENT = "121112"
    ILLUSTRATION_OF_ROI = "121200"


class Instance(Model):
    """A DICOM object that the report points at. uid 1..1: SOP Instance UID; sop_class 1..1: its SOP Class UID;
    url 0..1: where to get it (WADO); purpose 0..1: `BEST_ILLUSTRATION` for a key image. Raises ModelError
    `TERMINOLOGY`."""

    uid: Oid
    purpose: ReferencePurpose | None = None
    sop_class: Annotated[str, in_set("JDV_SOP_CLASS")]
    url: str | None = Field(default=None, pattern=r"^https?://\S+$")


class Series(Model):
    """A DICOM series. uid 1..1: Series Instance UID; modality 1..1: DICOM code (`CT`, `MR`, `US` …); instance 1..1: one
    object of it; performed_at 0..1: the act's time when not given.

    The official validator takes exactly one series per study entry and one object per series, so each series is
    written under a study entry of its own; the whole list of objects belongs to the KOS document.
    """

    uid: Oid
    modality: Modality
    instance: Instance
    performed_at: AwareDatetime | None = None


class AdministeredProduct(Model):
    """A contrast medium or a radiopharmaceutical. name 1..1; cip 0..1; atc 0..1: code and label; dose 0..1: `mL`, or
    `MBq` for a radiopharmaceutical; route 0..1: EDQM; lot 0..1; comment 0..1. Raises ModelError (`CDA_UNIT`)."""

    name: Text
    cip: str | None = None
    atc: Code | None = None
    dose: Quantity | None = None
    route: Code | None = None
    lot: str | None = None
    comment: str | None = None

    @field_validator("cip")
    @classmethod
    def _digits(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isdigit() and len(value) in (7, 13)):
            raise invalid("IMG_CIP", "a CIP code is 7 or 13 digits", rule="CIP", hint="give the digits only")
        return value

    @field_validator("dose")
    @classmethod
    def _measured(cls, value: Quantity | None) -> Quantity | None:
        if value is not None and value.unit not in _ACTIVITIES:
            listed_unit(value.unit)
        return value

    @field_validator("atc")
    @classmethod
    def _of_atc(cls, value: Code | None) -> Code | None:
        if value is not None and value.system != ATC:
            raise invalid("IMG_ATC", "this code is not of ATC", rule="ATC", hint=f"system {ATC}")
        return value


class RadiationQuantity(Model):
    """A dose. kind 1..1: JDV_QuantiteExpositionRayonnements, DICOM code: `113813` dose length product (`mGy.cm`),
    `113830` mean CTDIvol, `111636` entrance air kerma, `111637` mean glandular dose (`mGy`), `113839` effective dose
    (`mSv`), `113730` fluoroscopy time (`s`), `113731` number of images (`{images}`), `113507` activity (`MBq`),
    `113722` `113726` `113727` dose area products; measure 1..1; location 1..1: JDV_LocalisationAnatomique; laterality
    0..1: JDV_LateraliteTechniqueImagerie.

    The official list has neither mSv nor MBq: they are coded in Sv and Bq, and shown as given. It has no unit at all
    for a dose area product (Gy.cm2): put that into `RadiationExposure.other_measures`. Raises ModelError (`CDA_UNIT`).
    """

    kind: Annotated[str, in_set("JDV_QUANTITE_EXPOSITION")]
    measure: Measure | Quantity
    location: Location
    laterality: Laterality | None = None

    @field_validator("measure")
    @classmethod
    def _listed(cls, value: Measure | Quantity) -> Measure | Quantity:
        if value.unit not in LISTED_DOSES:
            listed_unit(value.unit)
        return value

    @property
    def shown(self) -> str:
        return f"{shown_number(self.measure.value)} {shown_unit(self.measure.unit)}".rstrip()

    def xml(self) -> str:
        unit, power = LISTED_DOSES.get(self.measure.unit, (self.measure.unit, 0))
        return dt.pq("value", self.measure.value.scaleb(power), unit, xsi_type="PQ")


class RadiationExposure(Model):
    """*Exposition aux rayonnements*. pregnancy 1..1; authorised_by 0..1: who authorised the irradiation, the performer
    of the act when not given; quantities 0..*; radiopharmaceuticals 0..*; other_measures 0..1: what cannot be coded."""

    masked: ClassVar[frozenset[str]] = frozenset({"pregnancy"})

    pregnancy: PregnancyStatus
    authorised_by: Actor | None = None
    quantities: tuple[RadiationQuantity, ...] = ()
    radiopharmaceuticals: tuple[AdministeredProduct, ...] = ()
    other_measures: str | None = None


class ImagingAct(Model):
    """*Acte d'imagerie*.

    code 1..1: LOINC code of the act with its label; ccam 0..1: the same act in CCAM; modality 1..1: DICOM code (`CT`,
    `MR`, `US`, `DX` …); region 1..1: JDV_RegionAnatomique (SNOMED CT: `774007` head and neck); location 1..1:
    JDV_LocalisationAnatomique (`302548004` whole head); laterality 0..1: JDV_LateraliteTechniqueImagerie;
    more_modalities / more_regions 0..*: of an act that has several (PET and CT: `PT`, then `CT`); study_uid
    1..1: Study Instance UID; performed_at 1..1, ended_at 0..1; performer 0..1: the author when not given; description
    0..1: *technique*, the act's label when not given; parameters 0..1: *autres paramètres* (device …); products 0..*:
    contrast media; complications 0..1; exposure 0..1; series 0..*: object catalogue.
    Raises ModelError (`IMG_ACT_CODE`, `IMG_TIMES`, `CDA_UNIT`, `TERMINOLOGY`).
    """

    masked: ClassVar[frozenset[str]] = frozenset({"description", "parameters", "complications"})

    code: Code
    ccam: Code | None = None
    modality: Modality
    region: Region
    location: Location
    laterality: Laterality | None = None
    more_modalities: tuple[Modality, ...] = ()
    more_regions: tuple[Region, ...] = ()
    study_uid: Oid
    performed_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    performer: Actor | None = None
    description: str | None = None
    parameters: str | None = None
    products: tuple[AdministeredProduct, ...] = ()
    complications: str | None = None
    exposure: RadiationExposure | None = None
    series: tuple[Series, ...] = ()

    @field_validator("code")
    @classmethod
    def _loinc(cls, value: Code) -> Code:
        if value.system != LOINC or not value.display:
            raise invalid("IMG_ACT_CODE", "an imaging act has a LOINC code and its label", rule=_VOLET,
                          hint="give the LOINC code here, and the CCAM one in ccam",
                          hint_fr="L'acte d'imagerie doit avoir un code LOINC et son libellé.")  # fmt: skip
        return value

    @field_validator("ccam")
    @classmethod
    def _of_ccam(cls, value: Code | None) -> Code | None:
        if value is not None and value.system != CCAM:
            raise invalid("IMG_CCAM", "this code is not of CCAM", rule=_VOLET, hint=f"system {CCAM}")
        return value

    @field_validator("products")
    @classmethod
    def _no_activity(cls, products: tuple[AdministeredProduct, ...]) -> tuple[AdministeredProduct, ...]:
        if any(p.dose and p.dose.unit in _ACTIVITIES for p in products):
            raise invalid("CDA_UNIT", "an activity is the dose of a radiopharmaceutical", rule=_VOLET,
                          hint="give the product in exposure.radiopharmaceuticals")  # fmt: skip
        return products

    @model_validator(mode="after")
    def _coherent(self) -> ImagingAct:
        if self.ended_at and self.ended_at <= self.performed_at:
            raise invalid("IMG_TIMES", "the act does not end after it starts", rule=_VOLET, path="ended_at",
                          hint="mend the times, or leave ended_at out",
                          hint_fr="La fin de l'acte ne suit pas son début.")  # fmt: skip
        return self


class Contraindication(Model):
    """*Contre-indication*. code 1..1: JDV_Contre_indications (`MED-1117` pacemaker …); comment 0..1."""

    masked: ClassVar[frozenset[str]] = frozenset({"code", "comment"})

    code: Annotated[str, in_set("JDV_CONTRE_INDICATIONS")]
    comment: str | None = None


class ClinicalInformation(Model):
    """*Informations cliniques*: the request and the history.

    request_reason 1..1: *justification de la demande*; purpose 0..1: *finalité de l'examen*; medical_history /
    surgical_history 0..1: *antécédents*; contraindications 0..*: None when they were not asked for, an empty tuple
    when none is known. What is not given is written as not given: the volet wants all three.
    """

    masked: ClassVar[frozenset[str]] = frozenset(
        {"request_reason", "purpose", "medical_history", "surgical_history", "contraindications"}
    )

    request_reason: Text
    purpose: str | None = None
    medical_history: str | None = None
    surgical_history: str | None = None
    contraindications: tuple[Contraindication, ...] | None = None


class Addendum(Model):
    """*Addendum*: text 1..1 added later by author 1..1 at 1..1."""

    masked: ClassVar[frozenset[str]] = frozenset({"text"})

    text: Text
    author: Actor
    at: AwareDatetime


class ImagingOrder(Model):
    """The request that the acts fulfil. order 1..1: *Order Placer Number*; accession 1..1: *Accession Number*."""

    order: Identifier
    accession: Identifier


class ImagingFinding(Model):
    """*FR-DICOM-Observation* of the results: what was seen. code 1..1: what was looked at, with its label (LOINC …);
    value 1..1: a code or a text; location 0..1: JDV_LocalisationAnatomique, with laterality 0..1."""

    masked: ClassVar[frozenset[str]] = frozenset({"code", "value", "location"})

    code: Code
    value: Annotated[
        Annotated[Code, Tag("code")] | Annotated[Text, Tag("text")],
        # Told apart by its kind, so that an error is about the kind that was meant.
        Discriminator(lambda value: "text" if isinstance(value, str) else "code"),
    ]
    location: Location | None = None
    laterality: Laterality | None = None

    @model_validator(mode="after")
    def _coherent(self) -> ImagingFinding:
        if not self.code.display:
            raise invalid("IMG_FINDING", "what was looked at has no label", rule=_VOLET, path="code.display",
                          hint="give the code's label")  # fmt: skip
        if self.laterality and not self.location:
            raise invalid("IMG_FINDING", "a laterality needs a location", rule=_VOLET, path="laterality",
                          hint="give location too")  # fmt: skip
        return self


class ImagingReport(ClinicalDocument):
    """*Compte rendu d'imagerie médicale* (18748-4, IMG-CR-IMG 2024.01).

    acts 1..*; conclusion 1..1; orders 0..*; clinical_information 0..1; results 0..1, with findings 0..* and key_images
    0..*: pictures of the report (DICOM objects belong to `ImagingAct.series`); comparison 0..1: *examen comparatif*;
    earlier_results 0..1: *résultats d'examens*; devices 0..*: *dispositifs médicaux*; documents 0..*: *documents
    ajoutés*; addendum 0..1; patient_information 0..1: *information du patient*; comment 0..1; pdf_copy 0..1: the report
    as PDF, shown first by consumers. The title is free.
    Raises ModelError (`IMG_EMPTY`, `IMG_PREGNANCY`: pregnant in one place and not in another), CdaError
    (`CDA_PDF_UNREADABLE`).
    """

    type_code = "18748-4"
    template_ids = (
        II("1.2.840.10008.9.1"), II("1.2.840.10008.9.20"), II("1.2.840.10008.9.21"),
        II("1.2.250.1.213.1.1.1.45", "2024.01"),
    )  # fmt: skip
    default_title = "CR d'imagerie médicale"

    masked: ClassVar[frozenset[str]] = frozenset({
        "conclusion", "results", "findings", "key_images", "comparison", "earlier_results", "devices", "documents",
        "patient_information", "comment", "pdf_copy",
    })  # fmt: skip

    acts: tuple[ImagingAct, ...]
    conclusion: Text
    orders: tuple[ImagingOrder, ...] = ()
    clinical_information: ClinicalInformation | None = None
    results: str | None = None
    findings: tuple[ImagingFinding, ...] = ()
    key_images: tuple[Picture, ...] = ()
    comparison: str | None = None
    earlier_results: str | None = None
    devices: tuple[MedicalDevice, ...] = ()
    documents: tuple[AttachedPdf, ...] = ()
    addendum: Addendum | None = None
    patient_information: str | None = None
    comment: str | None = None
    pdf_copy: bytes | None = None

    @field_validator("pdf_copy")
    @classmethod
    def _readable(cls, value: bytes | None) -> bytes | None:
        return checked_pdf(value, "pdf_copy") if value is not None else None

    @field_validator("acts")
    @classmethod
    def _not_empty(cls, value: tuple[ImagingAct, ...]) -> tuple[ImagingAct, ...]:
        if not value:
            raise invalid("IMG_EMPTY", "the report has no act", rule=_VOLET, hint="give one act at least",
                          hint_fr="Le compte rendu ne comporte aucun acte d'imagerie.")  # fmt: skip
        return value

    @model_validator(mode="after")
    def _one_pregnancy(self) -> ImagingReport:
        said = {a.exposure.pregnancy for a in self.acts if a.exposure} - {PregnancyStatus.UNKNOWN}
        information = self.clinical_information
        if information and any(c.code == PregnancyStatus.PREGNANT for c in information.contraindications or ()):
            said.add(PregnancyStatus.PREGNANT)
        if len(said) > 1:
            raise invalid("IMG_PREGNANCY", "the patient is pregnant in one place of the report, and not in another",
                          rule=_VOLET, path="acts", hint="give the same status everywhere",
                          hint_fr="Le statut de grossesse se contredit dans le compte rendu.")  # fmt: skip
        return self

    # Header. ----------------------------------------------------------------------------------------------------

    def _performer(self, act: ImagingAct) -> Actor:
        return act.performer or self.author

    def _facility(self) -> Organization:
        return self._performer(self.acts[0]).organization

    def _service_events(self, written_at: datetime) -> tuple[ServiceEvent, ...]:
        return tuple(
            ServiceEvent(
                ids=(II(act.study_uid),),
                code=act.code,
                translations=_translations(act),
                start=act.performed_at,
                stop=act.ended_at,
                performer=Performer(actor=self._performer(act)),
            )
            for act in self.acts
        )

    def _orders(self) -> tuple[HeaderOrder, ...]:
        return tuple(
            HeaderOrder(id=II(o.order.root, o.order.value), accession=II(o.accession.root, o.accession.value))
            for o in self.orders
        )

    # Body. ------------------------------------------------------------------------------------------------------

    def _body(self, draft: Draft) -> str:
        return "".join(
            (
                "<structuredBody>",
                _addendum_section(draft, self.addendum) if self.addendum else "",
                _clinical_section(draft, self.clinical_information) if self.clinical_information else "",
                *[_act_section(draft, act, self._performer(act)) for act in self.acts],
                section(draft, _EARLIER, self.earlier_results) if self.earlier_results else "",
                section(draft, _COMPARISON, self.comparison) if self.comparison else "",
                self._results_section(draft),
                section(draft, _CONCLUSION, self.conclusion),
                devices_section(draft, self.devices) if self.devices else "",
                comment_section(draft, self.comment) if self.comment else "",
                _information_section(draft, self.patient_information) if self.patient_information else "",
                self._documents_section(draft),
                pdf_copy_section(draft, self.pdf_copy) if self.pdf_copy else "",
                "</structuredBody>",
            )
        )

    def _results_section(self, draft: Draft) -> str:
        if not (self.results or self.findings or self.key_images):
            return ""
        narrative = Narrative(draft)
        if self.results:
            narrative.paragraph(self.results)
        entries = [_finding(draft, narrative, finding) for finding in self.findings]
        entries += [entry(xml) for xml in pictures(draft, narrative, self.key_images)]
        return section(draft, _RESULTS, narrative, *entries)

    def _documents_section(self, draft: Draft) -> str:
        if not self.documents:
            return ""
        narrative = Narrative(draft)
        attached = [attached_pdf(draft, narrative, each.title, each.data) for each in self.documents]
        return section(draft, _DOCUMENTS, narrative, *attached)


_MODALITY_NAME = Code(code="121139", system=DCM, display="Modalité d'imagerie", system_name="DCM")
_REGION_NAME = Code(code="39111-0", system=LOINC, display="localisation anatomique", system_name="LOINC")
_TOPOGRAPHY_NAME = Code(
    code="106233006", system=SNOMED_CT, display="modificateur topographique", system_name="SNOMED CT"
)  # fmt: skip


def _translations(act: ImagingAct) -> tuple[Translation, ...]:
    """The act in CCAM, its modalities and its regions: these feed eventCodeList of XDS."""
    coded = (
        *[
            Translation(code=terminology_code("JDV_MODALITE_ACQUISITION", each), qualifier=_MODALITY_NAME)
            for each in (act.modality, *act.more_modalities)
        ],
        *[
            Translation(code=terminology_code("JDV_REGION_ANATOMIQUE", each), qualifier=_REGION_NAME)
            for each in (act.region, *act.more_regions)
        ],
    )
    return (Translation(code=act.ccam), *coded) if act.ccam else coded


# --- Sections ---------------------------------------------------------------------------------------------------------

_SECTION = "1.2.250.1.213.1.1.2"
_DOCSECT = ' classCode="DOCSECT" moodCode="EVN"'
_ADDENDUM = SectionKind(
    "1.2.840.10008.9.6", f"{_SECTION}.210", code=("55107-7", "Addendum", LOINC), title="Addendum"
)  # fmt: skip
_CLINICAL = SectionKind(
    "1.2.840.10008.9.2",
    f"{_SECTION}.205",
    code=("55752-0", "Informations cliniques", LOINC),
    title="Informations cliniques",
)
_REQUEST = SectionKind(
    "1.2.840.10008.9.7",
    f"{_SECTION}.211",
    code=("55115-0", "Demande", LOINC),
    title="Justification de la demande d'examen / Finalité de l'examen",
)
_HISTORY = SectionKind(
    "2.16.840.1.113883.10.20.22.2.39",
    f"{_SECTION}.213",
    code=("11329-0", "Historique médical", LOINC),
    title="Antécédents médicaux / Antécédents chirurgicaux / Contre-indications",
)
_ACT = SectionKind(
    "1.2.840.10008.9.3",
    f"{_SECTION}.206",
    code=("55111-9", "Description de l'acte d'imagerie", LOINC),
    title="Technique d'imagerie",
)
_COMPLICATIONS = SectionKind(
    "2.16.840.1.113883.10.20.22.2.37",
    f"{_SECTION}.214",
    code=("55109-3", "Complications", LOINC),
    title="Complications",
)
_EXPOSURE = SectionKind(
    "1.2.840.10008.9.8",
    f"{_SECTION}.215",
    code=("73569-6", "Exposition aux rayonnements et informations de radioprotection", LOINC),
    title="Exposition aux rayonnements et informations de radioprotection",
)
_CATALOGUE = SectionKind(
    "2.16.840.1.113883.10.20.6.1.1",
    f"{_SECTION}.217",
    code=("121181", "Catalogue d'objets DICOM", DCM),
    title="Catalogue d'objets DICOM",
)
_EARLIER = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.3.27",
    f"{_SECTION}.150",
    code=("30954-2", "Résultats d'examens", LOINC),
    title="Résultats d'examens antérieurs",
)
_COMPARISON = SectionKind(
    "1.2.840.10008.9.4",
    f"{_SECTION}.207",
    code=("18834-2", "Examen de comparaison radiologique", LOINC),
    title="Comparaisons avec des résultats antérieurs",
)
_RESULTS = SectionKind(
    "2.16.840.1.113883.10.20.6.1.2",
    f"{_SECTION}.208",
    code=("59776-5", "Résultats", LOINC),
    title="Résultats",
)
_CONCLUSION = SectionKind(
    "1.2.840.10008.9.5", f"{_SECTION}.209", code=("19005-8", "Conclusions", LOINC), title="Conclusion"
)  # fmt: skip
_DOCUMENTS = SectionKind(f"{_SECTION}.37", code=("55107-7", "Documents ajoutés", LOINC), title="Documents ajoutés")
_INFORMATION = SectionKind(
    "1.3.6.1.4.1.19376.1.5.3.1.1.9.38",
    "1.3.6.1.4.1.19376.1.5.3.1.1.9.39",
    f"{_SECTION}.107",
    code=("34895-3", "Education du patient", LOINC),
    title="Information du patient",
)
_NO_SITE = dt.null("targetSiteCode", NullFlavor.NOT_APPLICABLE)
_OBSERVATION = '<observation classCode="OBS" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.6.2.13", "1.2.250.1.213.1.1.3.150"
)


def _addendum_section(draft: Draft, addendum: Addendum) -> str:
    author = author_xml(addendum.author, draft.ts(addendum.at))
    return section(draft, _ADDENDUM, addendum.text, authors=author)


def _observation(draft: Draft, code: str, ref: Ref, value: str, site: str = _NO_SITE) -> str:
    return entry(f"{_OBSERVATION}{draft.id()}{code}{ref.text}{dt.COMPLETED}{value}{site}</observation>")


def _finding(draft: Draft, narrative: Narrative, finding: ImagingFinding) -> str:
    seen = finding.value if isinstance(finding.value, str) else code_text(finding.value)
    where, site = "", _NO_SITE
    if finding.location:
        where = f" ({_shown_site(finding.location, finding.laterality, ', ')})"
    ref = narrative.item(seen + where, finding.code.display)
    if finding.location:
        site = _site(finding.location, finding.laterality, ref)
    value = finding.value
    coded = dt.string(value) if isinstance(value, str) else dt.cd("value", value, xsi_type="CD", original=ref)
    return _observation(draft, dt.cd("code", finding.code), ref, coded, site)


def _shown_site(location: str, laterality: str | None, between: str = "\n") -> str:
    shown = terminology_code("JDV_LOCALISATION_ANATOMIQUE", location).display
    return f"{shown}{between}{terminology_code('JDV_LATERALITE', laterality).display}" if laterality else shown


def _site(location: str, laterality: str | None, ref: Ref) -> str:
    code = terminology_code("JDV_LOCALISATION_ANATOMIQUE", location)
    side = dt.qualifier(_TOPOGRAPHY_NAME, terminology_code("JDV_LATERALITE", laterality)) if laterality else ""
    return dt.cd("targetSiteCode", code, xsi_type="CD", original=ref, qualifiers=side)


def _clinical_section(draft: Draft, information: ClinicalInformation) -> str:
    request = Narrative(draft)
    request.item(information.request_reason, "Justification de la demande d'examen")
    if information.purpose:
        request.item(information.purpose, "Finalité de l'examen")
    inner = section(draft, _REQUEST, request, attributes=_DOCSECT)
    history = Narrative(draft)
    entries = []
    for code, label, text in (
        (_MEDICAL_HISTORY, "Antécédents médicaux", information.medical_history),
        (_SURGICAL_HISTORY, "Antécédents chirurgicaux", information.surgical_history),
    ):
        ref = history.item(text or "Non renseignés", label)
        value = f'<value xsi:type="CD">{ref.original_text}</value>'
        entries.append(_observation(draft, code, ref, value))
    entries += _contraindications(draft, history, information.contraindications)
    inner += section(draft, _HISTORY, history, *entries)
    return section(draft, _CLINICAL, Narrative(draft), subsections=inner)


_MEDICAL_HISTORY = dt.coded("code", "11348-0", "Antécédents médicaux", LOINC, "LOINC")
_SURGICAL_HISTORY = dt.coded("code", "47519-4", "Antécédents chirurgicaux", LOINC, "LOINC")
_CONTRAINDICATION = dt.coded("code", "64100-1", "Contre-indications", LOINC, "LOINC")


def _contraindications(
    draft: Draft, narrative: Narrative, found: tuple[Contraindication, ...] | None
) -> Iterator[str]:  # fmt: skip
    """The volet has no code for "none": the value is then a text."""
    label = "Contre-indications"
    if not found:
        said = "Non renseignées" if found is None else "Aucune contre-indication connue"
        yield _observation(draft, _CONTRAINDICATION, narrative.item(said, label), dt.string(said))
        return
    for each in found:
        code = terminology_code("JDV_CONTRE_INDICATIONS", each.code)
        ref = narrative.item(f"{code.display} ({each.comment})" if each.comment else code.display, label)
        yield _observation(draft, _CONTRAINDICATION, ref, dt.cd("value", code, xsi_type="CD", original=ref))


_ACT_COLUMNS = (
    "Acte d'imagerie", "Description de l'acte", "Modalité d'imagerie", "Autres paramètres", "Localisation anatomique",
)  # fmt: skip
_PRODUCT_COLUMNS = ("Produit administré", "Dose", "Voie d'administration", "Numéro de lot", "Commentaire")
_PROCEDURE = '<procedure classCode="PROC" moodCode="EVN">' + dt.templates(
    "1.2.840.10008.9.14", "1.2.250.1.213.1.1.3.153"
)


def _act_section(draft: Draft, act: ImagingAct, performer: Actor) -> str:
    modalities = [terminology_code("JDV_MODALITE_ACQUISITION", m) for m in (act.modality, *act.more_modalities)]
    narrative = Narrative(draft)
    label = f"[LOINC : {act.code.code}] {act.code.display}"
    if act.ccam:
        label += f"\n[CCAM : {act.ccam.code}] {act.ccam.display}"
    shown_modalities = "\n".join([m.display for m in modalities])
    shown_site = _shown_site(act.location, act.laterality)
    row = (label, act.description or act.code.display, shown_modalities, act.parameters or "", shown_site)
    (ref,) = narrative.table(_ACT_COLUMNS, [row])
    procedure = "".join(
        (
            _PROCEDURE,
            draft.id(),
            dt.cd("code", act.code, original=ref, translations=(act.ccam,) if act.ccam else ()),
            ref.text,
            dt.ts("effectiveTime", draft.ts(act.performed_at)),
            *[dt.cd("methodCode", m) for m in modalities],
            _site(act.location, act.laterality, ref),
            comment_relationship(ref) if act.parameters else "",
            "</procedure>",
        )
    )
    entries = [entry(procedure), *_products(draft, narrative, act.products, _product)]
    inner = section(draft, _COMPLICATIONS, act.complications, attributes=_DOCSECT) if act.complications else ""
    if act.exposure:
        inner += _exposure_section(draft, act, act.exposure, performer)
    inner += _catalogue_section(draft, act)
    return section(draft, _ACT, narrative, *entries, subsections=inner)


def _products(
    draft: Draft,
    narrative: Narrative,
    products: tuple[AdministeredProduct, ...],
    write: Callable[[Draft, Ref, AdministeredProduct], str],
) -> Iterator[str]:
    rows = [
        (
            p.name,
            p.dose.text if p.dose else "",
            (p.route.display or p.route.code) if p.route else "",
            p.lot or "",
            p.comment or "",
        )
        for p in products
    ]
    refs = narrative.table(_PRODUCT_COLUMNS, rows)
    for ref, product in zip(refs, products, strict=True):
        yield entry(write(draft, ref, product))


def _product(draft: Draft, ref: Ref, product: AdministeredProduct) -> str:
    """*FR-DICOM-Administration-de-produit-de-santé*."""
    dose = ""
    if product.dose:
        dose = f"<doseQuantity>{dt.pq('low', product.dose.value, product.dose.unit)}</doseQuantity>"
    return (
        f"{_PRODUCT}{draft.id()}{ref.text}{dt.COMPLETED}{dt.cd('routeCode', product.route) if product.route else ''}"
        f"{dose}{_material(ref, product)}</substanceAdministration>"
    )


def _radiopharmaceutical(draft: Draft, ref: Ref, product: AdministeredProduct) -> str:
    """*FR-DICOM-Administration-de-produit-radiopharmaceutique*."""
    dose = dt.pq("doseQuantity", product.dose.value, product.dose.unit) if product.dose else ""
    return (
        f"{_RADIOPHARMACEUTICAL}{dt.cd('routeCode', product.route) if product.route else ''}{dose}"
        f"{_material(ref, product)}</substanceAdministration>"
    )


_PRODUCT = '<substanceAdministration classCode="SBADM" moodCode="EVN">' + dt.templates(
    "1.2.840.10008.9.13", "1.2.250.1.213.1.1.3.151"
)
_RADIOPHARMACEUTICAL = (
    '<substanceAdministration classCode="SBADM" moodCode="EVN">'
    + dt.templates("1.2.250.1.213.1.1.3.173")
    + dt.coded("code", "440252007", "administration de produits radiopharmaceutiques", SNOMED_CT, "SNOMED CT")
)


def _material(ref: Ref, product: AdministeredProduct) -> str:
    translations = dt.coded("translation", product.cip, product.name, CIP, "CIP") if product.cip else ""
    translations += dt.translation(product.atc) if product.atc else ""
    lot = dt.element("lotNumberText", product.lot) if product.lot else ""
    comment = comment_relationship(ref) if product.comment else ""
    return (
        '<consumable typeCode="CSM"><manufacturedProduct classCode="MANU"><manufacturedMaterial>'
        f"<code>{ref.original_text}{translations}</code>{dt.element('name', product.name)}{lot}"
        f"</manufacturedMaterial></manufacturedProduct></consumable>{comment}"
    )


_QUANTITY_COLUMNS = ("Mesure", "Localisation", "Quantité")
_EXPOSED = (
    '<procedure classCode="PROC" moodCode="EVN">'
    + dt.templates("1.2.250.1.213.1.1.3.165")
    + dt.coded("code", "121290", "Exposition du patient aux rayonnements ionisants", DCM, "DCM")
    + '<participant typeCode="RESP"><participantRole>'
)
_AUTHORISED = dt.coded("code", "113850", "Autorisation d'irradiation", DCM, "DCM")
_PREGNANCY = dt.coded("code", "364320009", "statut de grossesse", SNOMED_CT, "SNOMED CT")
_QUANTITY = '<observation classCode="OBS" moodCode="EVN">' + dt.templates(
    "2.16.840.1.113883.10.20.6.2.14", "1.2.250.1.213.1.1.3.154"
)


def _exposure_section(draft: Draft, act: ImagingAct, exposure: RadiationExposure, performer: Actor) -> str:
    narrative = Narrative(draft)
    person = (exposure.authorised_by or performer).professional
    name = dt.person_name(person.family, person.given, person.civility or "", person.title or "")
    pregnancy = terminology_code("JDV_STATUT_GROSSESSE", exposure.pregnancy.value)
    entries = [
        entry(
            f"{_EXPOSED}{dt.ii(PS_ROOT, person.national_id)}{_AUTHORISED}<playingEntity>{name}</playingEntity>"
            "</participantRole></participant></procedure>"
        )
    ]
    ref = narrative.item(pregnancy.display, "Statut de grossesse")
    entries.append(_observation(draft, _PREGNANCY, ref, dt.cd("value", pregnancy, xsi_type="CD", original=ref)))
    kinds = [terminology_code("JDV_QUANTITE_EXPOSITION", q.kind) for q in exposure.quantities]
    rows = [
        (kind.display, _shown_site(q.location, q.laterality), q.shown)
        for kind, q in zip(kinds, exposure.quantities, strict=True)
    ]
    when = dt.ts("effectiveTime", draft.ts(act.performed_at))
    refs = narrative.table(_QUANTITY_COLUMNS, rows)
    for ref, kind, quantity in zip(refs, kinds, exposure.quantities, strict=True):
        entries.append(
            entry(
                f"{_QUANTITY}{draft.id()}{dt.cd('code', kind)}{ref.text}{dt.COMPLETED}{when}{quantity.xml()}"
                f"{_site(quantity.location, quantity.laterality, ref)}</observation>"
            )
        )
    if exposure.other_measures:
        narrative.item(exposure.other_measures, "Autres mesures")
    entries += _products(draft, narrative, exposure.radiopharmaceuticals, _radiopharmaceutical)
    return section(draft, _EXPOSURE, narrative, *entries, attributes=_DOCSECT)


_CATALOGUE_COLUMNS = ("Examen", "Série", "Modalité d'acquisition", "Objet")
_STUDY = '<entry><act classCode="ACT" moodCode="EVN">' + dt.templates("1.2.840.10008.9.16", "1.2.250.1.213.1.1.3.155")
_STUDY_CODE = dt.coded("code", "113014", "Examen", DCM, "DCM")
_SERIES = '<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN">' + dt.templates(
    "1.2.840.10008.9.17", "1.2.250.1.213.1.1.3.156"
)
_INSTANCE = '<entryRelationship typeCode="COMP"><observation classCode="DGIMG" moodCode="EVN">' + dt.templates(
    "1.2.840.10008.9.18", "1.2.250.1.213.1.1.3.157"
)


def _catalogue_section(draft: Draft, act: ImagingAct) -> str:
    """The catalogue is mandatory: with no series it only says which study the images are in."""
    narrative = Narrative(draft)
    if not act.series:
        narrative.content(f"Examen : {act.study_uid}")
        return section(draft, _CATALOGUE, narrative, attributes=_DOCSECT)
    modalities = [terminology_code("JDV_MODALITE_ACQUISITION", s.modality) for s in act.series]
    rows = [
        (act.study_uid, s.uid, m.display, _shown_instance(s.instance))
        for s, m in zip(act.series, modalities, strict=True)
    ]
    refs = narrative.table(_CATALOGUE_COLUMNS, rows)
    entries = [_study_entry(draft, act, *each) for each in zip(act.series, modalities, refs, strict=True)]
    return section(draft, _CATALOGUE, narrative, *entries, attributes=_DOCSECT)


def _shown_instance(instance: Instance) -> str:
    shown = instance.url or instance.uid
    if instance.purpose:
        shown += f"\n({terminology_code('JDV_OBJECTIF_REFERENCE', instance.purpose.value).display})"
    return shown


_PURPOSE = (
    '<entryRelationship typeCode="RSON"><observation classCode="OBS" moodCode="EVN">'
    + dt.templates("1.2.250.1.213.1.1.3.163")
    + dt.coded("code", "ASSERTION", "", dt.ACT_CODE)
)
"""*FR-DICOM-Objectifs-de-reference*."""


def _study_entry(draft: Draft, act: ImagingAct, series: Series, modality: Code, ref: Ref) -> str:
    at = dt.ts("effectiveTime", draft.ts(act.performed_at))
    acquired = dt.ts("effectiveTime", draft.ts(series.performed_at or act.performed_at))
    instance = series.instance
    sop_class = terminology_code("JDV_SOP_CLASS", instance.sop_class)
    link = ""
    if instance.url:
        reference = f'<reference value="{escape_attribute(instance.url)}"></reference>'
        link = f'<text mediaType="application/dicom">{reference}</text>'
    purpose = ""
    if instance.purpose:
        why = terminology_code("JDV_OBJECTIF_REFERENCE", instance.purpose.value)
        purpose = f"{_PURPOSE}{dt.cd('value', why, xsi_type='CD', original=ref)}</observation></entryRelationship>"
    series_code = dt.coded("code", "113015", "Séries", DCM, "DCM", content=dt.qualifier(_MODALITY_NAME, modality))
    return (
        f"{_STUDY}{dt.ii(act.study_uid)}{_STUDY_CODE}{at}"
        f"{_SERIES}{dt.ii(series.uid)}{series_code}{acquired}"
        f"{_INSTANCE}{dt.ii(instance.uid)}{dt.cd('code', sop_class, original=ref)}{link}{acquired}{purpose}"
        "</observation></entryRelationship></act></entryRelationship></act></entry>"
    )


_TOLD = (
    '<entry typeCode="COMP"><observation classCode="OBS" moodCode="EVN">'
    + dt.templates("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48")
)  # fmt: skip
_TOLD_CODE = dt.coded("code", "99622-3", "Informations pour le patient", LOINC, "LOINC")


def _information_section(draft: Draft, text: str) -> str:
    """*FR-Éducation-du-patient*."""
    narrative = Narrative(draft)
    ref = narrative.content(text)
    when = dt.ts("effectiveTime", draft.written_at)
    told = f"{_TOLD}{draft.id()}{_TOLD_CODE}{ref.text}{dt.COMPLETED}{when}</observation></entry>"
    return section(draft, _INFORMATION, narrative, told)
