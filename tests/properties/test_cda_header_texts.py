"""Whatever the texts of the header's optional parts: canonical, read back whole, and no rule broken."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cda_headers import issuer, letter
from cda_strategies import address_texts
from sunes_sdk._core.xml import canonical_document, parse
from sunes_sdk.cda import check, read_header
from sunes_sdk.cda.datatypes import PS_ROOT
from sunes_sdk.cda.header_writer import Authenticator, Consent, EncounterParticipant, Order, Participant, ServiceEvent
from sunes_sdk.model import Actor, Address, Code, Device, Guardian, Identifier, Organization, RelatedPerson, Telecom
from sunes_sdk.testing import samples

TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cn"), include_characters="\n\t<>&'\""), min_size=1, max_size=30
).filter(lambda t: bool(t.strip()))
WORDS = TEXTS.filter(lambda t: not set(t) & set("\n\t"))
ROOT = "1.2.250.1.213.9.9"
IDENTIFIERS = st.builds(Identifier, value=WORDS, root=st.just(ROOT))
ADDRESSES = st.builds(
    Address, lines=st.lists(TEXTS, min_size=1, max_size=6).map(tuple), use=st.sampled_from([None, "H", "WP"])
) | st.builds(Address, street_name=TEXTS, city=TEXTS, country=TEXTS, post_box=st.none() | TEXTS)
TELECOMS = st.builds(
    lambda scheme, rest: Telecom(value=f"{scheme}:{rest}"),
    st.sampled_from(["tel", "fax", "mailto", "http", "ftp", "mllp"]),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cn")), min_size=1, max_size=20),
)
CONTACTS: dict[str, Any] = {
    # Two addresses of one text are one for the official validator.
    "addresses": st.lists(ADDRESSES, max_size=2, unique_by=lambda a: (a.use, "".join(address_texts(a)))).map(tuple),
    "telecoms": st.lists(TELECOMS, max_size=2, unique_by=lambda t: t.value).map(tuple),
}
ORGANIZATIONS = st.builds(
    Organization, name=TEXTS, siret=st.just("12345678901234"), address=st.none() | ADDRESSES,
    telecoms=CONTACTS["telecoms"],
)  # fmt: skip
ACTORS = st.builds(
    lambda family, given, contacts, organization: samples.physician(family=family, given=given, **contacts).at(
        organization
    ),
    TEXTS, TEXTS, st.fixed_dictionaries(CONTACTS), ORGANIZATIONS,
)  # fmt: skip
RELATED = st.builds(
    RelatedPerson, relation=st.sampled_from(["ECON", "NOK", "CON", "CAREGIVER", "PAT"]), family=TEXTS,
    given=st.none() | TEXTS, relationship=st.sampled_from([None, "MTH", "FTH"]), **CONTACTS,
)  # fmt: skip
GUARDIANS = st.builds(Guardian, family=TEXTS, given=st.none() | TEXTS, **CONTACTS) | st.builds(
    Guardian, organization=ORGANIZATIONS, addresses=st.just(()), telecoms=st.just(())
)
DEVICES = st.builds(
    Device, identifier=st.builds(lambda t: Identifier(value=f"31234/{t}", root=PS_ROOT), WORDS),
    role=st.just("DISPOSITIF"), model=TEXTS, software=TEXTS, organization=ORGANIZATIONS,
)  # fmt: skip
CODES = st.builds(
    Code,
    code=TEXTS.filter(lambda t: not any(c.isspace() for c in t)),
    system=st.just(ROOT),
    display=TEXTS,
    system_name=st.just("") | TEXTS,
)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, Any]:
    def some(of: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(of, max_size=2)))

    def actor() -> Actor:
        return draw(ACTORS)

    return {
        "patient": samples.patient(
            guardians=some(GUARDIANS), birth_city=draw(st.none() | TEXTS), birth_country=draw(st.none() | TEXTS),
            birth_site=draw(st.none() | TEXTS),
        ),
        "author": actor(),
        "co_authors": some(ACTORS | DEVICES | st.just(samples.patient())),
        "informants": some(RELATED | ACTORS),
        "custodian": draw(ORGANIZATIONS),
        "legal_authenticator": draw(st.none() | ACTORS | DEVICES),
        "data_enterer": draw(st.none() | ACTORS),
        "recipients": some(ACTORS),
        "authenticators": tuple(Authenticator(actor=a, time=samples.WRITTEN) for a in some(ACTORS)),
        "participants": tuple(Participant(type_code="CON", actor=a) for a in some(ACTORS)),
        "placer_orders": tuple(
            Order(id=i, accession=draw(st.none() | IDENTIFIERS)) for i in some(IDENTIFIERS)
        ),
        "further_events": tuple(ServiceEvent(code=c, class_code="ACT") for c in some(CODES)),
        "consents": tuple(Consent(code=c, id=draw(st.none() | IDENTIFIERS)) for c in some(CODES)),
        "encounter_participants": tuple(EncounterParticipant(type_code="ADM", actor=a) for a in some(ACTORS)),
        "facility_category": draw(st.none() | CODES),
        "facility_located": draw(st.booleans()),
    }  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(headers())
def test_any_text_of_the_header_is_read_back(header: dict[str, Any]) -> None:
    document = letter(**header).render(issuer())
    assert read_header(document.content) == document.header
    assert document.canonical() == canonical_document(parse(document.content))
    assert check(document).ok, str(check(document))
