r"""SSTDP: supervised learning from the times of first spikes, without surrogate derivatives.

After Liu, Zhao, Chen, Wang and Dai (Front. Neurosci. 15:756876, 2021). With output times
:math:`t_k` and the earliest of them :math:`m` (:math:`T - \delta` if none spiked), the targets are

.. math::
    \hat t_{label} = m, \qquad
    \hat t_k = \min(\max(t_k, m + \delta), T) \quad (k \ne label)

and the errors :math:`t - \hat t`. Only outputs that come too early, and a label that comes too
late, have one; a sample whose label leads by :math:`\delta` costs nothing. Errors go from layer to
layer by the rule of the neurons (:mod:`spikeproof.models.once.layer`) and are brought to length 1
in each layer and sample, so all samples that are wrong have the same say. Weights learn by plain
gradient descent with weight decay, on the mean over the batch.

Neurons of the first layer that spike on less than ``revive`` of the samples of an epoch are drawn
again at its end, of a convolution channels that do.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from spikeproof.errors import InvalidModel, InvalidRecording
from spikeproof.models.checkpoint import read_tensors, write_tensors
from spikeproof.models.once import SpikeOnceNetwork
from spikeproof.training.bptt import Progress


@dataclass(frozen=True)
class SSTDP:
    """Settings; ``gap`` is the lead δ in steps, ``rate`` falls to ``last`` times itself."""

    epochs: int = 100
    batch: int = 64
    rate: float = 10.0
    last: float = 1.0
    decay: float = 1e-5
    gap: float = 5.0
    revive: float = 1e-3
    seed: int = 0


@dataclass(frozen=True)
class Epoch(Progress):
    """Also how many samples had an error, and how many neurons were drawn again."""

    wrong: int
    revived: int


def targets(times: Tensor, labels: Tensor, steps: int, gap: float = 5.0) -> Tensor:
    """Times ``[N, K]`` at which the outputs with ``times`` should spike."""
    first = times.amin(1, keepdim=True)
    first = torch.where(first < steps, first, steps - gap)
    wanted = torch.maximum(times, first + gap).clamp(max=steps)
    return wanted.scatter(1, labels.unsqueeze(1), first)


def learn(
    network: SpikeOnceNetwork,
    x: Tensor,
    labels: Tensor,
    rule: SSTDP,
    *,
    state: Path | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Train ``network`` in place on images ``x`` ``[N, 1, C, H, W]`` in [0, 1].

    With ``state`` the run is saved there after each epoch and continued from there if the file
    exists. Returns the history; leaves the network in evaluation mode. Raises
    :class:`InvalidRecording` for labels that do not fit, and :class:`InvalidModel` if ``state``
    belongs to another run.
    """
    _check(network, x, labels)
    rng = torch.Generator().manual_seed(rule.seed)
    run = "" if state is None else _run_id(network, x, labels, rule)
    history = _resume(state, run, network, rng) if state is not None and state.exists() else []
    n = len(labels)
    for epoch in range(len(history), rule.epochs):
        began = time.perf_counter()
        network.train()
        rate = rule.rate * _share(epoch / max(1, rule.epochs - 1), rule.last)
        fired = torch.zeros(network.spiking[0].weight.shape[1], dtype=torch.int64)
        loss = right = wrong = 0.0
        for chosen in torch.split(torch.randperm(n, generator=rng), rule.batch):
            y = labels[chosen]
            times = _step(network, x[chosen], y, rule, rate, fired)
            errors = times - targets(times, y, network.steps, rule.gap)
            loss += float((errors**2).sum()) / 2
            wrong += int(errors.any(1).sum())
            right += int(leads(times, y).sum())
        revived = _revive(network, fired < rule.revive * n, rng)
        seconds = time.perf_counter() - began
        done = Epoch(epoch + 1, rule.epochs, loss / n, right / n, seconds, int(wrong), revived)
        history.append(done)
        if state is not None:
            _save(state, run, network, rng, history)
        report(done)
    network.eval()
    return history


