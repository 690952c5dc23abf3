"""Line charts of a reproduction, with bands for 95 % intervals.

Lines differ in colour and in the shape of their points, so that they stay apart in grey too.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup
from matplotlib.axes import Axes

from spikeproof.report import palette
from spikeproof.report.svg import chart
from spikeproof.report.words import number, percent, plain
from spikeproof.results.reproduction import Chart, Series

_HUES: Final = (palette.ADDED, palette.REMOVED, palette.MOVED, palette.ON, palette.OFF)
_POINTS: Final = "osD^v"
_FEW: Final = 24  # points of a line; where there are more, they are not marked
_SPAN: Final = 15  # of the largest and smallest positive x; beyond it the axis is logarithmic


def drawn(found: Chart, name: str) -> Markup:
    """The chart as inline SVG; ``name`` tells it from others of the page."""
    xs = sorted({x for line in found.series for x in line.x})

    def draw(axes: Axes, narrow: bool) -> None:
        for k, line in enumerate(found.series):
            _line(axes, line, k)
        _across(axes, xs, narrow)
        _along(axes, found)
        axes.set_xlabel(found.x)
        axes.set_ylabel(found.y)
        axes.grid(axis="y")
        if len(found.series) > 1:
            axes.figure.legend(
                loc="outside upper left", frameon=False, ncols=1 if narrow else 2, fontsize=9
            )

    said = "; ".join(f"{plain(line.name)}: {_said(line, found.percent)}" for line in found.series)
    rows = max(0, len(found.series) - 1)
    return chart(
        name, f"{found.title}. {said}", draw, wide=2.9 + 0.1 * rows, narrow=2.7 + 0.2 * rows
    )


def _line(axes: Axes, line: Series, k: int) -> None:
    hue, point = _HUES[k % len(_HUES)], _POINTS[k % len(_POINTS)]
    if line.low and line.high:
        axes.fill_between(line.x, line.low, line.high, color=hue, alpha=0.14, linewidth=0)
    axes.plot(
        line.x,
        line.y,
        marker=point if len(line.x) <= _FEW else None,
        linestyle="-" if k < len(_HUES) else "--",
        color=hue,
        label=plain(line.name),
        ms=4.5,
        lw=1.6,
    )


def _across(axes: Axes, xs: list[float], narrow: bool) -> None:
    """Scale and ticks of the x axis: at the places that were measured, if they are few."""
    positive = [x for x in xs if x > 0]
    if positive and xs[0] >= 0 and positive[-1] / positive[0] > _SPAN and len(xs) <= _FEW:
        if xs[0] > 0:
            axes.set_xscale("log")
        else:
            axes.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
    if len(xs) > _FEW:
        return
    gap = (axes.get_xlim()[1] - axes.get_xlim()[0]) and 1 / (6 if narrow else 11)
    ticks, last = [], float("-inf")
    for x in xs:
        where = float(axes.transAxes.inverted().transform(axes.transData.transform((x, 0)))[0])
        if where - last >= gap:
            ticks.append(x)
            last = where
    axes.set_xticks(ticks, [number(x) for x in ticks])
    axes.minorticks_off()


def _along(axes: Axes, found: Chart) -> None:
    """Scale and ticks of the y axis; shares that are all high are shown from where they begin."""
    lowest = min((y for line in found.series for y in (*line.y, *line.low)), default=0.0)
    if not found.percent:
        axes.margins(y=0.08)
        ticks = [t for t in axes.get_yticks() if axes.get_ylim()[0] <= t <= axes.get_ylim()[1]]
        axes.set_yticks(ticks, [number(float(t)) for t in ticks])
        return
    highest = max((y for line in found.series for y in (*line.y, *line.high)), default=1.0)
    if lowest > 0.6:
        room = max(1 - lowest, 0.01)
        axes.set_ylim(lowest - 0.06 * room, 1 + 0.04 * room)
    elif highest < 0.4:
        axes.set_ylim(0, 1.08 * max(highest, 0.01))
    else:
        axes.set_ylim(-0.02, 1.02)
    axes.locator_params(axis="y", nbins=5)
    ticks = [t for t in axes.get_yticks() if axes.get_ylim()[0] <= t <= min(axes.get_ylim()[1], 1)]
    axes.set_yticks(ticks, [percent(round(float(t), 6)) for t in ticks])


def _said(line: Series, share: bool) -> str:
    """Where a line begins and ends."""
    if not line.x:
        return "nothing measured"
    say = percent if share else number
    ends = [(line.x[0], line.y[0]), (line.x[-1], line.y[-1])]
    return ", ".join(f"{say(y)} at {number(x)}" for x, y in ends)
