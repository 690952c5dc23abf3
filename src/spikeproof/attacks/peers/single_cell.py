"""Edits that stand alone: the threats that the peers of the literature know.

They flip cells one by one and count them. Under moves in time or a universal pattern an edit means
nothing by itself, so these attacks refuse such threats.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spikeproof.attacks.events.edits import direction, lone
from spikeproof.errors import InvalidThreat
from spikeproof.threats import Flip, Patch, Threat, unlimited
from spikeproof.types import Cells, Gain


def cell_by_cell(threat: Threat, who: str) -> Threat:
    """The ``threat`` with any number of edits, as searches pass through more than they end with.

    Raises :class:`InvalidThreat` for a threat whose edits do not stand alone.
    """
    if not lone(threat):
        raise InvalidThreat(
            f"{who} flips cells one by one, which is nothing under {type(threat).__name__}; use"
            " Flip, or Patch at a place"
        )
    return unlimited(threat)


def worth(clean: Cells, now: Cells, gradient: Gain) -> Gain:
    """What turning each cell over is worth, to first order: an edit, or its taking back."""
    step = torch.where(now == clean, direction(clean), clean - now)
    return gradient * step


def turned(clean: Cells, now: Cells, chosen: Tensor) -> Cells:
    """``now`` with the ``chosen`` cells turned over: edited, or put back as they were."""
    other = torch.where(now == clean, clean + direction(clean), clean)
    return torch.where(chosen, other, now)


def editable(threat: Threat, clean: Cells) -> Tensor:
    """Cells that the threat lets be edited, one by one; flags as ``clean``."""
    if isinstance(threat, Patch):
        return threat.region(clean).expand_as(clean)
    assert isinstance(threat, Flip)
    added, removed = (torch.full_like(clean, v).bool() for v in (threat.add, threat.remove))
    return torch.where(clean == 0, added, removed)
