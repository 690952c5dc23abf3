"""The stages of the ensemble for recordings, in order of their cost, and why these were chosen.

For fewest edits the first two searches are short: the boundary walk saves more edits than further
steps would (docs/results/ensemble.md). The others attack what is still unsolved. Within a budget
there are several unconstrained starts, since no start is the best for all recordings.
"""

from __future__ import annotations

from dataclasses import replace

from spikeproof.attacks.base import Attack
from spikeproof.attacks.ensemble.image_stages import climb, image_stages
from spikeproof.attacks.ensemble.state import EnsembleStage, Mode
from spikeproof.attacks.events.boundary_walk import BoundaryWalk
from spikeproof.attacks.events.edits import lone
from spikeproof.attacks.events.refine import exhaust
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.events.unconstrained_start import UnconstrainedStart
from spikeproof.attacks.queries import Decision, Evolution, Greedy, Polish
from spikeproof.attacks.victim import ALTERNATING_SURROGATES, NARROW_SURROGATE
from spikeproof.errors import InvalidThreat
from spikeproof.goals import Goal, Untargeted, cross_entropy, dlr, margin
from spikeproof.models.rules import HybridGradient, RateGradient
from spikeproof.models.surrogate import ArcTan, PotentialDependent
from spikeproof.threats import Ball, Flip, Patch, Retime, Threat

_RESTART = 3.0  # gradient steps that a random start weighs
_SUSPECT = 4  # recordings that fell to gradients and are attacked without, too
_BRIEF = BoundaryWalk(rounds=8, singles=32)


def climbing(
    threat: Threat, goal: Goal, mode: Mode, steps: int, *, quick: bool = False
) -> tuple[EnsembleStage, ...]:
    """The stages with gradients for a kind of threat and goal, cheapest first."""
    check_known(threat)
    if isinstance(threat, Ball):
        return image_stages(threat, goal, mode, steps)
    plain = SparseFlip(mode, steps)
    seen = 0 if quick else None
    brief, walk = _briefly(steps, quick)
    first = brief if mode == "minimum" else plain  # of that the walk makes more
    found = [
        EnsembleStage("gradients", first, surrogate=ALTERNATING_SURROGATES),
        EnsembleStage(
            "cross-entropy",
            replace(first, loss=cross_entropy),
            surrogate=ALTERNATING_SURROGATES,
            sample=seen,
        ),
    ]
    if supports_unconstrained_start(threat, mode):
        found += unconstrained_stages(steps, quick=quick)
    last = [
        EnsembleStage(
            "restart", SparseFlip(mode, steps, start=_RESTART), surrogate=ALTERNATING_SURROGATES
        ),
        EnsembleStage("potential-dependent", plain, surrogate=PotentialDependent()),
        EnsembleStage("own surrogate", plain, surrogate=None),
        EnsembleStage("sharp surrogate", plain, surrogate=NARROW_SURROGATE),
        EnsembleStage("wide surrogate", plain, surrogate=ArcTan(2.0)),
        EnsembleStage("dlr", SparseFlip(mode, steps, loss=dlr), surrogate=NARROW_SURROGATE),
        EnsembleStage("rate", plain, surrogate=RateGradient()),
        EnsembleStage("hybrid", plain, surrogate=HybridGradient()),
    ]
    if isinstance(goal, Untargeted):
        last += [
            EnsembleStage(f"target {rank}", plain, surrogate=ALTERNATING_SURROGATES, rank=rank)
            for rank in (1, 2)
        ]
    if supports_unconstrained_start(
        threat, mode
    ):  # surrogates that take turns do not see all either
        again = replace(brief, start=_RESTART)
        last += [
            EnsembleStage(
                "from beyond (sharp)", UnconstrainedStart(again, walk), surrogate=NARROW_SURROGATE
            ),
            EnsembleStage("from beyond (own)", UnconstrainedStart(brief, walk), surrogate=None),
        ]
    found += [replace(stage, sample=0) for stage in last]
    if mode == "minimum":
        found.append(EnsembleStage("walk", walk, "refinement", ALTERNATING_SURROGATES))
        found.append(
            EnsembleStage("single edits and pairs", exhaust, "refinement", NARROW_SURROGATE)
        )
    return tuple(found)


def gradient_free_stages(
    threat: Threat, mode: Mode, queries: int, sample: int | None, *, quick: bool = False
) -> tuple[EnsembleStage, ...]:
    """The stages that use no gradient, of at most ``queries`` forward passes of a recording.

    ``sample`` of what has fallen is attacked again (None: all, as there are no gradients).
    """
    greedy, decision = Greedy(mode, queries // (4 if quick else 1)), Decision(mode, queries)
    rest = None if sample is None else 0
    found = [
        EnsembleStage("greedy", greedy, "gradient-free", sample=sample),
        EnsembleStage("decision", decision, "gradient-free", sample=rest),
    ]
    if mode == "budget" and lone(threat):
        found.append(
            EnsembleStage("evolution", Evolution(mode, queries), "gradient-free", sample=0)
        )
    if mode == "minimum" and sample is None:
        found.append(EnsembleStage("polish", Polish(queries), "refinement"))
    return tuple(found)


def masking_probe_size(*, quick: bool = False) -> int:
    """How many that fell to gradients are attacked without."""
    return _SUSPECT // (2 if quick else 1)


def supports_unconstrained_start(threat: Threat, mode: Mode) -> bool:
    """Whether a walk can come down from beyond the budget."""
    return mode == "budget" and isinstance(threat, Flip | Retime)


def unconstrained_stages(
    steps: int, *, quick: bool = False, near: bool = False
) -> tuple[EnsembleStage, ...]:
    """Ways from beyond a budget; ``near`` ones start at random and repeat no other search."""
    search, walk = _briefly(steps, quick)
    entropy = replace(search, loss=cross_entropy)
    again, other = (replace(one, start=_RESTART) for one in (entropy, search))
    plain = {"from beyond": entropy, "from beyond (margin)": search}
    restarts = {"from beyond (restart)": again, "from beyond (restart 2)": again}
    more = {"from beyond (restart 3)": again, "from beyond (restart 4)": other}
    searches = restarts | more if near else plain | restarts
    return tuple(
        EnsembleStage(name, UnconstrainedStart(one, walk), surrogate=ALTERNATING_SURROGATES)
        for name, one in searches.items()
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


def _briefly(steps: int, quick: bool) -> tuple[SparseFlip, BoundaryWalk]:
    """A short search, and the walk that makes more of what it finds."""
    walk = _BRIEF if quick else BoundaryWalk()
    brief = SparseFlip("minimum", max(1, steps // (3 if quick else 2)), refines=False)
    return brief, replace(walk, rounds=min(walk.rounds, steps))
