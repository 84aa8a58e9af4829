"""A call that changes something at the DMP: it was made, it was refused, or nobody knows and the DMP is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .._core.errors import DmpError, OutcomeUnknown, SoapFault, TransportError
from ..model import Outcome, Prepared, Receipt
from ..transport.soap import SoapAnswer
from .answers import ACKNOWLEDGEMENT, REFUSED, Refusal, explain, read_response, refusal_of, refusal_of_fault

Unknown = Callable[[str], OutcomeUnknown]
"""Makes the error from the code that was seen."""
Deliver = Callable[[Prepared], Receipt]


@contextmanager
def unknown_unless_told(unknown: Unknown) -> Iterator[None]:
    """Around a change and the reading of its answer: what says neither yes nor no is OutcomeUnknown. No answer, one
    that is not to this message, a fault of the DMP's side. TransportError(sent="no") and refusals go through."""
    try:
        yield
    except TransportError as e:
        if e.sent == "no":
            raise
        raise unknown(e.code) from e
    except SoapFault as e:
        refusal = explain(e)
        if refusal.sure:
            raise
        error = unknown(refusal.code)
        error.remote_message = refusal.text
        raise error from e
    except DmpError as e:
        if e.code == REFUSED:
            raise
        raise unknown(e.code) from e


def acknowledged(change: Callable[[], SoapAnswer], unknown: Unknown) -> tuple[str, ...] | Refusal:
    """The warnings of a change that the registry or the repository made, or its refusal.

    Raises TransportError(sent="no"), OutcomeUnknown.
    """
    with unknown_unless_told(unknown):
        try:
            answer = change()
        except SoapFault as e:
            refusal = refusal_of_fault(e)
            if not refusal.sure:
                raise
            return refusal
        response = read_response(answer.body, ACKNOWLEDGEMENT)
    if response.status not in ("Success", "Failure"):
        # A change is made whole or not at all: which of the two is asked, never guessed.
        raise unknown(refusal_of(response).code)
    return (*answer.warnings, *response.warnings) if response.ok else refusal_of(response)


def delivered(send: Deliver, reconcile: Deliver, prepared: Prepared) -> Receipt:
    """One attempt; when its outcome is unknown the DMP is asked, and it is sent once more if it was not applied.

    Raises what `send` raises; OutcomeUnknown when even the question had no answer.
    """
    try:
        return send(prepared)
    except OutcomeUnknown:
        found = reconcile(prepared)
        if found.outcome is Outcome.ABSENT:
            return send(prepared)
        if found.outcome is Outcome.UNKNOWN:
            raise
        return found
