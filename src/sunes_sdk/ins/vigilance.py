"""An INSi answer beside a local identity: what a human sees, decides and answers for.

Nothing here changes an identity by itself. `propose` shows; a `Decision` says who accepted what; only then
`Proposal.accept` gives the new identity, through the transitions of `ins.status`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from .._core.errors import InsError, ModelError
from .._core.findings import Finding, Report, Severity
from ..model import DocumentKind, Evidence, Identity, IdentityAttribute, IdentityStatus, InsOid, Traits
from .duplicates import Candidate, LocalRecord, compare_records
from .names import coherent
from .status import FoundIdentity, qualify
from .traits import compare_traits

_BLOCKING = frozenset({IdentityAttribute.DOUTEUSE, IdentityAttribute.FICTIVE})
_CHECKED = frozenset({IdentityStatus.VALIDEE, IdentityStatus.QUALIFIEE})
_SOURCE = "RNIV; Guide d'implémentation de l'INS"

_TRAITS = (
    ("birth_name", "birth_name", "Nom de naissance"),
    ("birth_given_names", "given_names", "Prénoms de naissance"),
    ("first_given_name", "first_given_name", "Premier prénom"),
    ("sex", "sex", "Sexe"),
    ("birth_date", "birth_date", "Date de naissance"),
    ("birth_place", "birth_place", "Lieu de naissance (COG)"),
)
"""Trait of the model, of the INSi answer, French label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraitLine:
    """One trait, here and at INSi.

    insi: None when INSi left it out: the local one is kept. difference: what differs, in English and in French; None
    when nothing does. needs_acceptance: a human must accept this difference by its code.
    """

    trait: str
    label_fr: str
    local: str = field(repr=False)
    insi: str | None = field(repr=False)
    difference: Finding | None = None

    @property
    def needs_acceptance(self) -> bool:
        return self.difference is not None and self.difference.severity is not Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a human decided after comparing, the person or an identity document being there.

    decided_by: local identifier of who decides; decided_at: aware; accepted_differences: codes of the differences that
    were shown and accepted, all of them and no other; evidence: the document seen, no default: None says that none was
    seen now. first_given_name: where the list is cut, when `Proposal.needs_first_given_name`.
    Raises InsError `INS_DECISION`.
    """

    decided_by: str = field(repr=False)
    decided_at: datetime
    accepted_differences: frozenset[str] = frozenset()
    evidence: Evidence | None
    first_given_name: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.decided_by.strip():
            raise _error("INS_DECISION", "nobody answers for this decision", "decision.decided_by",
                         "give the local identifier of who compared the traits",
                         "Indiquez qui a comparé les traits.")  # fmt: skip
        if self.decided_at.tzinfo is None:
            raise _error("INS_DECISION", "the time of the decision has no offset", "decision.decided_at",
                         "give an aware datetime", "")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What applying an INSi answer would do, for a human to accept or refuse.

    lines: the six traits side by side; refusals: why it cannot be applied, whoever accepts (`INS_CALL_FORBIDDEN`,
    `INS_ANSWER_OTHER_TRAITS`, `INS_ANSWER_UNUSABLE`, `INS_OTHER_MATRICULE`, `INS_DPOT INS_DOUA INS_COLP INS_COLV`);
    remarks: what to know (`INS_NIA_TO_NIR`, `INS_MATRICULE_CHANGED`, `INS_KNOWN_FROM_HISTORY`); candidates: the other
    records that bear the number.
    """

    identity: Identity = field(repr=False)
    found: FoundIdentity = field(repr=False)
    lines: tuple[TraitLine, ...]
    refusals: Report
    remarks: Report
    candidates: tuple[Candidate, ...]
    needs_first_given_name: bool

    @property
    def can_be_accepted(self) -> bool:
        return not self.refusals.findings

    @property
    def differences(self) -> tuple[Finding, ...]:
        """What a human must accept, code by code."""
        return tuple(line.difference for line in self.lines if line.difference and line.needs_acceptance)

    def resulting_status(self, *, with_document: bool) -> IdentityStatus:
        """The status after acceptance, with or without an identity document seen now."""
        checked = with_document or self.identity.status in _CHECKED
        return IdentityStatus.QUALIFIEE if checked else IdentityStatus.RECUPEREE

    def accept(
        self,
        decision: Decision,
        *,
        current: Identity,
        accepted_documents: Collection[DocumentKind] = frozenset(DocumentKind),
    ) -> Identity:
        """The identity that results from the decision. Its `former_ins` keep the numbers that are no longer its own.

        current: the identity as it is recorded now: when somebody changed it since the proposal, nothing is applied.
        Raises InsError: the first of `refusals`; `INS_PROPOSAL_STALE`; `INS_TRAITS_DIFFER` (a difference was not
        accepted), `INS_DECISION` (one was accepted that was not shown, or the first given name is to be chosen);
        `INS_EVIDENCE`. ModelError `INS_FIRST_GIVEN_NAME` when the one chosen does not start INSi's list.
        """
        if not self.can_be_accepted:
            raise InsError.from_report(self.refusals)
        if current != self.identity:
            raise _error("INS_PROPOSAL_STALE", "the identity changed since the comparison", "current",
                         "propose again with the identity of now",
                         "L'identité a changé depuis la comparaison : recommencez.")  # fmt: skip
        shown = {f.code for f in self.differences}
        if decision.accepted_differences - shown:
            raise _error("INS_DECISION", "a difference was accepted that was not shown",
                         "decision.accepted_differences", "accept the codes of Proposal.differences",
                         "Un écart accepté n'a pas été affiché.")  # fmt: skip
        if self.needs_first_given_name and decision.first_given_name is None:
            raise _error("INS_DECISION", "the first given name is to be chosen", "decision.first_given_name",
                         "give the start of INSi's list that is the first given name",
                         "Choisissez le premier prénom dans la liste d'INSi.")  # fmt: skip
        return qualify(
            current, self.found, evidence=decision.evidence, accepted_differences=decision.accepted_differences,
            first_given_name=decision.first_given_name, accepted=accepted_documents,
        )  # fmt: skip


