"""A fake téléservice INSi: the published test people, real sockets, real checks.

It refuses what the real service refuses, and what its contract forbids, and says why in the Fault and in `.refusals`
(`insi_rules.REFUSALS` lists all reasons). It answers searches by traits (WS_INS2) and by the data of a Vitale card
(WS_INS1), and to verifications once it is told their names. What the contract does not have is not made up: nothing in
an answer tells that somebody has died.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from .._core.clock import Clock, SystemClock, sleep
from .._core.text import fold_ascii
from ..model import Identity, InsOid, Traits
from ..settings import InsiSettings, InsiVerification
from . import insi_answers
from .insi_answers import FAULTS, AnswerShape
from .insi_people import PUBLISHED, SCENARIOS, TEST_PEOPLE, FakePerson, Register, generated_people, with_other_sex
from .insi_rules import (
    BY_TRAITS,
    BY_VITALE,
    FAKE_VERIFICATION,
    IDAM,
    MAX_SKEW,
    PATH,
    REFUSALS,
    Asked,
    Contract,
    Operation,
    Refused,
    glance,
    read_envelope,
)
from .pki import TestPki
from .server import Answer, FakeHttpServer, Fault, Request

__all__ = [
    "FAKE_VERIFICATION",
    "FAULTS",
    "IDAM",
    "MAX_SKEW",
    "PATH",
    "PUBLISHED",
    "REFUSALS",
    "SCENARIOS",
    "TEST_PEOPLE",
    "AnswerShape",
    "FakeInsi",
    "FakePerson",
    "InsiCall",
    "generated_people",
]

_NETWORK: Final[tuple[Fault, ...]] = ("cut_before", "cut_after", "truncate", "reset")
_HTTP: Final = ("html_500", "html_503", "truncated", "text")

Who = FakePerson | Identity | Traits
"""Somebody that a test asks the journal about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InsiCall:
    """One call that reached the fake, answered or refused. Its repr names nobody.

    person: `P1`, `P2` … in the order in which people were first asked for; empty when the request does not say who.
    code: CodeCR, code of the Fault, or name of the planned failure; refusal: what was wrong with the request. The other
    fields are what was sent.
    """

    message_id: str
    person: str = ""
    operation: str = ""
    birth_name: str = field(repr=False)
    given_name: str = field(repr=False)
    birth_date: str = field(default="", repr=False)
    sex: str = field(default="", repr=False)
    birth_place: str | None = field(default=None, repr=False)
    code: str
    refusal: str = ""
    at: datetime


