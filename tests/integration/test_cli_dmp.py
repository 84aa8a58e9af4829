"""`sunes dmp …` and `sunes fakes serve` as a shell sees them: what is printed, on which stream, exit code, files."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from typer.testing import CliRunner, Result

from sunes_sdk.cda import CdaDocument
from sunes_sdk.cli.app import app
from sunes_sdk.cli.fakes import to_toml
from sunes_sdk.model import Identity, IdentityStatus
from sunes_sdk.settings import Settings
from sunes_sdk.testing import Fakes, samples
from sunes_sdk.testing.pki import TestPki

TRAITS = ("2790351215189", "PAT-TROIS", "DOMINIQUE", "1979-03-28", "19790328")
SUNES = Path(sys.executable).with_name("sunes")
AIR = {"SUNES_DMP__MODE": "INDIRECTE_RENFORCEE", "SUNES_DMP__AUTHN_DECLARATION": "APP_BROWSER_AUTH"}


@dataclass
class Shell:
    """A hospital's command line against the fakes; `professional` is the mode that may read."""

    fakes: Fakes
    folder: Path

    def __call__(self, *arguments: object, professional: bool = False, **env: str) -> Result:
        """One command; whatever it was, its error stream names nobody."""
        variables = {"SUNES_CONFIG": str(self.folder / "sunes.toml"), "SUNES_ACTOR": str(self.folder / "actor.json")}
        variables |= (AIR if professional else {}) | env
        done = CliRunner().invoke(app, ["dmp", *map(str, arguments)], env=variables)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        for told in TRAITS:
            assert told not in done.stderr
        return done

    def about_patient(self, command: str, *arguments: object, **changes: Any) -> Result:
        return self(command, *arguments, "--identity", self.folder / "patient.json", **changes)

    def letter(self, name: str = "letter.xml", **changes: Any) -> tuple[Path, CdaDocument]:
        document = samples.discharge_letter(**changes).render(samples.issuer())
        (self.folder / name).write_bytes(document.content)
        return self.folder / name, document

    def fed(self) -> str:
        """The uniqueId of a document that is there."""
        file, document = self.letter()
        assert self("submit", file).exit_code == 0
        return document.unique_id


@pytest.fixture
def shell(pki: TestPki, tmp_path: Path) -> Iterator[Shell]:
    with Fakes(pki) as fakes:
        fakes.dmp.authorize(samples.ins())
        (tmp_path / "sunes.toml").write_text(to_toml(fakes.settings))
        (tmp_path / "patient.json").write_text(samples.patient().identity.model_dump_json())
        professional = samples.physician().model_dump(mode="json", exclude_none=True)
        (tmp_path / "actor.json").write_text(json.dumps({"professional": professional}))
        yield Shell(fakes, tmp_path)


