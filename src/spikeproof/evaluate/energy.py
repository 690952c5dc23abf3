"""Work per inference: spikes and synaptic operations.

A synaptic operation is one non-zero input of a weighted layer meeting one of its outgoing
connections, in one time bin; it is what an event-driven chip spends its energy on. The number of
connections of each input of a convolution is exact at the borders. Attacks can drain energy
without changing the class, so both are measured on clean and attacked recordings alike.

Our own networks are measured in batches. In a model of unknown axis order (time first, samples
and time merged, one call per step) nothing says which spike belongs to which sample, so each
recording is run alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeproof.adapters import Adapted
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.network import Network, Weighted
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.types import Cells, Counts


@dataclass(frozen=True, eq=False)
class Work:
    """Per sample ``[N]``: spikes of all neurons, and synaptic operations of all layers."""

    spikes: Counts
    synops: Counts


def work(model: Any, x: Cells, chunk: int = 32) -> Work | None:
    """Measure ``model`` on ``x`` ``[N, T, P, H, W]``; None if it is not a torch module.

    A neuron that answers a whole number above 1 fired that often in the bin.
    """
    inside = model.module if isinstance(model, Adapted) else model
    if not isinstance(inside, nn.Module):
        return None
    if not isinstance(inside, Network):
        chunk = 1
    parts = [_measure(model, part) for part in torch.split(x, chunk)]
    return Work(torch.cat([p.spikes for p in parts]), torch.cat([p.synops for p in parts]))


def _measure(model: nn.Module, x: Cells) -> Work:
    n = len(x)
    spikes, synops = torch.zeros(n, dtype=torch.long), torch.zeros(n, dtype=torch.long)

    def count_spikes(_: nn.Module, __: Any, out: Any) -> None:
        fired = out[0] if isinstance(out, tuple | list) else out  # (spikes, membrane, ...)
        often = fired.abs() if bool((fired == fired.round()).all()) else fired != 0
        spikes.add_(often.reshape(n, -1).sum(1).long().cpu())

    def count_synops(layer: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        weight = layer.weight if isinstance(layer, Weighted) else layer
        busy = inputs[0] != 0  # [N*T, ...] or [N, T, ...]; any order if N = 1
        synops.add_((busy * _fan_out(weight, inputs[0])).reshape(n, -1).sum(1).long().cpu())

    hooks = []
    theirs = set(model.neurons if isinstance(model, Adapted) else ())
    ours = {m.weight for m in model.modules() if isinstance(m, Weighted)}  # may be bypassed
    for module in model.modules():
        if (
            module in theirs
            or isinstance(module, LIF | ParametricLIF)
            or (isinstance(module, Dynamics) and module.spiking)
        ):
            hooks.append(module.register_forward_hook(count_spikes))
        elif isinstance(module, Weighted | nn.Conv2d | nn.Linear) and module not in ours:
            hooks.append(module.register_forward_hook(count_synops))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return Work(spikes, synops)


def _fan_out(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Outgoing connections of each input of a layer, broadcastable to the input."""
    if isinstance(layer, nn.Linear):
        return torch.tensor(float(layer.out_features))
    assert isinstance(layer, nn.Conv2d)
    probe = torch.zeros(1, *inputs.shape[-3:], device=inputs.device, requires_grad=True)
    with torch.enable_grad():
        ones = torch.ones_like(layer.weight, dtype=probe.dtype)  # whatever its precision
        reached = F.conv2d(
            probe,
            ones,
            None,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        )
        (fan_out,) = torch.autograd.grad(reached.sum(), probe)
    return fan_out
