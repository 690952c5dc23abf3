"""What the stages of an ensemble did, over all parts of an entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from spikeproof.results import records as rec


@dataclass(eq=False)
class Stages:
    """Sums of what finished parts say, by the name of the stage."""

    _sums: dict[str, rec.Contribution] = field(default_factory=dict)

    def add(self, kept: dict[str, Any] | None) -> None:
        """Add what was written down of one finished part, if it is there."""
        for did in (kept or {}).get("stages", ()):
            here = rec.Contribution(**did)
            before = self._sums.get(here.name)
            self._sums[here.name] = here if before is None else _sum(before, here)

    @property
    def told(self) -> tuple[rec.Contribution, ...]:
        """The stages in the order in which they ran."""
        return tuple(self._sums.values())


def _sum(a: rec.Contribution, b: rec.Contribution) -> rec.Contribution:
    fooled = a.fooled + b.fooled
    edits = sum(p.edits * p.fooled for p in (a, b) if p.edits is not None)
    return rec.Contribution(
        name=a.name,
        kind=a.kind,
        tried=a.tried + b.tried,
        fooled=fooled,
        first=a.first + b.first,
        cheaper=a.cheaper + b.cheaper,
        edits=edits / fooled if fooled else None,
        seconds=a.seconds + b.seconds,
        forwards=a.forwards + b.forwards,
        gradients=a.gradients + b.gradients,
    )
