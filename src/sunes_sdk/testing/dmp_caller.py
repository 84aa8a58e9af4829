"""Any message to a fake DMP, under a VIHF that holds: what does the server say of what `DmpClient` would not send?"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from lxml import etree

from .._core.clock import Clock, SystemClock
from .._core.errors import SoapFault
from .._core.xml import escape_text
from ..model import Code, Ins
from ..security import Pkcs12Signer, vihf
from ..transport import mtom, soap
from ..transport.https import HttpsTransport
from . import dmp_registry, samples
from .fake_dmp import AUTHN_CONTEXT, ROOT, SMARTCARD, FakeDmp, service_of
from .pki import PASSWORD, STRUCTURE, Issued, TestPki

_RIM: Final = "{urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0}"


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """status: last word of the RegistryResponse's status, `Fault`, or empty; code, text: of the first problem."""

    status: str
    code: str
    text: str
    body: etree._Element | None = field(repr=False)
    parts: Mapping[str, bytes] = field(repr=False, default_factory=dict)

    def ids(self) -> list[str]:
        """Ids of the registry objects of an answer to a search."""
        if self.body is None:
            return []
        return [e.get("id", "") for holder in self.body.iter(f"{_RIM}RegistryObjectList") for e in holder]


class DmpCaller:
    """Calls a fake DMP as `user` of `structure` in a mode: `INDIRECTE`, `INDIRECTE_RENFORCEE` (signed by ORG_SIGN) or
    `DIRECTE` (card: tls and signing of a professional). changes: fields of `VihfRequest`."""

    def __init__(
        self,
        dmp: FakeDmp,
        pki: TestPki,
        *,
        mode: str = "INDIRECTE_RENFORCEE",
        ins: Ins | None = None,
        user: str | None = None,
        structure: str = STRUCTURE,
        tls: Issued | None = None,
        signing: Issued | None = None,
        clock: Clock | None = None,
        **changes: Any,
    ) -> None:
        self._dmp = dmp
        self._clock = clock or SystemClock()
        self._ins = ins or samples.ins()
        self._signer = Pkcs12Signer((signing or pki.signing).pkcs12, PASSWORD)
        self._transport = HttpsTransport((tls or pki.client).tls(pki.ca_file))
        self._vihf: dict[str, Any] = {
            "subject": user or samples.physician().national_id,
            "structure_id": structure,
            "sector": Code(code="SA01", system="1.2.250.1.71.4.2.4", display="Etablissement public de santé"),
            "roles": (
                Code(code="10", system="1.2.250.1.71.1.2.7", display="Médecin"),
                Code(code="SM27", system="1.2.250.1.71.4.2.5", display="Médecine interne"),
            ),
            "subject_id": "Charles DAVID",
            "authn_context": SMARTCARD if mode == "DIRECTE" else AUTHN_CONTEXT,
            "software_name": "caller",
            "software_version": "1",
            "software_id": "1",
            "homologation": "1",
            "ins_cx": self._ins.cx,
            "mode": mode,
            "authn_declaration": "APP_BROWSER_AUTH" if mode == "INDIRECTE_RENFORCEE" else None,
        }
        self._changes = changes

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _request(self) -> vihf.VihfRequest:
        """The changes are made past the request's own checks: what it refuses, a server must refuse too."""
        request = vihf.VihfRequest(**self._vihf)
        for name, value in self._changes.items():
            object.__setattr__(request, name, value)
        return request

    def send(self, action: str, body: str, *, packed: bool = False) -> CallAnswer:
        """One call: the body of the envelope as it is. packed: in an MTOM package."""
        envelope = soap.envelope(
            action=action,
            message_id=f"urn:uuid:{uuid.uuid4()}",
            headers=soap.security(
                vihf.build(
                    self._request(),
                    self._signer,
                    assertion_id=f"_{uuid.uuid4()}",
                    issue_instant=self._clock.now(),
                )
            ),
            body=body.encode(),
        )
        content_type = soap.content_type(action)
        if packed:
            content_type, envelope = mtom.encode(envelope, ())
        response = self._transport.post(
            f"{self._dmp.url}{ROOT}{service_of(action)}", envelope, {"Content-Type": content_type}
        )  # fmt: skip
        try:
            answer = soap.read_answer(response)
        except SoapFault as e:
            return CallAnswer("Fault", e.remote_code, e.remote_message, None)
        holder = next((e for e in answer.body.iter() if e.get("status")), None)
        status = (holder.get("status") or "").rpartition(":")[2] if holder is not None else ""
        problem = next((e for e in answer.body.iter("{*}RegistryError")), None)
        code = problem.get("errorCode", "") if problem is not None else ""
        text = problem.get("codeContext", "") if problem is not None else ""
        return CallAnswer(status, code, text, answer.body, answer.parts)

    def query(
        self,
        query_id: str,
        slots: Sequence[tuple[str, str]],
        *,
        returns: str = "LeafClass",
    ) -> CallAnswer:
        """A stored query; slots: name and the value as it is written in the message."""
        written = "".join(
            f'<rim:Slot name="{name}"><rim:ValueList><rim:Value>{escape_text(value)}</rim:Value></rim:ValueList>'
            "</rim:Slot>"
            for name, value in slots
        )
        return self.send(
            "urn:ihe:iti:2007:RegistryStoredQuery",
            '<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"'
            ' xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">'
            f'<q:ResponseOption returnComposedObjects="true" returnType="{returns}"/>'
            f'<rim:AdhocQuery id="{query_id}">{written}</rim:AdhocQuery></q:AdhocQueryRequest>',
        )

    def retrieve(self, *unique_ids: str, repository: str = dmp_registry.REPOSITORY_ID) -> CallAnswer:
        requests = "".join(
            f"<DocumentRequest><RepositoryUniqueId>{repository}</RepositoryUniqueId>"
            f"<DocumentUniqueId>{unique_id}</DocumentUniqueId></DocumentRequest>"
            for unique_id in unique_ids
        )
        return self.send(
            "urn:ihe:iti:2007:RetrieveDocumentSet",
            f'<RetrieveDocumentSetRequest xmlns="urn:ihe:iti:xds-b:2007">{requests}</RetrieveDocumentSetRequest>',
        )
