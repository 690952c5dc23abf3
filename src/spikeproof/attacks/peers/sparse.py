"""Sparse attack: Adam on a real-valued modifier of some frames.

From Marchisio et al., "DVS-Attacks" (IJCNN 2021, arXiv 2107.00415), who carry the sparse video
attack of Wei et al. (AAAI 2019) over to event frames: a modifier ``m`` of selected frames is
optimised with Adam to lower the probability of the true class,

    ``maximise L(f(clip(x + m * selected, 0, 1)))``.

Known: which frames are attacked is a setting; the published N-MNIST notebook takes 20 steps and
gives the norm of the modifier no weight. Decided: the step size, and how a real-valued modifier
becomes events. Cells whose modifier points to their edit are edited, the largest modifier first,
within the threat; of the iterates whose events fool, the last one is cut to as few edits as suffice
(:mod:`spikeproof.attacks.peers.fewest`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks.events.edits import direction
from spikeproof.attacks.peers.fewest import per_recording, trimmed
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.threats import Threat
from spikeproof.types import Cells


@dataclass(frozen=True)
class SparseAttack:
    """``steps`` of Adam with step size ``rate`` on the time bins in ``frames``.

    ``frames`` are ranges ``(first, last)`` of bins, the last one not included; None: all bins.
    Deterministic.
    """

    steps: int = 20
    rate: float = 0.1
    frames: tuple[tuple[int, int], ...] | None = None
    loss: Loss = cross_entropy

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings; raises :class:`InvalidThreat` for frames that ``x`` lacks."""
        per_recording(threat, "sparse")
        found, live = x.clone(), (~victim.reached(x, goal)).nonzero().squeeze(1)
        if len(live):
            found[live] = self._search(victim, x[live], goal[live], threat)
        return found

    def _search(self, victim: Victim, x: Cells, goal: Goal, threat: Threat) -> Cells:
        selected, towards = self._selected(x), direction(x)
        modifier = torch.zeros_like(x)
        adam = torch.optim.Adam([modifier], lr=self.rate, maximize=True)
        gain, kept = torch.zeros_like(x), torch.zeros_like(x)
        fooled = torch.zeros(len(x), dtype=torch.bool)
        for _ in range(self.steps):
            _, gradient = victim.gradient((x + modifier).clamp(0, 1), goal, self.loss)
            modifier.grad = gradient * selected
            adam.step()
            gain = modifier * towards
            hit = victim.reached(threat.select(x, gain), goal)
            kept[hit] = gain[hit]
            fooled |= hit
        kept[~fooled] = gain[~fooled]
        return trimmed(victim, x, goal, threat, kept, fooled)

    def _selected(self, x: Cells) -> Cells:
        """1 in the frames to attack, 0 elsewhere, ``[T, 1, 1, 1]``."""
        bins = x.shape[1]
        selected = x.new_zeros(bins, 1, 1, 1)
        for first, last in self.frames or ((0, bins),):
            if not 0 <= first < last <= bins:
                raise InvalidThreat(f"frames {first} to {last} are not among the {bins} bins")
            selected[first:last] = 1
        return selected
