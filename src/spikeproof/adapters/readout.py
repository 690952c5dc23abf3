"""Logits from what a model answers.

The answer may be a tensor, or tuples, lists and tables of them, of which the first tensor is
taken; it may hold classes, or classes at each time step. Which axis is which is read off once,
from the answer to a probe whose number of samples is like no other of its sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spikeproof.adapters.adapted import Layout
from spikeproof.errors import InvalidModel

READOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda y: y.mean(1),
    "sum": lambda y: y.sum(1),
    "last": lambda y: y[:, -1],
    "max": lambda y: y.amax(1),
}
"""From ``[N, T, K]`` to ``[N, K]``."""


@dataclass(frozen=True)
class ReadoutRule:
    """How to read answers: ``axes`` is one of NK, TNK, NTK and MK (M is N*T, time inside)."""

    axes: str
    over_time: str = "mean"

    def __call__(self, answer: object, samples: int, bins: int) -> Tensor:
        """Logits ``[N, K]``."""
        y = _without_ones(first_tensor(answer, bins))
        if self.axes == "NK":
            return y
        if self.axes == "MK":
            y = y.unflatten(0, (samples, -1))  # type: ignore[no-untyped-call]
        return READOUTS[self.over_time](y.transpose(0, 1) if self.axes == "TNK" else y)


def read(answer: object, layout: Layout, samples: int, bins: int, over_time: str) -> ReadoutRule:
    """How to read the answer to a probe of that many samples and time bins.

    Raises :class:`ValueError`, in few words, if it does not look like logits.
    """
    y = _without_ones(first_tensor(answer, bins))
    axes = _axes(y, layout, samples, bins)
    if axes is None or not y.is_floating_point():
        raise ValueError(f"answers {str(y.dtype).removeprefix('torch.')} {list(y.shape)}")
    if y.shape[-1] < 2:
        raise ValueError(f"answers {list(y.shape)}, one class only")
    if not torch.isfinite(y).all():
        raise ValueError("answers NaN or infinite values")
    return ReadoutRule(axes, over_time)


def _axes(y: Tensor, layout: Layout, samples: int, bins: int) -> str | None:
    leading = tuple(y.shape[:-1])
    if layout.by_step:
        return "TNK" if leading == (bins, samples) else None
    if leading == (samples,):
        return "NK"
    if leading == (samples * bins,):
        return "MK" if layout.name.startswith("N*T") else None
    if len(leading) == 2 and samples in leading:
        return "TNK" if leading[1] == samples else "NTK"
    return None


def says(reading: ReadoutRule, answer: object, bins: int) -> str:
    """The read-out as a sentence."""
    y = first_tensor(answer, bins)
    which = "" if isinstance(answer, Tensor) else " (the first tensor of what it answers)"
    if reading.axes == "NK":
        return f"logits are what the model answers, [N, K], as it is{which}"
    binary = bool(((y == 0) | (y == 1)).all())
    values = "output spikes" if binary else "output values"
    if reading.over_time == "last":
        return f"logits are the {values} of the last time step{which}"
    return f"logits are the {reading.over_time} over time of the {values}{which}"


def first_tensor(answer: object, bins: int) -> Tensor:
    """The first tensor in an answer; a list of ``bins`` tensors ``[N, K]`` is one ``[T, N, K]``.

    Raises :class:`TypeError` if there is none.
    """
    if isinstance(answer, Tensor):
        return answer
    if isinstance(answer, Mapping):
        answer = [answer["logits"]] if "logits" in answer else list(answer.values())
    if isinstance(answer, list) and len(answer) == bins > 1:
        tensors = [a for a in answer if isinstance(a, Tensor) and a.dim() == 2]
        if len(tensors) == bins and len({a.shape for a in tensors}) == 1:
            return torch.stack(tensors)
    if isinstance(answer, tuple | list):
        for part in answer:
            try:
                return first_tensor(part, bins)
            except TypeError:
                continue
    raise TypeError(f"answers with {type(answer).__name__}, not with a tensor")


def check_readout(name: str) -> str:
    """``name`` if it is a read-out; raises :class:`InvalidModel` otherwise."""
    if name not in READOUTS:
        raise InvalidModel(f"unknown read-out {name!r}; choose one of {', '.join(READOUTS)}")
    return name


def _without_ones(y: Tensor) -> Tensor:
    """Without the 1x1 maps that a network without a flattening layer ends with."""
    return y.flatten(-3) if y.dim() >= 4 and y.shape[-2:] == (1, 1) else y
