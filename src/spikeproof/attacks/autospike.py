"""AutoSpike: the standard evaluation, an ensemble without knobs.

One attack can be fooled itself: by a surrogate gradient that hides weaknesses, by a loss that is
flat where it starts, by a first step in the wrong direction. In the spirit of AutoAttack (Croce &
Hein, ICML 2020) a fixed set of attacks that fail for *different* reasons is run from the cheapest
to the dearest, and a recording counts as robust only if all of them fail:

1. gradients: surrogates that take turns within one search, other losses, the next classes as
   targets, a restart (:mod:`spikeproof.attacks.sparse_flip` and its gradients);
2. a walk along the decision boundary that makes what was found cheaper; within a budget it comes
   down, from several starts, from what fools without one (:mod:`spikeproof.attacks.from_beyond`);
3. a search on another model, if one is given, whose results the victim is only asked about
   (:mod:`spikeproof.attacks.transfer`);
4. attacks that use no gradient (:mod:`spikeproof.attacks.queries`), on what is left and, for the
   sake of suspicion, on a few that fell: if they do better there, gradients were masked.

Gradient rules need neurons of ours and are left out for others. On images the gradient attacks are
Auto-PGD with three losses and dual averaging; Square asks for no gradient, alone and from where
Auto-PGD gave up; where pixels are counted, a random search does.

For fewest edits the first two see all recordings, as each is the best for some of them; they are
short, as the walk makes more of what they find than more steps would (docs/results.md). Everything
else is a last resort, for what still stands. Of images all see all. Of a model that gives no
gradient nothing is left but the last two, which then see all recordings.

The ``quick`` version is for every day: of the gradients the first alone sees all recordings, it and
the walk are shorter still, and suspicion asks less. What still stands meets the same last resorts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Generator

from spikeproof.attacks.apgd import APGD
from spikeproof.attacks.base import Attack
from spikeproof.attacks.dual_averaging import DualAveraging
from spikeproof.attacks.edits import lone
from spikeproof.attacks.ensemble import Did, Search, Stage
from spikeproof.attacks.from_beyond import FromBeyond
from spikeproof.attacks.queries import Decision, Evolution, Greedy, Polish
from spikeproof.attacks.refine import exhaust
from spikeproof.attacks.smallest import Smallest
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.sparse_search import SparseSearch
from spikeproof.attacks.square import Square
from spikeproof.attacks.transfer import Transfer
from spikeproof.attacks.victim import SHARP, TURNS, Queries, Victim
from spikeproof.attacks.walk import Walk
from spikeproof.errors import InvalidModel, InvalidThreat
from spikeproof.goals import LOSSES, Goal, Loss, Mislead, cross_entropy, dlr, margin
from spikeproof.models.rules import HybridGradient, RateGradient
from spikeproof.models.surrogate import ArcTan, PiecewiseQuadratic, PotentialDependent, Surrogate
from spikeproof.models.swap import takes
from spikeproof.threats import L0, Ball, Flip, Patch, Retime, Threat
from spikeproof.types import Cells, Model, PerSample

Mode = Literal["minimum", "budget"]

_RESTART = 3.0  # gradient steps that a random start weighs
_WAYS = 4  # from beyond a budget
_QUERIES = 25  # of Square, for each gradient step of the others
_SUSPECT = 4  # recordings that fell to gradients and are attacked without, too
_LOOK = 8  # recordings that are asked for a gradient
_BRIEF = Walk(rounds=8, singles=32)


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
    another model to search on. ``quick`` finds a little more edits than needed, in a fraction of
    the time; on images there is no such version. ``near`` says that gradients fooled with a little
    more than the budget of flips or moves before, so that only the way from beyond it is promising.
    """

    mode: Mode = "minimum"
    judge: Model | None = None
    steps: int = 40
    queries: int = 1000
    proxy: Model | None = None
    quick: bool = False
    near: bool = False

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
            each = stage.surrogate if isinstance(stage.surrogate, tuple) else (stage.surrogate,)
            if all(takes(victim.model, one) for one in each):
                search.run(stage, search.wanted(stage, self.mode, _least(threat)))
        return Evaluation(search.adv, search.cost, tuple(search.did))

    def stages(self, threat: Threat, goal: Goal, *, gradients: bool = True) -> tuple[Stage, ...]:
        """The stages for a kind of threat and goal, of a victim with or without gradients."""
        found = stages(threat, goal, self.mode, self.steps, quick=self.quick)
        if self.near and self.mode == "budget" and isinstance(threat, Flip | Retime) and gradients:
            return _beyond(*_briefly(self.steps, self.quick))[-_WAYS:]  # others than before
        if isinstance(threat, Ball):  # whose stages ask without gradients too
            asking = tuple(s for s in found if _asks(s))
            return found if gradients else (*self._carried(threat, None), *asking)
        return (*(found if gradients else ()), *self._asking(threat, gradients))

    def _carried(self, threat: Threat, sample: int | None) -> list[Stage]:
        """The search on the proxy, if there is one."""
        if self.proxy is None:
            return []
        attack = Transfer(self.proxy, single(threat, self.mode, self.steps))
        return [Stage("transfer", attack, "transfer", sample=sample)]

    def _asking(self, threat: Threat, gradients: bool) -> list[Stage]:
        """The stages that use no gradient of the victim."""
        some = _SUSPECT // (2 if self.quick else 1) if gradients else None
        found = self._carried(threat, some)
        greedy = Greedy(self.mode, self.queries // (4 if self.quick else 1))
        found.append(Stage("greedy", greedy, "gradient-free", sample=some))
        found.append(
            Stage(
                "decision",
                Decision(self.mode, self.queries),
                "gradient-free",
                sample=0 if gradients else None,
            )
        )
        if self.mode == "budget" and lone(threat):
            evolution = Evolution(self.mode, self.queries)
            found.append(Stage("evolution", evolution, "gradient-free", sample=0))
        if self.mode == "minimum" and not gradients:
            found.append(Stage("polish", Polish(self.queries), "refinement"))
        return found


def _asks(stage: Stage) -> bool:
    """Whether a stage for images gets along without gradients."""
    search = getattr(stage.attack, "__self__", stage.attack)  # of a refinement
    search = search.attack if isinstance(search, Smallest) else search
    return isinstance(search, SparseSearch) or (isinstance(search, Square) and search.first is None)


def single(threat: Threat, mode: Mode, steps: int) -> Attack:
    """One plain attack of the kind of the ensemble's first stage."""
    if not isinstance(threat, Ball):
        return SparseFlip(mode, steps)
    climber = _climber(threat, margin, steps if mode == "budget" else _short(steps))
    return climber if mode == "budget" else Smallest(climber)


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
    threat: Threat, goal: Goal, mode: Mode, steps: int, *, quick: bool = False
) -> tuple[Stage, ...]:
    """The stages with gradients for a kind of threat and goal, cheapest first."""
    _known(threat)
    if isinstance(threat, Ball):
        return _image_stages(threat, goal, mode, steps)
    plain = SparseFlip(mode, steps)
    seen = 0 if quick else None
    brief, walk = _briefly(steps, quick)
    first = brief if mode == "minimum" else plain  # of that the walk makes more
    found = [
        Stage("gradients", first, surrogate=TURNS),
        Stage("cross-entropy", replace(first, loss=cross_entropy), surrogate=TURNS, sample=seen),
    ]
    if mode == "budget" and isinstance(threat, Flip | Retime):
        found += _beyond(brief, walk)[:_WAYS]
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
    found += [replace(stage, sample=0) for stage in last]
    if mode == "minimum":
        found.append(Stage("walk", walk, "refinement", TURNS))
        found.append(Stage("single edits and pairs", exhaust, "refinement", SHARP))
    return tuple(found)


