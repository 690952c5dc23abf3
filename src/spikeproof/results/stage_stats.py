"""What one stage of an ensemble contributed; counted by attacks and kept in audits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageStats:
    """Of ``attempted`` samples, ``succeeded`` were misclassified by this stage within the threat.

    ``first_successes`` of them had no adversarial example before, ``improved`` had one and now cost
    less; ``mean_cost`` is that of the successes (None if there are none). ``kind`` is "white-box",
    "refinement", "gradient-free" or "transfer". ``forwards`` and ``gradients`` count queries.
    """

    name: str
    kind: str
    attempted: int = 0
    succeeded: int = 0
    first_successes: int = 0
    improved: int = 0
    mean_cost: float | None = None
    seconds: float = 0.0
    forwards: int = 0
    gradients: int = 0

    def __add__(self, other: StageStats) -> StageStats:
        """The same stage on more samples; the mean cost is weighted by successes."""
        succeeded = self.succeeded + other.succeeded
        total = sum(s.mean_cost * s.succeeded for s in (self, other) if s.mean_cost is not None)
        return StageStats(
            name=self.name,
            kind=self.kind,
            attempted=self.attempted + other.attempted,
            succeeded=succeeded,
            first_successes=self.first_successes + other.first_successes,
            improved=self.improved + other.improved,
            mean_cost=total / succeeded if succeeded else None,
            seconds=self.seconds + other.seconds,
            forwards=self.forwards + other.forwards,
            gradients=self.gradients + other.gradients,
        )


def merged(stats: Iterable[StageStats]) -> tuple[StageStats, ...]:
    """One record for each stage name, in the order in which the stages first ran."""
    found: dict[str, StageStats] = {}
    for one in stats:
        found[one.name] = found[one.name] + one if one.name in found else one
    return tuple(found.values())
