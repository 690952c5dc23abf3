"""The stages of the ensemble for recordings, cheapest first, and why there are these.

For fewest edits the first two searches are short, as the walk makes more of what they find than
more steps would (docs/results.md); the others are last resorts. Within a budget ways come down
from beyond it, from several starts, since no start is the best for all recordings.
"""

from __future__ import annotations

from dataclasses import replace

from spikeproof.attacks.base import Attack
from spikeproof.attacks.edits import lone
from spikeproof.attacks.ensemble import Mode, Stage
from spikeproof.attacks.from_beyond import FromBeyond
from spikeproof.attacks.image_stages import climb, image_stages
from spikeproof.attacks.queries import Decision, Evolution, Greedy, Polish
from spikeproof.attacks.refine import exhaust
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.victim import SHARP, TURNS
from spikeproof.attacks.walk import Walk
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Mislead, cross_entropy, dlr, margin
from spikeproof.models.rules import HybridGradient, RateGradient
from spikeproof.models.surrogate import ArcTan, PotentialDependent
from spikeproof.threats import Ball, Flip, Patch, Retime, Threat

_RESTART = 3.0  # gradient steps that a random start weighs
_SUSPECT = 4  # recordings that fell to gradients and are attacked without, too
_BRIEF = Walk(rounds=8, singles=32)


def climbing(
    threat: Threat, goal: Goal, mode: Mode, steps: int, *, quick: bool = False
) -> tuple[Stage, ...]:
    """The stages with gradients for a kind of threat and goal, cheapest first."""
    check_known(threat)
    if isinstance(threat, Ball):
        return image_stages(threat, goal, mode, steps)
    plain = SparseFlip(mode, steps)
    seen = 0 if quick else None
    brief, walk = _briefly(steps, quick)
    first = brief if mode == "minimum" else plain  # of that the walk makes more
    found = [
        Stage("gradients", first, surrogate=TURNS),
        Stage("cross-entropy", replace(first, loss=cross_entropy), surrogate=TURNS, sample=seen),
    ]
    if comes_down(threat, mode):
        found += from_beyond(steps, quick=quick)
    last = [
        Stage("restart", SparseFlip(mode, steps, start=_RESTART), surrogate=TURNS),
        Stage("potential-dependent", plain, surrogate=PotentialDependent()),
        Stage("own surrogate", plain, surrogate=None),
        Stage("sharp surrogate", plain, surrogate=SHARP),
        Stage("wide surrogate", plain, surrogate=ArcTan(2.0)),
        Stage("dlr", SparseFlip(mode, steps, loss=dlr), surrogate=SHARP),
        Stage("rate", plain, surrogate=RateGradient()),
        Stage("hybrid", plain, surrogate=HybridGradient()),
    ]
    if isinstance(goal, Mislead):
        last += [Stage(f"target {rank}", plain, surrogate=TURNS, rank=rank) for rank in (1, 2)]
    if comes_down(threat, mode):  # surrogates that take turns do not see all either
        again = replace(brief, start=_RESTART)
        last += [
            Stage("from beyond (sharp)", FromBeyond(again, walk), surrogate=SHARP),
            Stage("from beyond (own)", FromBeyond(brief, walk), surrogate=None),
        ]
    found += [replace(stage, sample=0) for stage in last]
    if mode == "minimum":
        found.append(Stage("walk", walk, "refinement", TURNS))
        found.append(Stage("single edits and pairs", exhaust, "refinement", SHARP))
    return tuple(found)


def asking(
    threat: Threat, mode: Mode, queries: int, sample: int | None, *, quick: bool = False
) -> tuple[Stage, ...]:
    """The stages that use no gradient, of at most ``queries`` forward passes of a recording.

    ``sample`` of what has fallen is attacked again (None: all, as there are no gradients).
    """
    greedy, decision = Greedy(mode, queries // (4 if quick else 1)), Decision(mode, queries)
    rest = None if sample is None else 0
    found = [
        Stage("greedy", greedy, "gradient-free", sample=sample),
        Stage("decision", decision, "gradient-free", sample=rest),
    ]
    if mode == "budget" and lone(threat):
        found.append(Stage("evolution", Evolution(mode, queries), "gradient-free", sample=0))
    if mode == "minimum" and sample is None:
        found.append(Stage("polish", Polish(queries), "refinement"))
    return tuple(found)


def suspected(*, quick: bool = False) -> int:
    """How many that fell to gradients are attacked without."""
    return _SUSPECT // (2 if quick else 1)


def comes_down(threat: Threat, mode: Mode) -> bool:
    """Whether a walk can come down from beyond the budget."""
    return mode == "budget" and isinstance(threat, Flip | Retime)


def from_beyond(steps: int, *, quick: bool = False, near: bool = False) -> tuple[Stage, ...]:
    """Ways from beyond a budget; ``near`` ones start at random and repeat no other search."""
    search, walk = _briefly(steps, quick)
    entropy = replace(search, loss=cross_entropy)
    again, other = (replace(one, start=_RESTART) for one in (entropy, search))
    plain = {"from beyond": entropy, "from beyond (margin)": search}
    restarts = {"from beyond (restart)": again, "from beyond (restart 2)": again}
    more = {"from beyond (restart 3)": again, "from beyond (restart 4)": other}
    searches = restarts | more if near else plain | restarts
    return tuple(
        Stage(name, FromBeyond(one, walk), surrogate=TURNS) for name, one in searches.items()
    )


def single(threat: Threat, mode: Mode, steps: int) -> Attack:
    """One plain attack of the kind of the ensemble's first stage."""
    if not isinstance(threat, Ball):
        return SparseFlip(mode, steps)
    return climb(threat, margin, mode, steps)


def check_known(threat: Threat) -> None:
    """Raise :class:`InvalidThreat` for a threat that there are no stages for."""
    if not isinstance(threat, Flip | Retime | Patch | Ball):
        raise InvalidThreat(f"AutoSpike has no standard for {type(threat).__name__} threats")


def _briefly(steps: int, quick: bool) -> tuple[SparseFlip, Walk]:
    """A short search, and the walk that makes more of what it finds."""
    walk = _BRIEF if quick else Walk()
    brief = SparseFlip("minimum", max(1, steps // (3 if quick else 2)), refines=False)
    return brief, replace(walk, rounds=min(walk.rounds, steps))
