"""What is audited: one model on one set of recordings, binned once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from spikeproof.adapters import Check
from spikeproof.events import Data, Events, Grid
from spikeproof.types import Cells, Labels, Model


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its recordings.

    ``cells`` ``[N, T, 2, H, W]`` and ``labels`` ``[N]`` are the audited part of the test split,
    ``learn_cells`` and ``learn_labels`` recordings that universal attacks may learn from; both
    are held as small integers. ``index`` gives the place of each audited recording in the split.
    ``about`` describes the model for the report, ``checks`` say what was asked of it. ``model``
    gives the verdicts, attacks see ``search``: the same, a copy or, if it is ``imitated`` because
    it gives no gradient, a network that was trained to answer like it.
    """

    model: Model
    search: Model
    about: dict[str, Any]
    data: Data
    grid: Grid
    index: Tensor
    cells: Tensor
    labels: Labels
    learn_cells: Tensor
    learn_labels: Int[Tensor, " m"]
    checks: tuple[Check, ...] = ()
    imitated: bool = False

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
        digest.update(repr((self.grid, self.about.get("assumptions"))).encode())
        return digest.hexdigest()
