"""`sunes ins …` as a shell sees it: what is printed, on which stream, the exit code, the files."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sunes_sdk.cli import ins_csv
from sunes_sdk.cli.app import app
from sunes_sdk.cli.fakes import to_toml
from sunes_sdk.ins import datamatrix
from sunes_sdk.model import Environment, Identity, InsOid
from sunes_sdk.testing import samples
from sunes_sdk.testing.fake_insi import TEST_PEOPLE, FakeInsi
from sunes_sdk.testing.pki import TestPki

PAT = "279035121518989"
CLEAR = ("2790351215189", "PAT-TROIS", "DOMINIQUE", "1979-03-28")
PAT_TRAITS = {
    "nom_naissance": "PAT-TROIS", "prenoms": "DOMINIQUE MARIE-LOUISE", "sexe": "F", "date_naissance": "1979-03-28",
    "lieu_naissance_cog": "51215",
}  # fmt: skip


def sunes(*arguments: object, **options: Any) -> Result:
    done = CliRunner().invoke(app, ["ins", *map(str, arguments)], **options)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    for told in CLEAR:
        assert told not in done.stderr
    return done


def written(file: Path, value: object) -> Path:
    file.write_text(json.dumps(value), encoding="utf-8")
    return file


# -- check


def checked(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = sunes("check", "--json", *arguments)
    return done.exit_code, json.loads(done.stdout)


def test_every_matricule_vector(vectors: Path) -> None:
    data = json.loads((vectors / "ins_matricules.json").read_text(encoding="utf-8"))
    for v in data["matricules"]:
        code, said = checked("--", v["input"])
        assert said == {"verdict": v["verdict"], "issues": v["issues"]}, v["id"]
        assert code == (1 if v["verdict"] == "invalid" else 0)


def test_every_consistency_vector(vectors: Path, tmp_path: Path) -> None:
    data = json.loads((vectors / "ins_matricules.json").read_text(encoding="utf-8"))
    remarks = {"PLACE_EQUIVALENT", "PLACE_UNKNOWN"}
    for v in data["consistency"]:
        code, said = checked(v["matricule"], "--traits", written(tmp_path / "traits.json", v["traits"]))
        _, alone = checked(v["matricule"])
        assert said["issues"] == alone["issues"] + v["expected_warnings"], v["id"]
        if alone["verdict"] == "valid":
            warned = set(v["expected_warnings"]) - remarks
            assert (code, said["verdict"]) == (0, "valid_with_warnings" if warned else "valid"), v["id"]


def test_check_for_people() -> None:
    good = sunes("check", PAT)
    assert (good.exit_code, good.stdout, good.stderr) == (0, "valid\n", "")
    assert sunes("check", "2", "79", "03", "51", "215", "189", "89").stdout == "valid\n"
    bad = sunes("check", "2 79 03 51 215 189 88")
    assert bad.exit_code == 1
    assert bad.stdout.startswith("invalid\n  error INS_KEY_MISMATCH at matricule: ")
    assert "La clé du matricule INS est fausse." in bad.stdout


def test_the_oid_is_checked_with_it() -> None:
    assert checked(PAT, "--oid", InsOid.NIR_TEST.value) == (0, {"verdict": "valid", "issues": []})
    assert checked(PAT, "--oid", "1.2.250.1.213.1.4.2") == (1, {"verdict": "invalid", "issues": ["OID"]})


def test_a_matricule_comes_from_standard_input_and_stays_out_of_the_history_of_the_shell() -> None:
    assert sunes("check", "-", input=f"{PAT}\n").stdout == "valid\n"
    assert sunes("check", "-", input="").exit_code == 1


@pytest.mark.parametrize(
    "traits", [{"birth_date": "1979-03-28", "sex": "F"}, {"Date naissance": "1979-03-28"}, {"prenoms": "A"}]
)
def test_traits_may_be_partial_and_in_either_language(traits: dict[str, str], tmp_path: Path) -> None:
    assert checked(PAT, "--traits", written(tmp_path / "t.json", traits))[1]["issues"] == []


@pytest.mark.parametrize(
    ("traits", "issue"),
    [
        ({"sexe": "M"}, "SEX_MISMATCH"),
        ({"date_naissance": "28/03/1979"}, "BIRTH_DATE"),
        ({"lieu_naissance_cog": "51"}, "BIRTH_PLACE"),
    ],
)
def test_what_traits_say(traits: dict[str, str], issue: str, tmp_path: Path) -> None:
    code, said = checked(PAT, "--traits", written(tmp_path / "t.json", traits))
    assert said["issues"] == [issue]
    assert code == (0 if issue == "SEX_MISMATCH" else 1)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"nom": "X"}', b"[" * 100_000, b" " * 1_000_001])
@pytest.mark.parametrize("command", [("check", PAT), ("search",)])
def test_a_file_that_cannot_be_used_is_2(content: bytes, command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "traits.json"
    file.write_bytes(content)
    done = sunes(*command, "--traits", file)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("FILE_UNREADABLE at ")


def test_usage_errors_are_2(tmp_path: Path) -> None:
    assert sunes("check").exit_code == 2
    assert sunes("check", PAT, "--traits", tmp_path / "absent.json").exit_code == 2


# -- a CSV file


def batch(tmp_path: Path, content: bytes | str, *options: object) -> tuple[Result, list[list[str]]]:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    done = sunes("check-csv", source, "--out", out, *options)
    assert {f.name for f in tmp_path.iterdir()} <= {"in.csv", "out.csv"}
    if not out.exists():
        return done, []
    text = out.read_text(encoding="utf-8")
    first = text.split("\n", 1)[0]
    return done, list(csv.reader(io.StringIO(text), delimiter=next(d for d in ";,\t" if d in first)))[1:]


def test_each_row_has_its_line_verdict_and_issues(tmp_path: Path) -> None:
    content = (
        "ipp;Matricule;OID;Nom naissance;Prénoms;Date naissance;Sexe;lieu_naissance_cog\r\n"
        f"1;{PAT};1.2.250.1.213.1.4.10;PAT-TROIS;DOMINIQUE MARIE-LOUISE;1979-03-28;F;51215\r\n"
        f"2;{PAT};1.2.250.1.213.1.4.10;PAT-TROIS;DOMINIQUE MARIE-LOUISE;1976-05-31;F;51215\r\n"
        "\r\n"
        '3;2 79 03 51 215 189 88;1.2.250.1.213.1.4.2;"NOM\nSUR DEUX LIGNES";DOMINIQUE;1979-03-28;F;51215\r\n'
        f"4;{PAT};1.2.250.1.213.1.4.10;PAT-TROIS;DOMINIQUE;;;\r\n"
        f"5;{PAT};1.2.250.1.213.1.4.10;PAT-TROIS;DOMINIQUE;28/03/1979;F;51215\r\n"
    )
    done, rows = batch(tmp_path, content, "--keep", "ipp")
    assert rows == [
        ["2", "valid", "", "1"],
        ["3", "valid_with_warnings", "YEAR_MISMATCH MONTH_MISMATCH", "2"],
        ["5", "invalid", "KEY_MISMATCH OID", "3"],
        ["7", "valid", "", "4"],
        ["8", "invalid", "BIRTH_DATE", "5"],
    ]
    assert done.exit_code == 1
    assert done.stdout.startswith("5 lignes : 2 valides, 1 valides avec avertissement, 2 invalides, 0 illisibles.\n")
    assert "KEY_MISMATCH          La clé du matricule INS est fausse." in done.stdout
    assert "Vérification" in done.stderr


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_the_header_says_the_separator(delimiter: str, tmp_path: Path) -> None:
    done, rows = batch(tmp_path, f"\ufeffipp{delimiter}matricule\n1{delimiter}{PAT}\n")
    assert (done.exit_code, rows) == (0, [["2", "valid", ""]])


def test_the_result_holds_no_identity_and_is_its_owners_only(tmp_path: Path) -> None:
    done, _ = batch(tmp_path, f"nom_naissance;matricule;date_naissance\nPAT-TROIS;{PAT};1979-03-28\n")
    out = tmp_path / "out.csv"
    assert out.read_text() == "line;verdict;issues\n2;valid;\n"
    assert out.stat().st_mode & 0o077 == 0
    assert all(told not in done.stdout for told in CLEAR)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"x;matricule\n\xe9;%s\n1;%s\n", [["2", "unreadable", "CSV_ENCODING"], ["3", "valid", ""]]),
        (b"x;matricule\n%s\n1;%s;3\n1;%s\n",
         [["2", "unreadable", "CSV_COLUMNS"], ["3", "unreadable", "CSV_COLUMNS"], ["4", "valid", ""]]),
        (b'x;matricule\n"a"b;%s\n1;%s\n', [["2", "unreadable", "CSV_QUOTE"], ["3", "valid", ""]]),
        (b'x;matricule\n1;%s\n"open;%s\n1;%s\n',
         [["2", "valid", ""], ["3", "unreadable", "CSV_QUOTE"], ["4", "unreadable", "CSV_QUOTE"]]),
        (b"x;matricule\n" + b"a" * 500_000 + b";%s\n1;%s\n", [["2", "unreadable", "CSV_LINE"], ["3", "valid", ""]]),
        (b"x;matricule\n\0;%s\n;\n", [["2", "valid", ""], ["3", "invalid", "EMPTY"]]),
        (b"matricule\n%s", [["2", "valid", ""]]),
    ],
    ids=["bytes", "short and long", "quote", "quote never closed", "long line", "NUL and empty", "one column"],
)  # fmt: skip
def test_a_bad_line_has_its_code_and_the_next_are_checked(
    content: bytes, expected: list[list[str]], tmp_path: Path
) -> None:
    done, rows = batch(tmp_path, content.replace(b"%s", PAT.encode()))
    assert rows == expected
    assert done.exit_code == (0 if all(row[1] == "valid" for row in expected) else 1)


def test_a_quote_that_is_never_closed_swallows_no_more_than_its_share(tmp_path: Path) -> None:
    lines = [f"1;{PAT}" for _ in range(250)]
    lines[0] = f'"1;{PAT}'
    done, rows = batch(tmp_path, "x;matricule\n" + "\n".join(lines) + "\n")
    assert len(rows) == 250
    assert [r[1] for r in rows].count("unreadable") == ins_csv.MAX_ROW_LINES + 1
    assert done.exit_code == 1


def test_another_encoding_is_said_not_guessed(tmp_path: Path) -> None:
    content = f"prénoms;matricule\nANDRÉ;{PAT}\n".encode("cp1252")
    done, rows = batch(tmp_path, content, "--encoding", "cp1252")
    assert (done.exit_code, rows) == (0, [["2", "valid", ""]])
    assert batch(tmp_path, content)[0].exit_code == 2
    assert sunes("check-csv", tmp_path / "in.csv", "--out", tmp_path / "o", "--encoding", "klingon").exit_code == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"nom;prenoms\nA;B\n",
        b"matricule;Matricule\n1;2\n",
        b"sexe;sex;matricule\nF;F;1\n",
        "matricule\n".encode("utf-16"),
        b"x" * 200_000,
        b'"matricule\n1\n',
        b"a;matricule\n1;2\n",
    ],
)
def test_a_header_that_names_no_matricule_is_2_and_writes_nothing(content: bytes, tmp_path: Path) -> None:
    keep = ("--keep", "absent") if content.startswith(b"a;") else ()
    done, _ = batch(tmp_path, content, *keep)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-2].startswith("CSV_HEADER at line 1: ")
    assert not (tmp_path / "out.csv").exists()


def test_files_that_cannot_be_used_are_2(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"matricule\n{PAT}\n")
    assert "FILE_UNREADABLE" in sunes("check-csv", tmp_path / "absent.csv", "--out", tmp_path / "o.csv").stderr
    assert "FILE_UNREADABLE" in sunes("check-csv", tmp_path, "--out", tmp_path / "o.csv").stderr
    assert "FILE_UNWRITABLE" in sunes("check-csv", source, "--out", tmp_path / "absent" / "o.csv").stderr
    done = sunes("check-csv", source, "--out", source)
    assert (done.exit_code, "FILE_UNWRITABLE" in done.stderr) == (2, True)
    assert source.read_text() == f"matricule\n{PAT}\n"
    assert [f.name for f in tmp_path.iterdir()] == ["in.csv"]


def test_an_interrupted_run_leaves_the_former_result_whole(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("matricule\n" + f"{PAT}\n" * 5_000)
    out.write_text("former")

    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ins_csv.check_csv(source, out, progress=interrupt)
    assert out.read_text() == "former"
    assert {f.name for f in tmp_path.iterdir()} == {"in.csv", "out.csv"}
    assert csv.field_size_limit() == 131_072


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for rows in (200, 8_000):
        source = tmp_path / f"{rows}.csv"
        source.write_text("matricule;sexe;date_naissance;autre\n" + f"{PAT};F;1979-03-28;{'A' * 200}\n" * rows)
        tracemalloc.start()
        ins_csv.check_csv(source, tmp_path / "o.csv")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert source.stat().st_size > 1_500_000
    assert peaks[1] < peaks[0] + 100_000


# -- search


@pytest.fixture
def config(pki: TestPki, tmp_path: Path) -> Iterator[Path]:
    with FakeInsi(pki) as fake:
        settings = samples.settings(insi=fake.settings(pki), test_people=TEST_PEOPLE)
        file = tmp_path / "sunes.toml"
        file.write_text(to_toml(settings))
        yield file


ADRUN = {"nom_naissance": "ADRUN", "prenoms": "ZOE", "sexe": "F", "date_naissance": "1975-12-31"}


def test_search_finds_one_person(config: Path, tmp_path: Path) -> None:
    traits = written(tmp_path / "t.json", ADRUN | {"lieu_naissance_cog": "63220"})
    done = sunes("search", "--traits", traits, "--config", config, "--json")
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said["outcome"] == "00"
    assert said["person"]["matricule"] == "275126322074974"
    assert said["person"]["oid"] == InsOid.NIR.value
    assert "275126322074974" not in done.stderr
    shown = sunes("search", "--traits", traits, env={"SUNES_CONFIG": str(config)})
    assert shown.stdout.startswith("matricule: 275126322074974\n")
    assert "Comparez les traits" in shown.stdout


def test_search_finds_nobody_or_is_refused(config: Path, tmp_path: Path) -> None:
    nobody = written(tmp_path / "t.json", ADRUN | {"nom_naissance": "PERSONNE", "lieu_naissance_cog": "63220"})
    done = sunes("search", "--traits", nobody, "--config", config)
    assert done.exit_code == 1
    assert "Aucune identité trouvée" in done.stdout
    partial = written(tmp_path / "p.json", {"nom_naissance": "ADRUN"})
    refused = sunes("search", "--traits", partial, "--config", config)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "MODEL_MISSING" in refused.stderr
    no_settings = sunes("search", "--traits", nobody, env={"SUNES_CONFIG": ""})
    assert no_settings.exit_code == 2
    assert "SETTING_MISSING" in no_settings.stderr


# -- datamatrix


def identity_file(tmp_path: Path, identity: Identity | None = None) -> Path:
    identity = identity or samples.patient().identity
    return written(tmp_path / "identity.json", identity.model_dump(mode="json"))


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_label_is_drawn(kind: str, tmp_path: Path) -> None:
    out = tmp_path / f"label.{kind}"
    done = sunes("datamatrix", "encode", "--identity", identity_file(tmp_path), "--out", out, "--environment", "fake")
    assert (done.exit_code, done.stdout) == (0, f"{out}\n")
    if kind == "png":
        read = sunes("datamatrix", "decode", out, "--json")
        assert (read.exit_code, read.stderr) == (0, "")
        said = json.loads(read.stdout)
        assert said["must_verify"] is True
        assert said["scan"] == PAT_TRAITS | {"matricule": PAT, "oid": InsOid.NIR_TEST.value}
        shown = sunes("datamatrix", "decode", out)
        assert f"matricule: {PAT}\n" in shown.stdout
        assert "À vérifier auprès d'INSi" in shown.stdout
    else:
        assert "INS à scanner" in out.read_text(encoding="utf-8")


def test_what_may_not_be_printed_is_1(tmp_path: Path) -> None:
    out = tmp_path / "label.png"

    def drawn(file: Path, environment: str, out: Path = out) -> tuple[int, str]:
        done = sunes("datamatrix", "encode", "--identity", file, "--out", out, "--environment", environment)
        assert done.stdout == ""
        return done.exit_code, done.stderr.split(" ", 1)[0]

    provisional = identity_file(tmp_path, Identity(traits=samples.traits()))
    assert drawn(provisional, "FAKE") == (1, "INS_NOT_QUALIFIED")
    assert drawn(identity_file(tmp_path), "PRODUCTION") == (1, "ENVIRONMENT_IDENTITY")
    assert drawn(written(tmp_path / "i.json", {"traits": {}}), "FAKE") == (2, "MODEL_MISSING")
    assert drawn(identity_file(tmp_path), "FAKE", tmp_path / "label.pdf")[0] == 2
    assert drawn(identity_file(tmp_path), "ELSEWHERE")[0] == 2
    assert drawn(identity_file(tmp_path), "FAKE", tmp_path / "absent" / "l.png")[0] == 2
    assert not out.exists()


def test_a_scan_is_read_from_its_bytes_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "scan"
    file.write_bytes(datamatrix.encode(samples.patient().identity, Environment.FAKE))
    assert sunes("datamatrix", "decode", file).exit_code == 0
    file.write_bytes(file.read_bytes().replace(b"\x1d", b"<GS>"))
    done = sunes("datamatrix", "decode", file)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "INS_DM_GS_TEXT" in done.stderr
    said = json.loads(sunes("datamatrix", "decode", file, "--json").stdout)
    assert said == {"verdict": "invalid", "issues": ["DM_GS_TEXT"], "must_verify": True, "scan": None}
    assert sunes("datamatrix", "decode", tmp_path / "absent").exit_code == 2


def test_the_command_is_registered() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from sunes_sdk.cli import main; main()", "ins", "check", PAT, "--json"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert (json.loads(done.stdout), done.stderr) == ({"verdict": "valid", "issues": []}, "")
