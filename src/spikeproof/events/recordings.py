"""A labelled set of recordings, read when asked for.

The events come from a source: files (``Paths``) or one block of memory (``Packed``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikeproof.errors import InvalidRecording
from spikeproof.events.files import read
from spikeproof.events.grid import Grid
from spikeproof.events.stream import Events


@dataclass(frozen=True)
class Paths:
    """Recordings in files; a given ``width`` or ``height`` (pixels) overrides theirs."""

    paths: tuple[Path, ...]
    width: int | None = None
    height: int | None = None

    def __call__(self, i: int) -> Events:
        """Read file ``i``; raises ``InvalidRecording`` if it is damaged."""
        return read(self.paths[i], width=self.width, height=self.height)

    def __len__(self) -> int:
        """Count the files."""
        return len(self.paths)


@dataclass(frozen=True, eq=False)
class Packed:
    """Recordings one after the other: number ``i`` is ``[offsets[i], offsets[i + 1])``."""

    x: NDArray[np.integer]
    y: NDArray[np.integer]
    t: NDArray[np.integer]  # µs, from each recording's own start
    p: NDArray[np.integer]
    offsets: NDArray[np.integer]
    width: int
    height: int

    def __call__(self, i: int) -> Events:
        """Cut out recording ``i``."""
        part = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        x, y, t, p = self.x[part], self.y[part], self.t[part], self.p[part]
        return Events(x, y, t, p, self.width, self.height)

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.offsets) - 1


@dataclass(frozen=True, eq=False, repr=False)
class Recordings:
    """Recordings of one sensor with their classes.

    ``labels[i]`` is an index into ``classes``; ``names[i]`` identifies a recording in messages
    and reports; ``width`` and ``height`` are in pixels. ``source`` gives a recording by its
    number there, which is ``index[i]`` (by default ``i``).
    """

    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    names: tuple[str, ...]
    width: int
    height: int
    source: Callable[[int], Events]
    index: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        labels = np.array(self.labels, np.int64)
        index = np.arange(len(labels)) if self.index is None else np.array(self.index, np.int64)
        if not len(labels) == len(self.names) == len(index):
            raise InvalidRecording(
                f"{len(labels)} labels, {len(self.names)} names and {len(index)} recordings; "
                "give one label and one name per recording"
            )
        wrong = np.flatnonzero((labels < 0) | (labels >= len(self.classes)))
        if wrong.size:
            raise InvalidRecording(
                f"{self.names[wrong[0]]}: label {labels[wrong[0]]} is none of the "
                f"{len(self.classes)} classes; give labels from 0"
            )
        labels.flags.writeable = index.flags.writeable = False
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "index", index)

    def __len__(self) -> int:
        """Count the recordings."""
        return len(self.labels)

    def __repr__(self) -> str:
        size = f"{self.width}x{self.height}"
        return f"Recordings({len(self)} of {len(self.classes)} classes, {size} pixels)"

    def events(self, i: int) -> Events:
        """Read recording ``i``; raises ``InvalidRecording`` if it is damaged or of another size."""
        assert self.index is not None  # __post_init__ has filled it
        events = self.source(int(self.index[i]))
        if (events.width, events.height) != (self.width, self.height):
            raise InvalidRecording(
                f"{self.names[i]}: is {events.width}x{events.height} pixels and the set is "
                f"{self.width}x{self.height}; keep one sensor per set, or pass --width/--height"
            )
        return events

    def subset(self, indices: ArrayLike) -> Recordings:
        """Take some of the recordings, in the order of ``indices`` (numbers or a mask)."""
        assert self.index is not None
        chosen = np.arange(len(self))[np.asarray(indices)]
        names = tuple(self.names[i] for i in chosen)
        return replace(self, labels=self.labels[chosen], names=names, index=self.index[chosen])

    def grid_batch(self, grid: Grid, indices: ArrayLike) -> Integer[Tensor, "n t p h w"]:
        """Read and bin some recordings: uint8 cells, or int16 in a count grid."""
        chosen = np.arange(len(self))[np.asarray(indices)]
        return grid.bin_many([self.events(int(i)) for i in chosen])


@dataclass(frozen=True, eq=False)
class Data:
    """A set for learning and one for testing that share no recording.

    ``split`` is a sentence that says how they were parted.
    """

    name: str
    learn: Recordings
    test: Recordings
    split: str
