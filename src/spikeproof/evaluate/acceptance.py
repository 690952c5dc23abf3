r"""What a classifier takes for one of its classes, and what it refuses.

A network with a NULL class refuses what it puts there. Any network can refuse what it is not sure
of: an input is accepted if the softmax of its best class is at least :math:`\tau` (Hendrycks &
Gimpel, ICLR 2017). Either costs some of the clean inputs. So two networks are compared at the same
cost: :func:`threshold_for` is the highest :math:`\tau` that leaves so many clean inputs right.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikeproof.types import Flags, Labels, Logits, PerSample


@dataclass(frozen=True, eq=False)
class Verdicts:
    """What is said of N inputs, all ``[N]``: the best class, its softmax, and if it is no NULL."""

    named: Labels
    confidence: PerSample
    known: Flags

    def accepted(self, threshold: float = 0.0) -> Flags:
        """Which inputs are taken for a class, with a confidence of at least ``threshold``."""
        return self.known & (self.confidence >= threshold)

    def right(self, labels: Labels, threshold: float = 0.0) -> Flags:
        """Which inputs are accepted, and as what they are."""
        return self.accepted(threshold) & (self.named == labels)


def verdicts(logits: Logits, *, null: int | None = None) -> Verdicts:
    """Read ``logits`` ``[N, K]``; ``null`` is the number of the NULL class, if there is one."""
    confidence, named = logits.softmax(1).max(1)
    known = torch.ones_like(named, dtype=torch.bool) if null is None else named != null
    return Verdicts(named, confidence, known)


def threshold_for(clean: Verdicts, labels: Labels, *, right: int) -> float | None:
    """The highest threshold at which at least ``right`` clean inputs are right and accepted.

    None if there are fewer even without a threshold.
    """
    sure = clean.confidence[clean.right(labels)].sort(descending=True).values
    if not 0 < right <= len(sure):
        return None
    return float(sure[right - 1])
