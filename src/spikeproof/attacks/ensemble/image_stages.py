"""The stages of the ensemble for images: climbs with several losses and surrogates, and Square.

Auto-PGD climbs where intensities change within a norm, dual averaging where few pixels may. All
stages see all images, since each is the best for some of them.
"""

from __future__ import annotations

from spikeproof.attacks.base import Attack
from spikeproof.attacks.ensemble.state import EnsembleStage, Mode
from spikeproof.attacks.intensities.apgd import APGD
from spikeproof.attacks.intensities.dual_averaging import DualAveraging
from spikeproof.attacks.intensities.minimum_norm import MinimumNorm
from spikeproof.attacks.intensities.sparse_rs import SparseRS
from spikeproof.attacks.intensities.square import Square
from spikeproof.attacks.victim import NARROW_SURROGATE
from spikeproof.goals import LOSSES, Goal, Loss, Untargeted, cross_entropy, dlr, margin
from spikeproof.models.surrogate import ArcTan, PiecewiseQuadratic, PotentialDependent, Surrogate
from spikeproof.threats import L0, Ball

_QUERIES = 25  # of Square, for each gradient step of the others


def image_stages(threat: Ball, goal: Goal, mode: Mode, steps: int) -> tuple[EnsembleStage, ...]:
    """The ensemble for images, ``steps`` of each climb; for few pixels mostly dual averaging."""
    few = isinstance(threat, L0)
    queries = _QUERIES * steps

    def stage(
        name: str,
        loss: Loss,
        surrogate: Surrogate | None = NARROW_SURROGATE,
        rank: int | None = None,
        dual: bool = few,
    ) -> EnsembleStage:
        attack = climb(threat, loss, mode, steps, dual)
        return EnsembleStage(name, attack, surrogate=surrogate, rank=rank)

    found = [stage(name, loss) for name, loss in LOSSES.items()]
    found += [
        stage("arctan:8", margin, ArcTan(8.0)),
        stage("piecewise-quadratic:0.5", margin, PiecewiseQuadratic(0.5)),
        stage("own", margin, None),
        stage("potential-dependent", margin, PotentialDependent()),
        stage("APGD" if few else "dual averaging", cross_entropy, dual=not few),
    ]
    if isinstance(goal, Untargeted):
        found += [stage(f"target {rank}", dlr, rank=rank) for rank in (1, 2, 3)]
    if few:
        search = SparseRS(queries if mode == "budget" else queries // 5)
        attack = search if mode == "budget" else MinimumNorm(search)
        return (*found, EnsembleStage("sparse search", attack, "gradient-free"))
    found.append(EnsembleStage("square", Square(queries), "gradient-free"))
    if mode == "budget":
        found.append(
            EnsembleStage(
                "APGD, then square",
                Square(queries, first=APGD(margin, steps)),
                surrogate=NARROW_SURROGATE,
            )
        )
    else:
        squeeze = MinimumNorm(Square(queries // 5), rounds=5, anew=False)
        found.append(EnsembleStage("squares", squeeze.refine, "refinement", NARROW_SURROGATE))
    return tuple(found)


def climb(threat: Ball, loss: Loss, mode: Mode, steps: int, dual: bool | None = None) -> Attack:
    """What climbs ``loss``: dual averaging where few pixels may change, else Auto-PGD.

    The smallest change takes many climbs, each of a third of the ``steps``.
    """
    dual = isinstance(threat, L0) if dual is None else dual
    steps = steps if mode == "budget" else max(1, steps // 3)
    once = DualAveraging(loss, steps) if dual else APGD(loss, steps)
    return once if mode == "budget" else MinimumNorm(once)


def asks(stage: EnsembleStage) -> bool:
    """Whether a stage for images gets along without gradients."""
    search = getattr(stage.attack, "__self__", stage.attack)  # of a refinement
    search = search.attack if isinstance(search, MinimumNorm) else search
    return isinstance(search, SparseRS) or (isinstance(search, Square) and search.first is None)
