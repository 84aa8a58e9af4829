"""Where documents go, what one attempt gave, and what was frozen before the first attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Protocol

from pydantic import AwareDatetime, StringConstraints
from pydantic_core import from_json, to_json

from .._core.errors import ConfigurationError
from .._core.pieces import Data, Pieces
from .._core.retry import RetryAdvice
from ._base import Model
from .document import Document
from .environment import Environment


class Dmp(Model):
    """Destination: the patient's DMP."""

    @property
    def channel(self) -> str:
        return "dmp"

    @property
    def key(self) -> str:
        return "dmp"


class Mss(Model):
    """Destination: a professional's or a structure's MSSanté mailbox.

    without_ins: True sends a document whose identity is not qualified, without matricule, by the derogation of the
    ANS volet *Transmission de documents CDA en HL7 v2* (see `MssSettings.derogation_without_ins`). It is a choice made
    for one document: a document with a qualified INS is refused under it.
    """

    masked: ClassVar[frozenset[str]] = frozenset({"address"})

    address: Annotated[str, StringConstraints(pattern=r"^[^@\s<>\r\n]+@[^@\s<>\r\n]+$", max_length=254)]
    without_ins: bool = False

    @property
    def channel(self) -> str:
        return "mss"

    @property
    def key(self) -> str:
        return f"mss:{self.address.lower()}"


class MssPatient(Model):
    """Destination: the patient's own messaging in Mon espace santé, addressed by the qualified INS."""

    @property
    def channel(self) -> str:
        return "mss"

    @property
    def key(self) -> str:
        return "mss:patient"


Destination = Dmp | Mss | MssPatient


class ChannelKind(StrEnum):
    """How the usage ledger tells channels apart."""

    NONE = "NONE"
    DMP = "DMP"
    MSS_PRO = "MSS_PRO"
    MSS_PATIENT = "MSS_PATIENT"
    HL7 = "HL7"


class Outcome(StrEnum):
    """What one attempt, or one recipient, got."""

    ACCEPTED = "ACCEPTED"
    ACCEPTED_WITH_WARNINGS = "ACCEPTED_WITH_WARNINGS"
    DUPLICATE = "DUPLICATE"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    ABSENT = "ABSENT"
    """Only from a reconciliation: the peer does not hold the document, sending it is safe."""
    RELAYED = "RELAYED"
    DELIVERED = "DELIVERED"
    BOUNCED = "BOUNCED"
    READ = "READ"

    @property
    def is_success(self) -> bool:
        return self in _SUCCESSES


_SUCCESSES = frozenset(
    {
        Outcome.ACCEPTED,
        Outcome.ACCEPTED_WITH_WARNINGS,
        Outcome.DUPLICATE,
        Outcome.RELAYED,
        Outcome.DELIVERED,
        Outcome.READ,
    }
)


class ReasonClass(StrEnum):
    """Why a peer refused (usage digest §7): who has to mend what."""

    IDENTITY = "IDENTITY"
    CONSENT = "CONSENT"
    DOCUMENT_INVALID = "DOCUMENT_INVALID"
    METADATA = "METADATA"
    DUPLICATE = "DUPLICATE"
    AUTH = "AUTH"
    SIGNATURE = "SIGNATURE"
    TRANSIENT = "TRANSIENT"
    ADDRESS = "ADDRESS"
    MAILBOX = "MAILBOX"
    SIZE = "SIZE"
    CONFIG = "CONFIG"
    UNKNOWN = "UNKNOWN"


class Receipt(Model):
    """What one attempt gave for one document and one destination.

    code: the peer's raw code; warnings: codes only. Free text of the peer is never kept: it may name the patient.
    """

    channel: ChannelKind
    outcome: Outcome
    unique_id: str
    at: AwareDatetime
    request_id: str = ""
    code: str = ""
    reason: ReasonClass | None = None
    warnings: tuple[str, ...] = ()
    entry_uuid: str | None = None
    retry: RetryAdvice = RetryAdvice.never()


