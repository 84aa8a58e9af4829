"""The administrative calls of one client, from what the caller wants to what the DMP says: TD0.3 to TD1.6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TypeVar

from .._core.clock import Clock
from .._core.errors import ConfigurationError, OutcomeUnknown
from .._core.ids import IdFactory
from .._core.retry import RetryAdvice
from ..model import Code, Identity, Ins
from ..settings import DmpSettings, Environment, Settings
from ..transport.soap import SoapAnswer
from ..xds import Author
from . import rights, td03, td04, td05, td09, td13, td14, td16
from .answers import Results
from .changes import unknown_unless_told
from .hl7v3 import MessageIds, PersonName, Sender
from .life_cycle import Encode
from .rights import Caller, Mode, Transaction
from .td03 import AuthorizationAction, AuthorizationAnswer
from .td04 import AuthorizedPatient, Since
from .td05 import FoundPatient, PatientCriteria
from .td09 import WebPage
from .td13 import AdministrativeData, RecordState
from .td16 import AuthorizationMode, PatientAuthorization
from .user import VihfUser

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Administration:
    """gate: `Identity.for_transmission`; purpose: of use, as the VIHF says it; consult: a call that changes nothing at
    the DMP (url, codec's own encode, CX of the patient it is about); change: one that may, under a MessageID."""

    settings: Settings
    user: VihfUser
    caller: Caller
    author: Author
    purpose: Code
    ids: IdFactory
    clock: Clock
    gate: Callable[[Identity], Ins]
    consult: Callable[[str, Encode, str | None], SoapAnswer]
    change: Callable[[str, Encode, str, VihfUser, str], SoapAnswer]

    def set_authorization(self, of: Identity, action: AuthorizationAction, attending: bool) -> AuthorizationAnswer:
        warned = self._rights(Transaction.SET_AUTHORIZATION)
        url = self._url(self._dmp.paths.require("habilitations"))
        try:
            return self._changed(
                url,
                partial(td03.encode, action, attending),
                self.gate(of),
                lambda answer: td03.decode(answer.body, (*warned, *answer.warnings)),
                ask="asking for it again is harmless: the answer says whether it was so `already`",
                ask_fr="la demande peut être refaite sans risque.",
            )
        except OutcomeUnknown as e:
            e.retry = RetryAdvice.safe()
            raise

    def authorized_patients(self, since: datetime, what: Since) -> Results[AuthorizedPatient]:
        warned = self._rights(Transaction.PATIENTS)
        url = self._url(self._dmp.paths.require("patients_specific"))
        answer = self.consult(url, partial(td04.encode, since, what), None)
        return td04.decode(answer.body, self.settings.check_identity, (*warned, *answer.warnings))

    def search_patient(self, criteria: PatientCriteria) -> Results[FoundPatient]:
        warned = self._rights(Transaction.SEARCH_PATIENT)
        url = self._url(self._dmp.paths.require("patients_pdq"))
        request = td05.body(criteria, self._sender, self._message_ids())
        answer = self.consult(url, partial(td05.encode, request), None)
        return td05.decode(answer.body, self.settings.check_identity, (*warned, *answer.warnings))

    def web_url(self, page: WebPage, of: Identity | None, mode: Mode | None) -> str:
        domain = self._dmp.web_domain
        if domain is None:
            raise ConfigurationError(
                "the setting dmp.web_domain is missing", code="SETTING_MISSING", path="dmp.web_domain",
                rule="GIE SESAM-Vitale PDT-INF-527", hint="give the host name of the professionals' web site",
            )  # fmt: skip
        return td09.url(page, None if of is None else self.gate(of), domain=domain, mode=mode or self._dmp.mode)

    def administrative_data(self, of: Identity) -> AdministrativeData:
        ins, warned = self.gate(of), self._rights(Transaction.ADMINISTRATIVE_DATA)
        request = td13.read_body(ins, self._sender, self._message_ids())
        answer = self.consult(self._url(self._dmp.paths.patients), partial(td13.read_encode, request), ins.cx)
        return td13.read_decode(answer.body, ins, (*warned, *answer.warnings))

    def update(self, of: Identity, data: AdministrativeData) -> RecordState:
        ins, warned = self.gate(of), self._rights(Transaction.UPDATE_ADMINISTRATIVE_DATA)
        request = td13.revise_body(ins, data, self._registrar, self._sender, self._message_ids())
        return self._changed(
            self._url(self._dmp.paths.patients),
            partial(td13.revise_encode, request),
            ins,
            lambda answer: td13.revise_decode(answer.body, ins, (*warned, *answer.warnings)),
            ask="read administrative_data and compare before any other attempt",
            ask_fr="relire les données administratives avant tout nouvel essai.",
        )

    def close(self, of: Identity, usual_name: str, civility: str) -> RecordState:
        ins, warned = self.gate(of), self._rights(Transaction.CLOSE)
        name = PersonName(
            prefix=civility,
            given=of.traits.first_given_name,
            usual_family=usual_name,
            birth_family="" if usual_name else of.traits.birth_name,
        )
        request = td14.body(ins, name, self._registrar, self._sender, self._message_ids())
        return self._changed(
            self._url(self._dmp.paths.patients),
            partial(td14.encode, request),
            ins,
            lambda answer: td14.decode(answer.body, ins, (*warned, *answer.warnings)),
            ask="ask existence before any other attempt: a closed DMP is found and not open",
            ask_fr="vérifier si le DMP est encore ouvert avant tout nouvel essai.",
        )

    def authorizations(self, of: Identity, mode: AuthorizationMode) -> Results[PatientAuthorization]:
        ins, warned = self.gate(of), self._rights(Transaction.AUTHORIZATIONS)
        url = self._url(self._dmp.paths.require("habilitations"))
        answer = self.consult(url, partial(td16.encode, mode), ins.cx)
        return td16.decode(answer.body, (*warned, *answer.warnings))

    # --- parts ----------------------------------------------------------------------------------------------------

    def _changed(
        self, url: str, encode: Encode, ins: Ins, decode: Callable[[SoapAnswer], _T], *, ask: str, ask_fr: str
    ) -> _T:
        """What the DMP says of a change. Raises OutcomeUnknown, with what to `ask`, when it may have been made."""
        message_id = f"urn:uuid:{self.ids.uuid()}"
        with unknown_unless_told(partial(_unknown, message_id, ask, ask_fr)):
            return decode(self.change(url, encode, message_id, self.user, ins.cx))

    @property
    def _dmp(self) -> DmpSettings:
        return self.settings.require_dmp()

    def _url(self, path: str) -> str:
        return f"{self._dmp.base_url.rstrip('/')}/{path.lstrip('/')}"

    def _rights(self, transaction: Transaction) -> tuple[str, ...]:
        return rights.enforce(self.caller, transaction, self._dmp.rights, purpose=self.purpose.code)

    @property
    def _sender(self) -> Sender:
        return Sender(
            device_oid=self._dmp.device_oid,
            software=self.settings.software.name,
            production=self.settings.environment is Environment.PRODUCTION,
        )

    @property
    def _registrar(self) -> td13.Registrar:
        return td13.registrar_of(self.author, self.user)

    def _message_ids(self) -> MessageIds:
        return MessageIds(
            message_uuid=str(self.ids.uuid()), query_uuid=str(self.ids.uuid()), at=self.clock.now()
        )  # fmt: skip


def _unknown(message_id: str, ask: str, ask_fr: str, code: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        "the DMP may have made the change: it did not say so", remote_code=code, request_id=message_id, hint=ask,
        hint_fr=f"Réponse du DMP non reçue : {ask_fr}",
    )  # fmt: skip
