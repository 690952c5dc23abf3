"""AutoSpike: the standard evaluation, an ensemble without knobs.

One attack can be fooled itself: by a surrogate gradient that hides weaknesses, by a loss that is
flat where it starts, by a first step in the wrong direction. In the spirit of AutoAttack (Croce &
Hein, ICML 2020) a fixed set of attacks that fail for *different* reasons is run from the cheapest
to the dearest, and a recording counts as robust only if all of them fail:

1. gradients: surrogates that take turns within one search, other losses, the next classes as
   targets, a restart (:mod:`spikeproof.attacks.events.sparse_flip` and its gradients);
2. a walk along the decision boundary that lowers the cost of what was found; within a budget it
   starts, several times, from an unconstrained adversarial example
   (:mod:`spikeproof.attacks.events.unconstrained_start`);
3. a search on another model, if one is given, whose results the victim is only asked about
   (:mod:`spikeproof.attacks.queries.transfer`);
4. attacks that use no gradient (:mod:`spikeproof.attacks.queries`), on what is left and, for the
   sake of suspicion, on a few that fell: if they do better there, gradients were masked.

Gradient rules need neurons of ours and are left out for others. On images the gradient attacks are
Auto-PGD with three losses and dual averaging; Square asks for no gradient, alone and from where
Auto-PGD gave up; where pixels are counted, a random search does.

For fewest edits the first two attack all recordings, as each is the best for some of them. They are
short: the walk saves more edits than further steps would (docs/results/ensemble.md). The other
stages attack only what is still unsolved. On images all stages attack all images. Of a model that
gives no gradient only the last two remain, which then attack all recordings.

The ``quick`` version is for every day: of the gradients the first alone sees all recordings, it and
the walk are shorter still, and suspicion asks less. What still stands meets the same last resorts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Generator

from spikeproof.attacks.ensemble.event_stages import (
    check_known,
    climbing,
    gradient_free_stages,
    masking_probe_size,
    single,
    supports_unconstrained_start,
    unconstrained_stages,
)
from spikeproof.attacks.ensemble.image_stages import asks
from spikeproof.attacks.ensemble.state import EnsembleStage, EnsembleState, Mode
from spikeproof.attacks.queries.transfer import Transfer
from spikeproof.attacks.victim import Queries, Victim
from spikeproof.errors import InvalidModel
from spikeproof.goals import Goal
from spikeproof.models.swap import takes
from spikeproof.results.stage_stats import StageStats
from spikeproof.threats import Ball, Threat
from spikeproof.types import Cells, Model, PerSample

_LOOK = 8  # recordings that are asked for a gradient


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What AutoSpike came to.

    ``adv`` ``[N, T, P, H, W]`` are the cheapest adversarial recordings, ``cost`` ``[N]`` their
    edits (infinite where everything failed), ``did`` what each stage contributed.
    """

    adv: Cells
    cost: PerSample
    did: tuple[StageStats, ...]


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
        check_known(threat)
        judge = victim.model if self.judge is None else self.judge
        search = EnsembleState(victim, judge, x, goal, threat, rng)
        for stage in self.stages(threat, goal, gradients=has_gradient(victim, x, goal)):
            each = stage.surrogate if isinstance(stage.surrogate, tuple) else (stage.surrogate,)
            if all(takes(victim.model, one) for one in each):
                search.run(stage, search.wanted(stage, self.mode, _least(threat)))
        return Evaluation(search.adv, search.cost, tuple(search.did))

    def stages(
        self, threat: Threat, goal: Goal, *, gradients: bool = True
    ) -> tuple[EnsembleStage, ...]:
        """The stages for a kind of threat and goal, of a victim with or without gradients."""
        if self.near and gradients and supports_unconstrained_start(threat, self.mode):
            return unconstrained_stages(self.steps, quick=self.quick, near=True)
        found = climbing(threat, goal, self.mode, self.steps, quick=self.quick)
        if isinstance(threat, Ball):  # whose stages ask without gradients too
            return found if gradients else (*self._carried(threat), *filter(asks, found))
        sample = masking_probe_size(quick=self.quick) if gradients else None
        last = gradient_free_stages(threat, self.mode, self.queries, sample, quick=self.quick)
        return (*(found if gradients else ()), *self._carried(threat, sample), *last)

    def _carried(self, threat: Threat, sample: int | None = None) -> list[EnsembleStage]:
        """The search on the proxy, if there is one."""
        if self.proxy is None:
            return []
        attack = Transfer(self.proxy, single(threat, self.mode, self.steps))
        return [EnsembleStage("transfer", attack, "transfer", sample=sample)]


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


def _least(threat: Threat) -> float:
    """The cost that no search can better."""
    return threat.resolution if isinstance(threat, Ball) else 1.0
