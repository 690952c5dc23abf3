"""A labelled set of recordings, read when asked for.

The events come from a source: files (``Paths``) or one block of memory (``Packed``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from jaxtyping import Integer
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from spikeproof.errors import InvalidRecording
from spikeproof.events.files import read
from spikeproof.events.grid import Grid
from spikeproof.events.stream import Events

Source: TypeAlias = Callable[[int], Events]
"""Gives a recording by its number."""

Told: TypeAlias = Callable[[str], None]
"""Hears of repairs, a sentence on each kind."""


@dataclass(frozen=True)
class Paths:
    """Recordings in files; a given ``width`` or ``height`` (pixels) overrides theirs.

    ``repair`` and ``told`` are those of ``read``.
    """

    paths: tuple[Path, ...]
    width: int | None = None
    height: int | None = None
    repair: bool = False
    told: Told = warnings.warn

    def __call__(self, i: int) -> Events:
        """Read file ``i``; raises ``InvalidRecording`` if it is damaged."""
        return read(
            self.paths[i],
            width=self.width,
            height=self.height,
            repair=self.repair,
            told=self.told,
        )

    def __len__(self) -> int:
        """Count the files."""
        return len(self.paths)


@dataclass(eq=False)
class Latest:
    """A source that keeps the recording it gave last, for many looks at a long one in a row."""

    source: Source
    _kept: tuple[int, Events] | None = field(default=None, repr=False)

    def __call__(self, i: int) -> Events:
        """Give recording ``i``."""
        kept = self._kept
        if kept is None or kept[0] != i:
            kept = self._kept = (i, self.source(i))
        return kept[1]


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
    source: Source
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

    ``split`` is a sentence that says how they were parted. ``grid`` is how the recordings were
    binned before they were stored, if they were.
    """

    name: str
    learn: Recordings
    test: Recordings
    split: str
    grid: Grid | None = None


def hold_out(
    name: str, everything: Recordings, *, holdout: int | float, seed: int, place: str
) -> Data:
    """Part a set: ``holdout`` recordings, or that fraction of them (a float), become the test set.

    They are chosen by a permutation with ``seed`` of the order in ``everything``, which must be
    the same everywhere (sorted names). Raises ``InvalidRecording``, naming ``place``, if one part
    would be empty.
    """
    total = len(everything)
    if isinstance(holdout, float):
        n_test = round(total * holdout) if 0 < holdout < 1 else 0
    else:
        n_test = holdout
    if not 1 <= n_test < total:
        raise InvalidRecording(
            f"{place}: cannot hold out {holdout} of {total} recordings; both parts need at least "
            "one (--holdout takes a number of recordings, or a fraction below 1)"
        )
    order = np.random.default_rng(seed).permutation(total)
    return Data(
        name,
        learn=everything.subset(np.sort(order[n_test:])),
        test=everything.subset(np.sort(order[:n_test])),
        split=f"{n_test} of {total} recordings held out for testing by a permutation of the "
        f"sorted names with seed {seed}.",
    )


def in_order(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort labels, each once, by name, or as numbers if all are."""
    unique = set(labels)
    if all(label.isdecimal() for label in unique):
        return tuple(sorted(unique, key=lambda label: (int(label), label)))
    return tuple(sorted(unique))
