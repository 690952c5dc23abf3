"""Score-based greedy search: only the logits are used.

The search starts from a heavy edit that fools the model
(:mod:`spikeproof.attacks.queries.starts`) and makes it cheaper: groups of edits are put back and
groups of new cells are edited, each alone first, so that what it does to the margin is *measured*;
then combinations that put back more than they edit. Groups are large at first and become smaller
where nothing large can be put back: a hierarchical halving that stops where the effects are. What
was measured is kept per cell and decides what is tried next. Where no start fools the model the
same rounds climb the margin, from the start with the largest.

That a step is kept only if the score says so, for many coordinates at a time, is the idea of SimBA
(Guo et al., ICML 2019) and of the square attack (Andriushchenko et al., ECCV 2020); going from the
far side towards the clean recording is that of decision-based attacks (Brendel et al., ICLR 2018).
Groups of sparse cells, measured alone and turned together, are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Generator

from spikeproof.attacks.events.edits import lone
from spikeproof.attacks.queries.rounds import Round
from spikeproof.attacks.queries.search import QuerySearch
from spikeproof.attacks.victim import Victim
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.types import Cells


@dataclass(frozen=True, eq=False)
class Greedy:
    """At most ``queries`` forward passes of each recording.

    In minimum mode all of them are spent on fewer edits, in budget mode a recording leaves when
    it is fooled within the threat's budget. A round measures ``outs`` groups of edits and ``ins``
    groups of new cells (none under threats whose edits hang together). The best ``race`` starts
    are tried for two rounds before one is chosen. ``others`` ``[M, T, P, H, W]`` are recordings to
    start from as well.
    """

    mode: Literal["minimum", "budget"] = "minimum"
    queries: int = 2000
    outs: int = 16
    ins: int = 16
    race: int = 8
    others: Cells | None = None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """Adversarial recordings for ``x``; where none was found, the best-known edits allowed.

        Raises :class:`InvalidThreat` for universal threats.
        """
        step = Round(self.outs, self.ins if lone(threat) else 0)
        first = Round(self.outs, 0)
        search = QuerySearch(self.mode, self.queries, self.race, step, first, self.others)
        return search(victim, x, goal, threat, rng)
