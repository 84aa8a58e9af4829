"""What a document keeps of its model: `normalised` is the model that reading its XML gives back."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar, overload

from ..._core.errors import ModelError
from ..._core.hl7time import parse_ts
from ...model import (
    Actor,
    Device,
    Guardian,
    Identifier,
    Identity,
    IdentityStatus,
    Model,
    Organization,
    Patient,
    RelatedPerson,
)
from ...model.stay import Stay
from ..documents._base import ClinicalDocument
from ..documents.admission_letter import AdmissionLetter
from ..documents.clinical import (
    FOLLOW_UP,
    Allergy,
    Appointment,
    CarePlanItem,
    FollowUp,
    MedicalDevice,
    NoAllergy,
    Procedure,
)
from ..documents.discharge_letter import DischargeLetter
from ..documents.dosing import Quantity, QuantityRange
from ..documents.imaging import LISTED_DOSES, ImagingAct, ImagingOrder, ImagingReport, RadiationQuantity
from ..documents.laboratory import LaboratoryReport
from ..documents.laboratory_content import (
    Antibiogram,
    Battery,
    Chapter,
    Isolate,
    LaboratoryResult,
    PerformingLaboratory,
    PreviousResult,
    Specimen,
    SubChapter,
    Validation,
    validations_of,
)
from ..documents.measures import Measure
from ..documents.prescription import MedicationPrescription
from ..documents.treatments import BOX, DoseStep, Ingredient, Medicine, PrescribedDevice, PrescribedTreatment, Treatment
from ..documents.unstructured import OperativeReport, UnstructuredDocument
from ..header import CdaDocument
from ..header_writer import (
    Authenticator,
    Author,
    Consent,
    EncounterParticipant,
    Order,
    Participant,
    Performer,
    ServiceEvent,
    birth_time,
    guardian_contacts,
)
from .people import UNKNOWN_PROFESSION, birth_date, plain, practice_settings, principal_author
from .prescription import DISCHARGE_PRESCRIPTION

_D = TypeVar("_D", bound=ClinicalDocument)
_N = TypeVar("_N", bound=Medicine)
_T = TypeVar("_T", bound=Treatment)
_P = TypeVar("_P", bound=SubChapter)


def normalised(model: _D, rendered: CdaDocument) -> _D:
    """`model` as the bytes of `rendered`, which `model.render` gave, hold it: `read(rendered.content).typed()` is
    equal to it. The XML does not hold:

    - of an identity: the status but QUALIFIEE or not, the attributes, the INS of one that is not qualified, a birth
      date that no calendar has beyond its known part;
    - of an identifier: the short name of its authority, its type;
    - of a structure: FINESS EJ and SIRET beside the FINESS, the facility type, the practice setting but of the
      structure that did the act; of the custodian, telecoms after the first; of a recipient's, all but number and name;
    - of a professional: the MSSanté mailbox but of a recipient, profession and specialty of a recipient, function and
      number at the Assurance Maladie but of an author (the function of a participant is kept);
    - of the stay: its structure but the facility type (the custodian stands for it), account, unit, activity;
    - of a document that the DMP keeps: the structure that sends it (the author's stands for it);
    - of a document that others than its author wrote: the author, but where it signs or did the act;
    - a device that signs (its model and software are written of an author only);
    - fractions of seconds; which of the default title and no title was given; a signer or performer who is the author;
    - of a prescription: that it is of a discharge, when its title does not say so; the time from which it is valid when
      it is that of writing; the text of a step is always there;
    - of a laboratory report: the time of a result that is that of the release; a default label or title; a validation
      of the whole by a biologist who validated a part of it later, or at the same time;
    - of an imaging report: a dose in a unit that the official list lacks (mSv is Sv); who authorised an irradiation,
      when the header does not name them;
    - of a treatment: a label that no code bears, a range of one value, what is beside an absent part (the period of no
      maximum, the free hours of no frequency); empty texts, and line ends other than `\\n`;
    - of a care plan: the order between its acts, its requests and its appointments; whether an appointment without date
      asked to be called back (it always does); the code of a request that names no examination;
    - what is absent (`no_allergy`) beside allergies;
    - of an operative report: an event that is a code alone is one of its other acts;
    - an act at the very times of the stay, but of an operative report, whose first act is the principal one.
    """
    return _Normal(model, rendered).document(model)


class _Normal:
    def __init__(self, model: ClinicalDocument, rendered: CdaDocument) -> None:
        self._settings = practice_settings(rendered.header)
        self._rendered = rendered
        self._authors = tuple(self._author(a) for a in model.authors or (model.author, *model.co_authors))
        signer = model.legal_authenticator or model.author
        self._signer = None if isinstance(signer, Device) else self._author(signer, plainly=True)
        self._principal = self._principal_author(model)
        if model.kept_by_dmp:
            self._custodian = self._principal.organization
        else:
            custodian = self._organization(model.custodian)
            self._custodian = custodian.model_copy(update={"telecoms": custodian.telecoms[:1]})

    def _principal_author(self, model: ClinicalDocument) -> Actor:
        performer = model._service_events(self._rendered.created_at)[0].performer
        letter = isinstance(model, DischargeLetter | AdmissionLetter) and not model.stay.responsible
        found = principal_author(
            self._authors, self._signer, self._actor(performer.actor) if performer else None,
            done_by_author=letter or isinstance(model, MedicationPrescription),
        )  # fmt: skip
        return found or self._actor(model.author)

    def _unless_author(self, who: Actor) -> Actor | None:
        """Nobody, when who did something is the author."""
        found = self._actor(who)
        return None if found == plain(self._principal) else found

    def document(self, model: _D) -> _D:
        header = self._rendered.header
        default = model.default_title
        authors, author, signer = self._authors, self._principal, self._signer
        first = bool(authors) and authors[0] == author
        changes: dict[str, Any] = {
            "patient": self._patient(model.patient),
            "author": author,
            "co_authors": authors[1:] if first else (),
            "authors": () if first else authors,
            "custodian": self._custodian,
            "stay": self._stay(model),
            "legal_authenticator": None if signer == plain(author) else signer,
            "recipients": tuple(self._recipient(r) for r in model.recipients),
            "written_at": self._rendered.created_at,
            "title": None if header.title == default else header.title,
            "set_id": self._rendered.set_id,
            "data_enterer": self._actor(model.data_enterer) if model.data_enterer else None,
            "informants": tuple(self._informant(i) for i in model.informants),
            "authenticators": tuple(self._authenticator(a) for a in model.authenticators),
            "participants": tuple(self._participant(p) for p in model.participants),
            "further_events": tuple(self._event(e) for e in model.further_events),
            "placer_orders": tuple(
                Order(id=_identifier(o.id), accession=_identifier(o.accession) if o.accession else None)
                for o in model.placer_orders
            ),
            "consents": tuple(
                Consent(code=c.code, id=_identifier(c.id) if c.id else None) for c in model.consents
            ),
            "encounter_participants": tuple(
                p.model_copy(update={"actor": self._actor(p.actor)} | _cut(p)) for p in model.encounter_participants
            ),
        }  # fmt: skip
        given = {name: getattr(model, name) for name in type(model).model_fields}
        return type(model)(**given | changes | self._own(model, changes))

    def _own(self, model: ClinicalDocument, shared: dict[str, Any]) -> dict[str, Any]:
        """The fields of one kind of document."""
        if isinstance(model, UnstructuredDocument):
            own: dict[str, Any] = {"performer": self._unless_author(model.performer or model.author)}
            stay = shared["stay"]
            start, stop = _second(model.performed_at), _second(model.ended_at)
            if not isinstance(model, OperativeReport) and (start, stop) == (stay.admitted_at, stay.discharged_at):
                start = stop = None
            own |= {"performed_at": start, "ended_at": stop}
            if isinstance(model, OperativeReport):
                acts = tuple(filter(None, (model.act, *model.other_acts)))
                events = shared["further_events"]
                more = [e for e in events if acts and e == ServiceEvent(code=e.code)]
                own |= {
                    "act": (*acts, None)[0],
                    "other_acts": (*acts[1:], *[e.code for e in more]),
                    "further_events": tuple(e for e in events if e not in more),
                }
            return own
        if isinstance(model, DischargeLetter):
            said_by = model.synthesis.author
            return {
                "treating_physician": self._treating(model.treating_physician),
                "discharge_treatments": tuple(_treatment(t) for t in model.discharge_treatments),
                "administered_treatments": tuple(_treatment(t) for t in model.administered_treatments),
                "exam_results": model.exam_results or None,
                "synthesis": _filled(model.synthesis).model_copy(
                    update={"author": self._actor(said_by, as_author=True) if said_by else None}
                ),
                "care_plan": self._care_plan(model.care_plan),
                "devices": _devices(model.devices),
                "allergies": _allergies(model.allergies) if model.allergies is not None else None,
                "no_allergy": model.no_allergy if model.allergies == () else NoAllergy.NONE_KNOWN,
            }
        if isinstance(model, AdmissionLetter):
            return {
                "treating_physician": self._treating(model.treating_physician),
                "referrer": self._actor(model.referrer, with_function=True) if model.referrer else None,
                "treatments": tuple(_treatment(t) for t in model.treatments),
                "allergies": _allergies(model.allergies),
                "no_allergy": NoAllergy.NONE_KNOWN if model.allergies else model.no_allergy,
            }
        if isinstance(model, MedicationPrescription):
            start = _second(model.valid_from)
            return {
                "valid_until": _second(model.valid_until),
                "valid_from": None if start == shared["written_at"] else start,
                "dispense_by": _second(model.dispense_by),
                "replaced": self._treating(model.replaced),
                "dispenser": self._treating(model.dispenser),
                "treatments": tuple(_line(t) for t in model.treatments),
                "devices": tuple(_device(d) for d in model.devices),
                "discharge": self._rendered.header.title == DISCHARGE_PRESCRIPTION,
                "barcode_media_type": model.barcode_media_type if model.barcode else "image/png",
                "comment": model.comment or None,
                "vital_signs": tuple(
                    s.model_copy(update={"at": _second(s.at)}) if isinstance(s.at, datetime) else s
                    for s in model.vital_signs
                ),
                "epu": model.epu or None,
            }
        if isinstance(model, LaboratoryReport):
            return self._laboratory(model, shared)
        if isinstance(model, ImagingReport):
            return self._imaging(model)
        return {}

    def _care_plan(self, items: tuple[CarePlanItem, ...]) -> tuple[CarePlanItem, ...]:
        """Acts, requests and appointments, in this order."""
        found: list[CarePlanItem] = [i for i in items if isinstance(i, Procedure)]
        for item in items:
            if isinstance(item, FollowUp):
                unnamed = item.code is not None and item.code.code == FOLLOW_UP
                found.append(item.model_copy(update={"code": None}) if unnamed else item)
        for item in items:
            if isinstance(item, Appointment):
                at = _second(item.at) if isinstance(item.at, datetime) else item.at
                changes = {"at": at, "call_back": item.call_back or at is None}
                found.append(item.model_copy(update=changes | {"practitioner": self._treating(item.practitioner)}))
        return tuple(found)

    def _laboratory(self, model: LaboratoryReport, shared: dict[str, Any]) -> dict[str, Any]:
        released = _second(model.released_at)
        chapters = tuple(self._chapter(c) for c in model.chapters)
        own = {v for c in chapters for part in c.parts() for v in validations_of(part)}
        last = {(a.actor.professional.national_id, _second(a.time)) for a in model._authenticators()}
        validations = dict.fromkeys(self._validation(v) for v in model.validations)
        return {
            "chapters": chapters,
            "received_at": _second(model.received_at),
            "released_at": None if released == shared["written_at"] else released,
            "biologist": self._unless_author(model.biologist or model.author),
            "prescriber": self._actor(model.prescriber, with_function=True) if model.prescriber else None,
            "prescribed_at": _second(model.prescribed_at) if model.prescriber else None,
            "order": _identifier(model.order) if model.order else None,
            "registration": _identifier(model.registration) if model.registration else None,
            "collector": self._treating(model.collector),
            "treating_physician": self._treating(model.treating_physician),
            "vaccinations": tuple(v.model_copy(update={"vaccine": _product(v.vaccine)}) for v in model.vaccinations),
            "comment": model.comment or None,
            "validations": tuple(
                v for v in validations if v not in own and (v.biologist.professional.national_id, v.at) in last
            ),
        }

    def _imaging(self, model: ImagingReport) -> dict[str, Any]:
        information = model.clinical_information
        addendum = model.addendum
        if addendum:
            addendum = addendum.model_copy(
                update={"author": self._actor(addendum.author, as_author=True), "at": _second(addendum.at)}
            )
        return {
            "acts": tuple(self._act(a, a.performer or model.author) for a in model.acts),
            "orders": tuple(
                ImagingOrder(order=_identifier(o.order), accession=_identifier(o.accession)) for o in model.orders
            ),
            "clinical_information": _filled(information) if information else None,
            "devices": _devices(model.devices),
            "addendum": addendum,
        } | {n: getattr(model, n) or None for n in _IMAGING_TEXTS}

    def _act(self, act: ImagingAct, doing: Actor) -> ImagingAct:
        exposure = act.exposure
        at = _second(act.performed_at)
        if exposure:
            by = exposure.authorised_by
            same = by is None or by.professional.national_id == doing.professional.national_id
            exposure = _filled(exposure).model_copy(
                update={
                    "authorised_by": None if same or by is None else self._actor(by),
                    "quantities": tuple(_dose(q) for q in exposure.quantities),
                    "radiopharmaceuticals": tuple(_filled(p) for p in exposure.radiopharmaceuticals),
                }
            )
        series = tuple(
            s.model_copy(update={"performed_at": None if _second(s.performed_at) == at else _second(s.performed_at)})
            for s in act.series
        )
        return _filled(act).model_copy(
            update={
                "performer": self._unless_author(doing),
                "description": None if act.description == act.code.display else act.description or None,
                "performed_at": at,
                "ended_at": _second(act.ended_at),
                "products": tuple(_filled(p) for p in act.products),
                "exposure": exposure,
                "series": series,
            }
        )

    def _validation(self, validation: Validation) -> Validation:
        return Validation(biologist=self._actor(validation.biologist), at=_second(validation.at))

    def _chapter(self, part: _P) -> _P:
        changes: dict[str, Any] = {
            "title": None if part.title == part.code.display else part.title or None,
            "results": tuple(self._result(r) for r in part.results),
            "specimens": tuple(self._specimen(s) for s in part.specimens),
        } | self._said_by(part)
        if isinstance(part, Chapter):
            changes["sub_chapters"] = tuple(self._chapter(s) for s in part.sub_chapters)
        return part.model_copy(update=changes)

    def _said_by(self, part: SubChapter | LaboratoryResult | Battery | Isolate) -> dict[str, Any]:
        performer = part.performer
        if performer:
            setting = {"practice_setting": performer.director.organization.practice_setting}
            director = self._actor(performer.director)
            director = director.model_copy(update={"organization": director.organization.model_copy(update=setting)})
            performer = PerformingLaboratory(director=director, performed_at=_second(performer.performed_at))
        return {
            "comment": part.comment or None,
            "performer": performer,
            "validations": tuple(self._validation(v) for v in part.validations),
        }

    def _result(self, item: LaboratoryResult | Battery | Isolate) -> LaboratoryResult | Battery | Isolate:
        changes = self._said_by(item)
        if isinstance(item, Isolate):
            changes["items"] = tuple(self._result(i) for i in item.items)
            changes["identifier"] = _identifier(item.identifier) if item.identifier else None
            return item.model_copy(update=changes)
        if isinstance(item, Battery):
            changes["results"] = tuple(self._result(r) for r in item.results)
            if item.code and item.code.code == "18769-0" and not isinstance(item, Antibiogram):
                try:
                    return Antibiogram(**{n: getattr(item, n) for n in type(item).model_fields} | changes)
                except ModelError:
                    pass
            return item.model_copy(update=changes)
        known = item.code or item.local_code
        at = _second(item.observed_at)
        released = self._rendered.header.service_events[0].stop
        changes |= {
            "label": None if known and item.label == known.display else item.label or None,
            "value": item.value if item.value != "" else None,
            "observed_at": None if at == parse_ts(released).value else at,
            "method": item.method or None,
            "previous": tuple(PreviousResult(value=p.value, observed_at=_second(p.observed_at)) for p in item.previous),
        }
        if item.reference:
            changes["reference"] = _filled(item.reference)
        return item.model_copy(update=changes)

    def _specimen(self, specimen: Specimen) -> Specimen:
        changes: dict[str, Any] = {
            "identifier": _identifier(specimen.identifier),
            "collected_at": _second(specimen.collected_at),
            "received_at": _second(specimen.received_at),
            "comment": specimen.comment or None,
        }
        if specimen.collector:
            setting = {"practice_setting": specimen.collector.organization.practice_setting}
            who = self._actor(specimen.collector)
            changes["collector"] = who.model_copy(update={"organization": who.organization.model_copy(update=setting)})
        return specimen.model_copy(update=changes)

    def _treating(self, actor: Actor | None) -> Actor | None:
        return self._actor(actor) if actor else None

    def _patient(self, patient: Patient) -> Patient:
        traits = patient.traits
        known = traits.model_copy(update={"birth_date": birth_date(birth_time(traits.birth_date))})
        qualified = patient.identity.is_qualified
        identity = Identity(
            traits=known,
            status=IdentityStatus.QUALIFIEE if qualified else IdentityStatus.PROVISOIRE,
            ins=patient.ins if qualified else None,
        )
        return patient.model_copy(
            update={
                "identity": identity,
                "identifiers": tuple(_identifier(i) for i in patient.identifiers),
                "guardians": tuple(self._guardian(g) for g in patient.guardians),
            }
        )

    def _guardian(self, guardian: Guardian) -> Guardian:
        structure = guardian.organization
        if structure is None:
            return guardian
        addresses, telecoms = guardian_contacts(guardian)
        return guardian.model_copy(
            update={
                "organization": self._organization(structure.model_copy(update={"address": None, "telecoms": ()})),
                "addresses": addresses,
                "telecoms": telecoms,
            }
        )

    def _organization(self, organization: Organization) -> Organization:
        finess = organization.finess_geo or organization.finess_ej
        return Organization(
            name=organization.name,
            finess_geo=finess,
            siret=None if finess else organization.siret,
            address=organization.address,
            telecoms=organization.telecoms,
            practice_setting=self._settings.get(organization.national_id, "ETABLISSEMENT"),
        )

    def _actor(self, actor: Actor, *, as_author: bool = False, with_function: bool = False) -> Actor:
        professional = actor.professional
        return Actor(
            professional=professional.model_copy(
                update={"mss_address": None, "am_number": professional.am_number if as_author else None}
            ),
            organization=self._organization(actor.organization),
            function=actor.function if as_author or with_function else None,
        )

    def _author(self, who: Author, *, plainly: bool = False) -> Author:
        if isinstance(who, Actor):
            return self._actor(who, as_author=not plainly)
        if isinstance(who, Patient):
            return self._patient(who)
        organization = who.organization
        return Device(
            identifier=_identifier(who.identifier), role=who.role, model=who.model, software=who.software,
            organization=self._organization(organization) if organization else None,
        )  # fmt: skip

    def _recipient(self, actor: Actor) -> Actor:
        professional, organization = actor.professional, self._organization(actor.organization)
        telecoms = professional.telecoms
        mailbox = professional.mss_address
        if not mailbox and telecoms and telecoms[0].use is None and telecoms[0].value.startswith("mailto:"):
            mailbox, telecoms = telecoms[0].value.removeprefix("mailto:"), telecoms[1:]
        return Actor(
            professional=professional.model_copy(
                update={
                    "profession": UNKNOWN_PROFESSION, "specialty": None, "am_number": None, "mss_address": mailbox,
                    "telecoms": telecoms,
                }
            ),
            organization=organization.model_copy(update={"address": None, "telecoms": ()}),
        )  # fmt: skip

    def _informant(self, who: Actor | Patient | RelatedPerson) -> Actor | Patient | RelatedPerson:
        if isinstance(who, Actor):
            return self._actor(who)
        return self._patient(who) if isinstance(who, Patient) else who

    def _authenticator(self, value: Authenticator) -> Authenticator:
        return value.model_copy(update={"actor": self._actor(value.actor), "time": value.time.replace(microsecond=0)})

    def _participant(self, value: Participant) -> Participant:
        return value.model_copy(update={"actor": self._actor(value.actor, with_function=True)} | _cut(value))

    def _event(self, event: ServiceEvent) -> ServiceEvent:
        performer = event.performer
        return ServiceEvent(
            ids=event.ids, code=event.code, translations=event.translations, lab_status=event.lab_status,
            class_code=event.class_code, start=event.start, stop=event.stop,
            performer=Performer(
                actor=self._actor(performer.actor), time=performer.time, template_id=performer.template_id
            )
            if performer
            else None,
        )  # fmt: skip

    def _stay(self, model: ClinicalDocument) -> Stay:
        stay, encounter = model.stay, self._rendered.header.encounter
        changes: dict[str, Any] = {}
        if encounter.facility:
            changes["facility_type"] = encounter.facility.code
        if encounter.place:
            changes |= {"name": encounter.place.name, "address": (*encounter.place.addresses, None)[0]}
        responsible = None if model._responsible() else stay.responsible
        return Stay(
            visit=_identifier(stay.visit),
            admitted_at=_second(stay.admitted_at),
            discharged_at=_second(stay.discharged_at),
            organization=self._custodian.model_copy(update=changes),
            stay_class=stay.stay_class,
            responsible=self._actor(responsible) if responsible else None,
        )


_M = TypeVar("_M", bound=Model)
_IMAGING_TEXTS = ("results", "comparison", "earlier_results", "patient_information", "comment")


def _dose(quantity: RadiationQuantity) -> RadiationQuantity:
    """In the unit of the official list, as it is coded."""
    unit, power = LISTED_DOSES.get(quantity.measure.unit, (quantity.measure.unit, 0))
    return quantity.model_copy(update={"measure": Measure(value=quantity.measure.value.scaleb(power), unit=unit)})


def _devices(devices: tuple[MedicalDevice, ...]) -> tuple[MedicalDevice, ...]:
    return tuple(d.model_copy(update={"udi": _identifier(d.udi) if d.udi else None}) for d in devices)


def _allergies(allergies: tuple[Allergy, ...]) -> tuple[Allergy, ...]:
    return tuple(
        a.model_copy(update={"description": None}) if a.description == a.substance else a for a in allergies
    )  # fmt: skip


def _filled(model: _M) -> _M:
    """An empty text is one that is absent."""
    return model.model_copy(update={n: None for n in type(model).model_fields if getattr(model, n) == ""})


def _treatment(treatment: _T) -> _T:
    changes: dict[str, Any] = {}
    if treatment.max_dose is None:
        changes["max_dose_period"] = Treatment.model_fields["max_dose_period"].get_default(call_default_factory=True)
    if treatment.every is None:
        changes["flexible_hours"] = False
    for name in ("dose", "rate"):
        value = getattr(treatment, name)
        if isinstance(value, QuantityRange) and value.low == value.high:
            changes[name] = Quantity(value=value.low, unit=value.unit)
    return _product(treatment).model_copy(update=changes)


def _line(line: PrescribedTreatment) -> PrescribedTreatment:
    changes: dict[str, Any] = {"steps": tuple(_step(s) for s in line.steps)}
    if line.substitution_allowed:
        changes["no_substitution_reason"] = None
    if line.boxes is None:
        changes["packaging"] = BOX
    return _treatment(line).model_copy(update=changes)


def _step(step: DoseStep) -> DoseStep:
    changes: dict[str, Any] = {"text": step.shown, "product": _product(step.product) if step.product else None}
    if step.every is None:
        changes["flexible_hours"] = False
    return step.model_copy(update=changes)


def _product(product: _N) -> _N:
    changes: dict[str, Any] = {"ingredients": tuple(_ingredient(i) for i in product.ingredients)}
    if not (product.cis or product.cip or product.ucd) or product.label == product.name:
        changes["label"] = None
    return _filled(product).model_copy(update=changes)


def _ingredient(ingredient: Ingredient) -> Ingredient:
    return ingredient if ingredient.strength else Ingredient(name=ingredient.name, code=ingredient.code)


def _device(device: PrescribedDevice) -> PrescribedDevice:
    unsaid = device.lpp is None or device.lpp_label == device.name
    changes: dict[str, Any] = {"lpp_label": None} if unsaid else {}
    if device.emdn:
        changes["emdn"] = device.emdn.model_copy(update={"system_name": "EMDN"})
    return _filled(device).model_copy(update=changes)


def _identifier(value: Identifier) -> Identifier:
    return Identifier(value=value.value, root=value.root)


def _cut(value: Participant | EncounterParticipant) -> dict[str, Any]:
    return {"low": _second(value.low), "high": _second(value.high)}


@overload
def _second(value: datetime) -> datetime: ...
@overload
def _second(value: None) -> None: ...
@overload
def _second(value: datetime | None) -> datetime | None: ...
def _second(value: datetime | None) -> datetime | None:
    return value.replace(microsecond=0) if value else None
