"""Why a model cannot be called, in one line.

Dozens of layouts fail for dozens of reasons, and most say only that a layout was not meant. The
call that ran through most layers came nearest, and its reason is the one to read: a wrong sensor
size shows in the last layer, a wrong number of bins or polarities in the first.
"""

from __future__ import annotations

import re

from torch import Tensor

_REASONS, _NAMES = 3, 3  # that are quoted


def refusal(
    probe: Tensor, name: str | None, tried: dict[str, list[str]], depths: dict[str, int]
) -> str:
    """Why the layout ``name``, or none of all, fits a ``probe`` ``[N, T, P, H, W]``.

    ``tried`` lists layouts by the reason against them, ``depths`` says how many layers ran before.
    """
    shape = f"recordings [N, T, P, H, W] = {list(probe.shape)}"
    wrap = "wrap it in an nn.Module that takes recordings [N, T, P, H, W] and answers logits [N, K]"
    if name is not None:
        return (
            f"the model does not take {shape} as {name} ({', '.join(tried)}); choose another"
            f" layout, or {wrap}"
        )
    if len(tried) == 1:
        return (
            f"the model fails on {shape} however it is called ({', '.join(tried)}); call it"
            f" yourself and put its forward right, or {wrap}"
        )
    deepest = max(depths.values())
    kinds: dict[str, str] = {}  # of reasons that differ in sizes only, one
    for why in tried:
        if depths[why] == deepest:
            kinds.setdefault(re.sub(r"\d+", "", why), why)
    nearest = list(kinds.values())[:_REASONS]
    reasons = "; ".join(f"{_few(tried[why])}: {why}" for why in nearest)
    return (
        f"no way of calling the model fits {shape} (nearest came {reasons}); check that it is made"
        f" for this sensor size and number of bins, say how it is called with layout=..., or {wrap}"
    )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