class FakeInsi:
    """The service, on loopback with mutual TLS. Thread-safe.

    ```python
    def test_one_call_is_enough(sunes_fakes):
        insi = sunes_fakes.insi
        with InsiClient(sunes_fakes.settings) as client:  # or the application under test
            client.search(PUBLISHED[0].identity)
        assert [call.code for call in insi.calls] == ["00"]
        insi.assert_no_refusal()
    ```

    The published people are known from the start. shape: how answers are written; calls: journal of all requests;
    refusals: what was wrong with those refused; latency: seconds to wait before a call is answered, for example
    `lambda call: 0.2`; not_found_as_fault: who is unknown is answered by the Fault `insi_102`, as the test environment
    did once, instead of `01`; server: counts connections, plans network faults by path.

    assertion: calls are authenticated by an assertion (CPx card, Pro Santé Connect) and not by the name of the
    certificate; TLS asks for a certificate all the same here. verification: EXPERIMENTAL: names of the verification
    (WS_INS3), for example `FAKE_VERIFICATION`; it is not served without.
    """

    def __init__(
        self,
        pki: TestPki,
        *,
        clock: Clock | None = None,
        idam: str = IDAM,
        assertion: bool = False,
        verification: InsiVerification | None = None,
    ) -> None:
        self._register = Register([*PUBLISHED, *SCENARIOS])
        self.shape = AnswerShape()
        self.calls: list[InsiCall] = []
        self.refusals: list[str] = []
        self.latency: Callable[[InsiCall], float] | None = None
        self.not_found_as_fault = False
        self._clock = clock or SystemClock()
        self._idam = idam
        self._verification = verification
        self._contract = Contract(clock=self._clock, idam=idam, assertion=assertion, verification=verification)
        self._planned: deque[tuple[str, int | None]] = deque()
        self._labels: dict[tuple[str, str], str] = {}
        self._forbidden: list[Who] = []
        self._lock = threading.Lock()
        self.server = FakeHttpServer(pki, self._handle)

    @property
    def url(self) -> str:
        return self.server.url + PATH

    def settings(self, pki: TestPki) -> InsiSettings:
        """What a client needs to call this fake. People with production OIDs also need `test_people=TEST_PEOPLE`."""
        return InsiSettings(url=self.url, tls=pki.insi_tls, idam=self._idam, verification=self._verification)

    def close(self) -> None:
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self.server.failures.clear()  # the test already fails for its own reason
        self.close()

    # --- who is known, and what becomes of them -------------------------------------------------------------------

    @property
    def people(self) -> list[FakePerson]:
        """Who is known."""
        with self._lock:
            return list(self._register)

    def add(self, *people: FakePerson) -> None:
        """Make people known, before those already there (so that a changed person hides the former)."""
        with self._lock:
            for person in reversed(people):
                self._register.add(person)

    def generate(self, count: int, *, seed: int = 0, unusual: float = 0.0) -> tuple[FakePerson, ...]:
        """Make `count` people up, with test OIDs, and make them known. See `generated_people`."""
        made = generated_people(count, seed=seed, unusual=unusual)
        self.add(*made)
        return made

    def forget(self, person: FakePerson) -> None:
        """Nobody is found any more with these traits. Raises ValueError for somebody who is not known."""
        with self._lock:
            self._register.remove(person)

    def certify(self, person: FakePerson, *, in_history: bool = False) -> FakePerson:
        """A waiting number (NIA) becomes a NIR: the same digits under the other OID.

        in_history: whether the NIA is also given as a former number: what the service does is not published. Raises
        ValueError for a person who has no NIA.

        ```python
        def test_a_waiting_number(sunes_fakes):
            (waiting,) = (p for p in PUBLISHED if p.oid is InsOid.NIA)
            with InsiClient(sunes_fakes.settings) as client:
                assert client.search(waiting.identity).person.ins.oid is InsOid.NIA
                certified = sunes_fakes.insi.certify(waiting)
                assert client.search(waiting.identity).person.ins == certified.ins
        ```
        """
        if person.oid is not InsOid.NIA:
            raise ValueError("only somebody with a NIA is certified")
        history = ((person.matricule, InsOid.NIA), *person.history) if in_history else person.history
        return self._put(person, replace(person, oid=InsOid.NIR, history=history))

    def change_matricule(self, person: FakePerson, matricule: str | None = None, **traits: Any) -> FakePerson:
        """Another number is active, the former one is in the history.

        matricule: 15 characters; left out, that of the same person after a change of sex, whose trait then changes
        too. traits: other fields of `FakePerson` that change with it. A new number keeps the OID: under a production
        OID, put it in `Settings.test_people`.
        """
        if matricule is None:
            matricule = with_other_sex(person.matricule)
            traits = {"sex": "M" if person.sex == "F" else "F"} | traits
        history = ((person.matricule, person.oid), *person.history)
        return self._put(person, replace(person, matricule=matricule, history=history, **traits))

    def correct(self, person: FakePerson, **traits: Any) -> FakePerson:
        """The civil status is corrected: fields of `FakePerson` that change, `correct(person, birth_name="MARTIN")`.

        The former traits find nobody any more, and are no longer confirmed by a verification.
        """
        return self._put(person, replace(person, **traits))

    def merge(self, kept: FakePerson, other: FakePerson) -> FakePerson:
        """Two records were one person: the other's numbers become former ones of `kept`, its traits find nobody."""
        history = ((other.matricule, other.oid), *other.history)
        self.forget(other)
        return self._put(kept, replace(kept, history=(*kept.history, *history)))

    def add_homonym(self, person: FakePerson, *, matricule: str, birth_place: str) -> FakePerson:
        """Somebody else with the same traits, born elsewhere: `02` without the birth place, `00` with it."""
        if birth_place == person.birth_place:
            raise ValueError("INSi tells homonyms apart by the birth place: give another one")
        homonym = replace(person, matricule=matricule, birth_place=birth_place, history=(), has_homonym=False)
        self.add(homonym)
        return homonym

    def _put(self, person: FakePerson, instead: FakePerson) -> FakePerson:
        with self._lock:
            self._register.remove(person)
            self._register.add(instead)
        return instead

    # --- failures on demand ---------------------------------------------------------------------------------------

    def fail_next(self, fault: str, *, times: int = 1, retry_after: int | None = None) -> None:
        """The next requests get this instead of an answer.

        fault: a code of `FAULTS`, `html_500` or `html_503` (the page of a gateway, a busy service), `truncated` (XML
        cut in the middle), `text` (the right answer under a wrong Content-Type): a request that the checks refuse does
        not use these up. `cut_before` and `reset` (the connection drops before the request is handled), `cut_after`
        (after), `truncate` (half of the answer, then a cut): any request does.
        retry_after: seconds of `Retry-After`, with the pages of a gateway. Raises ValueError for another name.

        ```python
        def test_a_busy_service(sunes_fakes):
            sunes_fakes.insi.fail_next("html_503", times=2)
            with InsiClient(sunes_fakes.settings) as client:
                for _ in range(2):
                    with pytest.raises(TransportError):
                        client.search(PUBLISHED[0].identity)
                assert client.search(PUBLISHED[0].identity).person
        ```
        """
        if fault in _NETWORK:
            self.server.plan(fault, times=times)
        elif fault in FAULTS or fault in _HTTP:
            with self._lock:
                self._planned.extend([(fault, retry_after)] * times)
        else:
            raise ValueError(f"unknown fault {fault}: one of {', '.join((*FAULTS, *_HTTP, *_NETWORK))}")

    def slow(self, seconds: float, *, times: int = 1) -> None:
        """The next `times` requests are answered after `seconds`; for all of them, set `latency`."""
        self.server.plan("slow", times=times, seconds=seconds)

    def clear(self) -> None:
        """Forget calls, refusals, labels, who was forbidden and which answers were planned to fail; people stay, so do
        planned cuts of the network."""
        with self._lock:
            self.calls.clear()
            self.refusals.clear()
            self._labels.clear()
            self._forbidden.clear()
            self._planned.clear()

    # --- the journal ----------------------------------------------------------------------------------------------

    def calls_about(self, who: Who) -> list[InsiCall]:
        """The calls that told INSi about this person: same birth name (accents and signs aside) and birth date."""
        key = _key_of(who)
        with self._lock:
            return [c for c in self.calls if _key(c.birth_name, c.birth_date) == key]

    def calls_per_person(self) -> dict[str, int]:
        """How many calls were made about each person, by the label of `InsiCall.person`."""
        counts: dict[str, int] = {}
        with self._lock:
            for call in self.calls:
                counts[call.person] = counts.get(call.person, 0) + 1
        return counts

    def assert_no_call_for(self, who: Who) -> None:
        """Nobody asked INSi about this person, not even by a request that was refused (if it could be read).

        ```python
        def test_a_doubtful_identity(sunes_fakes):
            doubtful = PUBLISHED[0].identity.marked(IdentityAttribute.DOUTEUSE)
            with InsiClient(sunes_fakes.settings) as client, pytest.raises(InsError):
                client.search(doubtful)
            sunes_fakes.insi.assert_no_call_for(doubtful)
        ```
        """
        found = self.calls_about(who)
        if found:
            listed = ", ".join(f"MessageID {c.message_id or 'absent'} answered {c.code}" for c in found)
            raise AssertionError(f"INSi was asked {len(found)} time(s) about {_described(who)}: {listed}")

    def forbid(self, *people: Who) -> None:
        """Say who must never be asked for (doubtful or fictitious identities); then `assert_no_forbidden_call`."""
        self._forbidden += people

    def assert_no_forbidden_call(self) -> None:
        """INSi was asked about none of the people of `forbid`. Raises ValueError when nobody was forbidden: the check
        would prove nothing."""
        if not self._forbidden:
            raise ValueError("nobody was forbidden: call forbid(identity) before the scenario")
        for who in self._forbidden:
            self.assert_no_call_for(who)

    def assert_no_refusal(self) -> None:
        """Every request kept the contract."""
        if self.refusals:
            raise AssertionError(f"INSi refused {len(self.refusals)} request(s): {'; '.join(self.refusals)}")

    # --- one request ----------------------------------------------------------------------------------------------

    def _handle(self, request: Request) -> Answer:
        with self._lock:
            call, answer = self._answer(request)
            self.calls.append(call)
        if self.latency is not None:
            sleep(self.latency(call))
        return answer

    def _answer(self, request: Request) -> tuple[InsiCall, Answer]:
        asked, number = Asked(), len(self.calls)
        try:
            root = read_envelope(request)
            asked = glance(root)
            operation = self._contract.check(request, root)
        except Refused as refused:
            self.refusals.append(f"{refused.code}: {refused.text}")
            call = self._call(asked, refused.code, refusal=refused.text)
            return call, self._fault(number, refused.code, refused.text, asked.message_id)
        code, body = self._served(operation, asked, number)
        planned, retry_after = self._planned.popleft() if self._planned else ("", None)
        if not planned and code == "01" and operation is BY_TRAITS and self.not_found_as_fault:
            planned = "insi_102"
        call = self._call(asked, planned or code)
        if planned in FAULTS:
            return call, self._fault(number, planned, FAULTS[planned][2], asked.message_id)
        content_type = f'application/soap+xml; charset=utf-8; action="{operation.action}Response"'
        if planned.startswith("html"):
            page = b"<html><body><h1>Service unavailable</h1></body></html>"
            headers = {"Content-Type": "text/html"} | ({} if retry_after is None else {"Retry-After": f"{retry_after}"})
            return call, Answer(int(planned[-3:]), headers, page)
        if planned == "text":
            content_type = "text/plain"
        elif planned == "truncated":
            body = body[: len(body) // 2]
        return call, Answer(200, {"Content-Type": content_type}, body)

    def _fault(self, number: int, code: str, text: str, message_id: str) -> Answer:
        body = insi_answers.fault(self.shape, number, code, text, message_id)
        return Answer(500, {"Content-Type": "application/soap+xml; charset=utf-8"}, body)

    def _call(self, asked: Asked, code: str, *, refusal: str = "") -> InsiCall:
        values = asked.values
        name, born = values.get("NomNaissance", ""), values.get("DateNaissance", "")
        key = _key(name, born)
        return InsiCall(
            message_id=asked.message_id,
            person=self._labels.setdefault(key, f"P{len(self._labels) + 1}") if any(key) else "",
            operation=asked.element, birth_name=name, given_name=values.get("Prenom", ""), birth_date=born,
            sex=values.get("Sexe", ""), birth_place=values.get("LieuNaissance") or None, code=code, refusal=refusal,
            at=self._clock.now(),
        )  # fmt: skip

    def _served(self, operation: Operation, asked: Asked, number: int) -> tuple[str, bytes]:
        """CodeCR and the answer."""
        if operation is BY_TRAITS or operation is BY_VITALE:
            code, person = self._found(operation, asked)
            return code, insi_answers.result(self.shape, number, code, person)
        assert self._verification is not None  # the contract knows no other operation
        confirmed = any(_is_confirmed(p, asked) for p in self._born(asked))
        code = min(self._verification.confirmed_codes if confirmed else self._verification.refuted_codes)
        return code, insi_answers.verdict(self.shape, number, code, self._verification.answer_namespace)

    def _found(self, operation: Operation, asked: Asked) -> tuple[str, FakePerson | None]:
        """CodeCR and the person. Records with one number are one person, of whom the first is the present one."""
        is_right = _has_card if operation is BY_VITALE else _has_traits
        found = [p for p in self._born(asked) if is_right(p, asked)]
        if not found:
            return "01", None
        told_apart = operation is BY_VITALE or asked.values.get("LieuNaissance")
        if len({p.matricule[:13] for p in found}) > 1 or (found[0].has_homonym and not told_apart):
            return "02", None
        return "00", found[0]

    def _born(self, asked: Asked) -> Iterable[FakePerson]:
        date = asked.values.get("DateNaissance")
        return self._register if date is None else self._register.born_on(date)


def _has_traits(person: FakePerson, asked: Asked) -> bool:
    values = asked.values
    given = values["Prenom"].split(" ")
    return (
        values["Sexe"] == person.sex
        and values["NomNaissance"] in {person.birth_name, *person.other_names}
        and person.given_names.split(" ")[: len(given)] == given
        and values.get("LieuNaissance", "") in ("", person.birth_place)
    )


def _is_confirmed(person: FakePerson, asked: Asked) -> bool:
    """The number is the active one, under its OID, and every trait that was sent is INSi's."""
    known = {
        "IdIndividu": person.matricule, "OID": person.oid.value, "NomNaissance": person.birth_name,
        "ListePrenom": person.given_names, "Prenom": person.traits.first_given_name, "Sexe": person.sex,
        "DateNaissance": person.birth_date, "LieuNaissance": person.birth_place,
    }  # fmt: skip
    return all(known.get(name) == value for name, value in asked.values.items())


def _has_card(person: FakePerson, asked: Asked) -> bool:
    """By the number of the person, else by that of the insured with the birth date; rank and name narrow when given.
    How the real service weighs them is not published (unverified)."""
    values = asked.values
    number, insured = values.get("MatriculeIndividu"), values.get("MatriculeOD")
    if number:
        bears = number in (person.matricule, *(m for m, _ in person.history))
    else:
        bears = "DateNaissance" in values and insured in (person.insured, person.matricule)
    return (
        bears
        and values.get("RangNaissance", person.birth_rank) == person.birth_rank
        and values.get("NomNaissance", person.birth_name) in {person.birth_name, *person.other_names}
    )


def _key_of(who: Who) -> tuple[str, str]:
    traits = who.traits if isinstance(who, FakePerson | Identity) else who
    return _key(traits.birth_name, traits.birth_date)


def _key(birth_name: str, birth_date: str) -> tuple[str, str]:
    """What tells people of the journal apart, looser than any encoder: letters of the name, and the birth date."""
    return "".join(c for c in fold_ascii(birth_name).upper() if c.isalpha()), birth_date


def _described(who: Who) -> str:
    marks = sorted(a.value for a in who.attributes) if isinstance(who, Identity) else []
    return f"an identity marked {', '.join(marks)}" if marks else "this person"