def leads(times: Tensor, labels: Tensor) -> Tensor:
    """Whether the label's output spikes before all others, flags ``[N]``; ties are errors."""
    label = labels.unsqueeze(1)
    others = times.scatter(1, label, torch.inf).amin(1)
    return times.gather(1, label).squeeze(1) < others


def _step(
    network: SpikeOnceNetwork, x: Tensor, y: Tensor, rule: SSTDP, rate: float, fired: Tensor
) -> Tensor:
    """One batch: forward, errors back, weights changed. The output times ``[N, K]``."""
    times = network.encoded(x)
    first = True
    for layer in network.layers:
        times = layer(times)
        if layer in network.spiking:
            times.register_hook(_unit)
            if first:
                seen = times.detach() < network.steps
                fired += seen.flatten(2).any(2).sum(0) if seen.dim() > 2 else seen.sum(0)
                first = False
    out = times.detach()
    errors = out - targets(out, y, network.steps, rule.gap)
    network.zero_grad()
    if errors.any():
        torch.autograd.backward(times, errors)
    with torch.no_grad():
        for layer in network.spiking:
            layer.weight.mul_(1 - rate * rule.decay)
            if layer.weight.grad is not None:
                layer.weight.sub_(layer.weight.grad, alpha=rate / len(y))
    return out


def _unit(error: Tensor) -> Tensor:
    """Errors of length 1 in each sample that has any."""
    length = error.flatten(1).norm(dim=1)
    scale = torch.where(length > 0, 1 / length, 0)
    return error * scale.view(-1, *[1] * (error.dim() - 1))


def _revive(network: SpikeOnceNetwork, dead: Tensor, rng: torch.Generator) -> int:
    """Draw the weights of the first layer's ``dead`` units again."""
    layer, count = network.spiking[0], int(dead.sum())
    with torch.no_grad():
        fresh = torch.rand(len(layer.weight), count, generator=rng) * layer.scale
        layer.weight[:, dead] = fresh.to(layer.weight)
    return count


def _share(done: float, last: float) -> float:
    """Half a cosine wave from 1 to ``last``."""
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * done))


def _check(network: SpikeOnceNetwork, x: Tensor, labels: Tensor) -> None:
    if len(x) != len(labels) or len(labels) == 0:
        raise InvalidRecording(
            f"{len(x)} images and {len(labels)} labels: need one label each, at least one"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= network.n_classes:
        raise InvalidRecording(
            f"label {low if low < 0 else high} is outside the network's classes 0 to"
            f" {network.n_classes - 1}; end the architecture with fc{high + 1}"
        )


def _run_id(network: SpikeOnceNetwork, x: Tensor, labels: Tensor, rule: SSTDP) -> str:
    data = hashlib.sha256(x.contiguous().numpy().tobytes() + labels.numpy().tobytes())
    run = {"network": network.description, "rule": asdict(rule), "data": data.hexdigest()}
    return json.dumps(run, sort_keys=True)


def _save(
    path: Path, run: str, network: SpikeOnceNetwork, rng: torch.Generator, history: list[Epoch]
) -> None:
    tensors = {f"model.{name}": value for name, value in network.state_dict().items()}
    told = {"run": run, "history": json.dumps([asdict(epoch) for epoch in history])}
    write_tensors(path, tensors | {"rng": rng.get_state()}, told)


def _resume(path: Path, run: str, network: SpikeOnceNetwork, rng: torch.Generator) -> list[Epoch]:
    tensors, told = read_tensors(path)
    if told.get("run") != run:
        raise InvalidModel(
            f"{path}: belongs to a run with another network, rule or data; delete it or train into"
            " another folder"
        )
    rng.set_state(tensors.pop("rng"))
    network.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items()})
    return [Epoch(**epoch) for epoch in json.loads(told["history"])]