class Stored(Protocol):
    """Bytes in a store: a slice of them is read."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


_HEAD_BYTES = 65_536
_PIECE = 1 << 18


class _StoredBlobs(Mapping[str, bytes]):
    def __init__(self, stored: Stored, places: dict[str, tuple[int, int]]) -> None:
        self._stored = stored
        self._places = places

    def __getitem__(self, name: str) -> bytes:
        start, stop = self._places[name]
        return self._stored[start:stop]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def pieces(self, name: str) -> Pieces:
        return _StoredPieces(self._stored, *self._places[name])


class _StoredPieces:
    def __init__(self, stored: Stored, start: int, stop: int) -> None:
        self._stored, self._start, self._stop = stored, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __iter__(self) -> Iterator[bytes]:
        for at in range(self._start, self._stop, _PIECE):
            yield self._stored[at : min(at + _PIECE, self._stop)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything about one delivery that must never change between attempts.

    channel: name of the channel that made it; kind: for the ledger; unique_id: of the document; key: idempotency
    key (document and destination); ids: every identifier the channel drew; metadata: JSON text of the channel's
    own; blobs: exact bytes (`document`, `signature`, `message`); environment: the one that its INS passed the gate for.
    """

    channel: str
    kind: ChannelKind
    key: str
    unique_id: str
    ids: dict[str, str] = field(default_factory=dict)
    metadata: str = field(default="{}", repr=False)
    blobs: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    environment: Environment | None = None

    def check_environment(self, environment: Environment) -> None:
        """Raises ConfigurationError `ENVIRONMENT_PREPARED` for a delivery that was prepared for another environment:
        a test identity that waits in a store does not reach production when the settings change."""
        if self.environment is not environment:
            raise ConfigurationError(
                f"this delivery was not prepared for {environment.value}", code="ENVIRONMENT_PREPARED",
                path="prepared.environment", rule="test identities never reach production, nor the reverse",
                hint="cancel it, or send it with the settings that it was prepared with",
            )  # fmt: skip

    def data(self, name: str) -> Data:
        """A blob to be sent: its bytes, or where they are read while they are sent."""
        return self.blobs.pieces(name) if isinstance(self.blobs, _StoredBlobs) else self.blobs[name]

    def to_bytes(self) -> bytes:
        """A self-contained form to store: a JSON head line, then the metadata and the blobs as they are."""
        return b"".join(self.to_pieces())

    def to_pieces(self) -> tuple[bytes, ...]:
        """`to_bytes`, without a copy of the blobs."""
        metadata = self.metadata.encode()
        head = {
            "channel": self.channel,
            "kind": self.kind.value,
            "key": self.key,
            "unique_id": self.unique_id,
            "ids": self.ids,
            "environment": self.environment,
            "metadata": len(metadata),
            "blobs": [[name, len(data)] for name, data in self.blobs.items()],
        }
        line = to_json(head)  # holds no line end: JSON escapes them
        return (line + b"\n" + metadata, *self.blobs.values())

    @classmethod
    def from_bytes(cls, stored: bytes) -> Prepared:
        return cls._from(stored, lambda places: {name: stored[a:b] for name, (a, b) in places.items()})

    @classmethod
    def from_store(cls, stored: Stored) -> Prepared:
        """As `from_bytes`, for as long as the store can be read: blobs are read when they are asked for."""
        return cls._from(stored, lambda places: _StoredBlobs(stored, places))

    @classmethod
    def _from(cls, stored: Stored, blobs_at: Callable[[dict[str, tuple[int, int]]], Mapping[str, bytes]]) -> Prepared:
        line = stored[:_HEAD_BYTES].index(b"\n")
        head = from_json(stored[:line])
        start = line + 1 + head["metadata"]
        metadata = stored[line + 1 : start].decode()
        places = {}
        for name, size in head["blobs"]:
            places[name] = (start, start + size)
            start += size
        if start != len(stored):
            raise ValueError("stored delivery is truncated")
        return cls(
            channel=head["channel"],
            kind=ChannelKind(head["kind"]),
            key=head["key"],
            unique_id=head["unique_id"],
            ids=head["ids"],
            metadata=metadata,
            blobs=blobs_at(places),
            environment=Environment(head["environment"]) if head.get("environment") else None,
        )


class Channel(Protocol):
    """What the outbox knows of a way out: three calls, and nothing of protocols.

    prepare freezes; it raises `ValidationError`, `ModelError` or `ConfigurationError` and sends nothing.
    send makes one attempt: a Receipt (REJECTED included), or `TransportError(sent="no")`, or `OutcomeUnknown`.
    reconcile asks the peer what became of an attempt: ACCEPTED, ABSENT, or UNKNOWN when it cannot be asked.
    """

    def prepare(self, document: Document, destination: Destination) -> Prepared: ...
    def send(self, prepared: Prepared) -> Receipt: ...
    def reconcile(self, prepared: Prepared) -> Receipt: ...
