"""Counting the operations of a network of layers while it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.adapters import Adapted
from spikeproof.adapters.lend import lending
from spikeproof.models.activity import Activity, Ledger, fan_out, settled
from spikeproof.models.circuit import Circuit
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.modules import Weighted
from spikeproof.models.network import Network
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.types import Cells

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def counted(model: nn.Module, inside: nn.Module, x: Cells) -> Activity:
    """Run ``model`` on ``x`` and count; ``inside`` is the network in it, without its adapter.

    Counted are linear layers and convolutions, and the spikes of known neurons. Samples come
    first in what layers see, or there is only one.
    """
    run = _Run(model, x)
    loans: list[tuple[nn.Module, str, object]] = []
    with ExitStack() as stack:
        for layer in run.neurons:
            if isinstance(layer, Dynamics):
                loans.append((layer, "step", run.stepping(layer)))  # how circuits with loops call
            stack.callback(layer.register_forward_hook(run.fired).remove)
        for layer in run.weighted:
            stack.callback(layer.register_forward_hook(run.received).remove)
        if isinstance(inside, Network | Circuit):
            loans.append((inside, "over_time", run.watching(inside)))
        stack.enter_context(lending(loans))
        model(x)
    return run.ledger.activity(
        max(run.steps), decided=run.decided, uncounted=tuple(run.uncounted(inside))
    )


class _Run:
    """What is seen while a model runs once."""

    def __init__(self, model: nn.Module, x: Cells) -> None:
        self.ledger = Ledger(len(x))
        timeless = isinstance(model, Adapted) and model.timeless
        self.bins = 1 if timeless else x.shape[1]
        self.steps = [self.bins]
        self.calls = Counter[nn.Module]()
        self.decided: Tensor | None = None
        self.neurons = _neurons(model)
        self.own = {m.weight for m in model.modules() if isinstance(m, Weighted)}  # bypassed
        kinds = (Weighted, nn.Linear, *_CONVOLUTIONS)
        self.weighted = [m for m in model.modules() if isinstance(m, kinds) and m not in self.own]

    def fired(self, layer: nn.Module, _: Any, out: Any) -> None:
        """Spikes of one call; a layer called once saw all bins, one called again a step each."""
        spikes = out[0] if isinstance(out, tuple | list) else out  # (spikes, membrane, ...)
        self.calls[layer] += 1
        if isinstance(layer, LIF | ParametricLIF | Dynamics):
            steps = spikes.shape[1]
        else:
            steps = self.bins if self.calls[layer] == 1 else 1
        self.steps.append(max(steps, self.calls[layer]))
        self.ledger.fires(spikes, steps, layer)

    def stepping(self, layer: Dynamics) -> Callable[..., Any]:
        """``layer.step``, counted."""
        own = layer.step

        def step(*given: Any) -> Any:
            out = own(*given)
            self.ledger.fires(out[0], 1, layer)
            return out

        return step

    def received(self, layer: nn.Module, inputs: tuple[Tensor, ...], _: Any) -> None:
        """What reached a weighted layer in one call."""
        weight = layer.weight if isinstance(layer, Weighted) else layer
        self.ledger.receives(inputs[0], _fan_out(weight, inputs[0]), layer)

    def watching(self, network: Network | Circuit) -> Callable[[Tensor], Tensor]:
        """``network.over_time``, whose running answer is noted."""
        own = network.over_time
        last = isinstance(network, Circuit) and network.readout == "last"

        def over_time(x: Tensor) -> Tensor:
            series = own(x)
            so_far = series.flatten(2)
            self.decided = settled((so_far if last else so_far.cumsum(1)).argmax(2))
            self.steps.append(series.shape[1])
            return series

        return over_time

    def uncounted(self, inside: nn.Module) -> Iterator[str]:
        """Layers with weights that no hook is on."""
        known = {*self.weighted, *self.own}
        for name, module in inside.named_modules():
            weights = any(p.dim() > 1 for p in module.parameters(recurse=False))
            if weights and module not in known:
                yield f"{name} ({type(module).__name__})" if name else type(module).__name__


def _neurons(model: nn.Module) -> set[nn.Module]:
    """All layers that are known to spike, ours and those of frameworks."""
    theirs = {n for m in model.modules() if isinstance(m, Adapted) for n in m.neurons}
    known = theirs | {m for m in model.modules() if isinstance(m, LIF | ParametricLIF | Dynamics)}
    return {m for m in known if not isinstance(m, Dynamics) or m.spiking}


def _fan_out(layer: nn.Module, values: Tensor) -> Tensor:
    """Outgoing connections of each input of a layer, broadcastable to ``values``."""
    if isinstance(layer, nn.Linear):
        return torch.tensor(float(layer.out_features), device=values.device)
    assert isinstance(layer, _CONVOLUTIONS)
    ones = torch.ones_like(layer.weight, dtype=torch.float32)
    shape = values.shape[-layer.weight.dim() + 1 :]  # channels and space; any axes before
    example = torch.zeros(1, *shape, device=values.device)
    return fan_out(lambda probe: layer._conv_forward(probe, ones, None), example)
