"""Event data for the viewer, inside the page: base64 columns in a JSON script element.

Events of both recordings become one time-ordered list with a layer each. A moved event is listed
once, where it went, and carries where it came from. No change is ever left out; if the recordings
are too large for one page, kept events are thinned evenly and the viewer says so.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from spikeproof.events import Difference, Events

MAX_EVENTS: Final = 200_000  # of all recordings of a page; 11 bytes each before base64
LAYERS: Final = ("off", "on", "added", "removed", "moved")
KEPT_OFF, KEPT_ON, ADDED, REMOVED, MOVED = range(len(LAYERS))


@dataclass(frozen=True)
class EmbeddedEvents:
    """One example for the viewer; ``shown`` of ``kept`` unchanged events are included."""

    data: dict[str, Any]
    kept: int
    shown: int


def pack(clean: Events, changed: Events, changes: Difference, *, limit: int) -> EmbeddedEvents:
    """Columns x, y (pixels), t (µs from the first event) and layer, sorted by time.

    At most about ``limit`` kept events are included, every n-th of them.
    """
    every = max(1, -(-len(changes.kept) // max(limit, 1)))
    kept = changes.kept[::every]
    parts = (
        (changed, kept, changed.p[kept].astype(np.int64)),  # KEPT_OFF or KEPT_ON
        (changed, changes.added, np.full(len(changes.added), ADDED)),
        (clean, changes.removed, np.full(len(changes.removed), REMOVED)),
        (changed, changes.moved_to, np.full(len(changes.moved_to), MOVED)),
    )
    x = np.concatenate([events.x[which] for events, which, _ in parts])
    y = np.concatenate([events.y[which] for events, which, _ in parts])
    t = np.concatenate([events.t[which] for events, which, _ in parts])
    layer = np.concatenate([kind for _, _, kind in parts])
    came = np.concatenate([t[layer != MOVED], clean.t[changes.moved_from]])  # MOVED are last

    times = np.concatenate([clean.t, changed.t])
    start = int(times.min()) if times.size else 0
    order = np.argsort(t, kind="stable")
    data: dict[str, Any] = {
        "width": clean.width,
        "height": clean.height,
        "duration": int(times.max()) - start if times.size else 0,
        "x": _base64(x[order], "<u2"),
        "y": _base64(y[order], "<u2"),
        "t": _base64(t[order] - start, "<u4"),
        "layer": _base64(layer[order], "<u1"),
        "counts": {name: int(n) for name, n in zip(LAYERS, _tally(changed, changes), strict=True)},
    }
    if len(changes.moved_from):
        data["from"] = _base64((came[order] - start)[layer[order] == MOVED], "<u4")
    return EmbeddedEvents(data, len(changes.kept), len(kept))


def script_json(value: object) -> Markup:
    """JSON that is safe inside a ``<script>`` element, whatever the strings in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)


def _tally(changed: Events, changes: Difference) -> tuple[int, ...]:
    on = int(np.count_nonzero(changed.p[changes.kept]))
    rest = (len(changes.added), len(changes.removed), len(changes.moved_to))
    return (len(changes.kept) - on, on, *rest)


def _base64(column: NDArray[Any], dtype: str) -> str:
    return base64.b64encode(column.astype(dtype).tobytes()).decode("ascii")
