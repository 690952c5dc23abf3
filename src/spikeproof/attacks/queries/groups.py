"""Groups of cells that are tried together: coherent pieces of what is edited, and new ones.

A model is asked about one group at a time, so a group should be made of cells whose edits do the
same. Cells do that which lie together along some direction of time, polarity and space: all cells
are projected on a random direction and cut into pieces in its order; every third time time does
not count, since what fools a network that averages over time is often one place at all times.
New cells are proposed next to edits that are worth much, and to activity (events fool best where
events are).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.types import Cells

_KERNEL = (5, 3, 3)  # time bins, rows, columns that count as near
_VALUE = 3.0  # what the best edit weighs beside one of no known worth, less one
_ACTIVITY = 0.02  # what an active cell nearby weighs beside an edit nearby


@dataclass(frozen=True, eq=False)
class Draw:
    """The random numbers of one round, the same for all recordings: ``key``, ``noise`` ``[D]``."""

    key: Tensor
    noise: Tensor

    @property
    def gumbel(self) -> Tensor:
        """The noise, such that the largest of ``wishes + gumbel`` are drawn by their wishes."""
        return -(-self.noise.clamp(1e-7, 1 - 1e-7).log()).log()

    @classmethod
    def of(cls, cells: Cells, turn: int, rng: Generator) -> Draw:
        """Draw for recordings like ``cells`` ``[N, T, P, H, W]``."""
        axes = [torch.linspace(0, 1, size) for size in cells.shape[1:]]
        places = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)  # [4, D]
        weights = torch.randn(4, generator=rng) * torch.tensor([float(turn % 3 > 0), 0.5, 1, 1])
        jitter, noise = torch.rand(2, places.shape[1], generator=rng)
        return cls(weights @ places + 0.002 * jitter, noise)


@dataclass(frozen=True, eq=False)
class Groups:
    """``label`` ``[N, D]`` names each cell's group, -1 for none; ``size`` ``[N, G]`` counts cells.

    The first ``outs`` groups are made of edits, the others of cells that are not edited yet.
    """

    label: Tensor
    size: Tensor
    outs: int

    def turned(self, edits: Tensor, who: Tensor, chosen: Tensor) -> Tensor:
        """Edits ``[Q, D]`` of the recordings ``who`` after their groups ``chosen`` ``[Q, G]``."""
        table = F.pad(chosen, (1, 0)).T  # group -1 comes first and is never chosen
        after = edits[who]
        for sample in set(who.tolist()):  # a tenth of the time of one gather for all
            mine = who == sample
            after[mine] ^= table[:, mine].contiguous()[self.label[sample] + 1].T
        return after


def grouped(
    edits: Tensor,
    worth: Tensor,
    wishes: Tensor,
    draw: Draw,
    sizes: tuple[Tensor, Tensor],
    numbers: tuple[int, int],
) -> Groups:
    """``numbers`` groups of edits and of new cells, of about ``sizes`` ``([N], [N])`` cells.

    ``edits`` flags ``[N, D]`` what is edited, ``worth`` ``[N, D]`` is what is known of each cell,
    low ones are tried first; new cells are drawn by their ``wishes`` ``[N, D]`` (logarithms).
    """
    (outs, ins), (out_size, in_size) = numbers, sizes
    label = _old(edits, worth, draw, out_size, outs)
    if ins:
        fresh = _new(wishes, draw, in_size, ins)
        label = torch.where(fresh >= 0, fresh + outs, label)
    size = torch.zeros(len(label), 1 + outs + ins)
    size.scatter_add_(1, label + 1, torch.ones(label.shape))
    return Groups(label, size[:, 1:], outs)


def nearness(clean: Cells, edits: Tensor, worth: Tensor) -> Tensor:
    """Logarithm ``[N, D]`` of how near each cell is to edits that are worth much."""
    scale = worth.abs().amax(1, keepdim=True).clamp(min=1e-12)  # logits have none of their own
    value = worth / scale
    weight = edits * (1 + _VALUE * value.clamp(min=0)) + _ACTIVITY * (clean > 0).flatten(1)
    weight = weight.view_as(clean).transpose(1, 2)  # [N, P, T, H, W]
    padding = [k // 2 for k in reversed(_KERNEL) for _ in range(2)]
    near = F.avg_pool3d(F.pad(weight, padding), _KERNEL, 1).transpose(1, 2).flatten(1)
    return (near + 1e-4).log() + value


def _old(edits: Tensor, worth: Tensor, draw: Draw, size: Tensor, outs: int) -> Tensor:
    """Labels of ``outs`` pieces of the edits, low worth and luck first."""
    n, cells = edits.shape
    count = edits.sum(1)
    order = torch.where(edits, draw.key, torch.inf).argsort(1)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(cells).expand(n, -1))
    pieces = (count + size - 1) // size
    most = max(1, int(pieces.max())) if n else 1
    piece = torch.where(edits, rank // size.unsqueeze(1), most)
    total = torch.zeros(n, most + 1).scatter_add_(1, piece, torch.where(edits, worth, 0.0))
    absent = torch.arange(most) >= pieces.unsqueeze(1)
    mean = (total[:, :-1] / size.unsqueeze(1)).masked_fill(absent, torch.inf)
    place = mean.argsort(dim=1, stable=True).argsort(dim=1) / pieces.clamp(min=1).unsqueeze(1)
    luck = 0.5 * draw.noise[torch.arange(most) % cells]
    first = (place + luck).masked_fill(absent, torch.inf).argsort(dim=1, stable=True)[:, :outs]
    table = torch.full((n, most + 1), -1)
    table.scatter_(1, first, torch.arange(first.shape[1]).expand_as(first).contiguous())
    table[:, :-1][absent] = -1
    return table.gather(1, piece)


def _new(wishes: Tensor, draw: Draw, size: Tensor, ins: int) -> Tensor:
    """Labels of ``ins`` groups of cells drawn by their ``wishes``."""
    count = (size * ins).unsqueeze(1)
    most = min(int(count.max()), wishes.shape[1])
    value, cell = (wishes + draw.gumbel).topk(most, dim=1)
    real = torch.isfinite(value) & (torch.arange(most) < count)
    order = torch.where(real, draw.key[cell], torch.inf).argsort(1)
    cell, real = cell.gather(1, order), real.gather(1, order)
    group = torch.arange(most) * ins // real.sum(1, keepdim=True).clamp(min=1)
    label = torch.full(wishes.shape, -1)
    return label.scatter_(1, cell, torch.where(real, group, -1))
