"""The stages of the ensemble for images: climbs with several losses and surrogates, and Square.

Auto-PGD climbs where intensities change within a norm, dual averaging where few pixels may. All
stages see all images, since each is the best for some of them.
"""

from __future__ import annotations

from spikeproof.attacks.apgd import APGD
from spikeproof.attacks.base import Attack
from spikeproof.attacks.dual_averaging import DualAveraging
from spikeproof.attacks.ensemble import Mode, Stage
from spikeproof.attacks.smallest import Smallest
from spikeproof.attacks.sparse_search import SparseSearch
from spikeproof.attacks.square import Square
from spikeproof.attacks.victim import SHARP
from spikeproof.goals import LOSSES, Goal, Loss, Mislead, cross_entropy, dlr, margin
from spikeproof.models.surrogate import ArcTan, PiecewiseQuadratic, PotentialDependent, Surrogate
from spikeproof.threats import L0, Ball

_QUERIES = 25  # of Square, for each gradient step of the others


def image_stages(threat: Ball, goal: Goal, mode: Mode, steps: int) -> tuple[Stage, ...]:
    """The ensemble for images, ``steps`` of each climb; for few pixels mostly dual averaging."""
    few = isinstance(threat, L0)
    queries = _QUERIES * steps

    def stage(
        name: str,
        loss: Loss,
        surrogate: Surrogate | None = SHARP,
        rank: int | None = None,
        dual: bool = few,
    ) -> Stage:
        attack = climb(threat, loss, mode, steps, dual)
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


def climb(threat: Ball, loss: Loss, mode: Mode, steps: int, dual: bool | None = None) -> Attack:
    """What climbs ``loss``: dual averaging where few pixels may change, else Auto-PGD.

    The smallest change takes many climbs, each of a third of the ``steps``.
    """
    dual = isinstance(threat, L0) if dual is None else dual
    steps = steps if mode == "budget" else max(1, steps // 3)
    once = DualAveraging(loss, steps) if dual else APGD(loss, steps)
    return once if mode == "budget" else Smallest(once)


def asks(stage: Stage) -> bool:
    """Whether a stage for images gets along without gradients."""
    search = getattr(stage.attack, "__self__", stage.attack)  # of a refinement
    search = search.attack if isinstance(search, Smallest) else search
    return isinstance(search, SparseSearch) or (isinstance(search, Square) and search.first is None)
