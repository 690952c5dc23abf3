"""What an independent check says of adversarial recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from spikeproof.types import Cells, Flags


@dataclass(frozen=True)
class Validity:
    """Per sample: ``ok`` ``[N]``, and ``why`` not (the first broken rule, empty where valid)."""

    ok: Flags
    why: tuple[str, ...]

    @classmethod
    def of(cls, broken: Mapping[str, Flags]) -> Validity:
        """From the rules and, for each, which samples break it."""
        any_broken = torch.stack(list(broken.values())).any(0)
        why = tuple(
            next((rule for rule, flags in broken.items() if bool(flags[i])), "")
            for i in range(len(any_broken))
        )
        return cls(~any_broken, why)


def not_cells(clean: Cells, adv: Cells) -> Flags:
    """Which samples of ``adv`` hold something that the grid cannot hold.

    An edited cell is 0 or 1; an untouched one is as it was (0/1, or any count in a count grid).
    """
    legal = (adv == clean) | (adv == 0) | (adv == 1)
    return ~legal.flatten(1).all(1)
