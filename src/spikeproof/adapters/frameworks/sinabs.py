"""Sinabs (written for 3.1): layers of ``[N, T, ...]``, or of ``[N*T, ...]`` ("squeeze" layers).

Squeeze and unflatten layers hold a number of samples or of time steps that was fixed when the
network was built; for the time of a call they are told ours. State lies in buffers; empty ones
make a layer begin anew. A neuron may fire several times in one time bin: the swapped surrogate is
then a bump at every multiple of the threshold, of which the nearest counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from spikeproof.adapters.adapted import Framework, Layout
from spikeproof.adapters.frameworks.recognise import contains, is_of
from spikeproof.adapters.layouts import first_of
from spikeproof.adapters.lend import lending
from spikeproof.models.surrogate import Bump


def _neurons(model: nn.Module) -> Sequence[nn.Module]:
    return [
        m
        for m in model.modules()
        if is_of(m, "sinabs") and getattr(m, "spike_fn", None) is not None
    ]


def _prepare(model: nn.Module, samples: int) -> None:
    for m in model.modules():
        if not is_of(m, "sinabs"):
            continue
        if hasattr(m, "reset_states") and hasattr(m, "is_state_initialised"):
            for name, state in m._buffers.items():
                if state is not None:
                    m._buffers[name] = torch.zeros(0, device=state.device)
        if "batch_size" in vars(m):
            vars(m)["batch_size"] = samples
        if "num_timesteps" in vars(m):
            vars(m)["num_timesteps"] = -1


def _layouts(model: nn.Module) -> tuple[Layout, ...]:
    squeezed = any("num_timesteps" in vars(m) for m in model.modules() if is_of(m, "sinabs"))
    return first_of(*(("N*T",) if squeezed else ()), "NTPHW", "NTF")


class _Bumps:
    """A surrogate as Sinabs calls it: of the membrane and the threshold, for one time bin."""

    def __init__(self, surrogate: Bump, *, single: bool) -> None:
        self.surrogate, self.single = surrogate, single

    def __call__(self, v: Tensor, threshold: Tensor | float) -> Tensor:
        if not self.single:
            threshold = threshold * (v / threshold).round().clamp_(min=1)
        return self.surrogate.derivative((v - threshold).unsqueeze(1)).squeeze(1)


def _swap(model: nn.Module, surrogate: Bump) -> AbstractContextManager[None]:
    return lending(
        (
            m,
            "surrogate_grad_fn",
            _Bumps(surrogate, single=getattr(m.spike_fn, "__name__", "") == "SingleSpike"),
        )
        for m in _neurons(model)
    )


SINABS = Framework(
    name="sinabs",
    title="Sinabs",
    recognises=lambda model: contains(model, "sinabs"),
    neurons=_neurons,
    prepare=_prepare,
    layouts=_layouts,
    swap=_swap,
)
