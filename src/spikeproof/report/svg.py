"""One matplotlib drawing as inline SVG, once for a wide and once for a narrow page.

Text stays text, so it is crisp and can be searched; the result is a pure function of what is drawn
(no dates, no random ids), and ids carry the chart's name, so that many charts share one page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from html import escape
from typing import Any, Final

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from spikeproof.report import palette

WIDE: Final = 560  # CSS pixels, 96 to the inch
NARROW: Final = 344

STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "spikeproof",
    "text.parse_math": False,  # class names may hold dollars
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": palette.CONTROL,
    "axes.labelcolor": palette.MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.02,
    "grid.color": palette.RULE,
    "grid.linewidth": 0.7,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "text.color": palette.INK,
}

Draw = Callable[[Axes, bool], None]


def chart(name: str, label: str, draw: Draw, *, wide: float, narrow: float | None = None) -> Markup:
    """Both sizes of a chart; ``draw(axes, narrow)`` fills it, heights are in inches.

    ``label`` is what a screen reader says.
    """
    name = re.sub(r"[^a-z0-9-]", "-", name.lower())
    sizes = (("wide", WIDE, wide), ("narrow", NARROW, narrow or wide))
    drawn = [_svg(f"{name}-{s}", s, label, draw, width, height) for s, width, height in sizes]
    return Markup("".join(drawn))


def _svg(name: str, size: str, label: str, draw: Draw, width: int, height: float) -> str:
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        # the browser, not matplotlib, draws the text: a glyph missing here does not matter
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=(width / 96, height))
        draw(figure.add_subplot(), size == "narrow")
        canvas: Any = FigureCanvasSVG(figure)  # its methods are not annotated
        canvas.print_svg(buffer, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    body = text[text.index(">") + 1 :]
    body = re.sub(r"<style.*?</style>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, count=1, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body)
    body = re.sub(r"url\(#", f"url(#{name}-", body)
    view = f"0 0 {width * 0.75:g} {height * 72:g}"
    return (
        f'<svg class="chart {size}" role="img" aria-label="{escape(label)}" viewBox="{view}" '
        f'style="max-width:{width}px" xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )
