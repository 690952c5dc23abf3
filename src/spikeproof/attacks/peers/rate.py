r"""Rate attacks: gradients of a network as rates, in one step (FGSM) or several (PGD).

The rate gradient approximation (RGA; Bu et al., CVPR 2023) and the hybrid of rate and time (HART;
Hao et al., ICLR 2024) are rules for how gradient passes a layer of neurons
(:mod:`spikeproof.models.rules`). Their papers put them into FGSM and PGD on images,
:math:`x \leftarrow \Pi_\epsilon\big(x + \alpha\, \mathrm{sign}(g)\big)`, and on frames of events.

On binary cells neither sign nor projection means anything, so it was decided:

* A number of flips takes the place of :math:`\epsilon`: the threat's budget or, of a threat without
  one, a ``share`` of the active cells.
* A step adds the gradient, divided by its largest entry, to what each cell is wanted
  (:math:`r \leftarrow \max(0, r + g / \max|g|)`, times the direction of its flip), and the
  threat makes the most wanted flips. One step is FGSM.
* The rate rule values all time bins of a pixel alike; which of them are taken is drawn.
* The papers report success at :math:`\epsilon`. To have a number of flips too, the fewest of the
  ranking that suffice are found by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor

from spikeproof.attacks.events.edits import direction
from spikeproof.attacks.peers.single_cell import cell_by_cell
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.models.rules import RateGradient
from spikeproof.models.surrogate import Surrogate
from spikeproof.threats import Threat
from spikeproof.threats.base import active
from spikeproof.types import Cells, Counts, Gain

_RATE = RateGradient()
_TIE = 1e-4  # what chance adds to a wish, as a share of it


@dataclass(frozen=True)
class RateAttack:
    """``steps`` gradient steps (1: FGSM) by ``rule``, or by the victim's surrogate if it is None.

    ``share`` of the active cells is flipped at most where the threat has no limit below that.
    """

    rule: Surrogate | None = _RATE
    steps: int = 10
    share: float = 0.25
    loss: Loss = cross_entropy

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InvalidThreat(f"share of the active cells is above 0, at most 1: {self.share}")

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; the last try where all steps failed.

        ``rng`` chooses among cells of equal worth. Raises :class:`InvalidThreat` for a threat whose
        edits do not stand alone, and :class:`InvalidModel` if the model cannot take the rule.
        """
        cell_by_cell(threat, "a rate attack")
        if self.rule is not None:
            victim = replace(victim, surrogate=self.rule)
        chance = 1 + _TIE * torch.rand(x.shape, generator=rng)
        most = torch.minimum(threat.limit(x), (active(x) * self.share).ceil().long())
        adv, wish = x.clone(), torch.zeros_like(x)
        reached = torch.zeros(len(x), dtype=torch.bool)
        live = (~victim.reached(x, goal)).nonzero().squeeze(1)
        for _ in range(self.steps):
            if not len(live):
                break
            _, gradient = victim.gradient(adv[live], goal[live], self.loss)
            top = gradient.flatten(1).abs().amax(1).clamp(min=1e-30).view(-1, 1, 1, 1, 1)
            gain = gradient / top * direction(x[live]) * chance[live]
            wish[live] = (wish[live] + gain).clamp(min=0)
            adv[live] = threat.select(x[live], wish[live], most[live])
            reached[live] = victim.reached(adv[live], goal[live])
            live = live[~reached[live]]
        done = reached.nonzero().squeeze(1)
        if len(done):
            few = _fewest(victim, x[done], goal[done], threat, wish[done], most[done])
            adv[done] = threat.select(x[done], wish[done], few)
        return adv


def _fewest(
    victim: Victim, x: Cells, goal: Goal, threat: Threat, wish: Gain, most: Counts
) -> Tensor:
    """The fewest of the most wanted flips that reach the goal, as bisection finds them."""
    low, high = torch.zeros_like(most), most.clone()  # high reaches it, low does not
    while bool((high - low > 1).any()):
        middle = (low + high) // 2
        works = victim.reached(threat.select(x, wish, middle), goal)
        low, high = torch.where(works, low, middle), torch.where(works, middle, high)
    return high
