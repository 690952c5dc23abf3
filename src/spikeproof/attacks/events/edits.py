"""The edits that a recording consists of beside its clean one, each by itself.

Where cells are flipped, an edit is a cell. Where events are moved in time, it is two: the one that
an event left and the one that it came to. Each can be taken back without the others, or made where
the others are; a search that weighs edits one by one needs to know no more of a threat.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spikeproof.threats import Flip, Patch, Retime, Threat
from spikeproof.types import Cells, Gain


@dataclass(frozen=True, eq=False)
class Edits:
    """Edits in order: the ``cells`` ``[N, S, E]`` of each (flat in the recording), 0 for none.

    The first ``count`` ``[N]`` of each recording are edits.
    """

    cells: Tensor
    count: Tensor

    def some(self, skipped: Tensor, most: int, *, around: bool = False) -> tuple[Tensor, Tensor]:
        """``most`` of them at most after so many ``skipped`` ``[N]``, and flags of the real ones.

        If ``around``, those skipped follow the last; otherwise none does.
        """
        slots, count = torch.arange(most), self.count.unsqueeze(1)
        place = skipped.unsqueeze(1) + slots
        if around:
            real, place = slots < count, place % count.clamp(min=1)
        else:
            real = place < count
        place = place.clamp(max=self.cells.shape[1] - 1).unsqueeze(2)
        return self.cells.gather(1, place.expand(-1, -1, self.cells.shape[2])), real


def separable(threat: Threat) -> bool:
    """Whether the threat's edits can be told apart."""
    return isinstance(threat, Retime) or lone(threat)


def lone(threat: Threat) -> bool:
    """Whether an edit is a cell by itself."""
    return isinstance(threat, Flip) or (isinstance(threat, Patch) and threat.place is not None)


def edits(threat: Threat, clean: Cells, adv: Cells, value: Gain, *, weakest: bool) -> Edits:
    """What turns ``clean`` into ``adv``, by the sum of the ``value`` ``[N, T, P, H, W]`` of cells.

    The lowest first if ``weakest``, else the highest. ``adv`` must be within a :func:`separable`
    threat.
    """
    sample, cells = _moves(clean, adv) if isinstance(threat, Retime) else _flips(clean, adv)
    return _in_order(sample, cells, value, weakest)


def wanted(threat: Threat, clean: Cells, wish: Gain, most: int) -> Edits:
    """The ``most`` edits of highest ``wish`` ``[N, T, P, H, W]``, whatever it is.

    Flips that the threat's check refuses are among them.
    """
    if isinstance(threat, Retime):
        source, there, inside = threat.places(clean)
        moves = torch.stack([source.unsqueeze(1).expand_as(there), there], 2)[inside]
        size = clean[0].numel()
        found = _in_order(moves[:, 0] // size, moves % size, wish, weakest=False)
        return Edits(found.cells[:, :most], found.count.clamp(max=most))
    cells = wish.flatten(1).argsort(dim=1, descending=True)[:, :most]
    return Edits(cells.unsqueeze(2), torch.full((len(cells),), cells.shape[1]))


def direction(clean: Cells) -> Cells:
    """The only possible edit of each cell: +1 for an empty one, minus its content otherwise."""
    return torch.where(clean == 0, torch.ones_like(clean), -clean)


def _in_order(sample: Tensor, cells: Tensor, value: Gain, weakest: bool) -> Edits:
    """Edits ``cells`` ``[K, E]`` of the recordings ``sample`` ``[K]``, by what they are worth."""
    worth = value.flatten(1)[sample.unsqueeze(1), cells].sum(1)
    order = worth.argsort(descending=not weakest, stable=True)
    order = order[sample[order].argsort(stable=True)]
    sample, cells = sample[order], cells[order]
    count = sample.bincount(minlength=len(value))
    place = torch.arange(len(sample)) - (count.cumsum(0) - count)[sample]
    most = max(1, int(count.max())) if len(count) else 1
    table = cells.new_zeros(len(value), most, cells.shape[1])
    table[sample, place] = cells
    return Edits(table, count)


def _flips(clean: Cells, adv: Cells) -> tuple[Tensor, Tensor]:
    """Recordings ``[K]`` and cells ``[K, 1]`` of single cells."""
    sample, cell = (adv != clean).flatten(1).nonzero().unbind(1)
    return sample, cell.unsqueeze(1)


def _moves(clean: Cells, adv: Cells) -> tuple[Tensor, Tensor]:
    """Recordings ``[K]`` and cells ``[K, 2]`` of moves.

    The events of a pixel that are gone and those that have come are paired in time order, as the
    threat's check does.
    """
    steps, (gone, come) = clean.shape[1], ((clean > 0) & (adv == 0), (clean == 0) & (adv > 0))
    pairs = []
    for flags in (gone, come):
        sample, pixel, time = flags.flatten(2).transpose(1, 2).nonzero().unbind(1)
        pairs.append(time * (clean[0].numel() // steps) + pixel)
    return sample, torch.stack(pairs, 1)
