"""What is audited: one model on recordings that are binned when they are asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from spikeproof.adapters import Check
from spikeproof.audit.binned import Binned
from spikeproof.events import Data, Events, Grid
from spikeproof.types import Cells, Labels, Model


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its recordings.

    ``cells`` are the audited part of the test split, ``learn_cells`` recordings that universal
    attacks may learn from; both are indexed like tensors ``[N, T, 2, H, W]`` of small integers.
    ``about`` describes the model for the report, ``checks`` say what was asked of it. ``model``
    gives the verdicts, attacks see ``search``: the same, a copy or, if it is ``imitated`` because
    it gives no gradient, a network that was trained to answer like it.
    """

    model: Model
    search: Model
    about: dict[str, Any]
    data: Data
    grid: Grid
    cells: Binned
    learn_cells: Binned
    checks: tuple[Check, ...] = ()
    imitated: bool = False

    def __len__(self) -> int:
        """Count the audited recordings."""
        return len(self.cells)

    @cached_property
    def index(self) -> Tensor:
        """The place of each audited recording in the split, ``[N]``."""
        return torch.from_numpy(self.cells.index.copy())

    @cached_property
    def labels(self) -> Labels:
        """Of the audited recordings, ``[N]``."""
        return torch.from_numpy(self.data.test.labels[self.cells.index])

    @cached_property
    def learn_labels(self) -> Int[Tensor, " m"]:
        """Of the recordings to learn from, ``[M]``."""
        return torch.from_numpy(self.data.learn.labels[self.learn_cells.index])

    def events(self, i: int) -> Events:
        """The audited recording ``i``."""
        return self.cells.events(i)

    def spread(self, i: int, most: int | None) -> bool:
        """Whether recording ``i`` is one of ``most``, spread evenly (None: all)."""
        n = len(self)
        return most is None or i * most // n > (i - 1) * most // n

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
        for part in (self.cells, self.learn_cells):
            part.update(digest)
        digest.update(repr((self.grid, self.about.get("assumptions"))).encode())
        return digest.hexdigest()
