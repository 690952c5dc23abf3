"""SpikingJelly (written for 2.0): stateful modules, one step (``s``) or all steps (``m``) a call.

State lives in ``_memories``, with its values at rest in ``_memories_rv``; ``reset_net`` changes
the tensors in place, so fresh copies are put there instead. In evaluation mode some neurons
(``ComplementaryLIFNode``, ``OTTTLIFNode``, ``SLTTLIFNode``) fire by a bare ``heaviside`` that has
no gradient. For the time of a call their step sees the neuron's own surrogate under that name:
same spikes, and the gradient that they were trained with.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import FunctionType, MethodType, SimpleNamespace

from torch import nn

from spikeproof.adapters.adapted import Framework, Layout
from spikeproof.adapters.frameworks.recognise import contains, is_of
from spikeproof.adapters.frameworks.spike import Lent, is_step
from spikeproof.adapters.layouts import first_of
from spikeproof.adapters.lend import lending, rebound
from spikeproof.models.surrogate import Bump

_STEP = "single_step_functional_forward"


def _neurons(model: nn.Module) -> Sequence[nn.Module]:
    return [m for m in model.modules() if callable(getattr(m, "surrogate_function", None))]


def _prepare(model: nn.Module, samples: int) -> None:
    for m in model.modules():
        if not is_of(m, "spikingjelly"):
            continue
        if "_memories" in vars(m):
            vars(m)["_memories"] = copy.deepcopy(vars(m)["_memories_rv"])
        if callable(reset := getattr(m, "reset", None)):
            reset()
        if (step := _step_without_gradient(type(m))) is not None:
            own = SimpleNamespace(heaviside=m.surrogate_function)
            vars(m)[_STEP] = MethodType(rebound(step, "spikingjelly", "surrogate", own), m)


def _step_without_gradient(neuron: type) -> FunctionType | None:
    for cls in neuron.__mro__:
        step = vars(cls).get(_STEP)
        if isinstance(step, FunctionType) and "heaviside" in step.__code__.co_names:
            return step
    return None


def _layouts(model: nn.Module) -> tuple[Layout, ...]:
    modes = {m.step_mode for m in _neurons(model) if hasattr(m, "step_mode")}
    if modes == {"s"}:
        return first_of("step-NPHW", "step-NF", "TNPHW", "NTPHW", "TNF", "NTF")
    return first_of("TNPHW", "NTPHW", "TNF", "NTF", "step-NPHW", "step-NF")


def _swap(model: nn.Module, surrogate: Bump) -> AbstractContextManager[None]:
    return lending(
        (
            m,
            "surrogate_function",
            Lent(m.surrogate_function, surrogate, series=type(m).__name__ in ("PSN", "MaskedPSN")),
        )
        for m in _neurons(model)
        if is_step(m.surrogate_function)
    )


SPIKINGJELLY = Framework(
    name="spikingjelly",
    title="SpikingJelly",
    recognises=lambda model: contains(model, "spikingjelly"),
    neurons=_neurons,
    prepare=_prepare,
    layouts=_layouts,
    swap=_swap,
)
