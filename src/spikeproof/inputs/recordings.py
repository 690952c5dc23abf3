"""Recordings of events as the source of an audit: found, split and made to fit a model's window."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording, SpikeproofError
from spikeproof.events import Data, Grid, Recordings, fitted, load_data
from spikeproof.images import holds_images
from spikeproof.inputs.binned import BinnedRecordings
from spikeproof.inputs.checkpoint import TrainedNetwork
from spikeproof.inputs.choice import HOLDOUT, DataChoice, ModelChoice, first
from spikeproof.inputs.samples import SampleSettings
from spikeproof.types import Cells, Labels

_PROBES = 8  # recordings that the model is examined with
_KEPT = 2**28  # bytes of cells to learn from that stay in memory; of more, the last ones drawn
_TOLD = 100  # recordings between two words about the reading of them


@dataclass(frozen=True, eq=False)
class RecordingSource:
    """Recordings, and the ``grid`` that the model sees them through."""

    data: Data
    grid: Grid

    @classmethod
    def found(
        cls, model: ModelChoice, trained: TrainedNetwork | None, data: DataChoice
    ) -> RecordingSource:
        """What the user means, for a checkpoint of ours split and binned as in its training."""
        if trained is not None and trained.grid is not None:
            loaded, grid = _recordings_of(trained, data, trained.grid), trained.grid
        else:
            loaded = _loaded(data, HOLDOUT, 0, None, None)
            grid = loaded.grid or Grid(height=loaded.test.height, width=loaded.test.width)
        grid = _grid(model, grid)
        return cls(fitted(loaded, grid, data.fit), grid)

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.data.name

    @property
    def split(self) -> str:
        """How the recordings were parted."""
        return self.data.split

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.data.test.classes

    def renamed(self, classes: tuple[str, ...]) -> RecordingSource:
        """The same with labels that count in ``classes``, matched by name.

        Raises :class:`InvalidRecording` for a label that is none of them.
        """
        return replace(self, data=with_classes(self.data, classes))

    def sample(self) -> tuple[Cells, Labels]:
        """A few recordings, spread over those to learn from, as float cells, and their labels."""
        recordings = self.data.learn
        many = min(_PROBES, len(recordings))
        chosen = np.linspace(0, len(recordings) - 1, many).astype(int)
        cells = recordings.grid_batch(self.grid, chosen).float()
        return cells, torch.from_numpy(recordings.labels[chosen].copy())

    def taken(
        self, settings: SampleSettings, progress: Callable[[str], None]
    ) -> tuple[BinnedRecordings, BinnedRecordings]:
        """The recordings to audit and those to learn from; all are read once, one at a time.

        Raises :class:`InvalidRecording` if one does not fit the grid or has no event in it.
        """
        data, grid = self.data, self.grid
        chosen, learned = drawn(settings, len(data.test), len(data.learn))
        total = len(chosen) + len(learned)

        def read(
            part: Recordings, index: NDArray[np.int64], most: int, before: int
        ) -> BinnedRecordings:
            def tell(done: int) -> None:
                if done % _TOLD == 1:
                    progress(f"reading recordings, {before + done:,} of {total:,}")

            return BinnedRecordings.read(part, grid, index, most, tell)

        size = math.prod(grid.shape)
        cells = read(data.test, chosen, settings.at_once(size), 0)
        kept = max(1, _KEPT // (size * (2 if grid.counts else 1)))
        learn_cells = read(data.learn, learned, kept, len(chosen))
        empty = cells.active == 0
        if bool(empty.any()):
            name = data.test.names[int(chosen[int(empty.int().argmax())])]
            raise InvalidRecording(
                f"{name}: has no event inside the model's window of {grid.window} µs from"
                f" {grid.start} µs; align recordings to their first event (--align first), choose"
                " another --window, or remove the recording"
            )
        return cells, learn_cells


def drawn(settings: SampleSettings, test: int, learn: int) -> tuple[NDArray[np.int64], ...]:
    """The places of the samples to audit, of ``test``, and to learn from, of ``learn``."""
    rng = np.random.default_rng(settings.seed)
    chosen = np.sort(rng.permutation(test)[: settings.recordings])
    return chosen, np.sort(rng.permutation(learn)[: settings.learn])


def places(name: str, labels: tuple[str, ...], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Where each of the ``labels`` of the data set ``name`` stands in ``classes``.

    Raises :class:`InvalidRecording` for a label that is none of them.
    """
    for label in labels:
        if label not in classes:
            raise InvalidRecording(
                f"{name}: label {label!r} is outside the model's {len(classes)} classes; choose one"
                f" of {some(classes)}, remove its recordings, or train a model on all labels"
            )
    return np.array([classes.index(label) for label in labels], np.int64)


def some(names: tuple[str, ...], most: int = 12) -> str:
    """The first of many names."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def refuse_images(source: object) -> None:
    """Raise :class:`InvalidRecording` if images are given in the place of recordings."""
    if holds_images(source):
        raise InvalidRecording(
            f"{source}: holds images, not recordings of events; give them with --images"
        )


def with_classes(data: Data, classes: tuple[str, ...]) -> Data:
    """``data`` with labels that count in ``classes``, matched by name.

    Raises :class:`InvalidRecording` for a label that is none of them.
    """
    return replace(data, learn=_renamed(data, data.learn, classes),
                   test=_renamed(data, data.test, classes))  # fmt: skip


def _renamed(data: Data, part: Recordings, classes: tuple[str, ...]) -> Recordings:
    if part.classes == classes:
        return part
    place = places(data.name, part.classes, classes)
    return replace(part, labels=place[part.labels], classes=classes)


def _grid(choice: ModelChoice, found: Grid) -> Grid:
    """``found``, where the user does not say otherwise."""
    said = {
        name: value
        for name in ("bins", "window", "start", "counts")
        if (value := getattr(choice, name)) is not None
    }
    return replace(found, **said)


def _recordings_of(trained: TrainedNetwork, data: DataChoice, grid: Grid) -> Data:
    """The recordings that are meant (None: the embedded digits), split as in the training."""
    about, spec = trained.about, data.source
    if isinstance(spec, Data):
        return spec
    trained_on = about.get("data")
    if spec is None and trained_on not in (None, "digits"):
        raise SpikeproofError(
            f"{trained.source}: was trained on {trained_on!r}; give its recordings with --data"
        )
    known = trained.split_of("digits" if spec is None else spec)
    return _loaded(
        data,
        first(known.get("holdout"), HOLDOUT),
        first(known.get("split_seed"), 0),
        grid.width,
        grid.height,
    )


def _loaded(
    data: DataChoice, holdout: int | float, seed: int, width: int | None, height: int | None
) -> Data:
    if isinstance(data.source, Data):
        return data.source
    refuse_images(data.source)
    known: dict[str, Any] = {
        "holdout": first(data.holdout, holdout),
        "seed": first(data.split_seed, seed),
        "width": first(data.width, width, None),
        "height": first(data.height, height, None),
    }
    return load_data(
        data.source,
        **known,
        root=data.root,
        repair=data.repair,
        told=data.told,
        download=data.download,
    )
