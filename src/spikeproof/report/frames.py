"""Pictures of recordings in motion: one panel a recording, same colours as the report.

A frame shows the events of the last moment in full ink over the fading trace of earlier ones.
Panels are drawn at sensor size and then enlarged by a whole factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from spikeproof.events import Difference, Events
from spikeproof.report import palette
from spikeproof.report.pictures import Picture, counts, ink_scale, loud, picture, polarities

MARGIN: Final = 16  # pixels round and between panels
HEAD: Final = 30  # pixels for the panels' titles
FOOT: Final = 26  # pixels for the clock
FADE: Final = 0.72  # what is left of a trace after one frame
MAX_SIDE: Final = 320  # pixels of a panel's longer side, unless the sensor is larger


@dataclass(frozen=True)
class EventLayer:
    """Chosen events of a recording; ``colour`` is ``None`` for the quiet on/off pair."""

    events: Events
    which: NDArray[np.int64]
    colour: str | None = None


@dataclass(frozen=True)
class Panel:
    """A titled recording, drawn layer over layer."""

    title: str
    layers: tuple[EventLayer, ...]


def whole(title: str, events: Events) -> Panel:
    """A panel of one recording as it is."""
    return Panel(title, (EventLayer(events, np.arange(len(events))),))


def changed(clean: Events, other: Events, changes: Difference) -> Panel:
    """A panel of what was kept (faint), removed, moved and added."""
    layers = (
        EventLayer(other, changes.kept),
        EventLayer(clean, changes.removed, palette.REMOVED),
        EventLayer(other, changes.moved_to, palette.MOVED),
        EventLayer(other, changes.added, palette.ADDED),
    )
    return Panel("difference", layers)


def film(panels: Sequence[Panel], step: float) -> Iterator[Image.Image]:
    """Frames of all panels side by side, one for every ``step`` µs of the recordings."""
    events = [layer.events for panel in panels for layer in panel.layers if len(layer.events)]
    start = min((int(e.t[0]) for e in events), default=0)
    end = max((int(e.t[-1]) for e in events), default=0)
    strips = [_strip(panel, start, step, _frames(start, end, step)) for panel in panels]
    for k, images in enumerate(zip(*strips, strict=True)):
        now = min(start + round((k + 1) * step), end) - start
        clock = f"{now / 1000:.0f} of {(end - start) / 1000:.0f} ms"
        yield sheet([p.title for p in panels], images, clock)


def sheet(titles: Sequence[str], images: Sequence[Picture], foot: str) -> Image.Image:
    """Panels beside each other, with titles above and one line below."""
    height, width = images[0].shape[:2]
    factor = max(1, MAX_SIDE // max(height, width))
    across, down = width * factor, height * factor
    size = (MARGIN + len(images) * (across + MARGIN), HEAD + down + FOOT)
    # video codecs want even sizes
    page = Image.new("RGB", (size[0] + size[0] % 2, size[1] + size[1] % 2), palette.PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(14)
    for k, (title, image) in enumerate(zip(titles, images, strict=True)):
        left = MARGIN + k * (across + MARGIN)
        large = Image.fromarray(image).resize((across, down), Image.Resampling.NEAREST)
        page.paste(large, (left, HEAD))
        pen.rectangle((left - 1, HEAD - 1, left + across, HEAD + down), outline=palette.RULE)
        pen.text((left, 8), title, palette.INK, font)
    pen.text((MARGIN, HEAD + down + 6), foot, palette.MUTED, font)
    return page


def _frames(start: int, end: int, step: float) -> int:
    return max(1, int(np.ceil((end - start + 1) / step)))


def _strip(panel: Panel, start: int, step: float, n: int) -> Iterator[Picture]:
    """One picture a frame, each the new events over what is left of the old."""
    base = panel.layers[0].events
    shape = (base.height, base.width)
    on, off = polarities(base, panel.layers[0].which)
    scale = max(ink_scale(on + off) / max(n * (1 - FADE), 1.0), 0.5)
    traces = [np.zeros((2, *shape)) for _ in panel.layers]
    bounds = start + np.rint(np.arange(n + 1) * step)
    for k in range(n):
        image = None
        for trace, layer in zip(traces, panel.layers, strict=True):
            t = layer.events.t[layer.which]
            first, last = np.searchsorted(t, bounds[k : k + 2])
            now = layer.which[first:last]
            trace *= FADE
            if layer.colour is None:
                fresh_on, fresh_off = polarities(layer.events, now)
                trace += np.stack((fresh_off, fresh_on))
                faint = 1.0 if len(panel.layers) == 1 else 2.5
                image = picture(trace[1], trace[0], scale=scale * faint).astype(np.float64)
                continue
            trace[0] += counts(layer.events, now)
            trace[0][trace[0] < 0.05] = 0.0
            assert image is not None
            ink = (loud(trace[0], 1.0) * np.minimum(1.0, trace[0] * 2))[..., None]
            image += ink * (np.array(palette.rgb(layer.colour)) - image)
        assert image is not None
        yield np.clip(np.rint(image), 0, 255).astype(np.uint8)
