"""Every kind of document goes through the client and the fake, with the metadata its type asks for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from sunes_sdk.cda import MedicationPrescription, OperativeReport, PrescribedTreatment, UnstructuredDocument
from sunes_sdk.cda.documents._base import ClinicalDocument
from sunes_sdk.dmp import DmpClient
from sunes_sdk.model import Outcome
from sunes_sdk.testing import sample_reports, samples
from sunes_sdk.testing.fake_dmp import FakeDmp
from sunes_sdk.testing.pki import TestPki

SHARED = {
    "patient": samples.patient(),
    "author": samples.physician().at(samples.hospital()),
    "custodian": samples.hospital(),
    "stay": samples.stay(),
    "written_at": samples.WRITTEN,
}


def prescription() -> MedicationPrescription:
    return MedicationPrescription(
        **SHARED,
        treatments=(PrescribedTreatment(name="PARACETAMOL", posology="1 par jour"),),
        valid_until=samples.WRITTEN + timedelta(days=90),
        pdf_copy=sample_reports.PDF,
    )


def operative_report() -> OperativeReport:
    return OperativeReport(**SHARED, body=sample_reports.PDF, performed_at=samples.ADMITTED)


def visit_note() -> UnstructuredDocument:
    return UnstructuredDocument(
        **SHARED,
        document_type="11488-4",
        title="CR de consultation",
        body=sample_reports.PDF,
        performed_at=samples.ADMITTED,
    )


@pytest.mark.parametrize(
    ("make", "type_code", "class_code", "format_code"),
    [
        (samples.discharge_letter, "11490-0", "10", "urn:asip:ci-sis:ldl-ses:2017"),
        (prescription, "57833-6", "42", "urn:ihe:pharm:pre:2010"),
        (operative_report, "34874-8", "10", "urn:ihe:iti:xds-sd:pdf:2008"),
        (visit_note, "11488-4", "10", "urn:ihe:iti:xds-sd:pdf:2008"),
        (sample_reports.minimal_laboratory_report, "11502-2", "10", "urn:ihe:lab:xd-lab:2008"),
        (sample_reports.laboratory_report, "11502-2", "10", "urn:ihe:lab:xd-lab:2008"),
        (
            sample_reports.minimal_imaging_report,
            "18748-4",
            "31",
            "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013",
        ),
        (sample_reports.imaging_report, "18748-4", "31", "urn:ihe:rad:CDA:ImagingReportStructuredHeadings:2013"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_kind_is_accepted(
    make: Callable[[], ClinicalDocument], type_code: str, class_code: str, format_code: str, pki: TestPki
) -> None:
    document = make().render(samples.issuer())
    with FakeDmp(pki) as dmp:
        dmp.open_dmp(samples.ins())
        with DmpClient(samples.settings(dmp=dmp.settings()), actor=SHARED["author"]) as client:
            assert client.submit(document).outcome is Outcome.ACCEPTED, dmp.requests[-1]
        (stored,) = dmp.documents
    assert stored.content == document.content
    assert (stored.type_code, stored.class_code, stored.format_code) == (type_code, class_code, format_code)
