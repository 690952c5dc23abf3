"""Times for events that join a pixel, exact about its refractory time.

A pixel needs some µs of rest between two events, whatever their polarity. Given the times that
stay and, for every newcomer, the bin in which it has to fall, ``place`` finds times that keep the
distance, if there are any. Newcomers are handled in time order, like unit jobs with release times
and deadlines on one machine: a backward pass gives the latest time of each that still leaves room
for all later ones; a forward pass may then choose freely up to there and can never get stuck.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, order=True)
class Slot:
    """One newcomer: its bin ``[first, last]`` in µs and the time it would like, if any."""

    first: int
    last: int
    wish: int | None = None


class NoRoom(Exception):
    """No legal time is left for the slot ``index``; the grid tells the user which pixel it is."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


def place(
    fixed: Sequence[int],
    slots: Sequence[Slot],
    refractory: int,
    rng: np.random.Generator | None = None,
) -> list[int]:
    """Choose a time in µs for every slot of one pixel; the result is sorted.

    ``fixed`` (sorted) are the times of the pixel's events that stay; ``slots`` must be sorted. A
    slot with a wish gets the legal time nearest to it. The others get a uniformly random legal
    time, or, without ``rng``, the middle of their widest legal gap. Raises ``NoRoom`` if there is
    no solution.
    """
    latest = _latest(fixed, slots, refractory)
    times: list[int] = []
    for k, slot in enumerate(slots):
        first = max(slot.first, times[-1] + refractory) if times else slot.first
        gaps = list(_gaps(fixed, first, latest[k], refractory))
        if slot.wish is not None:
            times.append(_nearest(gaps, slot.wish))
            continue
        # of the newcomers still to come into this bin, this one is the earliest
        rivals = 1
        while k + rivals < len(slots) and slots[k + rivals].first == slot.first:
            rivals += 1
        if rng is None:
            low, high = max(gaps, key=lambda gap: gap[1] - gap[0])
            times.append(low + (high - low) // (rivals + 1))
        else:
            total = sum(high - low + 1 for low, high in gaps)
            times.append(_at(gaps, int(rng.integers(total, size=rivals).min())))
    return times


def _latest(fixed: Sequence[int], slots: Sequence[Slot], refractory: int) -> list[int]:
    """Give for every slot the latest time that leaves room for all slots after it."""
    latest = [0] * len(slots)
    for k in reversed(range(len(slots))):
        time = slots[k].last
        if k + 1 < len(slots):
            time = min(time, latest[k + 1] - refractory)
        event = bisect_right(fixed, time + refractory - 1) - 1
        while event >= 0 and fixed[event] > time - refractory:
            time = fixed[event] - refractory
            event -= 1
        if time < slots[k].first:
            raise NoRoom(k)
        latest[k] = time
    return latest


def _gaps(
    fixed: Sequence[int], first: int, last: int, refractory: int
) -> Iterator[tuple[int, int]]:
    """Cut ``[first, last]`` at the fixed events; give what is left as inclusive intervals."""
    event = bisect_right(fixed, first - refractory)
    while first <= last:
        if event == len(fixed) or fixed[event] - max(refractory, 1) >= last:
            yield first, last
            return
        end = fixed[event] - max(refractory, 1)  # without refractory time a cut removes nothing
        if first <= end:
            yield first, end
        first = max(first, fixed[event] + refractory)
        event += 1


def _nearest(gaps: Sequence[tuple[int, int]], wish: int) -> int:
    """Give the time in ``gaps`` that is nearest to ``wish``, the earlier of two."""
    options = (min(max(wish, low), high) for low, high in gaps)
    return min(options, key=lambda time: (abs(time - wish), time))


def _at(gaps: Sequence[tuple[int, int]], index: int) -> int:
    """Give the ``index``-th microsecond of ``gaps``."""
    for low, high in gaps:
        if index <= high - low:
            return low + index
        index -= high - low + 1
    raise IndexError(index)
