"""Static SVG charts of a usage report. The same numbers give the same bytes; texts stay texts."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Mapping, Sequence
from textwrap import shorten, wrap
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from .._core.xml import escape_attribute
from .evaluation import IndicatorResult, Stage, percent_fr

INK, MUTED, GRID = "#1c2b3a", "#5d6b7a", "#e3e8ee"
SURE, MAYBE, LOSS, WHOLE, GOAL = "#0b5cad", "#a8cbee", "#d9694a", "#8796a5", "#12805c"

_WIDTH = 9.0
# matplotlib keeps its SVG options in one place for the whole process: they are set under a lock, for one drawing.
_LOCK = threading.Lock()
_UNUSED_ID = re.compile(r' id="(?:figure|axes|patch|text|line2d|matplotlib|FillBetween|LineCollection)[._a-zA-Z0-9]*"')


def rates_svg(results: Sequence[IndicatorResult]) -> str:
    """One bar for each indicator: what is sure, what an unknown outcome may add, the threshold where one is known."""
    figure = Figure(figsize=(_WIDTH, 0.4 + 0.6 * len(results)))
    axes = _bare_axes(figure, left=0.36, bottom=0.35, height=0.6 * len(results))
    axes.set_xlim(0, 103)
    axes.set_ylim(len(results) - 0.5, -0.5)
    for value in range(0, 101, 20):
        axes.axvline(value, color=GRID, linewidth=0.9, zorder=0)
        _text(axes, value, len(results) - 0.42, f"{value} %", color=MUTED, ha="center", va="top", size=9)
    for row, result in enumerate(results):
        low, high = (float(100 * (r or 0)) for r in (result.rate, result.rate_high))
        axes.barh(row, 100, height=0.5, color="#f3f5f8", zorder=0.5)
        axes.barh(row, high, height=0.5, color=MAYBE, zorder=1)
        axes.barh(row, low, height=0.5, color=SURE, zorder=2)
        goal = result.profile.share
        if goal is not None:
            axes.plot([float(100 * goal)] * 2, [row - 0.36, row + 0.36], color=GOAL, linewidth=2.4, zorder=3)
        lines = _lines(result.profile.title_fr, 38)
        for number, line in enumerate(lines):
            # One text for each line: a block would be set for the widths of the font that draws here.
            _text(axes, -1.5, row + 0.26 * (number - (len(lines) - 1) / 2), line, ha="right", size=10)
        shown = f"{_plain(result.rate_fr)}  ({result.num}/{result.den})" if result.den else "rien à compter"
        inside = high > 62
        _text(
            axes, (low if inside else high) + (-1 if inside else 1), row, shown, size=10, weight="bold",
            color="white" if inside and low > 30 else INK, ha="right" if inside and low > 30 else "left",
        )  # fmt: skip
    return _svg(figure, "rates", "Taux de chaque indicateur, borne basse et borne haute")


def waterfall_svg(result: IndicatorResult, labels: Mapping[Stage, str]) -> str:
    """From the denominator down to the numerator, one step for each cause of loss."""
    steps = [(labels[b.stage], b.count, percent_fr(b.share)) for b in result.blockers]
    rows = len(steps) + 2
    figure = Figure(figsize=(_WIDTH, 0.2 + 0.42 * rows))
    axes = _bare_axes(figure, left=0.36, bottom=0.1, height=0.42 * rows)
    axes.set_xlim(0, result.den * 1.17)
    axes.set_ylim(rows - 0.5, -0.5)

    def bar(row: int, start: int, length: int, colour: str, label: str, value: str, *, strong: bool = False) -> None:
        axes.barh(row, length, left=start, height=0.62, color=colour, zorder=2)
        weight = "bold" if strong else "normal"
        _text(axes, -result.den * 0.012, row, shorten(label, 48, placeholder="…"), ha="right", size=10, weight=weight)
        _text(axes, start + length + result.den * 0.012, row, value, size=10, weight=weight)

    bar(0, 0, result.den, WHOLE, "Dénominateur", str(result.den), strong=True)
    left = result.den
    for row, (label, count, share) in enumerate(steps, start=1):
        axes.plot([left] * 2, [row - 1, row], color=MUTED, linewidth=0.7, zorder=1)
        left -= count
        bar(row, left, count, LOSS, label, f"−{count}  ({_plain(share)})")
    axes.plot([left] * 2, [rows - 2, rows - 1], color=MUTED, linewidth=0.7, zorder=1)
    bar(rows - 1, 0, left, SURE, "Numérateur", f"{left}  ({_plain(result.rate_fr)})", strong=True)
    axes.axvline(0, color=INK, linewidth=0.8, zorder=3)
    return _svg(figure, result.profile.profile_id, f"Du dénominateur au numérateur : {result.profile.title_fr}")


def _bare_axes(figure: Figure, *, left: float, bottom: float, height: float) -> mpl.axes.Axes:
    """Axes without frame or ticks. left: share of the width kept for labels; bottom, height: inches."""
    total = figure.get_figheight()
    axes = figure.add_axes((left, bottom / total, 0.985 - left, height / total))
    axes.set_axis_off()
    return axes


def _text(axes: mpl.axes.Axes, x: float, y: float, text: str, **style: object) -> None:
    # parse_math: a title with two dollar signs is a title, not a formula.
    axes.text(x, y, text, **{"color": INK, "va": "center", **style}, parse_math=False)  # type: ignore[arg-type]  # style is mixed


def _plain(text: str) -> str:
    return text.replace("\u202f", "\u00a0")


def _lines(text: str, width: int) -> list[str]:
    """At most two lines; what does not fit is cut."""
    first, *others = wrap(text, width) or [""]
    return [first, shorten(" ".join(others), width, placeholder="…")] if others else [first]


def _svg(figure: Figure, salt: str, label: str) -> str:
    out = io.StringIO()
    with _LOCK, mpl.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none", "font.family": "sans-serif"}):
        canvas: Any = FigureCanvasSVG(figure)  # its methods have no types
        canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = out.getvalue()
    svg = _UNUSED_ID.sub("", svg[svg.index("<svg") :])
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    opening, _, rest = svg.partition(">")
    opening = re.sub(r' (?:width|height)="[^"]*"', "", opening)
    return f'{opening} role="img" aria-label="{escape_attribute(label)}">{rest}'
