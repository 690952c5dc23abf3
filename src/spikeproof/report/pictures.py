"""Still pictures of recordings, as ``uint8`` images ``[H, W, 3]``.

A picture adds up events per pixel; ink saturates as ``1 - exp(-count / scale)``, so that one event
is visible and a thousand do not drown the rest. Kept events are quiet, changed ones are not: each
changed pixel has most of the ink of its colour.
"""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spikeproof.events import Difference, Events
from spikeproof.report import palette

Picture = NDArray[np.uint8]
Counts = NDArray[np.float64]

LEAST: Final = 0.8  # ink of a single changed event
CRISP: Final = 3.0  # a pixel two thirds on is drawn all on
FAINT: Final = 0.38  # kept events of a difference picture, relative to a plain picture


def accumulated(events: Events, *, scale: float | None = None) -> Picture:
    """All events seen from the front, on and off in the two quiet colours.

    ``scale`` is the count that gives 63 % ink; by default, from the busiest pixels.
    """
    on, off = polarities(events)
    return picture(on, off, scale=scale)


def picture(on: Counts, off: Counts, *, scale: float | None = None) -> Picture:
    """The picture of on and off counts ``[H, W]``."""
    return _finish(_quiet(on, off, scale or ink_scale(on + off)))


def difference(
    clean: Events, changed: Events, changes: Difference, *, scale: float | None = None
) -> Picture:
    """Kept events faint; added, removed and moved (where they went) in their own colours."""
    on, off = polarities(changed, changes.kept)
    scale = scale or ink_scale(on + off)
    image = _quiet(on, off, scale)
    image = _mix(image, _colour(palette.PAPER), np.full(on.shape, 1 - FAINT))
    for events, which, colour in (
        (clean, changes.removed, palette.REMOVED),
        (changed, changes.moved_to, palette.MOVED),
        (changed, changes.added, palette.ADDED),
    ):
        image = _mix(image, _colour(colour), loud(counts(events, which), scale))
    return _finish(image)


def passage(events: Events, bins: int) -> Picture:
    """The recording seen from above, ``[W, bins, 3]``: time to the right, columns downwards."""
    start = int(events.t[0]) if len(events) else 0
    step = max(events.duration, 1) / bins
    when = np.minimum(((events.t - start) / step).astype(np.int64), bins - 1)
    sheets = np.zeros((2, events.width, bins))
    np.add.at(sheets, (events.p, events.x, when), 1.0)
    return picture(sheets[1], sheets[0])


def polarities(events: Events, which: NDArray[np.int64] | None = None) -> tuple[Counts, Counts]:
    """On and off counts ``[H, W]``, of the chosen events or of all."""
    chosen = np.arange(len(events)) if which is None else which
    on = events.p[chosen] == 1
    return counts(events, chosen[on]), counts(events, chosen[~on])


def counts(events: Events, which: NDArray[np.int64]) -> Counts:
    """Events per pixel ``[H, W]``, of the chosen events."""
    sheet = np.zeros((events.height, events.width))
    np.add.at(sheet, (events.y[which], events.x[which]), 1.0)
    return sheet


def ink_scale(sheet: Counts) -> float:
    """A scale at which the busiest pixels are nearly saturated."""
    busy = sheet[sheet > 0]
    return max(float(np.quantile(busy, 0.9)) / 2.0, 0.5) if busy.size else 1.0


def loud(sheet: Counts, scale: float) -> Counts:
    """Ink 0–1 of changed events: at least ``LEAST`` wherever there is one."""
    ink = LEAST + (1 - LEAST) * (1 - np.exp(-sheet / scale))
    return np.where(sheet > 0, ink, 0.0)


def png(image: Picture, side: int = 240, colours: int | None = 128) -> bytes:
    """The picture as PNG, enlarged by a whole factor to about ``side`` pixels.

    It is reduced to so many ``colours`` (None: all are kept).
    """
    factor = max(1, side // max(image.shape[:2]))
    large = image.repeat(factor, axis=0).repeat(factor, axis=1)
    buffer = io.BytesIO()
    drawn = Image.fromarray(large)
    (drawn if colours is None else drawn.quantize(colours)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(image: Picture, side: int = 240, colours: int | None = 128) -> str:
    """The PNG as a ``data:`` address, for pages without other files."""
    encoded = base64.b64encode(png(image, side, colours))
    return "data:image/png;base64," + encoded.decode("ascii")


def _quiet(on: Counts, off: Counts, scale: float) -> Counts:
    on, total = on.astype(np.float64), on + off
    ink = 1 - np.exp(-total / scale)
    part = np.divide(on, total, out=np.zeros(on.shape), where=total > 0)
    part = np.clip(0.5 + CRISP * (part - 0.5), 0.0, 1.0)
    ends = np.where(part[..., None] < 0.5, _colour(palette.OFF), _colour(palette.ON))
    away = np.abs(2 * part - 1)[..., None]
    hue = away * ends + (1 - away) * _colour(palette.BOTH)
    return _mix(np.broadcast_to(_colour(palette.PAPER), hue.shape), hue, ink)


def _mix(image: Counts, colour: Counts, ink: Counts) -> Counts:
    return np.asarray(image + ink[..., None] * (colour - image), np.float64)


def _colour(name: str) -> Counts:
    return np.array(palette.rgb(name), dtype=np.float64)


def _finish(image: Counts) -> Picture:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
