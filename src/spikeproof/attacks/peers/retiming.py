"""Spike-retiming by projected-in-the-loop optimisation (PIL): moves in time only.

From Yu et al. (ICLR 2026, arXiv 2602.03284). Every event has log-odds ``phi`` over its shifts, of
which ``pi = softmax(phi / kappa)`` are probabilities. Forward, the model sees events moved for
real: a strict greedy projection takes the most probable moves that fit the budgets and an empty
cell. Backward, the gradient goes to the soft shift, in which each event is spread over its places
with ``pi``; two penalties keep the soft shift near what the projection can do, one on places that
hold more than one event, one on budgets overspent. The three budgets are those of
:class:`~spikeproof.threats.Retime`.

Known: kappa 1, step size 1, |phi| <= 10, weights 20 (places) and 10 (budgets; 5 for the number of
moves), 40 steps. Decided: the gradient of the loss is scaled to a largest entry of 1 for each
recording, the penalties are events too many and budget overspent per event, and a step is scaled to
a largest entry of 1 again; the most probable moves are those with the highest log-odds against
staying; the first iterate that fools ends the search, with as few of its moves as suffice.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeproof.attacks.peers.fewest import fewest
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.threats import Retime, Threat
from spikeproof.threats.base import active
from spikeproof.types import Cells, Gain


@dataclass(frozen=True)
class SpikeRetiming:
    """``steps`` of size ``rate``; ``kappa`` is the temperature of the soft shift.

    ``bound`` is the largest log-odds either way, ``crowding`` and ``overspending`` are the weights
    of the penalties. Deterministic.
    """

    steps: int = 40
    rate: float = 1.0
    kappa: float = 1.0
    bound: float = 10.0
    crowding: float = 20.0
    overspending: float = 10.0
    loss: Loss = cross_entropy

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Moved recordings; raises :class:`InvalidThreat` unless the threat is a Retime."""
        if not isinstance(threat, Retime):
            raise InvalidThreat("spike-retiming moves events in time; give it a Retime threat")
        found, live = x.clone(), (~victim.reached(x, goal)).nonzero().squeeze(1)
        clean = adv = x[live]
        events = int(active(clean).sum())
        phi = clean.new_zeros(events, 1 + len(threat.steps))  # to stay, then the shifts
        for _ in range(self.steps):
            if not len(live):
                break
            _, gradient = victim.gradient(adv, goal[live], self.loss)
            phi = self._step(phi, clean, gradient, threat)
            value = phi[:, 1:] - phi[:, :1]
            adv = threat.select_moves(clean, value)
            hit = victim.reached(adv, goal[live])
            found[live] = adv
            rows = hit.repeat_interleave(active(clean))
            if bool(hit.any()):
                found[live[hit]] = _fewest(
                    victim, clean[hit], adv[hit], goal[live[hit]], threat, value[rows]
                )
            live, clean, adv, phi = live[~hit], clean[~hit], adv[~hit], phi[~rows]
        return found

    def _step(self, phi: Tensor, clean: Cells, gradient: Gain, threat: Retime) -> Tensor:
        """``phi`` ``[E, 1 + S]`` after one step up the ``gradient`` at the moved recordings."""
        source, there, inside = threat.places(clean)
        events = active(clean)
        sample = torch.arange(len(clean)).repeat_interleave(events)
        place = torch.cat([source.unsqueeze(1), there], 1)
        pi = torch.softmax(phi / self.kappa, 1)
        pi[:, 1:] *= inside
        pi /= pi.sum(1, keepdim=True)
        held = clean.new_zeros(clean.numel()).index_add_(0, place.flatten(), pi.flatten())
        largest = gradient.flatten(1).abs().amax(1).clamp(min=1e-30)
        worth = gradient.reshape(-1)[place] / largest[sample].unsqueeze(1)
        worth -= self.crowding * (held > 1)[place] / events[sample].unsqueeze(1)
        shifts = torch.tensor((0, *threat.steps)).abs().to(pi)
        for each, budget in ((shifts.sign(), threat.limit(clean)), (shifts, threat.total(clean))):
            spent = clean.new_zeros(len(clean)).index_add_(0, sample, (pi * each).sum(1))
            price = self.overspending * (spent > budget) / events.clamp(min=1)
            worth -= price[sample].unsqueeze(1) * each
        slope = pi * (worth - (pi * worth).sum(1, keepdim=True)) / self.kappa
        most = clean.new_zeros(len(clean)).scatter_reduce_(0, sample, slope.abs().amax(1), "amax")
        slope /= most.clamp(min=1e-30)[sample].unsqueeze(1)
        return (phi + self.rate * slope).clamp(-self.bound, self.bound)


def _fewest(
    victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Retime, value: Tensor
) -> Cells:
    cost = threat.cost(clean, adv).long()
    return fewest(victim, adv, goal, cost, lambda count: threat.select_moves(clean, value, count))
