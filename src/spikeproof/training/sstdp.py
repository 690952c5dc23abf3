r"""SSTDP: supervised learning from the times of first spikes, without surrogate derivatives.

After Liu, Zhao, Chen, Wang and Dai (Front. Neurosci. 15:756876, 2021). With output times
:math:`t_k` and the earliest of them :math:`m` (:math:`T - \delta` if none spiked), the targets are

.. math::
    \hat t_{label} = m, \qquad
    \hat t_k = \min(\max(t_k, m + \delta), T) \quad (k \ne label)

and the errors :math:`t - \hat t`. A sample whose label leads by :math:`\delta` costs nothing.
Errors go from layer to layer by the rule of the neurons (:mod:`spikeproof.models.once.layer`);
hidden neurons that did not spike have none. They are brought to length 1 in each layer and sample,
so all samples that are wrong have the same say. Weights learn from the mean over the batch.

So only outputs that come too early, and a label that comes too late, have an error. A label that
is first but leads by less than :math:`\delta` has none while its rivals are told "later"; that is
what most errors then say, and hidden neurons fall silent over the epochs, until few are left to
tell classes apart. A ``pull`` :math:`\pi` asks the label for more: while its lead is too small,

.. math::
    \hat t_{label} = \min(m, t_{label} - \pi) ,

be that before the first step. It balances the two and makes large :math:`\delta` usable, and these
make ties rare. About a third of :math:`\delta` keeps spikes where they are; much more drives all
into the first steps.

Against overfitting, a share ``dropout`` of the hidden neurons is silent for each sample, at
thresholds that are lower by that share (Srivastava et al., JMLR 2014). In the second half of the
epochs rates fall to 3 % (``anneal``). :data:`PAPER` has none of the three.

Neurons of the first layer that spike on less than ``revive`` of the samples of an epoch are drawn
again at its end; of a convolution, channels that do.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spikeproof.errors import InvalidModel
from spikeproof.models.once import SpikeOnce, SpikeOnceNetwork
from spikeproof.training.augment import Augment
from spikeproof.training.bptt import EpochProgress
from spikeproof.training.state import check_labels, resume, run_id, save

_LEAST = 0.03  # of the rate, at the end


@dataclass(frozen=True)
class SSTDP:
    """Settings; ``gap`` is the lead δ in steps and ``pull`` π, ``dropout`` a share of the neurons.

    ``rates`` of the first and other layers are in units of the highest weight that is drawn.
    With ``augment`` the network learns from random views of the images.
    """

    epochs: int = 200
    batch: int = 64
    rates: tuple[float, float] = (3.3, 1.0)
    decay: float = 1e-6
    gap: float = 60.0
    pull: float = 18.0
    dropout: float = 0.2
    augment: Augment | None = None
    anneal: bool = True
    revive: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InvalidModel(f"a dropout of {self.dropout} leaves no neurons; take 0 to below 1")


PAPER = SSTDP(epochs=100, rates=(10 / 5, 10 / 48), gap=5.0, pull=0.0, dropout=0.0, anneal=False)
"""The rule as published; rates are 10 in weights, as ``spreads`` are (0, 5) and (0, 48)."""


@dataclass(frozen=True)
class Epoch(EpochProgress):
    """Of these ``wrong`` is the number of samples with an error, ``revived`` that of neurons."""

    wrong: int
    revived: int


def targets(times: Tensor, labels: Tensor, steps: int, gap: float, pull: float) -> Tensor:
    """Times ``[N, K]`` at which the outputs with ``times`` should spike."""
    label = labels.unsqueeze(1)
    own = times.gather(1, label)
    first = times.amin(1, keepdim=True)
    first = torch.where(first < steps, first, steps - gap)
    wanted = torch.maximum(times, first + gap).clamp(max=steps)
    lead = times.scatter(1, label, torch.inf).amin(1, keepdim=True) - own
    pulled = torch.minimum(first, own - pull)
    return wanted.scatter(1, label, torch.where(lead < gap, pulled, first))


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
        late = max(0.0, 2 * epoch / rule.epochs - 1)
        share = _LEAST**late if rule.anneal else 1.0
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
    return torch.optim.SGD(groups, weight_decay=rule.decay)


def _rates(network: SpikeOnceNetwork, rule: SSTDP) -> list[float]:
    """The rate of each layer, in weights; a kernel learns from the mean over its places."""
    return [
        rule.rates[min(place, 1)]
        * max(map(abs, layer.spread))
        / (1 if layer.sliding is None else math.prod(layer.sliding.size))
        for place, layer in enumerate(network.spiking)
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
        seen = x[chosen] if rule.augment is None else rule.augment(x[chosen], rng)
        first, out = _forward(network, seen, rule.dropout, rng)
        fired += (first < network.steps).flatten(2).any(2).sum(0)
        found = out.detach()
        errors = found - targets(found, y, network.steps, rule.gap, rule.pull)
        optimiser.zero_grad()
        if errors.any():
            torch.autograd.backward(out, errors)
            optimiser.step()
        loss += float(errors.square().sum()) / 2
        right += float(leads(found, y).sum())
        wrong += int(errors.any(1).sum())
    return loss, right, wrong, _revive(network, fired < rule.revive * len(labels), rng)


def _forward(
    network: SpikeOnceNetwork, x: Tensor, dropout: float, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Times ``[N, K, P]`` of the first layer and ``[N, K]`` of the last, errors kept at length 1.

    The gradient of a mean over the batch has length 1/N in each sample.
    """
    times, kept, seen = network.encoded(x), 1.0, []
    for layer in network.layers:
        if not isinstance(layer, SpikeOnce):
            times = layer(times)
            continue
        times = layer(times, kept)
        last = layer is network.layers[-1]
        hears = torch.ones_like(times, dtype=torch.bool) if last else times < network.steps
        times.register_hook(_of_length(1 / len(x), hears))
        seen.append(times.detach())
        if dropout and not last:
            lost = torch.rand(times.shape, generator=rng) < dropout
            times, kept = times.masked_fill(lost, network.steps), 1 - dropout
    return seen[0].view(*seen[0].shape[:2], -1), times


def _of_length(length: float, hears: Tensor) -> Callable[[Tensor], Tensor]:
    """A hook that keeps errors where ``hears`` is true, and brings each sample's to ``length``."""

    def scaled(error: Tensor) -> Tensor:
        error = error * hears
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
