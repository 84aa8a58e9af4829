"""What a header does not say is never made up: each of its elements and each of their attributes is taken away in turn.

What is then read, as data and as a model, is what was read before, or less of it. What has to stand for a missing value
is reported, each by the finding that this test names. SUNES_REMOVALS=all takes all away; else every fifth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from lxml import etree

from cda_headers import full_header, issuer, letter, report
from cda_removals import STEP, always_default, invented, removals, values_of
from sunes_sdk._core.errors import CdaError
from sunes_sdk._core.findings import Report
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import CdaDocument, DischargeLetter, Participant, ReadDocument, ServiceEvent, read
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.cda.envelope import V3
from sunes_sdk.cda.reading.people import plain
from sunes_sdk.model import Actor, Code, Device, IdentityStatus, Organization, Patient, Stay, StayClass
from sunes_sdk.testing import samples


def hospital() -> Any:
    return samples.hospital(facility_type="SA05", practice_setting="AMBULATOIRE")


def full_letter() -> CdaDocument:
    stay = samples.stay(
        organization=hospital(), responsible=samples.physician().at(hospital()), stay_class=StayClass.EMERGENCY
    )  # fmt: skip
    changes = {"custodian": hospital(), "stay": stay, "confidentiality": "R"}
    return letter(**full_header() | changes).render(issuer())


def next_letter() -> CdaDocument:
    model = letter(custodian=hospital(), kept_by_dmp=True, author=samples.physician().at(hospital()))
    return model.revise(of=model.render(issuer()), recipients=full_header()["recipients"]).render(issuer(2))


def full_report() -> CdaDocument:
    surgeon = samples.physician(rpps="01234567921", family="CHIRURGIEN").at(samples.hospital())
    return report(**full_header() | {"performer": surgeon}).render(issuer())


KINDS: list[Callable[[], CdaDocument]] = [full_letter, next_letter, full_report]

DEFAULTS: Mapping[str, object] = {
    "facility_located": False,  # a name and an address say so
    "kept_by_dmp": False,
    "stay_class": StayClass.NOT_APPLICABLE,  # the class without a code of JDV_J142
    "status": IdentityStatus.PROVISOIRE,  # a document without INS does not say which
}
"""What the models say of what a header does not say."""
REPORTED = {
    ".set_id": "CDA_READ_SET_ID",
    ".version_number": "CDA_READ_VERSION",
    ".confidentiality": "CDA_READ_CONFIDENTIALITY",
    ".patient.identity.traits.birth_given_names": "recordTarget/patientRole/patient/name/given",
    ".stay.visit": "componentOf/encompassingEncounter/id",
    ".stay.admitted_at": "componentOf/encompassingEncounter/effectiveTime",
    ".stay.organization.facility_type": "componentOf/encompassingEncounter/location/healthCareFacility/code",
    ".practice_setting": "documentationOf/serviceEvent/performer/assignedEntity/representedOrganization",
}
"""Where a value stands for one that is not said, and the finding that says so, by its code or its path."""


class Before:
    """The people, the codes and the times of acts that were read before: what stood elsewhere in the header may come
    first now. patient: judged at its own place."""

    def __init__(self, model: ClinicalDocument) -> None:
        self._known = list(self._within(model))
        self.patient: Patient | None = None

    def _within(self, value: Any) -> Iterator[object]:
        if isinstance(value, Actor | Device | Patient | Code):
            yield value
        if isinstance(value, Actor):
            yield plain(value)
        if isinstance(value, ServiceEvent):
            yield from (value.start, value.stop)
        for inner in value if isinstance(value, tuple) else (values_of(value) or {}).values():
            yield from self._within(inner)

    def holds(self, value: object) -> bool:
        return value in self._known or value == self.patient


class Nothing:
    def holds(self, value: object) -> bool:
        return False


def told(model: ClinicalDocument) -> ClinicalDocument:
    """With what an empty field means (the author writes, signs, and did the act), and the treating physician among the
    participants, as the header has it."""
    changes: dict[str, Any] = {
        "legal_authenticator": model.legal_authenticator or model.author,
        "authors": model.authors or (model.author, *model.co_authors),
        "co_authors": (),
    }
    physician = getattr(model, "treating_physician", None)
    if physician is not None:
        changes["participants"] = (Participant(type_code="INF", actor=physician), *model.participants)
    if "performer" in type(model).model_fields:
        changes["performer"] = getattr(model, "performer") or plain(model.author)  # noqa: B009  of some kinds only
    return model.model_copy(update=changes)


def unreported(places: list[str], findings: Report) -> list[str]:
    said = {f.code for f in findings} | {f.path for f in findings}
    return [
        place for place in places
        if not any(where in place.partition(":")[0] and by in said for where, by in REPORTED.items())
    ]  # fmt: skip


def parts(root: etree._Element) -> Iterator[etree._Element]:
    for part in root.iterchildren(etree.Element):
        if part.tag != f"{V3}component":
            yield from part.iter(etree.Element)


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_nothing_is_made_up(make: Callable[[], CdaDocument]) -> None:
    root = parse(make().content)
    before = read(etree.tostring(root))
    model = told(before.typed())
    assert not before.report
    assert not before.unread()
    known = Before(model)
    wrong: list[str] = []
    count = 0
    for place, take_away in islice(removals(parts(root)), 0, None, STEP):
        put_back = take_away()
        count += 1
        content = etree.tostring(root)
        put_back()
        try:
            after = read(content)
            found = [*unreported(_as_data(before, after), after.report)]
            found += unreported(_as_model(model, after, known), Report.of((*after.report, *after.unread())))
        except CdaError:
            continue  # reported
        if found:
            wrong.append(f"without {place}: {found}")
    assert count > 200 // STEP
    assert not wrong, f"{len(wrong)} of {count}\n" + "\n".join(wrong)


def _as_data(before: ReadDocument, after: ReadDocument) -> list[str]:
    return list(invented(before.header, after.header, Nothing(), defaults={}))


def _as_model(model: ClinicalDocument, after: ReadDocument, known: Before) -> list[str]:
    typed = told(after.typed())
    known.patient = None if typed.patient == model.patient else typed.patient
    return [
        *invented(model.patient, typed.patient, Nothing(), defaults=DEFAULTS, path=".patient"),
        *invented(model, typed, known, defaults=DEFAULTS),
    ]  # fmt: skip


def test_a_made_up_value_is_found() -> None:
    """The judge of the test above: it tells an invention from what is only less, and from what moved."""
    document = read(full_letter().content)
    model = told(document.typed())
    known = Before(model)

    def found(**changes: Any) -> list[str]:
        return list(invented(model, model.model_copy(update=changes), known, defaults=DEFAULTS))

    assert not found(recipients=(), author=model.recipients[0], data_enterer=None)
    stranger = model.recipients[0].model_copy(update={"function": Code(code="X", system="1.2.3", display="x")})
    for change in (
        {"confidentiality": "N"},
        {"author": stranger},
        {"stay": model.stay.model_copy(update={"visit": samples.stay().visit.model_copy(update={"value": "1"})})},
        {"consents": (*model.consents, model.consents[0].model_copy(update={"id": samples.stay().visit}))},
    ):
        assert found(**change), change
    header = document.header
    assert list(invented(header, replace(header, language="en-GB"), Nothing(), defaults={}))
    assert unreported([".confidentiality: 'N', was 'R'"], Report())
    assert not unreported([".confidentiality: 'N', was 'R'"], document_without_confidentiality().report)


def document_without_confidentiality() -> ReadDocument:
    root = parse(full_letter().content)
    element = root.find(f"{V3}confidentialityCode")
    assert element is not None
    root.remove(element)
    return read(etree.tostring(root))


def test_a_default_would_show() -> None:
    """Somewhere, each field of a header has another value than its default, which could not be seen to be made up."""
    models = [read(make().content).typed() for make in KINDS]
    assert always_default(models, lambda value: isinstance(value, DischargeLetter | Stay | Organization)) == {
        ("DischargeLetter", "no_allergy"),  # of the body
        ("DischargeLetter", "status"),
        ("Stay", "activity"),  # in no header
    }
