"""snnTorch (written for 1.0): neurons called step by step, state inside them or passed around.

``utils.reset`` of 1.0.0 misses neurons in nested containers and resets those of other networks,
so each instance is reset by itself, with its own ``reset_mem``, which makes new tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from torch import nn

from spikeproof.adapters.adapted import Framework, Layout
from spikeproof.adapters.frameworks.recognise import contains, is_of
from spikeproof.adapters.frameworks.spike import Lent, is_step
from spikeproof.adapters.layouts import first_of
from spikeproof.adapters.lend import lending
from spikeproof.models.surrogate import Bump

_SERIES = ("LeakyParallel", "StateLeaky", "LinearLeaky", "AssociativeLeaky")  # see all steps


def _neurons(model: nn.Module) -> Sequence[nn.Module]:
    return [m for m in model.modules() if is_of(m, "snntorch") and hasattr(m, "spike_grad")]


def _prepare(model: nn.Module, samples: int) -> None:
    for m in model.modules():
        if is_of(m, "snntorch") and callable(reset := getattr(m, "reset_mem", None)):
            reset()


def _layouts(model: nn.Module) -> tuple[Layout, ...]:
    whole = ("TNPHW", "NTPHW", "TNF", "NTF")
    steps = ("step-NPHW", "step-NPHW+state", "step-NF", "step-NF+state")
    if any(getattr(m, "init_hidden", False) for m in _neurons(model)):
        return first_of(*steps, *whole)
    return first_of(*whole, "step-NPHW+state", "step-NPHW", "step-NF+state", "step-NF")


def _swap(model: nn.Module, surrogate: Bump) -> AbstractContextManager[None]:
    return lending(
        (
            m,
            "spike_grad",
            Lent(m.spike_grad, surrogate, series=type(m).__name__ in _SERIES),
        )
        for m in _neurons(model)
        if is_step(m.spike_grad)
    )


SNNTORCH = Framework(
    name="snntorch",
    title="snnTorch",
    recognises=lambda model: contains(model, "snntorch"),
    neurons=_neurons,
    prepare=_prepare,
    layouts=_layouts,
    swap=_swap,
)
