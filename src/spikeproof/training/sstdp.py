r"""SSTDP: supervised learning from the times of first spikes, without surrogate derivatives.

After Liu, Zhao, Chen, Wang and Dai (Front. Neurosci. 15:756876, 2021). With output times
:math:`t_k` and the earliest of them :math:`m` (:math:`T - \delta` if none spiked), the targets are

.. math::
    \hat t_{label} = m, \qquad
    \hat t_k = \min(\max(t_k, m + \delta), T) \quad (k \ne label)

and the errors :math:`t - \hat t`. Only outputs that come too early, and a label that comes too
late, have one; a sample whose label leads by :math:`\delta` costs nothing. Errors go from layer to
layer by the rule of the neurons (:mod:`spikeproof.models.once.layer`) and are brought to length 1
in each layer and sample, so all samples that are wrong have the same say. Weights learn from the
mean over the batch.

The paper forms pairs with each output's own spike. A label that comes late has then nearly all
inputs before it, those after the decision too, and all of them learn; with a ``teacher`` its
target takes the place of the spike, so that label and rival learn from the same inputs. The paper's
plain gradient descent needs large steps and makes a network that is right at the end of one epoch
and wrong at the end of the next; ``adaptive`` steps are Adam's (Kingma & Ba, ICLR 2015), and rates
fall by half a cosine wave (``anneal``). :data:`PAPER` has none of the three. In either form most
errors say "later", which drives hidden neurons into silence over many epochs; hence few.

Neurons of the first layer that spike on less than ``revive`` of the samples of an epoch are drawn
again at its end; of a convolution, channels that do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from spikeproof.models.once import SpikeOnce, SpikeOnceNetwork
from spikeproof.training.bptt import Progress
from spikeproof.training.state import check_labels, resume, run_id, save


@dataclass(frozen=True)
class SSTDP:
    """Settings; ``gap`` is the lead δ in steps, ``rates`` those of the first and other layers.

    ``adaptive`` rates are in weights with which half the inputs would make a neuron spike.
    """

    epochs: int = 3
    batch: int = 64
    rates: tuple[float, float] = (0.08, 0.2)
    decay: float = 1e-5
    gap: float = 20.0
    teacher: bool = True
    adaptive: bool = True
    anneal: bool = True
    revive: float = 1e-3
    seed: int = 0


PAPER = SSTDP(epochs=100, rates=(10.0, 10.0), gap=5.0, teacher=False, adaptive=False, anneal=False)
"""The rule as published."""


@dataclass(frozen=True)
class Epoch(Progress):
    """Of these ``wrong`` is the number of samples with an error, ``revived`` that of neurons."""

    wrong: int
    revived: int


def targets(times: Tensor, labels: Tensor, steps: int, gap: float) -> Tensor:
    """Times ``[N, K]`` at which the outputs with ``times`` should spike."""
    first = times.amin(1, keepdim=True)
    first = torch.where(first < steps, first, steps - gap)
    wanted = torch.maximum(times, first + gap).clamp(max=steps)
    return wanted.scatter(1, labels.unsqueeze(1), first)


def leads(times: Tensor, labels: Tensor) -> Tensor:
    """Whether the label's output spikes before all others, flags ``[N]``; ties are errors."""
    label = labels.unsqueeze(1)
    others = times.scatter(1, label, torch.inf).amin(1)
    return times.gather(1, label).squeeze(1) < others


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
    exists. Returns the history, whose accuracies are those of the batches before each step; leaves
    the network in evaluation mode. Raises :class:`InvalidRecording` for labels that do not fit,
    and :class:`InvalidModel` if ``state`` belongs to another run.
    """
    check_labels(network, x, labels, "images")
    rng = torch.Generator().manual_seed(rule.seed)
    optimiser = _optimiser(network, rule)
    run = "" if state is None else run_id(network, x, labels, rule, {})
    history: list[Epoch] = []
    if state is not None and state.exists():
        history = resume(state, run, network, optimiser, rng, Epoch)
    for epoch in range(len(history), rule.epochs):
        began = time.perf_counter()
        network.train()
        share = 0.5 * (1 + math.cos(math.pi * epoch / rule.epochs)) if rule.anneal else 1.0
        for group, rate in zip(optimiser.param_groups, _rates(network, rule), strict=True):
            group["lr"] = share * rate
        done = _epoch(network, x, labels, rule, optimiser, rng)
        loss, right, wrong, revived = done
        seconds = time.perf_counter() - began
        n = len(labels)
        told = Epoch(epoch + 1, rule.epochs, loss / n, right / n, seconds, wrong, revived)
        history.append(told)
        if state is not None:
            save(state, run, network, optimiser, rng, history)
        report(told)
    network.eval()
    return history


def _optimiser(network: SpikeOnceNetwork, rule: SSTDP) -> torch.optim.Optimizer:
    """A group for each layer."""
    groups = [{"params": [layer.weight]} for layer in network.spiking]
    if rule.adaptive:
        return torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=rule.decay)
    return torch.optim.SGD(groups, weight_decay=rule.decay)


def _rates(network: SpikeOnceNetwork, rule: SSTDP) -> list[float]:
    """The rate of each layer, in weights."""
    given = [rule.rates[min(place, 1)] for place in range(len(network.spiking))]
    if not rule.adaptive:
        return given
    return [
        rate * 2 * layer.neuron.threshold / len(layer.weight)
        for rate, layer in zip(given, network.spiking, strict=True)
    ]


def _epoch(
    network: SpikeOnceNetwork,
    x: Tensor,
    labels: Tensor,
    rule: SSTDP,
    optimiser: torch.optim.Optimizer,
    rng: torch.Generator,
) -> tuple[float, float, int, int]:
    """Loss and right answers, summed; samples with an error; neurons drawn again."""
    loss = right = 0.0
    wrong = 0
    fired = torch.zeros(network.spiking[0].weight.shape[1])
    for chosen in torch.split(torch.randperm(len(labels), generator=rng), rule.batch):
        y = labels[chosen]
        wanted = partial(targets, labels=y, steps=network.steps, gap=rule.gap)
        first, out = _forward(network, x[chosen], wanted if rule.teacher else None)
        fired += (first < network.steps).flatten(2).any(2).sum(0)
        errors = out.detach() - wanted(out.detach())
        optimiser.zero_grad()
        if errors.any():
            torch.autograd.backward(out, errors)
            optimiser.step()
        loss += float(errors.square().sum()) / 2
        right += float(leads(out.detach(), y).sum())
        wrong += int(errors.any(1).sum())
    return loss, right, wrong, _revive(network, fired < rule.revive * len(labels), rng)


def _forward(
    network: SpikeOnceNetwork, x: Tensor, teacher: Callable[[Tensor], Tensor] | None
) -> tuple[Tensor, Tensor]:
    """Times ``[N, K, ...]`` of the first layer and ``[N, K]`` of the last, errors kept at length 1.

    The gradient of a mean over the batch has length 1/N in each sample.
    """
    times = network.encoded(x)
    seen = []
    for layer in network.layers:
        times = layer(times, teacher) if layer is network.layers[-1] else layer(times)
        if isinstance(layer, SpikeOnce):
            times.register_hook(_of_length(1 / len(x)))
            seen.append(times)
    return seen[0].detach().view(*seen[0].shape[:2], -1), times


def _of_length(length: float) -> Callable[[Tensor], Tensor]:
    """A hook that brings the errors of each sample to ``length``, zeros aside."""

    def scaled(error: Tensor) -> Tensor:
        norm = error.flatten(1).norm(dim=1)
        factor = torch.where(norm > 0, length / norm, 0)
        return error * factor.view(-1, *[1] * (error.dim() - 1))

    return scaled


def _revive(network: SpikeOnceNetwork, dead: Tensor, rng: torch.Generator) -> int:
    """Draw the weights of the first layer's ``dead`` units again."""
    layer, count = network.spiking[0], int(dead.sum())
    low, high = layer.spread
    with torch.no_grad():
        fresh = torch.rand(len(layer.weight), count, generator=rng) * (high - low) + low
        layer.weight[:, dead] = fresh.to(layer.weight)
    return count
