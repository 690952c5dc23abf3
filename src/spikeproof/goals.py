"""What the attacker wants of the model's answer.

A goal owns the labels, turns logits into a loss (higher is worse for the victim) and decides
whether it is reached. Both goals use the class margin, the loss of Carlini & Wagner (IEEE S&P
2017) before clipping: it crosses zero exactly where the decision changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
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
class Mislead:
    """Any class but the true ``labels`` ``[N]`` (untargeted)."""

    labels: Labels

    def margin(self, logits: Logits) -> PerSample:
        """Best wrong logit minus the true one."""
        return _best_other(logits, self.labels) - _at(logits, self.labels)

    def reached(self, logits: Logits) -> Flags:
        """Whether the prediction is not the label."""
        return logits.argmax(1) != self.labels

    def __getitem__(self, chosen: Tensor) -> Mislead:
        """The goal for some of the samples."""
        return Mislead(self.labels[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Target:
    """Exactly the class in ``targets`` ``[N]``."""

    targets: Labels

    def margin(self, logits: Logits) -> PerSample:
        """Target logit minus the best other one."""
        return _at(logits, self.targets) - _best_other(logits, self.targets)

    def reached(self, logits: Logits) -> Flags:
        """Whether the prediction is the target."""
        return logits.argmax(1) == self.targets

    def __getitem__(self, chosen: Tensor) -> Target:
        """The goal for some of the samples."""
        return Target(self.targets[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.targets)


@dataclass(frozen=True, eq=False)
class Firm:
    """``goal`` by more than ``by`` ``[N]``, 0 or more.

    For a search on something that is not quite the judge, a copy of the model or other random
    draws: what is reached firmly there holds here too.
    """

    goal: Goal
    by: PerSample

    def margin(self, logits: Logits) -> PerSample:
        """What the goal's margin has to spare."""
        return self.goal.margin(logits) - self.by

    def reached(self, logits: Logits) -> Flags:
        """Whether the goal is reached with ``by`` to spare."""
        return self.goal.reached(logits) & (self.margin(logits) > 0)

    def __getitem__(self, chosen: Tensor) -> Firm:
        """The goal for some of the samples."""
        return Firm(self.goal[chosen], self.by[chosen])

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.goal)


def _at(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.gather(1, classes.unsqueeze(1)).squeeze(1)


def _best_other(logits: Tensor, classes: Tensor) -> Tensor:
    return logits.scatter(1, classes.unsqueeze(1), -torch.inf).amax(1)
