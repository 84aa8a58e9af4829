"""Whatever metadata we write, we read back the same."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sunes_sdk import xds
from sunes_sdk.model import Code
from sunes_sdk.xds import Association, Author, DocumentEntry, Profile, Submission, SubmissionSet
from sunes_sdk.xds.datatypes import escape, unescape

# Blanks at the ends of identifiers and codes do not survive a lenient reader, on purpose.
text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co"]), max_size=40)
word = st.text("ABCdef012.-_^&<>\"'é", min_size=1, max_size=20)
times = st.from_regex(r"2[0-9]{3}(0[1-9]|1[0-2])(0[1-9]|1[0-9])([01][0-9][0-5][0-9][0-5][0-9])?", fullmatch=True)
systems = st.from_regex(r"[0-2](\.[1-9][0-9]{0,3}){1,6}", fullmatch=True)
codes = st.builds(Code, code=word, system=systems, display=text.map(str.strip))
maybe = st.none() | codes
authors = st.builds(
    Author,
    person=word,
    institution=st.just("") | word,
    roles=st.lists(text, max_size=2).map(tuple),
    specialties=st.lists(word, max_size=2).map(tuple),
)
entries = st.builds(
    DocumentEntry,
    id=word,
    mime_type=st.sampled_from(["text/xml", "application/dicom"]),
    unique_id=word,
    patient_id=word,
    type_code=maybe,
    class_code=maybe,
    format_code=maybe,
    facility_type=maybe,
    practice_setting=maybe,
    confidentiality=st.lists(codes, max_size=3).map(tuple),
    event_codes=st.lists(codes, max_size=3).map(tuple),
    authors=st.lists(authors, max_size=2).map(tuple),
    legal_authenticator=st.just("") | word,
    title=text,
    comments=text,
    creation_time=times,
    service_start=times,
    service_stop=st.just("") | times,
    language=st.just("fr-FR"),
    source_patient_id=st.just("") | word,
    source_patient_info=st.lists(word, max_size=4).map(tuple),
    reference_ids=st.lists(word, max_size=2).map(tuple),
    hash=st.binary(min_size=20, max_size=20).map(bytes.hex),
    size=st.none() | st.integers(0, 10**9),
    uri=st.just("DOC0001.XML"),
    action=st.sampled_from(["", "C", "D"]),
)
sets = st.builds(
    SubmissionSet,
    id=word,
    unique_id=word,
    source_id=word,
    patient_id=word,
    submission_time=times,
    author=st.none() | authors,
    content_type=maybe,
    title=text,
    comments=text,
    intended_recipients=st.lists(word, max_size=2).map(tuple),
)
associations = st.builds(
    Association,
    id=word,
    type=st.sampled_from([xds.HAS_MEMBER, xds.SIGNS, xds.REPLACES]),
    source=word,
    target=word,
    slots=st.sampled_from([(), xds.ORIGINAL]),
)
submissions = st.builds(
    Submission,
    submission_set=sets,
    entries=st.lists(entries, max_size=3).map(tuple),
    associations=st.lists(associations, max_size=3).map(tuple),
)


def kept(submission: Submission, profile: Profile) -> Submission:
    """What the profile lets through."""
    status = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved" if profile.status else ""
    assert submission.submission_set is not None
    return replace(
        submission,
        submission_set=replace(submission.submission_set, status=status),
        entries=tuple(
            replace(
                e,
                status=status,
                uri=e.uri if profile.uri else "",
                action=e.action if profile.action else "",
                reference_ids=e.reference_ids if profile.reference_ids else (),
            )
            for e in submission.entries
        ),
    )


@given(submissions, st.sampled_from([xds.DMP, xds.XDM]))
def test_decode_undoes_encode(submission: Submission, profile: Profile) -> None:
    assert xds.decode(xds.encode(submission, profile).encode()) == kept(submission, profile)


@given(st.text(st.characters(exclude_characters="\r\n\t")))
def test_unescape_undoes_escape(value: str) -> None:
    assert unescape(escape(value)) == value
    assert not set(escape(value)) & set("|^&~")
