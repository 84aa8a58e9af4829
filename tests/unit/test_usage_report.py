"""The page and the terminal rows: complete, honest, self-contained, and safe whatever the texts they are given."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from lxml import etree, html

from sunes_sdk._core.clock import FixedClock
from sunes_sdk._core.xml import parse
from sunes_sdk.errors import ModelError
from sunes_sdk.model import Event, Identifier, IdentityStatus
from sunes_sdk.settings import Environment
from sunes_sdk.usage import (
    IndicatorResult,
    Ledger,
    Period,
    Stage,
    available_profiles,
    evaluate_all,
    load_profile,
    print_summary,
    read_profile,
    render_html,
    summary_rows,
)
from sunes_sdk.usage.report import CAUSES_FR, EXCLUDED_FR, NOTICES_FR, SUMMARY_COLUMNS, WORDING_FR

OUT = datetime(2026, 1, 15, 9, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
PERIOD = Period(date(2026, 1, 1), date(2026, 1, 31))
VISIT = "VISIT24000123"


def events() -> list[Event]:
    made: list[Event] = []

    def add(kind: str, **fields: Any) -> None:
        made.append(Event(event_id=f"e{len(made)}", type=kind, occurred_at=OUT, **fields))  # type: ignore[arg-type]  # fields of each case

    for n, outcome in enumerate(("DMP_ACCEPTED", "DMP_ACCEPTED", "DMP_REJECTED", "DMP_UNKNOWN")):
        stay = Identifier(value=f"{VISIT}{n}", root="1.2.3")
        add(
            "STAY_CLOSED",
            stay=stay,
            stay_class="I",
            activity="MCO",
            admitted_at=OUT - timedelta(days=2),
            discharged_at=OUT,
        )
        ids: dict[str, Any] = {"document_id": f"1.9.{n}", "chain_id": f"1.8.{n}"}
        add(
            "DOC_PRODUCED",
            stay=stay,
            type_code="11490-0",
            ins_status=IdentityStatus.QUALIFIEE,
            test_identity=n == 0,
            **ids,
        )
        add(outcome, channel="DMP", attempt=1, **ids)
    return made


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with Ledger.open("sqlite://", b"s" * 32, clock=FixedClock(NOW)) as opened:
        opened.record(events())
        yield opened


def evaluated(ledger: Ledger, environment: Environment, **changes: Any) -> tuple[IndicatorResult, ...]:
    profiles = [load_profile(name) for name in available_profiles()]
    if changes:
        profiles = [
            read_profile(json.dumps(p.model_dump(mode="json", exclude_unset=True) | changes)) for p in profiles[:1]
        ]
    return evaluate_all(ledger, profiles, period=PERIOD, environment=environment, as_of=NOW)


def page(results: tuple[IndicatorResult, ...], **changes: Any) -> str:
    options: dict[str, Any] = {
        "title": "Usage", "establishment": "CH de démonstration", "environment": results[0].environment,
        "generated_at": NOW, **changes,
    }  # fmt: skip
    return render_html(results, **options)


def test_the_page_holds_the_numbers_and_what_proves_them(ledger: Ledger) -> None:
    results = evaluated(ledger, Environment.FAKE)
    text = html.fromstring(page(results)).text_content()
    d1 = next(r for r in results if r.profile.profile_id == "sunes.v1.d1")
    assert (d1.num, d1.num_high, d1.den) == (2, 3, 4)
    for expected in ("50,0\u202f%", "75,0\u202f%", "2 sur 4", "seuil à renseigner (source ARS/DGOS)", WORDING_FR):
        assert expected in text
    for result in results:
        assert result.profile.hash in text
        assert all(a.note in text for a in result.profile.assumptions)
    assert ledger.head().hash.hex() in text
    assert "identités de test sont comptées" in text
    assert "Cible atteinte" not in text


def test_production_says_that_test_people_are_left_out(ledger: Ledger) -> None:
    text = html.fromstring(page(evaluated(ledger, Environment.PRODUCTION))).text_content()
    assert "identité de test : 1" in text
    assert "identités de test sont comptées" not in text
    assert "Données de démonstration" not in text


def test_the_page_fetches_and_runs_nothing(ledger: Ledger) -> None:
    source = page(evaluated(ledger, Environment.FAKE))
    tree = html.fromstring(source)
    assert not tree.xpath("//script | //link | //iframe | //object | //img | //@onload | //@onclick")
    assert not [ref for ref in tree.xpath("//@href | //@src") if not ref.startswith("#")]
    outside = set(re.findall(r"https?://[^\"' )<]+", source))
    assert outside <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in source
    assert not re.search(r"url\((?!#)", source)


def test_the_charts_are_svg_with_readable_text(ledger: Ledger) -> None:
    results = evaluated(ledger, Environment.FAKE)
    charts = re.findall(r"<svg.*?</svg>", page(results), re.DOTALL)
    assert len(charts) == 1 + sum(bool(r.den) for r in results)
    words = []
    for chart in charts:
        root = parse(chart.encode())
        assert root.get("viewBox")
        assert root.get("aria-label")
        words.append(" ".join(root.itertext()))
    assert "50,0\u00a0%" in words[0]
    assert "(2/4)" in words[0]
    assert any("Issue inconnue" in w and "Dénominateur" in w and "Numérateur" in w for w in words[1:])


def test_the_same_report_is_the_same_bytes(ledger: Ledger) -> None:
    results = evaluated(ledger, Environment.FAKE)
    assert page(results) == page(results)
    alone = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_usage_report as t\n"
        "with t.Ledger.open('sqlite://', b's' * 32, clock=t.FixedClock(t.NOW)) as ledger:\n"
        "    ledger.record(t.events())\n"
        "    print(hashlib.sha256(t.page(t.evaluated(ledger, t.Environment.FAKE)).encode()).hexdigest())"
    )
    folder = __file__.rpartition("/")[0]
    out = subprocess.run([sys.executable, "-c", alone, folder], capture_output=True, text=True, check=True).stdout
    assert out.strip() == hashlib.sha256(page(results).encode()).hexdigest()


def test_texts_are_texts_everywhere(ledger: Ledger) -> None:
    evil = "<script>alert(1)</script>\"'&$x_1$"
    results = evaluated(
        ledger, Environment.FAKE, title_fr=evil, numerator_fr=evil, threshold="0.5", threshold_source=evil,
        assumptions=[{"field": evil, "mark": "A", "note": evil}],
    )  # fmt: skip
    source = page(results, title=evil, establishment=evil)
    assert "<script" not in source
    tree = html.fromstring(source)
    assert not tree.xpath("//script")
    assert evil in tree.xpath("//h1")[0].text_content()
    assert evil in " ".join(tree.xpath("//figure")[0].itertext())


def test_a_known_threshold_is_judged_and_drawn(ledger: Ledger) -> None:
    reached = evaluated(ledger, Environment.FAKE, threshold="0.5", threshold_source="lettre de notification")
    text = html.fromstring(page(reached)).text_content()
    assert "Cible atteinte" in text
    assert "lettre de notification" in text
    assert "seuil à renseigner" not in text
    missed = evaluated(ledger, Environment.FAKE, threshold="0.9", threshold_source="lettre de notification")
    assert "Cible non atteinte" in html.fromstring(page(missed)).text_content()
    assert page(reached).count("<svg") == page(missed).count("<svg") == 2


def test_no_identifier_reaches_the_page(ledger: Ledger) -> None:
    assert VISIT not in page(evaluated(ledger, Environment.FAKE))


def test_a_report_is_of_its_environment(ledger: Ledger) -> None:
    results = evaluated(ledger, Environment.FAKE)
    with pytest.raises(ModelError) as raised:
        page(results, environment=Environment.PRODUCTION)
    assert raised.value.code == "REPORT_ENVIRONMENT"
    with pytest.raises(ModelError) as naive:
        page(results, generated_at=datetime(2026, 1, 1))  # noqa: DTZ001
    assert naive.value.code == "NAIVE_TIME"
    with pytest.raises(ModelError) as empty:
        render_html([], title="", establishment="", environment=Environment.FAKE, generated_at=NOW)
    assert empty.value.code == "REPORT_EMPTY"


def test_the_summary(ledger: Ledger) -> None:
    results = evaluated(ledger, Environment.FAKE)
    rows = summary_rows(results)
    assert rows[0][:4] == ("Alimentation du DMP – documents de sortie", "2/4", "50,0\u202f%", "75,0\u202f%")
    assert all(len(row) == len(SUMMARY_COLUMNS) for row in rows)
    out = io.StringIO()
    print_summary(results, file=out)
    assert WORDING_FR in out.getvalue()
    assert "identités de test" in out.getvalue()
    assert len(out.getvalue().splitlines()) == len(rows) + 4


def test_every_cause_has_its_words() -> None:
    from sunes_sdk.usage.profile import Exclusion

    assert set(CAUSES_FR) == set(Stage) - {Stage.DONE}
    assert set(Exclusion.__args__) <= set(EXCLUDED_FR)  # type: ignore[attr-defined]  # a Literal
    assert all(label[0].islower() for label in (*EXCLUDED_FR.values(), *NOTICES_FR.values()))


def test_the_page_is_well_formed(ledger: Ledger) -> None:
    parser = etree.HTMLParser(recover=False)
    try:
        etree.fromstring(page(evaluated(ledger, Environment.PRODUCTION)), parser)
    except etree.XMLSyntaxError as e:
        # libxml2 knows HTML 4: the elements of HTML 5 and SVG are its only complaints.
        complaints = {str(entry.message) for entry in e.error_log}
        assert all(re.fullmatch(r"Tag \w+ invalid", c) for c in complaints), complaints


def test_importing_usage_and_summing_up_load_no_matplotlib() -> None:
    code = (
        "import sys, sunes_sdk.usage as u; assert 'sqlalchemy' not in sys.modules\n"
        "u.summary_rows([]); u.evaluate; assert not {'matplotlib', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_are_sorted_and_real() -> None:
    import sunes_sdk.usage as usage

    assert list(usage.__all__) == sorted(usage.__all__)
    assert set(usage.__all__) <= set(dir(usage))
    for name in usage.__all__:
        assert callable(getattr(usage, name)), name
    with pytest.raises(AttributeError):
        _ = usage.Nothing  # type: ignore[attr-defined]  # it does not exist: that is the test
