"""Events folded into what is known of each stay and of each document, whatever the order they came in.

Ties of time are broken by the natural order of the types, then by the event's key: never by the order of recording,
so that the same events give the same numbers however they arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .ledger import Row

DISCHARGE_CANCELLED = "DISCHARGE_CANCELLED"
"""`outcome` of a STAY_UPDATED that takes a discharge back (HL7 v2 A13): the stay is open again."""

_ORDER = (
    "STAY_OPENED", "STAY_UPDATED", "STAY_CLOSED", "STAY_MERGED", "STAY_CANCELLED", "IDENTITY_STATUS_CHANGED",
    "DOC_PRODUCED", "DOC_VALIDATED", "DOC_REPLACED", "ELIGIBILITY_DECIDED",
    "DMP_SUBMITTED", "DMP_UNKNOWN", "DMP_REJECTED", "DMP_RECONCILED", "DMP_ACCEPTED",
    "MSS_SUBMITTED", "MSS_UNKNOWN", "MSS_REJECTED", "MSS_RELAYED", "MSS_DELAYED", "MSS_DELIVERED", "MSS_BOUNCED",
    "MSS_READ", "MSS_PROCESSING_FAILED", "DMP_WITHDRAWN", "DOC_WITHDRAWN",
)  # fmt: skip
_RANK = {name: rank for rank, name in enumerate(_ORDER)}


class Step(NamedTuple):
    """One event of one delivery. attempt: 0 when the event does not say."""

    attempt: int
    at: int
    rank: int
    type: str
    reason: str | None
    outcome: str | None


class Production(NamedTuple):
    """One version of a document, produced. ins_status: frozen at that moment."""

    at: int
    document: bytes | None
    ins_status: str | None
    unit: str | None


class Withdrawal(NamedTuple):
    """document: the version withdrawn, None for the whole chain."""

    at: int
    document: bytes | None


@dataclass(slots=True)
class StayFacts:
    admitted_at: int | None = None
    discharged_at: int | None = None
    stay_class: str | None = None
    activity: str | None = None
    unit: str | None = None
    finess_ej: str | None = None
    finess_geo: str | None = None
    cancelled: bool = False
    test: bool = False
    decision: str | None = None


@dataclass(slots=True)
class ChainFacts:
    """All versions of one document. deliveries: by channel, then by version and destination."""

    stay: bytes | None = None
    type_code: str | None = None
    finess_ej: str | None = None
    finess_geo: str | None = None
    test: bool = False
    decision: str | None = None
    validated_at: int | None = None
    productions: list[Production] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)
    dmp_withdrawals: list[Withdrawal] = field(default_factory=list)
    deliveries: dict[str, dict[tuple[bytes | None, bytes | None], list[Step]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    @property
    def produced_at(self) -> int | None:
        """When its first version was produced."""
        return self.productions[0].at if self.productions else None


@dataclass(slots=True)
class Facts:
    """stays: by key, those of which an admission or a discharge is known; chains: by key; anomalies: by name."""

    stays: dict[bytes, StayFacts]
    chains: dict[bytes, ChainFacts]
    by_stay: dict[bytes, list[ChainFacts]]
    anomalies: dict[str, int]


def fold(rows: Iterable[Row]) -> Facts:
    """Fold events, in any order, into facts. Types that count nothing (seals, corrections) are passed over."""
    known = [row for row in rows if row.type in _RANK]
    known.sort(key=lambda row: (row.occurred_at, _RANK[row.type], row.event_key))

    survivors = {r.merged_key: r.stay_key for r in known if r.type == "STAY_MERGED" and r.merged_key and r.stay_key}
    chain_of = {r.doc_key: r.chain_key for r in known if r.doc_key and r.chain_key}
    stays: dict[bytes, StayFacts] = {}
    chains: dict[bytes, ChainFacts] = {}
    test_stays: set[bytes] = set()
    decisions: dict[bytes, str | None] = {}
    anomalies: dict[str, int] = defaultdict(int)

    for row in known:
        stay_key = row.stay_key
        own = True
        if stay_key is not None and stay_key in survivors:
            stay_key = _survivor(stay_key, survivors)
            own = stay_key == row.stay_key
        if stay_key is not None and row.test_identity:
            test_stays.add(stay_key)
        kind = row.type
        if kind.startswith("STAY_"):
            if stay_key is None:
                anomalies["STAY_WITHOUT_NUMBER"] += 1
                continue
            stay = stays.get(stay_key)
            if stay is None:
                stay = stays[stay_key] = StayFacts()
            _fold_stay(stay, row, own)
            continue
        chain_key = (row.chain_key or chain_of.get(row.doc_key, row.doc_key)) if row.doc_key else row.chain_key
        if chain_key is None:
            if kind == "ELIGIBILITY_DECIDED" and stay_key is not None:
                decisions[stay_key] = row.outcome
            elif kind not in ("ELIGIBILITY_DECIDED", "IDENTITY_STATUS_CHANGED"):
                anomalies["DOCUMENT_WITHOUT_ID"] += 1
            continue
        chain = chains.get(chain_key)
        if chain is None:
            chain = chains[chain_key] = ChainFacts()
        _fold_document(chain, row, stay_key, anomalies)

    by_stay: dict[bytes, list[ChainFacts]] = defaultdict(list)
    for chain in chains.values():
        if chain.stay is not None:
            by_stay[chain.stay].append(chain)
            if chain.test:
                test_stays.add(chain.stay)
    for key, stay in stays.items():
        stay.test = key in test_stays
        stay.decision = decisions.get(key)
    for chain in chains.values():
        chain.test = chain.test or chain.stay in test_stays
        for deliveries in chain.deliveries.values():
            for steps in deliveries.values():
                _order(steps)
    return Facts(stays=stays, chains=chains, by_stay=dict(by_stay), anomalies=dict(anomalies))


def _survivor(key: bytes, survivors: dict[bytes, bytes]) -> bytes:
    seen = {key}
    while (key_after := survivors.get(key)) is not None:
        if key_after in seen:
            return min(seen)  # merged in a circle: any one will do, as long as it is always the same
        seen.add(key_after)
        key = key_after
    return key


def _fold_stay(stay: StayFacts, row: Row, own: bool) -> None:
    """Later events of the stay win; those of a stay merged into it only fill gaps."""
    for name in ("admitted_at", "discharged_at", "stay_class", "activity", "unit", "finess_ej", "finess_geo"):
        value = getattr(row, name)
        if value is not None and (own or getattr(stay, name) is None):
            setattr(stay, name, value)
    if not own:
        return
    if row.type == "STAY_CANCELLED":
        stay.cancelled = True
    elif row.type == "STAY_OPENED":
        stay.cancelled = False
    elif row.type == "STAY_UPDATED" and row.outcome == DISCHARGE_CANCELLED:
        stay.discharged_at = None


def _fold_document(chain: ChainFacts, row: Row, stay_key: bytes | None, anomalies: dict[str, int]) -> None:
    if stay_key is not None:
        chain.stay = stay_key
    chain.type_code = row.type_code or chain.type_code
    chain.finess_ej = row.finess_ej or chain.finess_ej
    chain.finess_geo = row.finess_geo or chain.finess_geo
    chain.test = chain.test or bool(row.test_identity)
    kind = row.type
    if kind == "DOC_PRODUCED":
        chain.productions.append(Production(row.occurred_at, row.doc_key, row.ins_status, row.unit))
    elif kind == "DOC_VALIDATED":
        chain.validated_at = chain.validated_at or row.occurred_at
    elif kind == "DOC_WITHDRAWN":
        chain.withdrawals.append(Withdrawal(row.occurred_at, None))
    elif kind == "DMP_WITHDRAWN":
        chain.dmp_withdrawals.append(Withdrawal(row.occurred_at, row.doc_key))
    elif kind == "ELIGIBILITY_DECIDED":
        chain.decision = row.outcome
    elif kind.startswith(("DMP_", "MSS_")):
        channel = "DMP" if kind.startswith("DMP_") else row.channel
        if channel not in ("DMP", "MSS_PRO", "MSS_PATIENT"):
            anomalies["MSS_WITHOUT_CHANNEL"] += 1
            return
        # The DMP is one place: two deliveries of one version to it are one.
        place = (row.doc_key, None if channel == "DMP" else row.delivery_key)
        step = Step(row.attempt, row.occurred_at, _RANK[kind], kind, row.reason_class, row.outcome)
        chain.deliveries[channel][place].append(step)


def _order(steps: list[Step]) -> None:
    """By attempt, then time. An event that does not say its attempt (a notice that came by mail) is of the last one
    begun before it."""
    for index, step in enumerate(steps):
        if step.attempt == 0:
            before = [s.attempt for s in steps if s.at <= step.at]
            steps[index] = step._replace(attempt=max(before, default=0))
    steps.sort(key=lambda s: (s.attempt, s.at, s.rank, s.reason or "", s.outcome or ""))
