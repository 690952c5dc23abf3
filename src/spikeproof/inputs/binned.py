"""Recordings as cells, binned when they are asked for: memory does not grow with their number.

Every recording is read once before the audit, one at a time, for what must be known of all of them:
a digest of its events, its active cells, and that the model sees something of it. What is kept is
a few dozen bytes of each, and the cells of the last ones that were asked for. A recording that is
read again must give the events of the first time, or the figures would be of something else.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeproof.errors import InvalidRecording, Unrealisable
from spikeproof.events import Events, Grid, Recordings, write
from spikeproof.inputs.samples import SampleSettings
from spikeproof.types import Counts, Labels


@dataclass(frozen=True, eq=False)
class BinnedRecordings:
    """Some of ``recordings``, those at ``index``, as small whole numbers ``[n, T, P, H, W]``.

    It is indexed like a tensor, by the places of some recordings. The cells of the last ``most``
    are kept. ``digests`` and ``active`` cells are those of the first reading.
    """

    recordings: Recordings
    grid: Grid
    index: NDArray[np.int64]
    most: int
    digests: tuple[bytes, ...]
    active: Counts
    _kept: OrderedDict[int, Tensor] = field(repr=False)

    @classmethod
    def read(
        cls,
        recordings: Recordings,
        grid: Grid,
        index: NDArray[np.int64],
        most: int,
        told: Callable[[int], None] = lambda _: None,
    ) -> BinnedRecordings:
        """Read and check all recordings once; ``told`` hears how many of them are done.

        Raises :class:`InvalidRecording` for one that is damaged or does not fit the grid.
        """
        digests, active, kept = [], [], OrderedDict[int, Tensor]()
        for i, place in enumerate(index.tolist()):
            events = recordings.events(place)
            cells = _cells(events, grid, recordings.names[place])
            digests.append(_digest(events))
            active.append(int((cells > 0).sum()))
            if i < most:
                kept[i] = cells
            told(i + 1)
        return cls(recordings, grid, index, most, tuple(digests), torch.tensor(active), kept)

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.index)

    @property
    def labels(self) -> Labels:
        """Their classes, ``[N]``."""
        return torch.from_numpy(self.recordings.labels[self.index])

    @property
    def shape(self) -> tuple[int, ...]:
        """What the shape of all cells together would be."""
        return (len(self), *self.grid.shape)

    def __getitem__(self, chosen: Tensor, /) -> Tensor:
        """The cells of the recordings at the places ``chosen`` ``[n]``."""
        found = [self._one(i) for i in chosen.tolist()]
        return torch.stack(found) if found else torch.zeros(0, *self.grid.shape, dtype=torch.uint8)

    def events(self, i: int) -> Events:
        """Read recording ``i`` again; raises :class:`InvalidRecording` if it has changed."""
        place = int(self.index[i])
        events = self.recordings.events(place)
        if _digest(events) != self.digests[i]:
            raise InvalidRecording(
                f"{self.recordings.names[place]}: was read twice and gave other events; leave"
                " recordings as they are while they are audited, and take random transforms off"
                " data sets"
            )
        return events

    def figures(self, i: int) -> dict[str, int]:
        """Active cells and events of recording ``i``; it is read again."""
        return {"active": int(self.active[i]), "events": len(self.events(i))}

    def save(self, i: int, path: Path) -> None:
        """Write recording ``i`` as it is."""
        write(path, self.events(i))

    def made(
        self, i: int, cells: Tensor, settings: SampleSettings, *, retime: bool = False
    ) -> Callable[[Path], None]:
        """What writes the stream with these ``cells`` ``[T, P, H, W]`` in the place of ``i``.

        Raises :class:`Unrealisable` if there is none, or if binning it does not give them back.
        """
        rng = np.random.default_rng([settings.seed, i])
        stream = self.grid.unbin(
            self.events(i), cells, refractory=settings.refractory, retime=retime, rng=rng
        )
        if not torch.equal(self.grid.bin(stream), cells):
            raise Unrealisable("the written stream does not give the attacked cells back")
        return lambda path: write(path, stream)

    def _one(self, i: int) -> Tensor:
        if i in self._kept:
            self._kept.move_to_end(i)
            return self._kept[i]
        cells = _cells(self.events(i), self.grid, self.recordings.names[int(self.index[i])])
        self._kept[i] = cells
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return cells

    def update(self, digest: Any) -> None:
        """Add to a hash what must not change between an audit and its continuation."""
        for one in self.digests:
            digest.update(one)
        digest.update(np.ascontiguousarray(self.recordings.labels[self.index]).tobytes())


def _cells(events: Events, grid: Grid, name: str) -> Tensor:
    try:
        return grid.bin_many([events])[0]
    except InvalidRecording as error:
        raise InvalidRecording(f"{name}: {error}") from None


def _digest(events: Events) -> bytes:
    """Of one recording; the types of the columns are the same for all."""
    digest = hashlib.blake2b(digest_size=16)
    for column in (events.x, events.y, events.t, events.p):
        digest.update(column.tobytes())
    return digest.digest()
