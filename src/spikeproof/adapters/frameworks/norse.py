"""Norse (written for 1.1): functional neurons, ``output, state = module(input, state)``.

State is passed around and None begins anew, so there is nothing to reset. The surrogate is chosen
by a word in the neuron's parameters and applied by the global function ``threshold``. To swap it
for one model only, its neurons get copies of their step functions that see another ``threshold``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from types import FunctionType, MethodType

from torch import Tensor, nn

from spikeproof.adapters.adapted import Framework, Layout
from spikeproof.adapters.frameworks.recognise import contains, is_of
from spikeproof.adapters.frameworks.spike import Lent
from spikeproof.adapters.layouts import first_of
from spikeproof.adapters.lend import lending, mentions, rebound
from spikeproof.models.surrogate import Bump


def _firing(m: nn.Module) -> Iterator[tuple[str, FunctionType]]:
    """The functions through which a module fires: its step, or all of its ``forward``."""
    step, forward = getattr(m, "activation", None), type(m).forward
    if isinstance(step, FunctionType) and mentions(step, "threshold", "norse"):
        yield "activation", step
    if isinstance(forward, FunctionType) and mentions(forward, "threshold", "norse"):
        yield "forward", forward


def _neurons(model: nn.Module) -> Sequence[nn.Module]:
    return [m for m in model.modules() if is_of(m, "norse") and any(_firing(m))]


def _prepare(model: nn.Module, samples: int) -> None:
    pass


def _layouts(model: nn.Module) -> tuple[Layout, ...]:
    steps = ("step-NPHW+state", "step-NF+state")
    return first_of("TNPHW", "TNF", *steps, "NTPHW", "NTF", "step-NPHW", "step-NF")


def _swap(model: nn.Module, surrogate: Bump) -> AbstractContextManager[None]:
    return lending(_loans(model, surrogate))


def _loans(model: nn.Module, surrogate: Bump) -> Iterator[tuple[nn.Module, str, object]]:
    for m in _neurons(model):
        for name, function in _firing(m):
            fire = _Threshold(function, surrogate)
            copy = rebound(function, "norse", "threshold", fire)
            yield m, name, MethodType(copy, m) if name == "forward" else copy


class _Threshold:
    """Norse's ``threshold(u, method, alpha)`` with another gradient."""

    def __init__(self, function: FunctionType, surrogate: Bump) -> None:
        self.lent = Lent(_threshold_of(function), surrogate)

    def __call__(self, x: Tensor, method: str, alpha: Tensor | float) -> Tensor:
        return self.lent(x, method, alpha)


def _threshold_of(function: FunctionType) -> FunctionType:
    """The ``threshold`` that a function reaches."""
    scope = function.__globals__
    if "threshold" in function.__code__.co_names and "threshold" in scope:
        found: FunctionType = scope["threshold"]
        return found
    return next(
        _threshold_of(scope[name])
        for name in function.__code__.co_names
        if mentions(scope.get(name), "threshold", "norse")
    )


NORSE = Framework(
    name="norse",
    title="Norse",
    recognises=lambda model: contains(model, "norse"),
    neurons=_neurons,
    prepare=_prepare,
    layouts=_layouts,
    swap=_swap,
)