def _briefly(steps: int, quick: bool) -> tuple[SparseFlip, Walk]:
    """A short search, and the walk that makes more of what it finds."""
    walk = _BRIEF if quick else Walk()
    brief = SparseFlip("minimum", max(1, steps // (3 if quick else 2)), refines=False)
    return brief, replace(walk, rounds=min(walk.rounds, steps))


def _beyond(search: SparseFlip, walk: Walk) -> tuple[Stage, ...]:
    """Ways from beyond the budget; the last ones, from random starts, repeat no other search."""
    entropy = replace(search, loss=cross_entropy)
    again, other = (replace(one, start=_RESTART) for one in (entropy, search))
    searches = {
        "from beyond": entropy,
        "from beyond (margin)": search,
        "from beyond (restart)": again,
        "from beyond (restart 2)": again,
        "from beyond (restart 3)": again,
        "from beyond (restart 4)": other,
    }
    return tuple(
        Stage(name, FromBeyond(one, walk), surrogate=TURNS) for name, one in searches.items()
    )


def _known(threat: Threat) -> None:
    if not isinstance(threat, Flip | Retime | Patch | Ball):
        raise InvalidThreat(f"AutoSpike has no standard for {type(threat).__name__} threats")


def _image_stages(threat: Ball, goal: Goal, mode: Mode, steps: int) -> tuple[Stage, ...]:
    """The ensemble for images, ``steps`` of each climb; for few pixels mostly dual averaging."""
    few = isinstance(threat, L0)
    queries = _QUERIES * steps
    steps = steps if mode == "budget" else _short(steps)

    def stage(
        name: str,
        loss: Loss,
        surrogate: Surrogate | None = SHARP,
        rank: int | None = None,
        dual: bool = few,
    ) -> Stage:
        climber = _climber(threat, loss, steps, dual)
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
        search = SparseSearch(queries if mode == "budget" else queries // 5)
        attack = search if mode == "budget" else Smallest(search)
        return (*found, Stage("sparse search", attack, "gradient-free"))
    found.append(Stage("square", Square(queries), "gradient-free"))
    if mode == "budget":
        found.append(
            Stage("APGD, then square", Square(queries, first=APGD(margin, steps)), surrogate=SHARP)
        )
    else:
        squeeze = Smallest(Square(queries // 5), rounds=5, anew=False)
        found.append(Stage("squares", squeeze.refine, "refinement", SHARP))
    return tuple(found)


def _climber(
    threat: Ball, loss: Loss, steps: int, dual: bool | None = None
) -> DualAveraging | APGD:
    """What climbs ``loss``: dual averaging where few pixels may change, else Auto-PGD."""
    dual = isinstance(threat, L0) if dual is None else dual
    return DualAveraging(loss, steps) if dual else APGD(loss, steps)


def _short(steps: int) -> int:
    """Gradient steps of each of the many climbs that look for the smallest change."""
    return max(1, steps // 3)


def _least(threat: Threat) -> float:
    """The cost that no search can better."""
    return threat.resolution if isinstance(threat, Ball) else 1.0
