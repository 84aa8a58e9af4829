"""Every branch of the rules of laboratory and imaging reports: what was seen is said, at the place where it is."""

from __future__ import annotations

import re

import pytest

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.ids import SeededIds
from sunes_sdk.cda import Issuer, check
from sunes_sdk.testing import sample_reports as reports
from sunes_sdk.testing import samples

Row = tuple[str, str, str, str]
"""Rule, pattern, replacement (of the first match), what the finding says."""

LABORATORY: list[Row] = [
    ("CDA_B01", r'<templateId root="1\.3\.6\.1\.4\.1\.19376\.1\.3\.3"></templateId>', "", "19376.1.3.3 is missing"),
    ("CDA_B01", 'displayName="CR d\'examens biologiques"', 'displayName="Biologie"', "its exact label"),
    ("CDA_B02", 'administrativeGenderCode code="F"[^>]*>', 'administrativeGenderCode nullFlavor="NI">', "than UNK"),
    ("CDA_B03", r"(<authenticator>.*?)<telecom [^>]*></telecom>", r"\1", "assignedEntity/telecom is missing"),
    ("CDA_B03", r"(<authenticator>.*?<representedOrganization>)<id [^>]*></id>", r"\1", "id is missing"),
    ("CDA_B05", r"(<performer.*?)<standardIndustryClassCode [^>]*></standardIndustryClassCode>", r"\1", "ClassCode"),
    ("CDA_B05", r"(<performer.*?<representedOrganization>)<id [^>]*></id>", r"\1", "representedOrganization/id"),
    ("CDA_B05", r'(<documentationOf><serviceEvent>)<code code="18723-7"[^>]*></code>', r"\1", "no code"),
    ("CDA_B12", r'(3\.80"></templateId><code [^>]*>.*?<statusCode code=)"completed"', r'\1"active"', "neither"),
    ("CDA_B12", r"(<referenceRange.*?</referenceRange>)", r"\1\1", "more than one reference range"),
    ("CDA_B12", r'(<translation code="CRP-US"[^>]*) displayName="[^"]*"', r"\1", "no displayName"),
    (
        "CDA_B12",
        r'(<observation) classCode="OBS"( moodCode="EVN"><templateId root="[\d.]*\.1\.3\.1\.6")',
        r"\1\2",
        "an OBS",
    ),
    ("CDA_B13", r"(<procedure .*?)<effectiveTime>.*?</effectiveTime>", r"\1", "effectiveTime is missing"),
    ("CDA_B13", r"(<targetSiteCode [^>]*></targetSiteCode>)", r"\1\1", "more than one site"),
    ("CDA_B14", r'(<organizer classCode="BATTERY".*?<statusCode code=)"completed"', r'\1"new"', "none of completed"),
    ("CDA_B14", r'(classCode="BATTERY".*?78"></templateId>)', r'\1<id root="1.2"></id><id root="1.3"></id>', "one id"),
    ("CDA_B15", r'codeSystem="2\.16\.840\.1\.113883\.3\.9471"', 'codeSystem="1.2.3"', "not of NCBI"),
    ("CDA_B15", r'(<organizer classCode="CLUSTER" moodCode="EVN">.*?<statusCode code=)"completed"', r'\1"x"', "none"),
    ("CDA_B16", r'(<code code="48767-8"[^>]*></code>)<text>.*?</text>', r"\1", "without text/reference"),
    ("CDA_B17", r'<low unit="g/L"', "<low", "the unit is missing"),
    ("CDA_B18", r'(<entry) typeCode="DRIV"', r"\1", "DRIV"),
    ("CDA_B18", r'(3\.21"></templateId><act [^>]*><code code="[^"]*" codeSystem=)"[^"]*"', r'\1"1.2.3"', "a LOINC"),
    ("CDA_B21", r'(typeCode="REFR"><observation.*?<statusCode code=)"completed"', r'\1"aborted"', "not completed"),
    ("CDA_B22", r'(SPRECEIVE"[^>]*></code>)<effectiveTime [^>]*></effectiveTime>', r"\1", "time of arrival"),
    ("CDA_B24", r"(second(?:e)? intention</title>)<text>.*?</text>", r"\1", "text is missing"),
]  # fmt: skip