def propose(
    record_id: str,
    identity: Identity,
    found: FoundIdentity,
    *,
    asked: Traits,
    borne_by: Iterable[LocalRecord],
) -> Proposal:
    """Compare an INSi answer with the identity of a record. Pure: refusals are in the result, nothing is raised.

    asked: the traits that INSi was asked with, kept with the answer: an answer for other traits is refused;
    borne_by: the other records that bear or bore the number (`DuplicateSearch.bearers`, or a query of the patient
    base).
    """
    refusals: list[Finding] = []
    if identity.attributes & _BLOCKING:
        refusals.append(_refusal("INS_CALL_FORBIDDEN"))
    if asked != identity.traits:
        refusals.append(_refusal("INS_ANSWER_OTHER_TRAITS"))
    traits, needs_first = _traits_of(found, identity.traits)
    if traits is None:
        refusals.append(_refusal("INS_ANSWER_UNUSABLE"))
    said = _numbers(identity, found)
    if said and said.severity is Severity.ERROR:
        refusals.append(said)
    proposed = LocalRecord.of(
        record_id, Identity(traits=traits or identity.traits, status=IdentityStatus.RECUPEREE, ins=found.ins),
        former=found.history,
    )  # fmt: skip
    candidates = tuple([c for other in borne_by if (c := compare_records(proposed, other))])
    refusals += [replace(c.finding, severity=Severity.ERROR) for c in candidates]
    return Proposal(
        identity=identity,
        found=found,
        lines=_lines(identity.traits, found, traits),
        refusals=Report.of(refusals),
        remarks=Report((said,)) if said and said.severity is Severity.INFO else Report(),
        candidates=candidates,
        needs_first_given_name=needs_first,
    )


