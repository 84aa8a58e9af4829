"""Letters: what narrative and entries say together, what is refused, and that the example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date, datetime
from pathlib import Path

import pytest
from lxml import etree

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk._core.xml import parse
from sunes_sdk.cda import (
    Allergy,
    AllergyKind,
    AllergyStatus,
    Appointment,
    CdaDocument,
    Certainty,
    Criticality,
    DocumentStatus,
    EntryMode,
    ExitMode,
    FollowUp,
    Issuer,
    MedicalDevice,
    NoAllergy,
    Priority,
    Problem,
    ProblemKind,
    ProblemStatus,
    Procedure,
    Reaction,
    Severity,
    read,
    read_header,
)
from sunes_sdk.errors import CdaError, ModelError
from sunes_sdk.terminology import value_set
from sunes_sdk.testing import sample_letters as letters
from sunes_sdk.testing import samples

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NS = {"c": "urn:hl7-org:v3"}


def render(letter: object) -> CdaDocument:
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(3), clock=FixedClock(samples.WRITTEN))
    return letter.render(issuer)  # type: ignore[attr-defined,no-any-return]  # one of the two letters


def tree(letter: object) -> etree._Element:
    return parse(render(letter).content)


def find(root: etree._Element, path: str) -> list[etree._Element]:
    return root.xpath(path, namespaces=NS)  # type: ignore[no-any-return]  # elements, as every path here asks


def section(root: etree._Element, title: str) -> etree._Element:
    (found,) = find(root, f"//c:section[c:title='{title}']")
    return found


@pytest.mark.parametrize(
    ("enum", "name"),
    [
        (AllergyStatus, "JDV_STATUT_ALLERGIE"),
        (NoAllergy, "JDV_ALLERGIE_ABSENTE"),
        (Criticality, "JDV_CRITICITE"),
        (Certainty, "JDV_CERTITUDE"),
        (Severity, "JDV_SEVERITE"),
        (ProblemKind, "JDV_TYPE_PROBLEME"),
        (ProblemStatus, "JDV_STATUT_PROBLEME"),
        (EntryMode, "JDV_MODALITE_ENTREE"),
        (ExitMode, "JDV_MODALITE_SORTIE"),
        (DocumentStatus, "JDV_STATUT_DOC"),
    ],
)
def test_an_enumeration_is_the_whole_value_set(enum: type, name: str) -> None:
    assert {m.value for m in enum} == {c.code for c in value_set(name).concepts}  # type: ignore[attr-defined]  # an enum, parametrized as object


def test_enumerations_that_leave_codes_out_say_which() -> None:
    awaited = {"1.2.250.1.213.1.1.5.794.1"}  # its SNOMED CT code is still asked for
    assert {c.code for c in value_set("JDV_TYPE_ALLERGIE").concepts} - {k.value for k in AllergyKind} == awaited
    of_results_and_medicines = {"CR", "RR", "UD"}
    left = {c.code for c in value_set("JDV_PRIORITE").concepts} - {p.value for p in Priority}
    assert left == of_results_and_medicines


def test_an_entry_points_at_the_words_that_say_it() -> None:
    root = tree(letters.discharge_letter())
    shown = {e.get("ID"): "".join(e.itertext()) for e in find(root, "//*[@ID]")}
    allergies = section(root, "Allergies identifiées pendant le séjour")
    (severity, *_) = find(allergies, ".//c:observation[c:code/@code='SEV']")
    value = find(severity, "c:value")[0]
    assert shown[find(severity, "c:text/c:reference")[0].get("value")[1:]] == value.get("displayName") == "modéré"
    agent = find(allergies, ".//c:playingEntity/c:code")[0]
    assert shown[find(agent, "c:originalText/c:reference")[0].get("value")[1:]] == "Paracétamol"
    for coded in find(root, "//c:section//c:value[@displayName]"):
        reference = find(coded, "(../c:text/c:reference | c:originalText/c:reference)")[0].get("value")[1:]
        assert reference in shown, etree.tostring(coded)


def test_what_is_said_of_a_reaction_does_not_read_as_said_of_the_allergy() -> None:
    """A list has no levels: each label of a reaction says so, and the reactions come after the rest."""
    allergies = section(tree(letters.discharge_letter()), "Allergies identifiées pendant le séjour")
    said = ["".join(i.itertext()) for i in find(allergies, "(c:text/c:list)[1]/c:item")]
    first = said.index("Réaction : Urticaire généralisée")
    assert "Sévérité : modéré" in said[:first]
    assert not [s for s in said[first:] if not s.startswith("Réaction") and " de la réaction : " not in s]


def test_an_allergy_that_goes_on_keeps_the_list_open() -> None:
    def concern(*allergies: Allergy) -> tuple[str, list[str], list[str]]:
        root = tree(letters.discharge_letter(allergies=allergies))
        (act,) = find(root, "//c:act[c:templateId/@root='1.3.6.1.4.1.19376.1.5.3.1.4.5.3']")
        status = find(act, "c:statusCode")[0].get("code")
        bounds = [
            [b.get("value") or b.get("nullFlavor") for b in find(act, f"c:effectiveTime/c:{n}")]
            for n in ("low", "high")
        ]
        return status, *bounds

    over = Allergy(substance="Lait", since="1980", until="1985-03", status=AllergyStatus.RESOLVED)
    goes_on = Allergy(substance="Pénicilline", since=date(1998, 3, 2))
    assert concern(over) == ("completed", ["1980"], ["198503"])
    assert concern(goes_on, over) == ("active", ["1980"], [])
    assert concern(Allergy(substance="Iode")) == ("active", ["UNK"], [])
    assert concern(Allergy(substance="Iode", status=AllergyStatus.INACTIVE)) == ("completed", ["UNK"], ["UNK"])
    assert concern() == ("completed", ["NA"], ["NA"])


def test_no_known_allergy_is_said_in_code() -> None:
    root = tree(letters.discharge_letter(allergies=()))
    (value,) = find(root, "//c:observation[c:templateId/@root='1.2.250.1.213.1.1.3.41']/c:value")
    assert value.get("code") == "no-known-allergies"
    assert not find(root, "//c:participant[@typeCode='CSM']")


def test_not_knowing_is_not_knowing_of_none() -> None:
    root = tree(letters.admission_letter(allergies=(), no_allergy=NoAllergy.NO_INFORMATION))
    (value,) = find(root, "//c:observation[c:templateId/@root='1.2.250.1.213.1.1.3.41']/c:value")
    assert value.get("code") == "no-allergy-info"
    said = "".join(find(section(root, "Allergies et hypersensibilités connues"), "c:text")[0].itertext())
    assert said == "Pas d’information sur les allergies/hypersensibilités"


def test_an_appointment_without_a_date_asks_to_be_called() -> None:
    plan = (Appointment(text="Kinésithérapeute"), Appointment(text="Médecin", at=date(2026, 1, 20)))
    root = tree(letters.discharge_letter(care_plan=plan))
    unfixed, fixed = find(root, "//c:encounter")
    assert find(unfixed, "c:priorityCode")[0].get("code") == "CS"
    assert not find(fixed, "c:priorityCode")
    assert find(fixed, "c:effectiveTime")[0].get("value") == "20260120"
    assert "recontacter" in "".join(section(root, "Suites à donner").itertext())


def test_histories_are_done_and_plans_are_to_be_done() -> None:
    procedure = Procedure(name="Appendicectomie", start="1998", end="1998")
    (done,) = find(tree(letters.admission_letter(surgical_history=(procedure,))), "//c:procedure")
    (planned,) = find(tree(letters.discharge_letter(care_plan=(procedure,))), "//c:procedure")
    assert (done.get("moodCode"), find(done, "c:statusCode")[0].get("code")) == ("EVN", "completed")
    assert (planned.get("moodCode"), find(planned, "c:statusCode")[0].get("code")) == ("INT", "active")


def test_what_is_not_given_writes_no_section() -> None:
    titles = [t.text for t in find(tree(samples.discharge_letter()), "//c:section/c:title")]
    assert titles == [
        "Statut du document", "Motif de l'hospitalisation", "Synthèse médicale du séjour", "Traitements à la sortie",
    ]  # fmt: skip
    least = letters.admission_letter(medical_history=(), surgical_history=(), pdf_copy=None)
    assert [t.text for t in find(tree(least), "//c:section/c:title")] == [
        "Motif d'hospitalisation", "Traitements à l'admission", "Allergies et hypersensibilités connues",
        "Autres informations",
    ]  # fmt: skip


def test_the_header_of_the_admission_letter() -> None:
    document = render(letters.admission_letter())
    assert document.type_code.code == "18761-7"
    assert document.format_code.code == "urn:asip:ci-sis:ldl-ees:2017"
    header = read_header(document.content)
    assert header == document.header
    assert {p.type_code for p in header.participants} == {"REFB", "INF"}
    assert header.service_events[0].code is not None
    assert header.service_events[0].code.code == "IMP"


@pytest.mark.parametrize(
    ("make", "code", "path"),
    [
        (lambda: Allergy(substance="x", since="2001", until="1999"), "CDA_DATES", "Allergy.until"),
        (lambda: Problem(description="x", start=date(2001, 2, 3), end="2001-01"), "CDA_DATES", "Problem.end"),
        (lambda: MedicalDevice(name="x", start="2001", end=date(2000, 12, 31)), "CDA_DATES", "MedicalDevice.end"),
        (lambda: Appointment(text="x", kind="NONE"), "TERMINOLOGY", "Appointment.kind"),
        (lambda: Allergy(substance=""), "MODEL_STRING_TOO_SHORT", "Allergy.substance"),
        (lambda: Reaction(description="x", severity="terrible"), "MODEL_ENUM", "Reaction.severity"),
    ],
)
def test_what_is_refused_says_where(make: object, code: str, path: str) -> None:
    with pytest.raises(ModelError) as caught:
        make()  # type: ignore[operator]  # a constructor, parametrized as object
    assert (caught.value.code, caught.value.path) == (code, path)
    if code == "CDA_DATES":
        assert caught.value.rule
        assert caught.value.hint
        assert caught.value.hint_fr


@pytest.mark.parametrize("value", ["98", "1998-13", "1998/03", "mars 1998", "19980301"])
def test_a_date_is_a_day_a_month_or_a_year(value: str) -> None:
    with pytest.raises(ModelError):
        FollowUp(text="x", due=value)


@pytest.mark.parametrize(
    ("due", "written"),
    [("1998", "1998"), ("1998-03", "199803"), (date(1998, 3, 2), "19980302"), ("1998-03-02", "19980302")],
)
def test_a_date_is_written_as_precisely_as_it_is_known(due: str | date, written: str) -> None:
    root = tree(letters.discharge_letter(care_plan=(FollowUp(text="x", due=due),)))
    (request,) = find(root, "//c:observation[@moodCode='INT']")
    assert find(request, "c:effectiveTime")[0].get("value") == written


def test_an_instant_has_its_offset() -> None:
    with pytest.raises(ModelError):
        Appointment(text="x", at=datetime(2026, 1, 1, 10))  # noqa: DTZ001
    with pytest.raises(CdaError, match="PDF"):
        letters.admission_letter(pdf_copy=b"no")


def test_what_is_said_of_the_patient_does_not_show_in_repr() -> None:
    shown = repr(letters.discharge_letter()) + repr(letters.admission_letter())
    for secret in ("Pneumopathie", "Paracétamol", "Urticaire", "Stimulateur", "Pyélonéphrite", "Appendicectomie",
                   "Vit seule", "pneumologue", "antihistaminique", "N10", "L50.0", "J010104"):  # fmt: skip
        assert secret not in shown, secret


@pytest.mark.parametrize(
    ("name", "file", "section"),
    [
        ("cda_discharge_letter", "lettre_de_liaison.xml", "18776-5"),
        ("cda_admission_letter", "lettre_d_entree.xml", "47519-4"),
    ],
)
def test_an_example_writes_a_letter_without_findings(name: str, file: str, section: str, tmp_path: Path) -> None:
    program = EXAMPLES / f"{name}.py"
    run = subprocess.run(
        [sys.executable, "-W", "error", program, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{file} 0\n"
    assert find(parse((tmp_path / file).read_bytes()), f"//c:section[c:code/@code='{section}']")
    assert not read((tmp_path / file).read_bytes()).unread()
    imported = re.findall(r"^from (sunes_sdk[\w.]*) import", program.read_text(), re.MULTILINE)
    assert set(imported) == {"sunes_sdk.cda", "sunes_sdk.model"}
