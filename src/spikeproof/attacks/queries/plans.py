"""Which groups to turn together, predicted from what each was measured to do alone.

With losses l of groups of edits that are put back and gains g of groups of new cells, sorted by
what they do per cell, the margin after the first a losses and b gains should be about

    m - sum_{i<=a} l_i + sum_{j<=b} g_j.

Where the recording is fooled, plans save as many edits as they dare, some daring more than
others; where it is not, they promise the largest margins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.attacks.queries.groups import Groups
from spikeproof.types import PerSample

_DARING = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.1, 0.0)  # of the largest saving that is predicted
_SHARES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)  # of the groups that promise something
_TOLERANCE = 0.05  # predicted margins may miss zero by so much of the present one
PLANS = len(_DARING)


@dataclass(frozen=True, eq=False)
class _Sorted:
    """Places ``rank`` ``[N, G]`` of groups among their kind, and sums ``[N, G+1]`` over the first.

    ``change`` sums margins, ``size`` cells.
    """

    rank: Tensor
    change: Tensor
    size: Tensor


def plans(margin: PerSample, change: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
    """Flags ``[N, PLANS, G]`` of the groups in each plan, and ``[N, PLANS]`` of plans to try.

    ``change`` ``[N, G]`` is what each group did to the ``margin`` ``[N]``, NaN if not measured.
    """
    outs = groups.outs
    change = torch.where(change.isnan(), -torch.inf, change)
    back = _sorted(change[:, :outs], groups.size[:, :outs])
    gains = change[:, outs:].masked_fill(change[:, outs:] <= 0, -torch.inf)
    new = _sorted(gains, groups.size[:, outs:])
    there = margin.view(-1, 1, 1) + back.change.unsqueeze(2) + new.change.unsqueeze(1)
    saved = back.size.unsqueeze(2) - new.size.unsqueeze(1)
    cheap, cheap_ok = _saving(margin, there, saved)
    near, near_ok = _climbing(there)
    inside = (margin > 0).view(-1, 1)
    first_back, first_new = (torch.where(inside, a, b) for a, b in zip(cheap, near, strict=True))
    usable = torch.where(inside, cheap_ok, near_ok) & (first_back + first_new > 0)
    usable &= ~_repeated(first_back * there.shape[2] + first_new)
    chosen = torch.cat(
        [
            back.rank.unsqueeze(1) < first_back.unsqueeze(2),
            new.rank.unsqueeze(1) < first_new.unsqueeze(2),
        ],
        2,
    )
    return chosen, usable


def _sorted(change: Tensor, size: Tensor) -> _Sorted:
    order = (change / size.clamp(min=1)).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    sums = (F.pad(part.gather(1, order).cumsum(1), (1, 0)) for part in (change, size))
    return _Sorted(rank, *sums)


def _saving(margin: Tensor, there: Tensor, saved: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """For each share of the largest saving the plan that stays furthest inside."""
    holds = (there > -_TOLERANCE * margin.abs().view(-1, 1, 1)) & (saved >= 0)
    holds[:, 0, 0] = False
    most = torch.where(holds, saved, 0.0).flatten(1).amax(1).view(-1, 1, 1, 1)
    enough = saved.unsqueeze(1) >= torch.tensor(_DARING).view(1, -1, 1, 1) * most
    value = torch.where(holds.unsqueeze(1) & enough, there.unsqueeze(1), -torch.inf)
    top, pick = value.flatten(2).max(2)
    width = there.shape[2]
    return (pick // width, pick % width), torch.isfinite(top)


def _climbing(there: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Shares of the plan with the largest margin."""
    top, pick = there.flatten(1).max(1)
    shares, width = torch.tensor(_SHARES), there.shape[2]
    firsts = tuple(
        (shares * part.unsqueeze(1)).ceil().long() for part in (pick // width, pick % width)
    )
    return (firsts[0], firsts[1]), torch.isfinite(top).unsqueeze(1).expand(-1, PLANS)


def _repeated(plan: Tensor) -> Tensor:
    """Flags ``[N, C]`` of plans that an earlier one is equal to."""
    same = plan.unsqueeze(2) == plan.unsqueeze(1)
    return same.tril(-1).any(2)
