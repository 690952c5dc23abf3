"""What changed between two recordings, event by event.

Recordings are compared as multisets: an event is kept if the other side has one with the same
time, pixel and polarity; duplicates are matched one to one, in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.events.stream import Events


@dataclass(frozen=True, eq=False)
class Difference:
    """Sorted indices of events; ``moved_from[k]`` became ``moved_to[k]``.

    ``kept``, ``added`` and ``moved_to`` point into the changed recording and cover it exactly
    once; ``removed`` and ``moved_from`` point into the clean one.
    """

    kept: NDArray[np.int64]
    added: NDArray[np.int64]
    removed: NDArray[np.int64]
    moved_from: NDArray[np.int64]
    moved_to: NDArray[np.int64]


def compare(clean: Events, changed: Events, moved: bool = False) -> Difference:
    """Match the events of two recordings.

    With ``moved``, the k-th removed and the k-th added event of one pixel and polarity, in time
    order, are one event that moved. Raises ``InvalidRecording`` if the sensors differ in size.
    """
    if (clean.width, clean.height) != (changed.width, changed.height):
        raise InvalidRecording(
            f"the sensors differ ({clean.width}x{clean.height} and "
            f"{changed.width}x{changed.height}); compare recordings of one sensor"
        )
    site = np.concatenate((_site(clean), _site(changed)))
    time = np.concatenate((clean.t, changed.t))
    same, kept = _pair(np.stack((site, time)), len(clean))
    removed = np.delete(np.arange(len(clean)), same)
    added = np.delete(np.arange(len(changed)), kept)
    moved_from = moved_to = np.zeros(0, np.int64)
    if moved:
        sites = np.concatenate((site[removed], site[len(clean) + added]))
        first, second = _pair(sites[None], removed.size)
        moved_from, moved_to = removed[first], added[second]
        removed, added = np.delete(removed, first), np.delete(added, second)
    return Difference(np.sort(kept), added, removed, moved_from, moved_to)


def _site(events: Events) -> NDArray[np.int64]:
    """Polarity and pixel as one number."""
    rows = events.p.astype(np.int64) * events.height + events.y
    return rows * events.width + events.x


def _pair(keys: NDArray[np.int64], border: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Match equal columns of ``keys`` [K, N]: those before ``border`` with those after.

    The k-th occurrence on one side meets the k-th on the other; gives both sides' indices, in
    order of the first side.
    """
    n = keys.shape[1]
    order = np.lexsort(keys)  # stable, so each side stays in time order inside a group
    ordered = keys[:, order]
    fresh = np.ones(n, bool)
    fresh[1:] = (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)
    group = np.cumsum(fresh) - 1
    start = np.flatnonzero(fresh)
    right = order >= border
    before: NDArray[np.int64] = np.cumsum(right) - right  # right-hand events ahead of each position
    rank_right: NDArray[np.int64] = before - before[start][group] if n else before
    rank = np.where(right, rank_right, np.arange(n) - start[group] - rank_right)
    left_key = group[~right] * (n + 1) + rank[~right]
    right_key = group[right] * (n + 1) + rank[right]
    _, i, j = np.intersect1d(left_key, right_key, assume_unique=True, return_indices=True)
    left, other = order[~right][i], order[right][j] - border
    by_left = np.argsort(left)
    return left[by_left], other[by_left]
