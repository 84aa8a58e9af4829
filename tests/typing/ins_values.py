"""What a caller writes about identities: each line type-checks under `mypy --strict`, but for those marked, which must
not (an ignore that is not needed is an error)."""

from datetime import date

from sunes_sdk.model import (
    DocumentKind,
    Environment,
    Evidence,
    Identity,
    IdentityAttribute,
    Ins,
    InsOid,
    Matricule,
    Target,
    Traits,
)


def gate(identity: Identity) -> Ins:
    return identity.for_transmission(Target.DMP, Environment.PRODUCTION, test_people={"277076322082910"})


def values() -> list[Ins]:
    return [
        Ins.of("279035121518989", InsOid.NIR_TEST),
        Ins.of("279035121518989", InsOid.NIR_TEST, certified=True),
        Ins(matricule=Matricule(value="279035121518989"), oid=InsOid.NIR_TEST),
        Ins.of("279035121518989", "1.2.250.1.213.1.4.10"),  # type: ignore[arg-type]  # an OID is one of four
        Ins.of("279035121518989"),  # type: ignore[call-arg]  # a matricule never travels without its OID
    ]


def transitions(identity: Identity, traits: Traits) -> Identity:
    seen = Evidence(document=DocumentKind.PASSPORT, checked_by="agent-7", checked_on=date(2026, 1, 10))
    identity.validated()  # type: ignore[call-arg]  # which document was seen is never a default
    identity.edited(traits)  # type: ignore[call-arg]  # whether a document was seen is said, even when none was
    identity.invalidated()  # type: ignore[call-arg]  # whether the traits are still checked is said
    identity.for_transmission("DMP", Environment.FAKE)  # type: ignore[arg-type]  # a target is one of a list
    return identity.validated(seen).marked(IdentityAttribute.HOMONYME).edited(traits, evidence=None)
