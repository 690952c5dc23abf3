"""What is audited: one model on one set of recordings, binned once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from spikeproof.errors import InvalidRecording
from spikeproof.events import Data, Events, Grid
from spikeproof.types import Cells, Labels, Model


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its recordings.

    ``cells`` ``[N, T, 2, H, W]`` and ``labels`` ``[N]`` are the audited part of the test split,
    ``learn_cells`` and ``learn_labels`` recordings that universal attacks may learn from; both
    are held as small integers. ``index`` gives the place of each audited recording in the split.
    ``about`` describes the model for the report.
    """

    model: Model
    about: dict[str, Any]
    data: Data
    grid: Grid
    index: Tensor
    cells: Tensor
    labels: Labels
    learn_cells: Tensor
    learn_labels: Int[Tensor, " m"]

    def __len__(self) -> int:
        """Count the audited recordings."""
        return len(self.labels)

    def events(self, i: int) -> Events:
        """The recording behind ``cells[i]``."""
        return self.data.test.events(int(self.index[i]))

    def clean(self, chosen: Tensor) -> Cells:
        """Audited recordings as float cells."""
        return self.cells[chosen].float()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.data.test.classes

    def fingerprint(self) -> str:
        """Changes whenever the model's weights, the recordings or their split change."""
        digest = hashlib.sha256()
        state = self.model.state_dict() if isinstance(self.model, torch.nn.Module) else {}
        for name in sorted(state):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(state[name].cpu().numpy()).tobytes())
        for tensor in (self.cells, self.labels, self.learn_cells, self.learn_labels):
            digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
        digest.update(repr(self.grid).encode())
        return digest.hexdigest()


def take(
    model: Model,
    about: dict[str, Any],
    data: Data,
    grid: Grid,
    *,
    recordings: int,
    learn: int,
    seed: int,
    n_classes: int | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Subject:
    """Bin ``recordings`` of the test split and ``learn`` of the learning split, drawn by ``seed``.

    Raises :class:`InvalidRecording` if a label has no class in the model or a recording does not
    fit the grid.
    """
    if n_classes is not None and len(data.test.classes) > n_classes:
        raise InvalidRecording(
            f"{data.name}: label {data.test.classes[n_classes]!r} is outside the model's"
            f" {n_classes} classes; give a model trained on all {len(data.test.classes)} classes"
        )
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(data.test))[:recordings])
    learned = np.sort(rng.permutation(len(data.learn))[:learn])
    progress("reading recordings")
    cells = data.test.grid_batch(grid, chosen)
    learn_cells = data.learn.grid_batch(grid, learned)
    empty = (cells.flatten(1) > 0).sum(1) == 0
    if bool(empty.any()):
        name = data.test.names[int(chosen[int(empty.int().argmax())])]
        raise InvalidRecording(
            f"{name}: has no event inside the model's window of {grid.window} µs from"
            f" {grid.start} µs; remove the recording, or train a model with another --window"
        )
    return Subject(
        model=model,
        about=about,
        data=data,
        grid=grid,
        index=torch.from_numpy(chosen),
        cells=cells,
        labels=torch.from_numpy(data.test.labels[chosen].copy()),
        learn_cells=learn_cells,
        learn_labels=torch.from_numpy(data.learn.labels[learned].copy()),
    )
