"""One attack after the other on the unsolved samples; the result of lowest cost is kept.

This is the state of :mod:`spikeproof.attacks.ensemble.autospike`. It runs the stages in order, has
the *judge* (the user's own model) classify their results, keeps the valid result of lowest cost
for every sample, and records what each stage did. It does not decide which stages there are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Generator, Tensor

from spikeproof.attacks.base import Attack
from spikeproof.attacks.confirm import confirmed
from spikeproof.attacks.victim import Surrogates, Victim
from spikeproof.goals import Goal, Targeted, Untargeted
from spikeproof.results.stage_stats import StageStats
from spikeproof.threats import Threat
from spikeproof.types import Cells, Flags, Model, PerSample

Mode = Literal["minimum", "budget"]
Kind = Literal["white-box", "refinement", "gradient-free", "transfer"]
Refine = Callable[[Victim, Cells, Cells, Goal, Threat], Cells]


@dataclass(frozen=True)
class EnsembleStage:
    """An attack of the ensemble, with its ``surrogate`` gradient of a spike.

    ``rank`` aims at the class that comes so many places after the true one in the clean answer
    (1: the runner-up) instead of at any class. A refinement gets the best result so far instead
    of the clean recording. Other stages try what still stands and, where the fewest edits are
    wanted, ``sample`` recordings that have fallen already (None: all).
    """

    name: str
    attack: Attack | Refine
    kind: Kind = "white-box"
    surrogate: Surrogates = None
    rank: int | None = None
    sample: int | None = None


@dataclass(eq=False)
class EnsembleState:
    """The state of an ensemble on clean recordings ``x`` ``[N, T, P, H, W]``.

    ``adv`` is the cheapest result for each recording and ``cost`` ``[N]`` its price, infinite
    where the goal is not reached yet. Only what the ``judge`` falls for, and the threat's check
    accepts, is ever kept.
    """

    victim: Victim
    judge: Model
    x: Cells
    goal: Goal
    threat: Threat
    rng: Generator
    adv: Cells = field(init=False)
    cost: PerSample = field(init=False)
    did: list[StageStats] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.adv = self.x.clone()
        self._clean = self._asked(self.x)
        self.cost = torch.where(self.goal.reached(self._clean), 0.0, torch.inf)

    @property
    def standing(self) -> Flags:
        """Recordings whose goal is not reached."""
        return torch.isinf(self.cost)

    def wanted(self, stage: EnsembleStage, mode: Mode, least: float = 1.0) -> Tensor:
        """The recordings (indices) that ``stage`` should try now; what costs ``least`` is done."""
        fallen = torch.isfinite(self.cost) & (self.cost > least)
        if stage.kind == "refinement":
            return fallen.nonzero().squeeze(1)
        if stage.rank is not None and stage.rank >= self._clean.shape[1]:  # no such class
            return torch.arange(0)
        if mode == "budget":
            return self.standing.nonzero().squeeze(1)
        sampled = fallen if stage.sample is None else fallen & (fallen.cumsum(0) <= stage.sample)
        return (self.standing | sampled).nonzero().squeeze(1)

    def run(self, stage: EnsembleStage, chosen: Tensor) -> None:
        """Let ``stage`` try the recordings ``chosen`` (indices)."""
        if not len(chosen):
            self.did.append(StageStats(stage.name, stage.kind, 0, 0, 0, 0, None, 0.0, 0, 0))
            return
        began = time.perf_counter()
        before = self.victim.queries.forwards, self.victim.queries.gradients
        victim = replace(self.victim, surrogate=stage.surrogate)
        x, goal = self.x[chosen], self.goal[chosen]
        if stage.kind == "refinement":
            refine: Refine = stage.attack  # type: ignore[assignment]
            adv = refine(victim, x, self.adv[chosen], goal, self.threat)
        else:
            attack: Attack = stage.attack  # type: ignore[assignment]
            aim = goal if stage.rank is None else self._ranked(chosen, stage.rank)
            adv = confirmed(attack, victim, self.judge, x, aim, self.threat, rng=self.rng)
        fooled = goal.reached(self._asked(adv)) & self.threat.check(x, adv).ok
        price = torch.where(fooled, self.threat.cost(x, adv).float(), torch.inf)
        better = price < self.cost[chosen]
        stood = torch.isinf(self.cost[chosen])
        self.adv[chosen[better]] = adv[better]
        self.cost[chosen[better]] = price[better]
        self.did.append(
            StageStats(
                name=stage.name,
                kind=stage.kind,
                attempted=len(chosen),
                succeeded=int(fooled.sum()),
                first_successes=int((better & stood).sum()),
                improved=int((better & ~stood).sum()),
                mean_cost=float(price[fooled].mean()) if bool(fooled.any()) else None,
                seconds=time.perf_counter() - began,
                forwards=self.victim.queries.forwards - before[0],
                gradients=self.victim.queries.gradients - before[1],
            )
        )

    def _ranked(self, chosen: Tensor, rank: int) -> Targeted:
        """The class that comes ``rank`` places after the one to be left."""
        logits = self._clean[chosen]
        assert isinstance(self.goal, Untargeted)
        own = self.goal.labels[chosen].unsqueeze(1)
        order = logits.scatter(1, own, -torch.inf).argsort(dim=1, descending=True, stable=True)
        return Targeted(order[:, rank - 1])

    def _asked(self, x: Cells) -> Tensor:
        """Logits of the judge, in chunks; counted as queries."""
        self.victim.queries.forwards += len(x)
        with torch.no_grad():
            return torch.cat([self.judge(part) for part in torch.split(x, self.victim.chunk)])