def test_existence(shell: Shell) -> None:
    done = shell.about_patient("existence")
    assert (done.exit_code, done.stdout) == (0, "DMP ouvert\n")
    shell.fakes.dmp.close_dmp(samples.ins())
    done = shell.about_patient("existence", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["open"] is False
    shell.fakes.dmp.forget_patients()
    done = shell.about_patient("existence")
    assert (done.exit_code, done.stdout) == (1, "pas de DMP\n")


def test_one_document_is_submitted_and_once_only(shell: Shell) -> None:
    file, document = shell.letter()
    done = shell("submit", file)
    assert (done.exit_code, done.stdout) == (0, f"{file} : accepté  {document.unique_id}\n")
    done = shell("submit", file, "--json")
    (told,) = json.loads(done.stdout)
    assert (done.exit_code, told["outcome"], told["file"]) == (0, "DUPLICATE", str(file))
    assert [d.unique_id for d in shell.fakes.dmp.documents] == [document.unique_id]


def test_several_documents_go_whatever_becomes_of_one(shell: Shell) -> None:
    first, _ = shell.letter("1.xml")
    refused, _ = shell.letter("2.xml")
    last, _ = shell.letter("3.xml")
    torn = shell.folder / "torn.xml"
    torn.write_text("<ClinicalDocument>")
    shell("submit", first)
    shell.fakes.dmp.fail_next("InvalidDocumentContent")
    done = shell("submit", refused, last, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 1
    assert [(t["outcome"], t["code"]) for t in told] == [("REJECTED", "InvalidDocumentContent"), ("ACCEPTED", "")]
    done = shell("submit", torn, last)
    assert done.exit_code == 2
    assert "CDA_" in done.stderr or "XML_" in done.stderr
    assert "déjà dans le DMP" in done.stdout
    assert len(shell.fakes.dmp.documents) == 2


def test_a_refusal_is_told_in_french(shell: Shell) -> None:
    file, _ = shell.letter()
    shell.fakes.dmp.fail_next("XDSUnknownPatientId")
    done = shell("submit", file)
    assert done.exit_code == 1
    assert "refusé par le DMP" in done.stdout
    assert "L'identité du patient n'est pas connue du DMP : vérifier l'INS." in done.stdout


def test_a_command_that_nothing_repeats_promises_nothing(shell: Shell) -> None:
    """No outbox stands behind it: what the user is told to do is for the user to do."""
    file, _ = shell.letter()
    done = shell("submit", file, SUNES_DMP__BASE_URL="https://localhost:1/")
    assert "rien n'a été envoyé, recommencer plus tard" in done.stderr
    shell.fakes.dmp.fail_next("XDSRepositoryBusy")
    done = shell("submit", file)
    assert "recommencer dans quelques minutes" in done.stdout
    shell.fakes.dmp.cut_after_accept()
    shell.fakes.dmp.cut_search()
    done = shell("submit", file)
    assert "vérifier si le document y est avant tout nouvel envoi" in done.stderr


def test_visibility_goes_with_the_document(shell: Shell) -> None:
    file, _ = shell.letter()
    assert shell("submit", file, "--mask").exit_code == 0
    assert shell.fakes.dmp.documents[0].masked


def test_an_unknown_outcome_says_how_to_go_on(shell: Shell) -> None:
    file, document = shell.letter()
    shell.fakes.dmp.cut_after_accept()
    shell.fakes.dmp.cut_search()
    done = shell("submit", file)
    assert done.exit_code == 3
    assert f"sunes dmp find --identity FILE --unique-id {document.unique_id}" in done.stderr
    there = shell.about_patient("find", "--unique-id", document.unique_id)
    assert there.exit_code == 0
    assert there.stdout.startswith("dans le DMP  urn:uuid:")
    assert "déjà dans le DMP" in shell("submit", file).stdout
    assert len(shell.fakes.dmp.documents) == 1
    shell.fakes.dmp.cut_after_accept()
    shell.fakes.dmp.cut_search()
    told = json.loads(shell("submit", shell.letter("2.xml")[0], "--json").stdout)
    assert told[0]["outcome"] == "UNKNOWN"
    assert told[0]["error"]["code"] == "OUTCOME_UNKNOWN"
    assert told[0]["unique_id"] != document.unique_id


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"professional": 3}', '{"professional": {}, "x": 1}', '{"x": NaN}']
)
@pytest.mark.parametrize("file", ["actor.json", "patient.json"])
def test_a_file_of_people_that_cannot_be_used(shell: Shell, file: str, content: str) -> None:
    (shell.folder / file).write_text(content)
    done = shell.about_patient("existence")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(("FILE_UNREADABLE at ", "MODEL_"))


def test_what_cannot_leave_is_no_refusal_of_the_dmp(shell: Shell) -> None:
    file, _ = shell.letter()
    shell.fakes.dmp.cut_before_accept(service="patients", times=5)
    assert shell.about_patient("existence").exit_code == 2
    assert shell.about_patient("existence", SUNES_DMP__BASE_URL="https://localhost:1/").exit_code == 2
    assert shell("submit", file, SUNES_DMP__BASE_URL="http://localhost:1/").exit_code == 2
    assert shell("submit", shell.folder / "absent.xml").exit_code == 2
    assert shell("submit", file, SUNES_CONFIG=str(shell.folder / "absent.toml")).exit_code == 2
    unqualified = Identity(traits=samples.traits(), status=IdentityStatus.PROVISOIRE)
    (shell.folder / "patient.json").write_text(unqualified.model_dump_json())
    done = shell.about_patient("existence", "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == "INS_NOT_QUALIFIED"
    assert shell.fakes.dmp.documents == []


def test_replace(shell: Shell) -> None:
    letter = samples.discharge_letter()
    old = letter.render(samples.issuer())
    new = letter.revise(old).render(samples.issuer())
    for name, document in (("old.xml", old), ("new.xml", new)):
        (shell.folder / name).write_bytes(document.content)
    shell("submit", shell.folder / "old.xml")
    done = shell("replace", shell.folder / "new.xml", "--of", shell.folder / "old.xml")
    assert done.exit_code == 0, done.stderr
    assert [(d.unique_id, d.status) for d in shell.fakes.dmp.documents] == [
        (old.unique_id, "Deprecated"), (new.unique_id, "Approved"),
    ]  # fmt: skip
    other, _ = shell.letter("other.xml")
    done = shell("replace", other, "--of", shell.folder / "old.xml")
    assert done.exit_code == 2
    assert "DMP_REPLACES" in done.stderr


def test_find(shell: Shell) -> None:
    unique_id = shell.fed()
    done = shell.about_patient("find", professional=True)
    title = "Lettre de liaison à la sortie de l'établissement de santé"
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"15/01/2026  en vigueur  11490-0  {title}  {unique_id}", "1 document(s)"]
    for arguments, count in ((("--type", "11490-0"), 1), (("--type", "18748-4"), 0), (("--status", "archived"), 0)):
        done = shell.about_patient("find", "--json", *arguments, professional=True)
        assert len(json.loads(done.stdout)["documents"]) == count
    assert shell.about_patient("find", "--type", "nothing", professional=True).exit_code == 2
    done = shell.about_patient("find", "--unique-id", "1.2.3")
    assert (done.exit_code, done.stdout) == (1, "absent du DMP\n")


