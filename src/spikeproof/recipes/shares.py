"""Shares of right answers: measured, told in words, compared, and drawn as a line."""

from __future__ import annotations

from collections.abc import Sequence

from spikeproof.evaluate import answer, proportion
from spikeproof.images import Images
from spikeproof.results import Proportion
from spikeproof.results.reproduction import Series
from spikeproof.types import Model


def right(network: Model, images: Images) -> Proportion:
    """Share of images that get their label."""
    said = answer(network, images.x, chunk=200).argmax(1)
    return proportion(int((said == images.labels).sum()), len(images))


def told(share: Proportion, digits: int = 1) -> str:
    """A share with its interval, such as ``97.5 % [97.2, 97.8]``."""
    value, low, high = (100 * (part or 0.0) for part in (share.value, share.low, share.high))
    return f"{value:.{digits}f} % [{low:.{digits}f}, {high:.{digits}f}]"


def above(one: Proportion, other: Proportion) -> bool:
    """Whether the interval of ``one`` lies above that of ``other``."""
    return (one.low or 0.0) > (other.high or 0.0)


def line(name: str, x: Sequence[float], shares: Sequence[Proportion]) -> Series:
    """The shares over ``x``, with their intervals."""
    return Series(
        name,
        tuple(float(place) for place in x),
        tuple(share.value or 0.0 for share in shares),
        tuple(share.low or 0.0 for share in shares),
        tuple(share.high or 0.0 for share in shares),
    )
