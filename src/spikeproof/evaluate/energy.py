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

from spikeproof.adapters import Adapted, Averaged
from spikeproof.adapters.averaged import repeatable
from spikeproof.models.coded import Coded
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.modules import Weighted
from spikeproof.models.network import Network
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.types import Cells, Counts


@dataclass(frozen=True, eq=False)
class Work:
    """Per sample ``[N]``: spikes of all neurons, and synaptic operations of all layers.

    ``spikes`` is None where no layer is known to spike: a user's own neurons cannot be told from
    any other function.
    """

    spikes: Counts | None
    synops: Counts

    def of(self, i: int) -> dict[str, int]:
        """What is known of sample ``i``, by name."""
        known = {} if self.spikes is None else {"spikes": int(self.spikes[i])}
        return {**known, "synops": int(self.synops[i])}


def work(model: Any, x: Cells, chunk: int = 32) -> Work | None:
    """Measure ``model`` on ``x`` ``[N, T, P, H, W]``; None if it is not a torch module.

    A neuron that answers a whole number above 1 fired that often in the bin. Of an averaged model
    it is the mean draw.
    """
    if isinstance(model, Averaged):
        return _mean_draw(model, x)
    inside = model.module if isinstance(model, Adapted) else model
    inside = inside.network if isinstance(inside, Coded) else inside
    if not isinstance(inside, nn.Module):
        return None
    if not isinstance(inside, Network):
        chunk = 1
    counts = [_measure(model, part) for part in torch.split(x, chunk)]
    spikes, synops = (torch.cat(column) for column in zip(*counts, strict=True))
    known = isinstance(inside, Network) or bool(_neurons(model))
    return Work(spikes if known else None, synops)


def _mean_draw(model: Averaged, x: Cells) -> Work | None:
    """The mean over as many draws as the model averages."""
    draws = []
    for d in range(model.draws):
        with repeatable(d, model, x):
            draws.append(work(model.model, x))
    kept = [w for w in draws if w is not None]
    if not kept:
        return None
    spikes = [w.spikes for w in kept if w.spikes is not None]
    synops = torch.stack([w.synops for w in kept]).sum(0) // len(kept)
    return Work(torch.stack(spikes).sum(0) // len(kept) if spikes else None, synops)


def _neurons(model: nn.Module) -> set[nn.Module]:
    """All layers that are known to spike, ours and those of frameworks."""
    theirs = {n for m in model.modules() if isinstance(m, Adapted) for n in m.neurons}
    return theirs | {
        m
        for m in model.modules()
        if isinstance(m, LIF | ParametricLIF) or (isinstance(m, Dynamics) and m.spiking)
    }


def _measure(model: nn.Module, x: Cells) -> tuple[Tensor, Tensor]:
    """Spikes and synaptic operations of each sample."""
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
    neurons = _neurons(model)
    ours = {m.weight for m in model.modules() if isinstance(m, Weighted)}  # may be bypassed
    for module in model.modules():
        if module in neurons:
            hooks.append(module.register_forward_hook(count_spikes))
        elif isinstance(module, Weighted | nn.Conv2d | nn.Linear) and module not in ours:
            hooks.append(module.register_forward_hook(count_synops))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return spikes, synops


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