def test_an_establishment_is_refused_by_the_dmp_or_before(shell: Shell) -> None:
    unique_id = shell.fed()
    for command in ("find", "mask", "archive"):
        arguments = () if command == "find" else (unique_id,)
        assert shell.about_patient(command, *arguments).exit_code in (1, 2)
        done = shell.about_patient(command, *arguments, SUNES_DMP__RIGHTS="refuse")
        assert (done.exit_code, "DMP_RIGHTS" in done.stderr) == (2, True)
    assert not shell.fakes.dmp.documents[0].masked


def test_get(shell: Shell) -> None:
    unique_id = shell.fed()
    out = shell.folder / "got"
    done = shell.about_patient("get", unique_id, "--out", out, professional=True)
    written = out / f"{unique_id}.xml"
    assert (done.exit_code, done.stdout) == (0, f"{written}\n")
    assert written.read_bytes() == (shell.folder / "letter.xml").read_bytes()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    done = shell.about_patient("get", unique_id, "1.2.3", "--out", out, "--json", professional=True)
    assert (done.exit_code, json.loads(done.stdout)["absent"]) == (1, ["1.2.3"])
    (shell.folder / "file").write_text("")
    done = shell.about_patient("get", unique_id, "--out", shell.folder / "file", professional=True)
    assert (done.exit_code, "FILE_UNWRITABLE" in done.stderr) == (2, True)


def test_mask_archive_and_delete(shell: Shell) -> None:
    unique_id = shell.fed()

    def state() -> tuple[bool, str]:
        (document,) = shell.fakes.dmp.documents
        return document.masked, document.status

    for command, after in (
        (("mask",), (True, "Approved")), (("mask", "--undo"), (False, "Approved")),
        (("archive",), (False, "Archived")), (("archive", "--undo"), (False, "Approved")),
        (("delete",), (False, "Deleted")),
    ):  # fmt: skip
        done = shell.about_patient(*command, unique_id, professional=True)
        assert done.exit_code == 0, done.stderr
        assert state() == after
    done = shell.about_patient("mask", unique_id, professional=True)
    assert (done.exit_code, "DMP_ABSENT" in done.stderr) == (1, True)


def test_an_establishment_deletes_its_own_document_once_told_its_status(shell: Shell) -> None:
    unique_id = shell.fed()
    done = shell.about_patient("delete", unique_id)
    assert (done.exit_code, "DMP_STATUS_UNKNOWN" in done.stderr) == (2, True)
    assert shell.about_patient("delete", unique_id, "--status", "approved").exit_code == 0
    assert shell.fakes.dmp.documents[0].status == "Deleted"


def test_what_submit_wrote_down_is_deleted_by_another_command(shell: Shell) -> None:
    file, document = shell.letter()
    journal = shell.folder / "journal.db"
    assert shell("submit", file, "--journal", journal).exit_code == 0
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    again = shell("submit", file, "--journal", journal)
    assert again.stdout == f"{file} : déjà dans le DMP  {document.unique_id}\n"  # its bytes are known to be ours
    done = shell.about_patient("delete", document.unique_id, "--journal", shell.folder / "other.db")
    assert (done.exit_code, "--journal FILE" in done.stderr) == (2, True)
    done = shell.about_patient("delete", document.unique_id, SUNES_JOURNAL=str(journal))
    assert (done.exit_code, done.stdout) == (0, f"accepté  {document.unique_id}\n")
    assert shell.fakes.dmp.documents[0].status == "Deleted"
    done = shell.about_patient("delete", document.unique_id, "--journal", journal)
    assert (done.exit_code, "Ce document est supprimé" in done.stderr) == (2, True)


