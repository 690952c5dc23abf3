"""Making an adversarial recording cheaper by asking only: a refinement without gradients.

The rounds of the greedy search (:mod:`spikeproof.attacks.queries.greedy`), from a recording that
another attack has found instead of from a heavy edit.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator

from spikeproof.attacks.events.edits import lone
from spikeproof.attacks.queries.rounds import Round
from spikeproof.attacks.queries.search import descended, parts
from spikeproof.attacks.queries.search_state import SearchState
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat, unlimited
from spikeproof.types import Cells


@dataclass(frozen=True)
class Polish:
    """At most ``queries`` forward passes of each recording; ``seed`` draws the groups."""

    queries: int = 1000
    outs: int = 16
    ins: int = 16
    seed: int = 0

    def __call__(
        self, victim: Victim, clean: Cells, adv: Cells, goal: Goal, threat: Threat
    ) -> Cells:
        """``adv`` with fewer edits where some are found, the goal still reached.

        Recordings that do not reach the goal are left as they are.
        """
        adv = adv.clone()
        margin = goal.margin(victim.logits(adv)).float()
        cost = threat.cost(clean, adv).float()
        live = ((margin > 0) & (cost > 1)).nonzero().squeeze(1)
        step = Round(self.outs, self.ins if lone(threat) else 0)
        free = unlimited(threat)
        for part, draws in parts(live, Generator().manual_seed(self.seed)):
            here = SearchState.at(clean[part], adv[part], margin[part], cost[part])
            here = descended(victim, here, goal[part], free, step, self.queries - 1, 1, draws)
            better = here.cost < cost[part]
            adv[part[better]] = here.adv(free)[better]
        return adv
