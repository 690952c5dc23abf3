"""Plain PyTorch: modules and callables that belong to no spiking framework.

They are taken to be stateless: a module that keeps state between calls starts every call with the
state it had when it was given to us.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import nn

from spikeproof.adapters.adapted import Framework, Layout
from spikeproof.adapters.layouts import first_of
from spikeproof.models.surrogate import Bump


def _prepare(model: nn.Module, samples: int) -> None:
    pass


def _neurons(model: nn.Module) -> Sequence[nn.Module]:
    return ()


def _layouts(model: nn.Module) -> tuple[Layout, ...]:
    steps = ("step-NPHW+state", "step-NPHW", "step-NF+state", "step-NF")
    if any(isinstance(m, nn.Conv3d) for m in model.modules()):
        return first_of("NPTHW", "NTPHW", "TNPHW")
    return first_of("NTPHW", "TNPHW", "NPTHW", "stacked", "NTF", "TNF", *steps)


def _swap(model: nn.Module, surrogate: Bump) -> AbstractContextManager[None]:
    return nullcontext()


PLAIN = Framework(
    name="torch",
    title="PyTorch",
    recognises=lambda model: True,
    neurons=_neurons,
    prepare=_prepare,
    layouts=_layouts,
    swap=_swap,
)
