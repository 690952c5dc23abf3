"""AutoSpike: the standard evaluation, an ensemble without knobs.

One attack can be fooled itself: by a surrogate gradient that hides weaknesses, by a loss that is
flat where it starts, by a first step in the wrong direction. In the spirit of AutoAttack (Croce &
Hein, ICML 2020) a fixed set of attacks that fail for *different* reasons is run from the cheapest
to the dearest, and a recording counts as robust only if all of them fail:

1. gradients: surrogates that take turns within one search, other losses, the next classes as
   targets, a restart (:mod:`spikeproof.attacks.sparse_flip` and its gradients);
2. a walk along the decision boundary that makes what was found cheaper;
3. attacks that use no gradient, on what is left.

Gradient rules need neurons of ours and are left out for others. On images the gradient attacks are
Auto-PGD with three losses and dual averaging; Square asks for no gradient, alone and from where
Auto-PGD gave up.

For fewest edits the first two see all recordings, as each is the best for some of them; more of the
kind makes results little cheaper for what it takes (docs/results.md). Everything else is a last
resort, for what still stands. Of images all see all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Generator

from spikeproof.attacks.apgd import APGD
from spikeproof.attacks.dual_averaging import DualAveraging
from spikeproof.attacks.ensemble import Did, Search, Stage
from spikeproof.attacks.queries import Evolution, Greedy
from spikeproof.attacks.smallest import Smallest
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.square import Square
from spikeproof.attacks.victim import SHARP, TURNS, Victim
from spikeproof.attacks.walk import Walk, suits
from spikeproof.errors import InvalidThreat
from spikeproof.goals import LOSSES, Goal, Loss, Mislead, cross_entropy, dlr, margin
from spikeproof.models.rules import HybridGradient, RateGradient
from spikeproof.models.surrogate import ArcTan, PiecewiseQuadratic, PotentialDependent, Surrogate
from spikeproof.models.swap import takes
from spikeproof.threats import L0, Ball, Flip, Patch, Retime, Threat
from spikeproof.types import Cells, Model, PerSample

Mode = Literal["minimum", "budget"]

_RESTART = 3.0  # gradient steps that a random start weighs
_QUERIES = 25  # of attacks without gradients, for each gradient step of the others


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
    is the model that decides (None: the victim's), ``steps`` those of each gradient attack.
    """

    mode: Mode = "minimum"
    judge: Model | None = None
    steps: int = 40

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
        judge = victim.model if self.judge is None else self.judge
        search = Search(victim, judge, x, goal, threat, rng)
        for stage in stages(threat, goal, self.mode, self.steps):
            each = stage.surrogate if isinstance(stage.surrogate, tuple) else (stage.surrogate,)
            if not all(takes(victim.model, one) for one in each):
                continue
            wanted = search.standing
            if self.mode == "minimum" and stage.kind == "white-box" and not stage.last_resort:
                wanted = search.cost > _least(threat)
            if stage.kind == "refinement":
                wanted = torch.isfinite(search.cost) & (search.cost > _least(threat))
            search.run(stage, wanted.nonzero().squeeze(1))
        return Evaluation(search.adv, search.cost, tuple(search.did))


def stages(threat: Threat, goal: Goal, mode: Mode, steps: int) -> tuple[Stage, ...]:
    """The fixed ensemble for a kind of threat and goal, cheapest first."""
    if isinstance(threat, Ball):
        return _image_stages(threat, goal, mode, steps)
    if not isinstance(threat, Flip | Retime | Patch):
        raise InvalidThreat(f"AutoSpike has no standard for {type(threat).__name__} threats")
    plain = SparseFlip(mode, steps)
    thorough = SparseFlip(mode, steps * 5 // 2, patience=30) if mode == "minimum" else plain
    found = [
        Stage("gradients", thorough, surrogate=TURNS),
        Stage("cross-entropy", SparseFlip(mode, steps, loss=cross_entropy), surrogate=TURNS),
    ]
    last = [
        Stage("restart", SparseFlip(mode, steps, start=_RESTART), surrogate=TURNS),
        Stage("potential-dependent", plain, surrogate=PotentialDependent()),
        Stage("own surrogate", plain, surrogate=None),
        Stage("wide surrogate", plain, surrogate=ArcTan(2.0)),
        Stage("dlr", SparseFlip(mode, steps, loss=dlr), surrogate=SHARP),
        Stage("rate", plain, surrogate=RateGradient()),
        Stage("hybrid", plain, surrogate=HybridGradient()),
    ]
    if isinstance(goal, Mislead):
        last += [Stage(f"target {rank}", plain, surrogate=TURNS, rank=rank) for rank in (1, 2)]
    if suits(threat):
        asked = _QUERIES * steps
        last += [
            Stage("greedy queries", Greedy(mode, asked), "gradient-free"),
            Stage("evolution", Evolution(mode, asked), "gradient-free"),
        ]
    found += [replace(stage, last_resort=True) for stage in last]
    if mode == "minimum" and suits(threat):
        found.append(Stage("walk", Walk(min(Walk.rounds, steps)), "refinement", SHARP))
    return tuple(found)


def _image_stages(threat: Ball, goal: Goal, mode: Mode, steps: int) -> tuple[Stage, ...]:
    """The ensemble for images, ``steps`` of each climb; for few pixels mostly dual averaging."""
    few = isinstance(threat, L0)
    queries = _QUERIES * steps
    steps = steps if mode == "budget" else max(1, steps // 3)  # of each of many climbs

    def stage(
        name: str,
        loss: Loss,
        surrogate: Surrogate | None = SHARP,
        rank: int | None = None,
        dual: bool = few,
    ) -> Stage:
        climber = DualAveraging(loss, steps) if dual else APGD(loss, steps)
        attack = climber if mode == "budget" else Smallest(climber)
        return Stage(name, attack, surrogate=surrogate, rank=rank)

    found = [stage(name, loss) for name, loss in LOSSES.items()]
    found += [
        stage("arctan:8", margin, ArcTan(8.0)),
        stage("piecewise-quadratic:0.5", margin, PiecewiseQuadratic(0.5)),
        stage("own", margin, None),
        stage("potential-dependent", margin, PotentialDependent()),
        stage("APGD" if few else "dual averaging", cross_entropy, dual=not few),
    ]
    if isinstance(goal, Mislead):
        found += [stage(f"target {rank}", dlr, rank=rank) for rank in (1, 2, 3)]
    if few:
        return tuple(found)
    found.append(Stage("square", Square(queries), "gradient-free"))
    if mode == "budget":
        found.append(
            Stage("APGD, then square", Square(queries, first=APGD(margin, steps)), surrogate=SHARP)
        )
    else:
        squeeze = Smallest(Square(queries // 5), rounds=5, anew=False)
        found.append(Stage("squares", squeeze.refine, "refinement", SHARP))
    return tuple(found)


def _least(threat: Threat) -> float:
    """The cost that no search can better."""
    return threat.resolution if isinstance(threat, Ball) else 1.0
