"""The administrative calls of one client, from what the caller wants to what the DMP says: TD0.3 to TD1.6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from .._core.clock import Clock
from .._core.errors import ConfigurationError
from .._core.ids import IdFactory
from ..model import Code, Identity, Ins
from ..settings import DmpSettings, Environment, Settings
from ..transport.soap import SoapAnswer
from ..xds import Author
from . import rights, td03, td04, td05, td09, td13, td14, td16
from .answers import Results
from .hl7v3 import MessageIds, PersonName, Sender
from .rights import Mode, Transaction
from .td03 import AuthorizationAction, AuthorizationAnswer
from .td04 import AuthorizedPatient, Since
from .td05 import FoundPatient, PatientCriteria
from .td09 import WebPage
from .td13 import AdministrativeData, RecordState
from .td16 import AuthorizationMode, PatientAuthorization
from .user import VihfUser


class Call(Protocol):
    """One call under a fresh VIHF. encode: a codec's own, which lacks message_id and assertion only; ins_cx: of the
    patient it is about, if any; repeatable: whatever became of it, it can be made again."""

    def __call__(
        self, url: str, encode: Callable[..., tuple[str, bytes]], ins_cx: str | None, *, repeatable: bool = True
    ) -> SoapAnswer: ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Administration:
    """gate: `Identity.for_transmission`; purpose: of use, as the VIHF says it."""

    settings: Settings
    user: VihfUser
    author: Author
    purpose: Code
    ids: IdFactory
    clock: Clock
    gate: Callable[[Identity], Ins]
    call: Call

    def set_authorization(self, of: Identity, action: AuthorizationAction, attending: bool) -> AuthorizationAnswer:
        warned = self._rights(Transaction.SET_AUTHORIZATION)
        answer = self.call(
            self._url(self._dmp.paths.require("habilitations")),
            partial(td03.encode, action, attending),
            self.gate(of).cx,
        )
        return td03.decode(answer.body, (*warned, *answer.warnings))

    def authorized_patients(self, since: datetime, what: Since) -> Results[AuthorizedPatient]:
        warned = self._rights(Transaction.PATIENTS)
        url = self._url(self._dmp.paths.require("patients_specific"))
        answer = self.call(url, partial(td04.encode, since, what), None)
        return td04.decode(answer.body, self.settings.check_identity, (*warned, *answer.warnings))

    def search_patient(self, criteria: PatientCriteria) -> Results[FoundPatient]:
        warned = self._rights(Transaction.SEARCH_PATIENT)
        url = self._url(self._dmp.paths.require("patients_pdq"))
        request = td05.body(criteria, self._sender, self._message_ids())
        answer = self.call(url, partial(td05.encode, request), None)
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
        answer = self.call(self._url(self._dmp.paths.patients), partial(td13.read_encode, request), ins.cx)
        return td13.read_decode(answer.body, ins, (*warned, *answer.warnings))

    def update(self, of: Identity, data: AdministrativeData) -> RecordState:
        ins, warned = self.gate(of), self._rights(Transaction.UPDATE_ADMINISTRATIVE_DATA)
        request = td13.revise_body(ins, data, self._registrar, self._sender, self._message_ids())
        answer = self._revise(request, ins)
        return td13.revise_decode(answer.body, ins, (*warned, *answer.warnings))

    def close(self, of: Identity, usual_name: str, civility: str) -> RecordState:
        ins, warned = self.gate(of), self._rights(Transaction.CLOSE)
        name = PersonName(
            prefix=civility,
            given=of.traits.first_given_name,
            usual_family=usual_name,
            birth_family="" if usual_name else of.traits.birth_name,
        )
        request = td14.body(ins, name, self._registrar, self._sender, self._message_ids())
        answer = self._revise(request, ins)
        return td14.decode(answer.body, ins, (*warned, *answer.warnings))

    def authorizations(self, of: Identity, mode: AuthorizationMode) -> Results[PatientAuthorization]:
        ins, warned = self.gate(of), self._rights(Transaction.AUTHORIZATIONS)
        url = self._url(self._dmp.paths.require("habilitations"))
        answer = self.call(url, partial(td16.encode, mode), ins.cx)
        return td16.decode(answer.body, (*warned, *answer.warnings))

    # --- parts ----------------------------------------------------------------------------------------------------

    def _revise(self, request: bytes, ins: Ins) -> SoapAnswer:
        url, encode = self._url(self._dmp.paths.patients), partial(td13.revise_encode, request)
        return self.call(url, encode, ins.cx, repeatable=False)

    @property
    def _dmp(self) -> DmpSettings:
        return self.settings.require_dmp()

    def _url(self, path: str) -> str:
        return f"{self._dmp.base_url.rstrip('/')}/{path.lstrip('/')}"

    def _rights(self, transaction: Transaction) -> tuple[str, ...]:
        return rights.enforce(self._dmp.mode, transaction, self._dmp.rights, purpose=self.purpose.code)

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