IMAGING: list[Row] = [
    ("CDA_I01", '<code code="18748-4"', '<code code="18748-5"', "18748-4"),
    ("CDA_I02", r"(<inFulfillmentOf><order>)<id [^>]*></id>", r"\1", "id or"),
    ("CDA_I08", r"(3\.153\"></templateId>)<id [^>]*></id>", r"\1", "no id"),
    ("CDA_I08", r"(3\.153\"></templateId>.*?)(<translation [^>]*></translation>)", r"\1\2\2", "one translation"),
    ("CDA_I12", r"(<title>Comparaisons.*?</title>)<text>.*?</text>", r"\1", "text is missing"),
    ("CDA_I12", r"<title>Comparaisons.*?</title>", "", "title is missing"),
    ("CDA_I13", r'(<component><section classCode="DOCSECT" moodCode="EVN">(?:(?!</section>).)*55109-3.*?</component>)',
     r"\1\1", "twice in its act"),
    ("CDA_I14", '<templateId root="1.2.250.1.213.1.1.2.211"></templateId>', "", "exactly one request"),
    ("CDA_I16", r"(Addendum</title>.*?<assignedPerson>)<name>.*?</name>", r"\1", "name is missing"),
    ("CDA_I17", '<code code="121290"', '<code code="121291"', "121290"),
    ("CDA_I17", '<code code="113850"', '<code code="113851"', "113850"),
    ("CDA_I17", '<code code="364320009"', '<code code="364320008"', "364320009"),
    ("CDA_I18", r'(code="113813".*?<value unit="mGy.cm" value="1140.26") xsi:type="PQ"', r"\1", "of type PQ"),
    ("CDA_I18", r'(code="113813".*?<targetSiteCode code=)"302548004"', r'\1"1"', "targetSiteCode"),
    ("CDA_I19", '<templateId root="2.16.840.1.113883.10.20.6.2.13"></templateId>', "", "two templateIds"),
    ("CDA_I20", r'(code="113014"[^>]*></code>)<effectiveTime [^>]*></effectiveTime>', r"\1", "no effectiveTime"),
    ("CDA_I21", r'(<code code="113015".*?<name code=)"121139"', r'\1"121138"', "qualifier 121139"),
    ("CDA_I22", '<code code="1.2.840.10008.5.1.4.1.1.2"', '<code code="1.2.840.10008.5.1.4.1.1.9999"', "SOP class"),
    ("CDA_I23", r"(3\.151\"></templateId>)<id [^>]*></id>", r"\1", "no id"),
    ("CDA_I23", r"(<routeCode [^>]*></routeCode>)", r"\1\1", "more than one route"),
    ("CDA_I24", r'(<name code="106233006"[^>]*></name><value code=)"\d+"', r'\1"1"', "JDV_LATERALITE"),
]  # fmt: skip


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    issuer = Issuer(oid_root=samples.DOCUMENT_ROOT, ids=SeededIds(7), clock=FixedClock(samples.WRITTEN))
    made = {"laboratory": reports.laboratory_report(), "imaging": reports.imaging_report()}
    return {name: report.render(issuer).content.decode() for name, report in made.items()}


ROWS = [("laboratory", *row) for row in LABORATORY] + [("imaging", *row) for row in IMAGING]


@pytest.mark.parametrize(
    ("document", "code", "pattern", "replacement", "seen"), ROWS, ids=[f"{r[1]}-{i}" for i, r in enumerate(ROWS)]
)
def test_each_branch_says_what_it_saw(
    document: str, code: str, pattern: str, replacement: str, seen: str, documents: dict[str, str]
) -> None:
    text = documents[document]
    before = [f for f in check(text.encode()) if f.code == code]
    assert not before
    mutated, count = re.subn(pattern, replacement, text, count=1, flags=re.DOTALL)
    assert count == 1, "the pattern is not in the document"
    found = [f for f in check(mutated.encode()) if f.code == code]
    assert any(seen in f.message for f in found), (code, [f.message for f in found])
