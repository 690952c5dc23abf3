"""What is audited: one model on recordings or images, which come as cells when asked for."""

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
from spikeproof.errors import InvalidModel
from spikeproof.events import Data, Grid
from spikeproof.images import ImageData
from spikeproof.inputs.binned import BinnedRecordings
from spikeproof.inputs.images import ImageSamples
from spikeproof.inputs.samples import Samples
from spikeproof.types import Cells, Labels, Model


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its recordings, or images.

    ``cells`` are the audited part of the test split, ``learn_cells`` those that universal attacks
    may learn from; both are indexed like tensors ``[N, T, P, H, W]``, of small integers or of
    intensities. ``about`` describes the model for the report, ``checks`` say what was asked of it.
    ``model`` gives the verdicts. Attacks see ``search``: the same model, a faster copy or, with
    ``uses_substitute``, a substitute trained to answer like a model that gives no gradient.
    """

    model: Model
    search: Model
    about: dict[str, Any]
    data: Data | ImageData
    cells: Samples
    learn_cells: Samples
    checks: tuple[Check, ...] = ()
    uses_substitute: bool = False

    def __len__(self) -> int:
        """Count the audited samples."""
        return len(self.cells)

    @property
    def of_images(self) -> bool:
        """Whether the model sees images, and is attacked under threats over intensities."""
        return isinstance(self.cells, ImageSamples)

    @property
    def noun(self) -> str:
        """What the samples are called, in the plural."""
        return "images" if self.of_images else "recordings"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the cells of one sample, ``(T, P, H, W)``."""
        return tuple(self.cells.shape[1:])

    @property
    def grid(self) -> Grid:
        """How recordings are binned; raises :class:`InvalidModel` where there are images."""
        if not isinstance(self.cells, BinnedRecordings):
            raise InvalidModel("the model sees images, which are not binned")
        return self.cells.grid

    @cached_property
    def index(self) -> Tensor:
        """The place of each audited sample in the split, ``[N]``."""
        return torch.from_numpy(self.cells.index.copy())

    @cached_property
    def labels(self) -> Labels:
        """Of the audited samples, ``[N]``."""
        return self.cells.labels

    @cached_property
    def learn_labels(self) -> Int[Tensor, " m"]:
        """Of those to learn from, ``[M]``."""
        return self.learn_cells.labels

    def spread(self, i: int, most: int | None) -> bool:
        """Whether sample ``i`` is one of ``most``, spread evenly (None: all)."""
        n = len(self)
        return most is None or i * most // n > (i - 1) * most // n

    def clean(self, chosen: Tensor) -> Cells:
        """Audited samples as float cells."""
        return self.cells[chosen].float()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self.data.test.classes

    def fingerprint(self) -> str:
        """Changes whenever the model's weights, the samples or their split change."""
        digest = hashlib.sha256()
        state = self.model.state_dict() if isinstance(self.model, torch.nn.Module) else {}
        for name in sorted(state):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(state[name].cpu().numpy()).tobytes())
        for part in (self.cells, self.learn_cells):
            part.update(digest)
        seen = self.shape if self.of_images else self.grid
        digest.update(repr((seen, self.about.get("assumptions"))).encode())
        return digest.hexdigest()