def _traits_of(found: FoundIdentity, local: Traits) -> tuple[Traits | None, bool]:
    """The traits to record, None when the answer makes none; and whether a human must cut the list of given names."""
    listed = found.given_names or found.first_given_name or local.birth_given_names
    needs_first = found.first_given_name is None and not coherent(local.first_given_name, listed)
    try:
        # The first word only stands for the first given name in the comparison: the human's choice is what is recorded.
        return found.traits(local, first_given_name=listed.split()[0] if needs_first else None), needs_first
    except (ModelError, IndexError):
        return None, needs_first


def _lines(local: Traits, found: FoundIdentity, traits: Traits | None) -> tuple[TraitLine, ...]:
    report = compare_traits(local, traits) if traits else Report()
    by_trait = {finding.path.rpartition(".")[2]: finding for finding in report}
    return tuple(
        TraitLine(
            trait=name, label_fr=label, local=str(getattr(local, name)), insi=getattr(found, answered),
            difference=by_trait.get(name),
        )
        for name, answered, label in _TRAITS
    )  # fmt: skip


def _numbers(identity: Identity, found: FoundIdentity) -> Finding | None:
    """What the number held, and those held before, say of the one that was found."""
    held, listed = identity.ins, {i.matricule for i in found.history}
    if held is None:
        known = {i.matricule for i in identity.former_ins} & {found.ins.matricule, *listed}
        return _remark("INS_KNOWN_FROM_HISTORY") if known else None
    if held == found.ins:
        return None
    if held.matricule == found.ins.matricule and (held.oid, found.ins.oid) == (InsOid.NIA, InsOid.NIR):
        return _remark("INS_NIA_TO_NIR")
    return _remark("INS_MATRICULE_CHANGED") if held in found.history else _refusal("INS_OTHER_MATRICULE")


_SAID = {
    "INS_CALL_FORBIDDEN": (
        "a doubtful or fictitious identity takes no INS", "EXI ID 26, EXI SI 09, EXI SI 22", "remove the doubt first",
        "Identité douteuse ou fictive : aucun INS ne peut y être attaché."),
    "INS_ANSWER_OTHER_TRAITS": (
        "INSi was asked with other traits than those recorded now", "an answer is for the traits that were asked",
        "ask INSi again with the traits of now",
        "La réponse INSi a été obtenue avec d'autres traits : relancez l'appel."),
    "INS_ANSWER_UNUSABLE": (
        "the traits that INSi returned make no identity", "RNIV: six strict traits in their forms",
        "keep the answer and report it to the INSi support", "Les traits renvoyés par INSi ne sont pas exploitables."),
    "INS_OTHER_MATRICULE": (
        "the record bears another INS, which INSi does not link to this one",
        "a changed matricule stays in the history that INSi returns",
        "check whether the record mixes two people, before anything else",
        "Le dossier porte un autre INS, qu'INSi ne rattache pas à celui-ci : risque de collision (COLP)."),
    "INS_NIA_TO_NIR": (
        "the waiting number became a NIR", "NIA → NIR: the digits stay, the OID changes",
        "accept, and tell the partners (A31)", "L'identifiant d'attente (NIA) est devenu un NIR."),
    "INS_MATRICULE_CHANGED": (
        "the matricule of this person changed", "the former one is in the history of INSi",
        "accept, and tell the partners (A47)", "Le matricule INS de la personne a changé."),
    "INS_KNOWN_FROM_HISTORY": (
        "a former INS of this record is one of the person's", "history of INSi", "nothing to do",
        "Un ancien INS de ce dossier est bien celui de la personne."),
}  # fmt: skip


def _finding(code: str, severity: Severity) -> Finding:
    message, rule, hint, french = _SAID[code]
    return Finding(code=code, message=message, path="identity", severity=severity, rule=rule, source=_SOURCE, hint=hint,
                   message_fr=french)  # fmt: skip


def _refusal(code: str) -> Finding:
    return _finding(code, Severity.ERROR)


def _remark(code: str) -> Finding:
    return _finding(code, Severity.INFO)


def _error(code: str, message: str, path: str, hint: str, hint_fr: str) -> InsError:
    return InsError(
        message, code=code, path=path, rule="a human compares and answers before the status changes (RNIV)", hint=hint,
        hint_fr=hint_fr,
    )  # fmt: skip
