"""Rebuild a recording after an edit of its cells, touching as few events as possible.

Three steps: which events leave, which come (and in which cell), and, pixel by pixel, when
(``placement``). Newcomers are merged behind the originals of the same microsecond, so that an
edit of nothing gives the very same stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spikeproof.errors import Unrealisable
from spikeproof.events.placement import NoRoom, Slot, place
from spikeproof.events.stream import Events


@dataclass(frozen=True)
class _Edit:
    """``leaves`` marks originals; newcomers fall into ``cells`` and wish for ``wishes`` (or -1)."""

    leaves: NDArray[np.bool_]
    cells: NDArray[np.int64]
    offsets: NDArray[np.int64]  # µs after the start of the bin; -1 = anywhere


def rebuild(
    original: Events,
    cell_of: NDArray[np.int64],
    wanted: NDArray[np.int64],
    edges: NDArray[np.int64],
    *,
    counts: bool,
    refractory: int,
    retime: bool,
    rng: np.random.Generator | None,
) -> Events:
    """Make the stream whose flat cells are ``wanted``.

    ``cell_of`` is each event's flat cell (-1 outside the window) and ``edges`` the bins'
    boundaries in µs. Raises ``Unrealisable`` as ``Grid.unbin`` says.
    """
    present = np.bincount(cell_of[cell_of >= 0], minlength=wanted.size)
    if not counts:
        present = np.minimum(present, 1)
    if np.array_equal(present, wanted):
        return original
    change = wanted - present
    if retime:
        edit = _moves(original, cell_of, change, edges)
    else:
        edit = _flips(cell_of, change, counts=counts)
    return _merge(original, edit, _times(original, edit, edges, refractory, rng))


def _flips(cell_of: NDArray[np.int64], change: NDArray[np.int64], *, counts: bool) -> _Edit:
    """Drop the events of cells that fall and ask for one event for each step of a rise."""
    cells = np.repeat(np.arange(change.size), np.maximum(change, 0))
    if counts:
        leaves = _rank_from_end(cell_of) < np.where(cell_of >= 0, -change[cell_of], 0)
    else:
        leaves = (cell_of >= 0) & (change[cell_of] < 0)
    return _Edit(leaves, cells, np.full(cells.size, -1))


def _rank_from_end(cell_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the events of each cell backwards in time: 0 is the latest."""
    order = np.argsort(cell_of, kind="stable")
    _, counts = np.unique(cell_of, return_counts=True)
    rank = np.empty(cell_of.size, np.int64)
    rank[order] = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(cell_of.size)
    return rank


def _moves(
    original: Events,
    cell_of: NDArray[np.int64],
    change: NDArray[np.int64],
    edges: NDArray[np.int64],
) -> _Edit:
    """Match emptied with filled cells of a pixel and polarity, in time order."""
    plane = 2 * original.height * original.width
    left, filled = np.flatnonzero(change < 0), np.flatnonzero(change > 0)
    # a cell's index modulo one plane is its polarity and pixel; stable sorting keeps time order
    left = left[np.argsort(left % plane, kind="stable")]
    filled = filled[np.argsort(filled % plane, kind="stable")]
    balance = np.bincount(filled % plane, minlength=plane)
    balance -= np.bincount(left % plane, minlength=plane)
    if balance.any():
        k = int(np.flatnonzero(balance)[0])
        y, x = divmod(k % (plane // 2), original.width)
        raise Unrealisable(
            f"pixel x={x} y={y}, {'on' if k >= plane // 2 else 'off'}: emptied and filled cells "
            "differ in number, so events cannot move; use retime=False, or move whole cells"
        )
    goes_to = np.full(change.size, -1)
    goes_to[left] = filled
    target = np.where(cell_of >= 0, goes_to[cell_of], -1)
    leaves = target >= 0
    offsets = original.t[leaves] - edges[cell_of[leaves] // plane]
    return _Edit(leaves, target[leaves], offsets)


def _times(
    original: Events,
    edit: _Edit,
    edges: NDArray[np.int64],
    refractory: int,
    rng: np.random.Generator | None,
) -> NDArray[np.int64]:
    """Choose a legal time for every newcomer, pixel by pixel."""
    pixels = original.height * original.width
    pixel = edit.cells % pixels
    bins = edit.cells // (2 * pixels)
    first, last = edges[bins], edges[bins + 1] - 1
    wish = np.where(edit.offsets < 0, -1, np.minimum(first + edit.offsets, last))
    order = np.lexsort((wish, first, pixel))
    stay_pixel, stay_t = _by_pixel(original, ~edit.leaves)
    times = np.empty(edit.cells.size, np.int64)
    borders = np.flatnonzero(np.diff(pixel[order], prepend=-1, append=-1))
    for begin, end in pairwise(borders.tolist()):
        group = order[begin:end]
        here = int(pixel[group[0]])
        low, high = np.searchsorted(stay_pixel, (here, here + 1))
        slots = [
            Slot(a, b, None if offset < 0 else w)
            for a, b, w, offset in zip(
                first[group].tolist(),
                last[group].tolist(),
                wish[group].tolist(),
                edit.offsets[group].tolist(),
                strict=True,
            )
        ]
        try:
            times[group] = place(stay_t[low:high].tolist(), slots, refractory, rng)
        except NoRoom as stuck:
            y, x = divmod(here, original.width)
            raise Unrealisable(
                f"pixel x={x} y={y}, bin {bins[group[stuck.index]]}: no time is left that is "
                f"{refractory} µs from the pixel's other events; lower the refractory time, use "
                "wider bins, or leave this cell alone"
            ) from None
    return times


def _by_pixel(
    events: Events, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixel index and time of the marked events, sorted by pixel, then time."""
    pixel = events.y[mask].astype(np.int64) * events.width + events.x[mask]
    order = np.argsort(pixel, kind="stable")
    return pixel[order], events.t[mask][order]


def _merge(original: Events, edit: _Edit, times: NDArray[np.int64]) -> Events:
    """Join the originals that stay and the newcomers in time order."""
    stay = ~edit.leaves
    pixels = original.height * original.width
    y, x = np.divmod(edit.cells % pixels, original.width)
    return Events.sorted_by_time(
        np.concatenate((original.x[stay], x)),
        np.concatenate((original.y[stay], y)),
        np.concatenate((original.t[stay], times)),
        np.concatenate((original.p[stay], edit.cells // pixels % 2)),
        original.width,
        original.height,
    )
