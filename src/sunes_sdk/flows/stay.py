"""One hospital stay: admission and discharge messages in, documents out, everything counted.

event = admit(message, settings=settings, outbox=outbox)
patient, _ = insi.qualify(event.patient, evidence=…)
stay = discharge(message, stay=event.stay, settings=settings, outbox=outbox)
send(document, to=[dr_dupont.mss_address], outbox=outbox)
outbox.run_until_idle()
count(outbox, ledger)
"""

from __future__ import annotations

from collections.abc import Sequence

from .._core.errors import Hl7Error
from ..hl7v2 import AdtEvent, read_adt
from ..model import Dmp, Document, Event, EventType, Mss, MssPatient, Stay
from ..outbox import Entry, Outbox
from ..settings import Settings
from ..usage import Ledger

_TYPES = {"A01": EventType.STAY_OPENED, "A04": EventType.STAY_OPENED, "A03": EventType.STAY_CLOSED}


def admit(message: bytes, *, settings: Settings, outbox: Outbox) -> AdtEvent:
    """Read an admission (ADT A01 or A04, IHE PAM France) and record that the stay opened.

    Raises Hl7Error: `ADT_NOT_AN_ADMISSION`, and what `read_adt` raises. Nothing is recorded then.
    """
    event = read_adt(message, organization=settings.organization, oids=settings.oids)
    if event.trigger not in ("A01", "A04") or event.stay is None:
        raise Hl7Error(
            "this message opens no stay", code="ADT_NOT_AN_ADMISSION", path="MSH-9.2", rule="IHE PAM: A01, A04",
            hint="give the admission message",
        )  # fmt: skip
    outbox.record(*stay_events(event, event.stay))
    return event


def discharge(message: bytes, *, stay: Stay, settings: Settings, outbox: Outbox) -> Stay:
    """Read a discharge (ADT A03), close the stay that the admission opened, and record it.

    Raises Hl7Error: `ADT_NOT_A_DISCHARGE`, `ADT_OTHER_VISIT`, and what `read_adt` raises. Nothing is recorded then.
    """
    event = read_adt(message, organization=settings.organization, oids=settings.oids)
    closed = event.closing(stay)
    outbox.record(*stay_events(event, closed))
    return closed


def send(document: Document, *, to: Sequence[str] = (), patient: bool = True, outbox: Outbox) -> tuple[Entry, ...]:
    """Put a document in the outbox for the DMP, for each professional mailbox, and for the patient's own.

    Raises what the channels raise when they prepare (InsError `INS_NOT_QUALIFIED`: see `send_without_ins`); then
    nothing is stored for any of them.
    """
    recipients = [Mss(address=address) for address in to]
    return outbox.put(document, to=[Dmp(), *recipients, *([MssPatient()] if patient else [])])


def send_without_ins(document: Document, *, to: Sequence[str], outbox: Outbox) -> tuple[Entry, ...]:
    """Put a document whose identity is not qualified in the outbox for professional mailboxes only, by the derogation
    (`Mss.without_ins`): it goes without matricule, the log says so, and `usage.sent_without_ins` counts it.

    Raises InsError `INS_DEROGATION` when it is not allowed, not needed, or the document shows an INS; and what `send`
    raises.
    """
    return outbox.put(document, to=[Mss(address=address, without_ins=True) for address in to])


def count(outbox: Outbox, ledger: Ledger) -> int:
    """Forward what happened to the usage ledger. Repeating it changes nothing. Returns how many events were new."""
    return outbox.forward(ledger.record)


def stay_events(event: AdtEvent, stay: Stay) -> tuple[Event, ...]:
    """What an ADT message tells the ledger: the stay opened, or closed; and that the patient opposes the DMP.

    The same message always gives the same event ids (MSH-10), so that reading it twice counts once.
    """
    kind = _TYPES.get(event.trigger, EventType.STAY_UPDATED)
    ins = event.patient.ins
    base = Event(
        event_id=f"adt-{event.trigger}-{event.control_id}",
        type=kind,
        occurred_at=event.occurred_at or stay.discharged_at or stay.admitted_at,
        finess_ej=stay.organization.finess_ej,
        finess_geo=stay.organization.finess_geo,
        unit=stay.unit,
        activity=stay.activity,
        stay=stay.visit,
        stay_class=stay.stay_class.value,
        admitted_at=stay.admitted_at,
        discharged_at=stay.discharged_at,
        patient=event.patient.ipp,
        ins_status=event.patient.status,
        test_identity=ins is not None and ins.is_test,
        actor="hl7v2",
    )
    if not event.feeding_opposed:
        return (base,)
    opposed = {"event_id": f"{base.event_id}-opposed", "type": EventType.ELIGIBILITY_DECIDED, "outcome": "OPPOSITION"}
    return base, Event(**dict(base) | opposed)
