"""Hypothesis strategies for event streams; small sensors and times, so that events collide."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from spikeproof.events import Events

WIDTH, HEIGHT = 4, 3


@st.composite
def streams(
    draw: st.DrawFn,
    max_size: int = 40,
    first: int = -20,
    last: int = 220,
    width: int = WIDTH,
    height: int = HEIGHT,
) -> Events:
    n = draw(st.integers(0, max_size))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    t = np.sort(rng.integers(first, last + 1, n))
    x, y = rng.integers(0, width, n), rng.integers(0, height, n)
    return Events(x, y, t, rng.integers(0, 2, n), width, height)
