"""What an audit needs of the things that a model is shown, be they recordings or images.

A :class:`Source` is all there is, split and named; :class:`Samples` are the chosen ones, which
attacks see as cells ``[N, T, P, H, W]``. An image is a recording of one bin whose cells are
intensities, so everything that follows is one audit: only the threats differ, and the files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spikeproof.types import Cells, Labels, Pool


class SampleSettings(Protocol):
    """What inputs need to know of an audit's settings."""

    @property
    def recordings(self) -> int:
        """Samples of the test split that are audited."""
        ...

    @property
    def learn(self) -> int:
        """Samples that learned attacks may learn from, at most."""
        ...

    @property
    def seed(self) -> int:
        """Seed of every random choice."""
        ...

    @property
    def refractory(self) -> int:
        """Time in µs that an added event keeps from others of its pixel."""
        ...

    def at_once(self, cells: int) -> int:
        """Samples of so many ``cells`` that are held in memory together."""
        ...


class Samples(Pool, Protocol):
    """Some samples of a split, those at ``index``; indexed like a tensor, by their places."""

    @property
    def index(self) -> NDArray[np.int64]:
        """The place of each in its split, ``[N]``."""
        ...

    @property
    def labels(self) -> Labels:
        """Their classes, ``[N]``."""
        ...

    def __len__(self) -> int:
        """Count them."""
        ...

    def figures(self, i: int) -> dict[str, int]:
        """What is known of sample ``i`` before any model sees it, by name."""
        ...

    def save(self, i: int, path: Path) -> None:
        """Write sample ``i`` as it is."""
        ...

    def made(
        self, i: int, cells: Tensor, settings: SampleSettings, *, retime: bool = False
    ) -> Callable[[Path], None]:
        """What writes the sample that has ``cells`` ``[T, P, H, W]`` in the place of ``i``.

        Raises :class:`Unrealisable` if there is none, or if read again it has other cells.
        """
        ...

    def update(self, digest: Any) -> None:
        """Add to a hash what must not change between an audit and its continuation."""
        ...


class Source(Protocol):
    """All samples, to learn from and to test on."""

    @property
    def name(self) -> str:
        """Of the data set."""
        ...

    @property
    def split(self) -> str:
        """How the two parts were parted, in a sentence."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        ...

    def renamed(self, classes: tuple[str, ...]) -> Source:
        """The same with labels that count in ``classes``, matched by name.

        Raises :class:`InvalidRecording` for a label that is none of them.
        """
        ...

    def sample(self) -> tuple[Cells, Labels]:
        """A few samples, spread over the part to learn from, as float cells, and their labels."""
        ...

    def taken(
        self, settings: SampleSettings, progress: Callable[[str], None]
    ) -> tuple[Samples, Samples]:
        """``settings.recordings`` of the test part, and ``settings.learn`` to learn from.

        Raises :class:`InvalidRecording` for a sample that cannot be used.
        """
        ...
