"""What the attacker wants of the model's answer.

A goal owns the labels, turns logits into a loss (higher is worse for the victim) and decides
whether it is reached. It is measured by the class margin, the loss of Carlini & Wagner (IEEE S&P
2017) before clipping: it crosses zero exactly where the decision changes. Attacks may climb other
losses (:data:`LOSSES`), whose gradients lead elsewhere and do not vanish in the same places.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeproof.types import Flags, Labels, Logits, PerSample


@runtime_checkable
class Goal(Protocol):
    """What counts as success, per sample."""

    def margin(self, logits: Logits) -> PerSample:
        """Above zero only where the goal is reached, below only where it is not; differentiable.

        Zero is a tie between two classes; the prediction, and so :meth:`reached`, breaks it.
        """
        ...

    def cross_entropy(self, logits: Logits) -> PerSample:
        """How improbable what the owner wants is, or how probable what the attacker wants."""
        ...

    def reached(self, logits: Logits) -> Flags:
        """Whether the prediction is what the attacker wants."""
        ...

    def __getitem__(self, chosen: Tensor) -> Goal:
        """The goal for some of the samples (indices or flags)."""
        ...

    def __len__(self) -> int:
        """Number of samples."""
        ...


@dataclass(frozen=True, eq=False)
class Untargeted:
    """Any class but the true ``labels`` ``[N]`` (untargeted)."""

    labels: Labels

    def margin(self, logits: Logits) -> PerSample:
        """Best wrong logit minus the true one."""
        return _best_other(logits, self.labels) - _at(logits, self.labels)

    def cross_entropy(self, logits: Logits) -> PerSample:
        """Minus the logarithm of the true class's probability."""
        return F.cross_entropy(logits, self.labels, reduction="none")

    def reached(self, logits: Logits) -> Flags:
        """Whether the prediction is not the label."""
        return logits.argmax(1) != self.labels

    def __getitem__(self, chosen: Tensor) -> Untargeted:
        """The goal for some of the samples."""
        return Untargeted(self.labels[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Targeted:
    """Exactly the class in ``targets`` ``[N]``."""

    targets: Labels

    def margin(self, logits: Logits) -> PerSample:
        """Target logit minus the best other one."""
        return _at(logits, self.targets) - _best_other(logits, self.targets)

    def cross_entropy(self, logits: Logits) -> PerSample:
        """The logarithm of the target's probability."""
        return -F.cross_entropy(logits, self.targets, reduction="none")

    def reached(self, logits: Logits) -> Flags:
        """Whether the prediction is the target."""
        return logits.argmax(1) == self.targets

    def __getitem__(self, chosen: Tensor) -> Targeted:
        """The goal for some of the samples."""
        return Targeted(self.targets[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class WithConfidence:
    """``goal`` by more than ``by`` ``[N]``, 0 or more.

    For a search on something that is not quite the judge, a copy of the model or other random
    draws: what is reached firmly there holds here too.
    """

    goal: Goal
    by: PerSample

    def margin(self, logits: Logits) -> PerSample:
        """What the goal's margin has to spare."""
        return self.goal.margin(logits) - self.by

    def cross_entropy(self, logits: Logits) -> PerSample:
        """That of the goal."""
        return self.goal.cross_entropy(logits)

    def reached(self, logits: Logits) -> Flags:
        """Whether the goal is reached with ``by`` to spare."""
        return self.goal.reached(logits) & (self.margin(logits) > 0)

    def __getitem__(self, chosen: Tensor) -> WithConfidence:
        """The goal for some of the samples."""
        return WithConfidence(self.goal[chosen], self.by[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.goal)


Loss: TypeAlias = Callable[[Goal, Logits], PerSample]
"""What an attack climbs, per sample; differentiable."""


def margin(goal: Goal, logits: Logits) -> PerSample:
    """The goal's margin."""
    return goal.margin(logits)


def dlr(goal: Goal, logits: Logits) -> PerSample:
    """Difference of logits ratio: the margin over the spread of the largest logits.

    It does not change when logits are scaled, so it cannot be made to vanish by scaling. The
    spread is from the largest to the mean of the third and fourth, which Croce & Hein (ICML 2020)
    use for targets: from the largest to the third, the ratio stands still where the target *is* the
    third. Of three classes it is the mean of the other two; of two classes the margin is left.
    """
    classes = logits.shape[1]
    if classes == 2:
        return goal.margin(logits)
    order = logits.topk(min(4, classes), dim=1).values
    others = order[:, 2:] if classes > 3 else order[:, 1:]
    return goal.margin(logits) / (order[:, 0] - others.mean(1)).clamp(min=1e-12)


def cross_entropy(goal: Goal, logits: Logits) -> PerSample:
    """The cross-entropy that the model was probably trained with."""
    return goal.cross_entropy(logits)


LOSSES: dict[str, Loss] = {"margin": margin, "dlr": dlr, "cross-entropy": cross_entropy}


def _at(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes.unsqueeze(1)).squeeze(1)


def _best_other(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.scatter(1, classes.unsqueeze(1), -torch.inf).amax(1)
