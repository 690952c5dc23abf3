"""Events to cells and back: the round trip is exact.

A ``Grid`` cuts a window of time into ``bins`` equal bins. Event time ``t`` falls into bin
``(t - start) * bins // window``, in integers, so that no event ever changes its bin by rounding.
A cell is 1 if at least one event fell into it (or holds their number, in a count grid).

``unbin`` is the other direction, relative to a recording: an edited grid becomes a recording
whose cells are exactly the edited ones and in which every event of an untouched cell is the
original one, to the microsecond. Attacks work on cells; what leaves the program are events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikeproof.errors import InvalidRecording, InvalidThreat
from spikeproof.events.stream import Events
from spikeproof.events.unbin import rebuild

MAX_CELLS = 2**31
MAX_TIME = 2**40  # µs, about 12 days; keeps (t - start) * bins far from overflow
MAX_COUNT = torch.iinfo(torch.int16).max


@dataclass(frozen=True)
class Grid:
    """``bins`` time bins over ``window`` µs from ``start`` µs, for a ``width`` x ``height`` sensor.

    ``counts`` makes cells hold numbers of events in place of 0/1. Raises ``InvalidThreat`` for
    sizes that make no sense.
    """

    bins: int = 16
    window: int = 300_000
    height: int = 34
    width: int = 34
    counts: bool = False
    start: int = 0

    def __post_init__(self) -> None:
        for name in ("bins", "window", "height", "width"):
            if getattr(self, name) < 1:
                raise InvalidThreat(f"grid {name} is {getattr(self, name)}; give at least 1")
        if self.window < self.bins:
            raise InvalidThreat(
                f"{self.bins} bins do not fit into {self.window} µs; "
                "give a window of at least 1 µs per bin"
            )
        if self.bins * 2 * self.height * self.width > MAX_CELLS:
            raise InvalidThreat(
                f"a grid of {self.bins}x2x{self.height}x{self.width} has more than {MAX_CELLS} "
                "cells; give fewer bins"
            )
        if self.window > MAX_TIME or abs(self.start) > MAX_TIME:
            raise InvalidThreat(
                f"window {self.window} and start {self.start} must stay within {MAX_TIME} µs"
            )

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Bins, polarities, rows, columns."""
        return (self.bins, 2, self.height, self.width)

    @property
    def edges(self) -> NDArray[np.int64]:
        """``bins + 1`` exact boundaries in µs: the first time of every bin, and the end."""
        k = np.arange(self.bins + 1, dtype=np.int64)
        return self.start - (-k * self.window // self.bins)  # start + ceil(k * window / bins)

    def bin_of(self, t: ArrayLike) -> NDArray[np.int64]:
        """Bin of each time in µs; outside ``[0, bins)`` if ``t`` is outside the window."""
        t = np.asarray(t, np.int64)
        return np.asarray((t - self.start) * self.bins // self.window, np.int64)

    def bin(self, events: Events) -> Float[Tensor, "t p h w"]:
        """Cells of one recording as float32; events outside the window are ignored.

        Raises ``InvalidRecording`` if the sensor differs from the grid.
        """
        counts = self._counts([events])[0]
        return torch.from_numpy(counts if self.counts else counts > 0).to(torch.float32)

    def bin_many(self, recordings: Sequence[Events]) -> Integer[Tensor, "n t p h w"]:
        """Cells of many recordings: uint8 in a binary grid, int16 in a count grid.

        Raises ``InvalidRecording`` if a sensor differs from the grid, or a count needs more than
        15 bits.
        """
        if not self.counts:
            cells = np.zeros((len(recordings), *self.shape), np.uint8)
            for k, events in enumerate(recordings):
                inside, flat = self._flat(events)
                cells[k].reshape(-1)[flat[inside]] = 1
            return torch.from_numpy(cells)
        counts = self._counts(recordings)
        if counts.size and counts.max() > MAX_COUNT:
            k = int(np.unravel_index(counts.argmax(), counts.shape)[0])
            raise InvalidRecording(
                f"recording {k} has {counts.max()} events in one cell, more than {MAX_COUNT}; "
                "use more bins"
            )
        return torch.from_numpy(counts.astype(np.int16))

    def unbin(
        self,
        original: Events,
        cells: Tensor | NDArray[np.generic],
        *,
        refractory: int = 0,
        retime: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Events:
        """Make the recording that has exactly ``cells`` and is otherwise ``original``.

        Events outside the window and in untouched cells keep their timestamps. An emptied cell
        loses its events (a count that falls, its latest ones); a filled cell gets one event (a
        count that rises, as many as it rose) at a time in its bin that keeps ``refractory`` µs
        from every other event of the pixel, of either polarity: uniformly random with ``rng``,
        else in the middle of the widest legal gap.

        ``retime`` (binary grids) moves instead: per pixel and polarity, the k-th emptied cell's
        events go to the k-th filled cell and keep their offset in the bin, or the nearest legal
        one. Originals that are closer than ``refractory`` stay as they are.

        Raises ``InvalidRecording`` for cells that do not fit this grid, and ``Unrealisable`` if
        an event has no legal time or, with ``retime``, a pixel's cells do not pair up.
        """
        wanted = self._checked(cells)
        if refractory < 0:
            raise InvalidThreat(f"refractory time is {refractory} µs; give 0 or more")
        if retime and self.counts:
            raise InvalidThreat("retime needs a binary grid; make the grid with counts=False")
        inside, flat = self._flat(original)
        return rebuild(
            original,
            np.where(inside, flat, -1),
            wanted.reshape(-1),
            self.edges,
            counts=self.counts,
            refractory=refractory,
            retime=retime,
            rng=rng,
        )

    def _flat(self, events: Events) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Say which events are inside the window, and give their flat cell index."""
        if (events.width, events.height) != (self.width, self.height):
            raise InvalidRecording(
                f"the recording is {events.width}x{events.height} pixels and the grid is "
                f"{self.width}x{self.height}; make the grid with the recording's size"
            )
        inside = (events.t >= self.start) & (events.t < self.start + self.window)
        bins = self.bin_of(np.where(inside, events.t, self.start))  # far times would overflow
        flat = ((bins * 2 + events.p) * self.height + events.y) * self.width + events.x
        return inside, flat

    def _counts(self, recordings: Sequence[Events]) -> NDArray[np.int64]:
        """Count the events in every cell, [N, T, 2, H, W]."""
        size = self.bins * 2 * self.height * self.width
        counts = np.empty((len(recordings), *self.shape), np.int64)
        for k, events in enumerate(recordings):
            inside, flat = self._flat(events)
            counts[k] = np.bincount(flat[inside], minlength=size).reshape(self.shape)
        return counts

    def _checked(self, cells: Tensor | NDArray[np.generic]) -> NDArray[np.int64]:
        """Cells as whole numbers of the right shape, or an error that says what is wrong."""
        if isinstance(cells, Tensor):  # through float64, which NumPy knows, unlike bfloat16
            cells = cells.detach().cpu().double().numpy()
        array = np.asarray(cells)
        if array.shape != self.shape:
            raise InvalidRecording(
                f"cells have shape {tuple(array.shape)} and the grid has {self.shape}; "
                "give the cells of one recording"
            )
        # NaN fails every comparison
        if array.dtype.kind not in "biuf" or not ((array >= 0) & (array <= MAX_COUNT)).all():
            raise InvalidRecording(f"cells must be whole numbers from 0 to {MAX_COUNT}")
        whole = array.astype(np.int64)
        if (whole != array).any():
            raise InvalidRecording("cells must be whole numbers; round them first")
        if not self.counts and (whole > 1).any():
            raise InvalidRecording("cells must be 0/1; use Grid(counts=True) for counts")
        return whole