def test_a_replaced_version_is_known_to_be_one(shell: Shell) -> None:
    file, first = shell.letter()
    journal = shell.folder / "journal.db"
    shell("submit", file, "--mask", "--journal", journal)
    second = samples.discharge_letter().revise(first).render(samples.issuer())
    (shell.folder / "2.xml").write_bytes(second.content)
    done = shell("replace", shell.folder / "2.xml", "--of", file, "--journal", journal)
    assert done.exit_code == 0, done.stderr
    assert shell.fakes.dmp.documents[-1].masked, "as the version that it replaces"
    done = shell.about_patient("delete", first.unique_id, "--journal", journal)
    assert (done.exit_code, "Ce document est remplacé" in done.stderr) == (2, True)
    assert shell.about_patient("delete", second.unique_id, "--journal", journal).exit_code == 0


def test_a_journal_that_cannot_be_used(shell: Shell) -> None:
    file, _ = shell.letter()
    (shell.folder / "text.db").write_text("no database, but long enough to be read as one" * 100)
    for journal in (shell.folder / "text.db", shell.folder / "nowhere" / "j.db"):
        done = shell("submit", file, "--journal", journal)
        assert (done.exit_code, "OUTBOX_" in done.stderr) == (2, True), done.stderr
    assert shell.fakes.dmp.documents == []


def test_a_list_is_not_for_an_establishment_and_what_is_instead(shell: Shell) -> None:
    unique_id = shell.fed()
    done = shell.about_patient("find")
    assert done.exit_code == 1
    assert "the DMP does not let mode INDIRECTE call TD3.1" in done.stderr
    assert "Un établissement ne peut pas lister les documents d'un DMP" in done.stderr
    assert "--unique-id OID" in done.stderr
    told = json.loads(shell.about_patient("find", "--json").stdout)["error"]
    assert "find_entry_uuid" in told["hint"]
    assert told["remote_code"]
    assert shell.about_patient("find", "--unique-id", unique_id).exit_code == 0
    # A refusal in a mode that may search is for want of an authorisation, and it says so.
    shell.fakes.dmp.block(samples.ins())
    done = shell.about_patient("find", professional=True)
    assert (done.exit_code, "TD0.3" in done.stderr, "lister" in done.stderr) == (1, True, False)


def test_frames_are_recorded_when_asked_only(shell: Shell) -> None:
    file, document = shell.letter()
    assert shell("submit", file, "--masked").exit_code == 2
    before = set(shell.folder.iterdir())
    shell("submit", file)
    assert set(shell.folder.iterdir()) == before
    exact, masked = shell.folder / "exact", shell.folder / "masked"
    shell("submit", file, "--frames", exact)
    shell.about_patient("existence", "--frames", exact)
    for professional, arguments in (
        (False, ("existence",)), (True, ("find",)), (True, ("mask", document.unique_id)),
        (True, ("get", document.unique_id, "-o", shell.folder)), (True, ("delete", document.unique_id)),
    ):  # fmt: skip
        shell.about_patient(*arguments, "--frames", masked, "--masked", professional=professional)
    shell("submit", shell.letter("2.xml")[0], "--frames", masked, "--masked")
    names = {folder: [e["transaction"] for e in _index(folder)] for folder in (exact, masked)}
    assert names[exact] == ["TD2.1", "DMP_3.1b", "TD0.2"]
    assert names[masked] == ["TD0.2", "TD3.1", "TD3.1", "TD3.3a", "TD3.1", "TD3.2", "TD3.1", "TD3.3c", "TD2.1"]
    assert document.content in b"".join(p.read_bytes() for p in exact.rglob("*request.http"))
    written = b"".join(p.read_bytes() for p in masked.rglob("*") if p.is_file()).decode()
    for told in (*TRAITS, "DAVID", "01234567897", "Pneumopathie", "AMOXICILLINE", "PAT TROIS", "1234567890121"):
        assert told.lower() not in written.lower()
    for kept in ("sourcePatientInfo", "StatusType:Deleted", "urn:ihe:iti:2007:RegistryStoredQuery", document.unique_id):
        assert kept in written


def _index(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())
    return found


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """`sunes fakes serve` and the line it prints; ended whatever the test finds."""
    with subprocess.Popen(
        [SUNES, "fakes", "serve", "--out", "f"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def test_serve_says_where_everything_is(served: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    process, told = served
    assert told["ready"] is True
    password = Path(told["certificates"]["signing"]["password_file"]).read_text()
    signing = Path(told["certificates"]["signing"]["pkcs12"]).read_bytes()
    key, _, _ = pkcs12.load_key_and_certificates(signing, password.encode())
    assert key is not None
    for path in (told["certificates"]["ca"], *told["certificates"]["client"].values()):
        assert Path(path).is_file()
    assert Settings.load(told["settings"], env={}).environment == told["environment"] == "FAKE"
    env = os.environ | {"SUNES_CONFIG": told["settings"], "SUNES_ACTOR": told["professional"]}
    done = subprocess.run(
        [SUNES, "dmp", "submit", told["document"]], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    rest, err = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
    assert "SUNES_CONFIG=" in err
