"""The charts of the report. The attack is loud, its random control grey, clean data dark.

Every chart takes records of ``results.json`` and gives inline SVG; a chart without data is not
drawn by the page, so the functions here expect at least one point.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median
from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes

from spikeproof.report import palette
from spikeproof.report.svg import NARROW, WIDE, chart
from spikeproof.report.terms import unit
from spikeproof.report.words import level, number, percent, plain
from spikeproof.results.records import AttackRecord, Pair, Point, Proportion

DOTS: Final = 300  # recordings drawn one dot each; more become bars
_HUES: Final = (palette.ATTACK, palette.REMOVED, palette.MOVED)
MAX_LINES: Final = len(_HUES)  # attacks in one chart

Line = list[tuple[float, Proportion]]
Span = tuple[str, Proportion, Proportion | None]


def overview(
    pairs: Sequence[tuple[AttackRecord, AttackRecord | None]], many: str = "recordings"
) -> Markup:
    """Success of every attack and of its control, with 95 % intervals."""
    rows = [
        (plain(a.title, 44), a.success, c.success if c and c.measured else None) for a, c in pairs
    ]
    return _dumbbells("overview", "Success rates", rows, f"fooled, of the {many} it had right")


def targets(attack: AttackRecord) -> Markup:
    """How often each class can be forced, against the control."""
    rows = [(plain(t.target, 24), t.success, t.control) for t in attack.per_target]
    title = f"{plain(attack.title)}, success per target class"
    axis = "read as this class instead"
    return _dumbbells(f"targets-{attack.id}", title, rows, axis, inches=0.27)


def curve(attacks: Sequence[AttackRecord], clean: Proportion) -> Markup:
    """Robust accuracy of up to ``MAX_LINES`` attacks over the budget, with confidence bands.

    The first control that was measured is drawn once, since they share it.
    """
    points = [p for a in attacks for p in a.curve]
    name_of = next(
        name
        for name, there in (
            (number, any(p.budget is not None for p in points)),
            (level, any(p.eps is not None for p in points)),
            (percent, True),
        )
        if there
    )
    axis = _BUDGETS[name_of]
    lines: list[tuple[str, Line, str]] = [
        (plain(a.title, 30), _line(a.curve, clean), hue)
        for a, hue in zip(attacks, _HUES[: len(attacks)], strict=True)
    ]
    control = next((line for a in attacks if len(line := _control(a.curve, clean)) > 1), None)
    if control:
        random = "at random" if name_of is level else "the same number at random"
        lines.append((random, control, palette.CONTROL))
    xs = sorted({x for _, line, _ in lines for x, _ in line})

    def draw(axes: Axes, narrow: bool) -> None:
        for name, line, hue in lines:
            _band(axes, name, line, hue)
        positive = [x for x in xs if x > 0]
        if positive and positive[-1] / positive[0] > 20:
            axes.set_xscale("symlog", linthresh=positive[0], linscale=0.4)
        axes.set_xlim(0, xs[-1] or 1)
        ticks = _spread(axes, xs, 5 if narrow else 9)
        axes.set_xticks(ticks, [name_of(x) for x in ticks])
        axes.minorticks_off()
        axes.set_xlabel(axis)
        axes.set_ylim(-0.02, 1.02)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.set_ylabel("still right")
        axes.grid(axis="y")
        axes.figure.legend(
            loc="outside upper left", frameon=False, ncols=1 if narrow else 2, fontsize=9
        )

    said = [f"{name_of(x)}: {percent(p.value)}" for x, p in lines[0][1]]
    label = f"{lines[0][0]}, accuracy by changes allowed: {', '.join(said)}"
    return chart(f"curve-{attacks[0].id}", label, draw, wide=3.2, narrow=2.9)


_BUDGETS: Final[dict[Callable[[float], str], str]] = {
    number: "changes allowed per recording",
    percent: "share of the active cells changed",
    level: "largest change of an intensity",
}


def fooled_costs(attack: AttackRecord) -> list[float]:
    """How many changes each fooled recording took, ascending; of images, how large a change."""
    fooled = [r for r in attack.rows if r.success and r.valid]
    return sorted(cost for r in fooled if (cost := r.flips if r.size is None else r.size))


def distribution(attack: AttackRecord) -> Markup:
    """How much each fooled recording took, one dot a recording."""
    flips = fooled_costs(attack)
    low, high = flips[0], flips[-1]
    whole = attack.norm in (None, "l0")
    log = high / low > 12
    middle_flips = median(flips)

    def draw(axes: Axes, narrow: bool) -> None:
        width = NARROW if narrow else WIDE
        bins = width // 12
        edges = _edges(low, high, bins, log, whole)
        slots = [max(i for i in range(bins) if edges[i] <= value) for value in flips]
        heights = [slots.count(i) for i in range(bins)]
        if log:
            axes.set_xscale("log")
        if len(flips) <= DOTS:
            rank = [slots[:k].count(slot) for k, slot in enumerate(slots)]
            middle = [(edges[s] * edges[s + 1]) ** 0.5 for s in slots]
            if not log:
                middle = [(edges[s] + edges[s + 1]) / 2 for s in slots]
            size = min(0.58 * width * 0.75 / bins, 88 / max(heights))  # points
            heights_of = [k + 0.5 for k in rank]
            axes.scatter(middle, heights_of, s=size**2, color=palette.ATTACK, linewidths=0)
        else:
            spans = [edges[i + 1] - edges[i] for i in range(bins)]
            axes.bar(edges[:-1], heights, spans, align="edge", color=palette.ATTACK)
        ticks = _round_ticks(low, high, log, whole)
        axes.set_xticks(ticks, [number(t) for t in ticks])
        axes.minorticks_off()
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, max(heights) * 1.25 + 0.5)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(unit(attack))
        axes.axvline(middle_flips, color=palette.INK, linewidth=1.0, ymax=0.88, zorder=0)
        text = axes.annotate(
            f"median {number(middle_flips)}",
            (middle_flips, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
        )
        text.set_in_layout(False)

    label = (
        f"{plain(attack.title)}: {len(flips)} fooled, {unit(attack)} {number(low)} to"
        f" {number(high)}"
    )
    return chart(f"flips-{attack.id}", label, draw, wide=2.3)


def energy(title: str, rows: Sequence[tuple[str, Pair]], one: str = "recording") -> Markup:
    """Medians and quartiles of a count, clean (dark) and attacked (loud), one row an attack."""
    names = [name for name, _ in rows]
    long = _long(names)

    def draw(axes: Axes, narrow: bool) -> None:
        for k, (_, pair) in enumerate(rows):
            for summary, dy, hue in (
                (pair.clean, -0.13, palette.CLEAN),
                (pair.attacked, 0.13, palette.ATTACK),
            ):
                if summary.median is None:
                    continue
                if summary.q25 is not None and summary.q75 is not None:
                    axes.plot(
                        [summary.q25, summary.q75], [k + dy] * 2, color=hue, lw=3.2, alpha=0.3
                    )
                axes.plot(summary.median, k + dy, "o", color=hue, ms=5)
        _rows(axes, names, above=narrow and long)
        axes.margins(x=0.08)
        axes.locator_params(axis="x", nbins=4 if narrow else 6)
        low, high = axes.get_xlim()
        ticks = [t for t in axes.get_xticks() if low <= t <= high]
        axes.set_xticks(ticks, [number(t, digits=4) for t in ticks])
        axes.grid(axis="x")
        axes.set_xlabel(f"{title} per {one}")

    said = [f"{n} {number(p.clean.median)} to {number(p.attacked.median)}" for n, p in rows]
    label = f"{title}, median on clean and on attacked {one}s: {'; '.join(said)}"
    n = len(rows)
    return chart(
        f"energy-{title}",
        label,
        draw,
        wide=0.42 * n + 0.6,
        narrow=(0.55 if long else 0.42) * n + 0.6,
    )


def _dumbbells(
    name: str, title: str, rows: Sequence[Span], axis: str, *, inches: float = 0.42
) -> Markup:
    """Rows of an attack's proportion (full) and its control's (hollow)."""
    names = [name for name, _, _ in rows]
    long = _long(names)

    def draw(axes: Axes, narrow: bool) -> None:
        slim = 0.2 * inches
        for k, (_, part, control) in enumerate(rows):
            if control is not None and control.value is not None:
                _interval(axes, control, k - slim, palette.CONTROL, hollow=True)
            if part.value is not None:
                _interval(axes, part, k + (slim if control else 0), palette.ATTACK)
            axes.text(1.04, k, percent(part.value), va="center", ha="left")
        _rows(axes, names, above=narrow and long)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(axis="x")
        axes.set_xlabel(axis)

    said = [f"{n} {percent(p.value)}" + _versus(c) for n, p, c in rows]
    wide, label = inches * len(rows) + 0.6, f"{title}: {'; '.join(said)}"
    return chart(name, label, draw, wide=wide, narrow=(0.5 if long else inches) * len(rows) + 0.6)


def _versus(control: Proportion | None) -> str:
    return f" (control {percent(control.value)})" if control else ""


def _interval(axes: Axes, part: Proportion, y: float, hue: str, hollow: bool = False) -> None:
    if part.low is not None and part.high is not None:
        axes.plot([part.low, part.high], [y, y], color=hue, lw=3.2, alpha=0.32)
    face = palette.PAPER if hollow else hue
    axes.plot([part.value or 0.0], [y], "o", color=hue, mfc=face, ms=5 if hollow else 6.5, mew=1.3)


def _long(names: Sequence[str]) -> bool:
    return max(len(name) for name in names) > 12


def _rows(axes: Axes, names: Sequence[str], above: bool) -> None:
    """Name the rows at their left, or above them."""
    axes.set_ylim(len(names) - 0.4, -0.75 if above else -0.6)
    axes.spines["left"].set_visible(False)
    if not above:
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", labelcolor=palette.INK)
        return
    axes.set_yticks([])
    for k, name in enumerate(names):
        axes.annotate(
            name,
            (0, k),
            xycoords=("axes fraction", "data"),
            xytext=(0, 8),
            textcoords="offset points",
            va="bottom",
        )


def _band(axes: Axes, name: str, line: Line, hue: str) -> None:
    known = [(x, p) for x, p in line if p.low is not None and p.high is not None]
    lows, highs = [p.low or 0.0 for _, p in known], [p.high or 0.0 for _, p in known]
    axes.fill_between([x for x, _ in known], lows, highs, color=hue, alpha=0.14, linewidth=0)
    values = [p.value or 0.0 for _, p in line]
    face = palette.PAPER if hue == palette.CONTROL else hue
    axes.plot([x for x, _ in line], values, "o-", color=hue, mfc=face, label=name, ms=4.5, lw=1.6)


def _line(points: Sequence[Point], clean: Proportion) -> Line:
    return _from_zero([(p.at, p.robust_accuracy) for p in points], clean)


def _control(points: Sequence[Point], clean: Proportion) -> Line:
    return _from_zero([(p.at, p.control) for p in points], clean)


def _from_zero(points: Sequence[tuple[float | None, Proportion | None]], clean: Proportion) -> Line:
    """The measured points in order, beginning with clean accuracy at no change at all."""
    line = {x: p for x, p in points if x is not None and p is not None and p.value is not None}
    if clean.value is not None:
        line.setdefault(0.0, clean)
    return sorted(line.items(), key=lambda item: item[0])


def _spread(axes: Axes, xs: Sequence[float], most: int) -> list[float]:
    """The budgets that can be labelled without touching one another."""
    scale = axes.transData
    place = [float(scale.transform((x, 0))[0]) for x in xs]
    gap = (place[-1] - place[0]) / most
    ticks, last = [], float("inf")
    for x, where in sorted(zip(xs, place, strict=True), reverse=True):
        if last - where >= gap:
            ticks.append(x)
            last = where
    return sorted(ticks)


def _edges(low: float, high: float, bins: int, log: bool, whole: bool) -> list[float]:
    if log:
        step = (high * 1.15 / (low / 1.15)) ** (1 / bins)
        return [low / 1.15 * step**i for i in range(bins + 1)]
    margin = 0.04 * (high - low) + (0.5 if whole else 0.0)
    width = (high - low + 2 * margin) / bins
    return [low - margin + width * i for i in range(bins + 1)]


def _round_ticks(low: float, high: float, log: bool, whole: bool) -> list[float]:
    """1, 2, 5, 10, … where logarithmic; else about five round numbers."""
    if log:
        ticks = [m * 10.0**e for e in range(-6, 8) for m in (1, 2, 5)]
    elif low == high:
        ticks = [low]
    else:
        rough = (high - low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
        if whole:
            step = max(step, 1)
        ticks = [step * k for k in range(int(high / step) + 2)]
    return [float(t) for t in ticks if low <= t <= high] or [float(low)]
