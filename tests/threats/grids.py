"""Small random grids, gains and sensors for property tests."""

from __future__ import annotations

import torch
from hypothesis import strategies as st

from spikeproof.threats import Sensor


@st.composite
def problems(draw, counts=False, n=None):
    """Recordings of a few bins and pixels, and gains with ties, zeros and minus infinity."""
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    samples = draw(st.integers(1, 3)) if n is None else n
    shape = (samples, draw(st.integers(1, 7)), 2, draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    density = draw(st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]))
    clean = (torch.rand(shape, generator=rng) < density).float()
    if counts and draw(st.booleans()):
        clean *= torch.randint(1, 5, shape, generator=rng)
    gain = torch.randn(shape, generator=rng)
    if draw(st.booleans()):  # ties
        gain = gain.round()
    gain[torch.rand(shape, generator=rng) < 0.1] = -torch.inf
    return clean, gain


sensors = st.none() | st.builds(
    Sensor,
    bin_us=st.just(1000.0),
    refractory=st.sampled_from([0, 200, 300, 1000, 1500, 3000, 50_000]),
    max_rate=st.none() | st.sampled_from([500.0, 1000.0, 2000.0, 4000.0]),
)

budgets = st.one_of(st.none(), st.integers(0, 12), st.floats(0, 1))


def legal_for(sensor, clean, adv):
    """The rules of a sensor, one cell after the other (one sample ``[T, P, H, W]``)."""
    bins = len(clean)
    if sensor.max_rate is not None:
        room = int(sensor.max_rate * sensor.bin_us / 1e6)
        for t in range(bins):
            before, after = (clean[t] > 0).sum(), (adv[t] > 0).sum()
            if after > max(before, room):
                return False
    if 4 * sensor.refractory <= sensor.bin_us:
        return True
    near = -int(-sensor.refractory // sensor.bin_us)
    for t, p, y, x in ((clean == 0) & (adv > 0)).nonzero().tolist():
        for other in range(max(0, t - near), min(bins, t + near + 1)):
            for polarity in (0, 1):
                if (other, polarity) != (t, p) and adv[other, polarity, y, x] > 0:
                    return False
    return True
