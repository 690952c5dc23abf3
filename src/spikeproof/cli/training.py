"""What ``spikeproof train`` does before and after the training itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from spikeproof.cli.common import Tell
from spikeproof.errors import InvalidRecording
from spikeproof.evaluate import answer
from spikeproof.events import Grid, Recordings
from spikeproof.models import Network, zoo_line


def line_of(arch: str, n_classes: int) -> str:
    """The program for a name of the zoo, or the program itself."""
    named = not any(c.isdigit() for c in arch)
    return zoo_line(arch, n_classes) if named else arch


def binned(recordings: Recordings, grid: Grid, tell: Tell, doing: str) -> Tensor:
    """All recordings as cells; raises :class:`InvalidRecording` for one without events."""
    parts = []
    for some in torch.split(torch.arange(len(recordings)), 256):
        tell(f"{doing}: {int(some[0])} of {len(recordings)}")
        cells = recordings.grid_batch(grid, some.numpy())
        empty = (cells.flatten(1) > 0).sum(1) == 0
        if bool(empty.any()):
            name = recordings.names[int(some[int(empty.int().argmax())])]
            raise InvalidRecording(
                f"{name}: has no event in the first {grid.window} µs; align recordings to their"
                " first event (--align first), give a longer --window, or remove the recording"
            )
        parts.append(cells)
    return torch.cat(parts)


def count_right(network: Network, cells: Tensor, labels: Tensor) -> int:
    """How many of ``cells`` the network gets right."""
    both: Any = zip(torch.split(cells, 256), torch.split(labels, 256), strict=True)
    return sum(int((answer(network, x.float()).argmax(1) == y).sum()) for x, y in both)
