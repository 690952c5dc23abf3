"""AutoSpike: the standard evaluation, an ensemble without knobs.

One attack can be fooled itself: by a surrogate gradient that hides weaknesses, by a loss that is
flat where it starts, by a first step in the wrong direction. In the spirit of AutoAttack (Croce &
Hein, ICML 2020) a fixed set of attacks that fail for *different* reasons is run from the cheapest
to the dearest, and a recording counts as robust only if all of them fail:

1. gradients: several surrogates and losses, rates beside time, the next classes as targets, a
   restart (:mod:`spikeproof.attacks.sparse_flip` and its gradients);
2. a walk along the decision boundary that makes what was found cheaper;
3. a search on another model, if one is given, whose results the victim is only asked about
   (:mod:`spikeproof.attacks.transfer`);
4. attacks that use no gradient (:mod:`spikeproof.attacks.queries`), on what is left and, for the
   sake of suspicion, on a few that fell: if they do better there, gradients were masked.

For fewest edits every gradient attack sees all recordings, as each is the best for some of them;
at a fixed budget only what still stands is tried again. Of a model that gives no gradient nothing
is left but the last two, which then see all recordings.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Generator

from spikeproof.attacks.ensemble import Did, Search, Stage
from spikeproof.attacks.queries import Decision, Evolution, Greedy, Polish
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.transfer import Transfer
from spikeproof.attacks.victim import SHARP, Queries, Victim
from spikeproof.attacks.walk import Walk, suits
from spikeproof.errors import InvalidModel, InvalidThreat
from spikeproof.goals import Goal, Mislead, dlr
from spikeproof.models.surrogate import ArcTan, PiecewiseQuadratic, PotentialDependent
from spikeproof.threats import Flip, Patch, Retime, Threat
from spikeproof.types import Cells, Model, PerSample

_RESTART = 3.0  # gradient steps that a random start weighs
_SUSPECT = 8  # recordings that fell to gradients and are attacked without, too
_LOOK = 8  # recordings that are asked for a gradient


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What AutoSpike came to.

    ``adv`` ``[N, T, P, H, W]`` are the cheapest adversarial recordings, ``cost`` ``[N]`` their
    edits (infinite where everything failed), ``did`` what each stage contributed.
    """

    adv: Cells
    cost: PerSample
    did: tuple[Did, ...]


@dataclass(frozen=True)
class AutoSpike:
    """The ensemble; itself an attack.

    ``mode`` says whether the fewest edits are wanted or any within the threat's budget. ``judge``
    is the model that decides (None: the victim's), ``steps`` those of each gradient attack,
    ``queries`` the forward passes per recording of each attack without gradients. ``proxy`` is
    another model to search on.
    """

    mode: Literal["minimum", "budget"] = "minimum"
    judge: Model | None = None
    steps: int = 40
    queries: int = 1000
    proxy: Model | None = None

    def __call__(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Cells:
        """The cheapest adversarial recordings found; the clean one where all stages failed."""
        return self.evaluate(victim, x, goal, threat, rng=rng).adv

    def evaluate(
        self, victim: Victim, x: Cells, goal: Goal, threat: Threat, *, rng: Generator
    ) -> Evaluation:
        """The same, with what each stage did.

        Raises :class:`InvalidThreat` for a threat that is not one of recordings by themselves.
        """
        _known(threat)
        judge = victim.model if self.judge is None else self.judge
        search = Search(victim, judge, x, goal, threat, rng)
        for stage in self.stages(threat, goal, gradients=has_gradient(victim, x, goal)):
            search.run(stage, search.wanted(stage, self.mode))
        return Evaluation(search.adv, search.cost, tuple(search.did))

    def stages(self, threat: Threat, goal: Goal, *, gradients: bool = True) -> tuple[Stage, ...]:
        """The stages for a kind of threat and goal, of a victim with or without gradients."""
        white = stages(threat, goal, self.mode, self.steps) if gradients else ()
        return (*white, *self._asking(threat, gradients))

    def _asking(self, threat: Threat, gradients: bool) -> list[Stage]:
        """The stages that use no gradient of the victim."""
        some = _SUSPECT if gradients else None
        found = []
        if self.proxy is not None:
            carried = Transfer(self.proxy, SparseFlip(self.mode, self.steps))
            found.append(Stage("transfer", carried, "transfer", sample=some))
        greedy = Greedy(self.mode, self.queries)
        found.append(Stage("greedy", greedy, "gradient-free", sample=some))
        found.append(
            Stage(
                "decision",
                Decision(self.mode, self.queries),
                "gradient-free",
                sample=0 if gradients else None,
            )
        )
        if self.mode == "budget" and suits(threat):
            evolution = Evolution(self.mode, self.queries)
            found.append(Stage("evolution", evolution, "gradient-free", sample=0))
        if self.mode == "minimum" and not gradients:
            found.append(Stage("polish", Polish(self.queries), "refinement"))
        return found


def has_gradient(victim: Victim, x: Cells, goal: Goal) -> bool:
    """Whether white-box attacks can follow a gradient of ``victim``; not counted as queries."""
    if not len(x):
        return True
    some = torch.arange(min(_LOOK, len(x)))
    asked = replace(victim, queries=Queries())
    asked.logits(x[some])  # a model that gives no logits either is refused here
    try:
        _, gradient = asked.gradient(x[some], goal[some])
    except InvalidModel:
        return False
    return bool((gradient != 0).any())


def stages(
    threat: Threat, goal: Goal, mode: Literal["minimum", "budget"], steps: int
) -> tuple[Stage, ...]:
    """The stages with gradients for a kind of threat and goal, cheapest first."""
    _known(threat)
    plain = SparseFlip(mode, steps)
    found = [
        Stage("arctan:4", plain, surrogate=SHARP),
        Stage("piecewise-quadratic:0.5", plain, surrogate=PiecewiseQuadratic(0.5)),
        Stage("arctan:8", plain, surrogate=ArcTan(8.0)),
        Stage("own", plain, surrogate=None),
        Stage("dlr", SparseFlip(mode, steps, loss=dlr), surrogate=SHARP),
        Stage("restart", SparseFlip(mode, steps, start=_RESTART), surrogate=SHARP),
        Stage("potential-dependent", plain, surrogate=PotentialDependent()),
    ]
    if isinstance(goal, Mislead):
        found += [Stage(f"target {rank}", plain, surrogate=SHARP, rank=rank) for rank in (1, 2)]
    if mode == "minimum" and suits(threat):
        found.append(Stage("walk", Walk(), "refinement", SHARP))
    return tuple(found)


def _known(threat: Threat) -> None:
    if not isinstance(threat, Flip | Retime | Patch):
        raise InvalidThreat(f"AutoSpike has no standard for {type(threat).__name__} threats")
