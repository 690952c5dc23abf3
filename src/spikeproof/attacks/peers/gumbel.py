"""Gumbel-softmax attack: every place draws its event, and the odds are learned.

From Yao et al. (ECCV 2024), an attack on raw events. Each candidate place of the recording holds
no event, an off event or an on event, drawn from a categorical distribution with log-odds ``a``:

    ``s = softmax((a + g) / tau)``, ``g`` Gumbel noise,

of which the model sees the most probable state and the gradient the soft one (straight-through).
Adam follows the loss minus ``weight`` times the mean absolute change.

Known (published configuration): cross-entropy, weight 1 with a warm-up of 5 steps, tau from 2 to
0.1 over 100 steps, Adam with step size 1 and cosine schedule, log-odds within +-2, candidates are
the places of the recording's events and of a recording of the target class; on binary grids each
cell has two states. Decided: a place is a pixel in a time bin, and as a bin can hold an event of
each polarity, that is a fourth state; as there is no recording of another class at hand, candidates
are the places within ``reach`` of the recording's own events; the change is a mean over these and
weighs 100 (on N-MNIST a weight of 1 takes almost four times as many edits); tau falls
geometrically. What is handed in is not a draw: edits are wanted by the log-odds of the edited cell
against the clean one, the threat makes them, and of the iterates that fool the one with the fewest
is cut to what suffices (:mod:`spikeproof.attacks.peers.fewest`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.attacks.events.edits import direction
from spikeproof.attacks.learned.universal import falling
from spikeproof.attacks.peers.fewest import per_recording, trimmed
from spikeproof.attacks.victim import Victim
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Loss, cross_entropy
from spikeproof.threats import Threat
from spikeproof.types import Cells, Gain

_STATES = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # none, off, on, both


@dataclass(frozen=True)
class GumbelSoftmax:
    """``steps`` of Adam; temperature from ``hot`` to ``cold``; ``weight`` of the mean change.

    ``bound`` is the largest log-odds either way; candidates are ``reach`` bins and pixels around
    events. Binary grids only.
    """

    steps: int = 100
    rate: float = 1.0
    hot: float = 2.0
    cold: float = 0.1
    weight: float = 100.0
    warmup: int = 5
    bound: float = 2.0
    reach: int = 1
    loss: Loss = cross_entropy

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings; raises :class:`InvalidThreat` for grids that are not binary."""
        per_recording(threat, "Gumbel-softmax")
        if not ((x == 0) | (x == 1)).all():
            raise InvalidThreat("the Gumbel-softmax attack draws single events; use a binary grid")
        found, live = x.clone(), (~victim.reached(x, goal)).nonzero().squeeze(1)
        if len(live):
            found[live] = self._search(victim, x[live], goal[live], threat, rng)
        return found

    def _search(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, rng: Generator
    ) -> Cells:
        near = self._near(x)
        odds = F.one_hot((x[:, :, 0] + 2 * x[:, :, 1]).long(), 4).to(x)  # [N, T, H, W, 4]
        share = self.weight / near.flatten(1).sum(1).clamp(min=1).view(-1, 1, 1, 1, 1)
        adam = torch.optim.Adam([odds], lr=self.rate)
        gain, kept = torch.zeros_like(x), torch.zeros_like(x)
        cheapest = x.new_full((len(x),), torch.inf)
        for step in range(self.steps):
            done = step / self.steps
            adam.param_groups[0]["lr"] = self.rate * falling(done)
            noise = torch.rand(odds.shape, generator=rng, dtype=x.dtype).clamp(1e-9, 1 - 1e-6)
            noisy = odds - (-noise.log()).log()
            drawn = _cells(F.one_hot(noisy.argmax(-1), 4).to(x))
            _, gradient = victim.gradient(torch.where(near, drawn, x), goal, self.loss)
            gradient = gradient - share * min(1.0, step / max(self.warmup, 1)) * direction(x)
            soft = torch.softmax(noisy / (self.hot * (self.cold / self.hot) ** done), -1)
            wanted = torch.einsum("ntphw,kp->nthwk", gradient * near, _STATES.to(x))
            mean = (soft * wanted).sum(-1, keepdim=True)
            odds.grad = -soft * (wanted - mean)  # through the softmax; Adam goes down
            adam.step()
            odds.clamp_(-self.bound, self.bound)
            gain = _gain(odds, x).masked_fill(~near, -torch.inf)
            adv = threat.select(x, gain)
            cost = threat.cost(x, adv)
            better = victim.reached(adv, goal) & (cost < cheapest)
            kept[better], cheapest[better] = gain[better], cost[better]
        fooled = torch.isfinite(cheapest)
        kept[~fooled] = gain[~fooled]
        return trimmed(victim, x, goal, threat, kept, fooled)

    def _near(self, x: Cells) -> Tensor:
        """Flags ``[N, T, 1, H, W]`` of the candidate places."""
        busy = x.amax(2).unsqueeze(1)
        return F.max_pool3d(busy, 2 * self.reach + 1, 1, self.reach).squeeze(1).unsqueeze(2) > 0


def _cells(states: Tensor) -> Cells:
    """Cells ``[N, T, 2, H, W]`` of states ``[N, T, H, W, 4]``."""
    return torch.einsum("nthwk,kp->ntphw", states, _STATES.to(states))


def _gain(odds: Tensor, x: Cells) -> Gain:
    """Log-odds of each cell's edited content against its clean content."""
    occupied = torch.stack(
        [odds[..., holds].logsumexp(-1) for holds in ([1, 3], [2, 3])], 2
    ) - torch.stack([odds[..., lacks].logsumexp(-1) for lacks in ([0, 2], [0, 1])], 2)
    return occupied * direction(x)
