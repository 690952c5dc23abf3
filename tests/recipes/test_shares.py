"""Shares in words, compared and as lines."""

from __future__ import annotations

from spikeproof.evaluate import proportion
from spikeproof.recipes.shares import above, line, told


def test_a_share_is_told_with_its_interval():
    assert told(proportion(195, 200)) == "97.5 % [94.3, 98.9]"
    assert told(proportion(0, 200), 2) == "0.00 % [0.00, 1.88]"


def test_above_means_that_the_intervals_are_apart():
    low, near, high = (proportion(k, 200) for k in (100, 110, 150))
    assert above(high, low)
    assert not above(low, high)
    assert not above(near, low)


def test_a_line_has_the_intervals_of_its_shares():
    shares = [proportion(1, 4), proportion(3, 4)]
    drawn = line("a network", (1, 2), shares)
    assert drawn.x == (1.0, 2.0)
    assert drawn.y == (0.25, 0.75)
    assert drawn.low == tuple(share.low for share in shares)
    assert drawn.high == tuple(share.high for share in shares)
