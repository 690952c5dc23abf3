"""The NULL class: one more class, for whatever is none of the others.

A classifier of K classes answers every input with one of them. With one more class, learned from
noise and from images that show none of the others, it can say so (Leontev, Antonov & Sukhov, ITNT
2021, for spiking networks; as a background class it is much older). What it has learned from is all
that it is sure to refuse: figures for other inputs must be measured on other inputs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spikeproof.errors import InvalidRecording
from spikeproof.types import Cells, Labels


def with_null(
    cells: Cells, labels: Labels, strange: Tensor, *, classes: int
) -> tuple[Tensor, Tensor]:
    """``cells`` ``[N, ...]`` and ``strange`` ``[M, ...]`` as one training set, with their labels.

    What is ``strange`` gets the label ``classes``, the first that the others do not have. Raises
    :class:`InvalidRecording` for samples of another shape or labels outside the classes.
    """
    if strange.shape[1:] != cells.shape[1:]:
        raise InvalidRecording(
            f"samples of the NULL class are {list(strange.shape[1:])} and the others"
            f" {list(cells.shape[1:])}; bring them to one size first"
        )
    if len(labels) and int(labels.max()) >= classes:
        raise InvalidRecording(
            f"label {int(labels.max())} is outside the {classes} classes before the NULL class"
        )
    null = labels.new_full((len(strange),), classes)
    return torch.cat([cells, strange.to(cells)]), torch.cat([labels, null])
