"""Names of certificates: whatever they hold, in every form, the VIHF that carries one is known as its holder's."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import example, given
from hypothesis import strategies as st

from sunes_sdk.security.keys import distinguished_name
from sunes_sdk.security.vihf import _is_subject

TYPES = [NameOID.COMMON_NAME, NameOID.SURNAME, NameOID.GIVEN_NAME, NameOID.ORGANIZATION_NAME, NameOID.TITLE]
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20) | st.text(
    st.sampled_from(',+"\\<>;=# é'), min_size=1, max_size=8
)
RDNS = st.lists(st.tuples(st.sampled_from(TYPES), VALUES), min_size=1, max_size=2, unique_by=lambda t: t[0])


class Named:
    """A certificate, for what is asked of it here."""

    def __init__(self, subject: x509.Name) -> None:
        self.subject = subject


def name_of(rdns: list[list[tuple[x509.ObjectIdentifier, str]]]) -> x509.Name:
    return x509.Name([
        x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for oid, value in rdn]) for rdn in rdns
    ])  # fmt: skip


@given(rdns=st.lists(RDNS, min_size=1, max_size=4), form=st.sampled_from(["rfc2253", "rfc2253_oids", "country_first"]))
@example(rdns=[[(NameOID.ORGANIZATION_NAME, "A, B")], [(NameOID.COMMON_NAME, "C\\")]], form="country_first")
@example(rdns=[[(NameOID.COMMON_NAME, " ")]], form="country_first")
def test_every_form_is_known_again(rdns: list[list[tuple[x509.ObjectIdentifier, str]]], form: str) -> None:
    subject = name_of(rdns)
    text = distinguished_name(subject, form)  # type: ignore[arg-type]  # one of the three
    assert _is_subject(text, Named(subject))  # type: ignore[arg-type]  # a subject is all it looks at


@given(
    rdns=st.lists(RDNS, min_size=1, max_size=3),
    other=st.lists(RDNS, min_size=1, max_size=3),
    form=st.sampled_from(["rfc2253", "rfc2253_oids", "country_first"]),
)
def test_another_name_is_not(
    rdns: list[list[tuple[x509.ObjectIdentifier, str]]],
    other: list[list[tuple[x509.ObjectIdentifier, str]]],
    form: str,
) -> None:
    ours, theirs = name_of(rdns), name_of(other)
    if ours.rdns not in (theirs.rdns, theirs.rdns[::-1]):
        assert not _is_subject(distinguished_name(theirs, form), Named(ours))  # type: ignore[arg-type]  # as above
