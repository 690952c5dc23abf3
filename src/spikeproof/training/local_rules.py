r"""Local rules for a :class:`~spikeproof.models.latency.LatencyNetwork`: STDP, then a delta rule.

No error goes back through a layer, and no rule sees more than its synapse, its own neuron and, at
the output, what that neuron should have said.

**Hidden layer, without labels.** Images are shown one by one. The neuron :math:`i` that spikes
first, at :math:`t_i`, inhibits the others and alone learns, by spike-timing dependent plasticity
with an additive target (after Masquelier & Thorpe, PLoS Comput. Biol. 3(2), 2007; Querlioz et al.,
IEEE Trans. Nanotechnology 12(3), 2013):

.. math:: \Delta w_{ij} = \eta_i \cdot \begin{cases} c - w_{ij} & t_j \le t_i \\
                                                      - w_{ij} & \text{else} \end{cases}

with :math:`c = 1 / \sqrt{\text{number of inputs before } t_i}`; then the neuron scales its weights
to length 1. It uses the times of a synapse's two ends, its weight, and sums over the neuron's own
synapses. :math:`\eta_i = \max(1 / n_i, \eta_\text{min})` with :math:`n_i` the spikes of the neuron
so far: plasticity falls with age. The first one is forced: each neuron begins with the trace of one
image, as if made to spike at ``ignition``.

**Thresholds** are homeostatic (Diehl & Cook, Front. Comput. Neurosci. 9:99, 2015): a neuron that
won becomes less excitable by ``homeostasis`` of the mean threshold, and every neuron more
excitable by a share :math:`1/H` of that per image, so that each wins about equally often.

**Readout, with labels.** The first k spikes of the trained layer, and the rule of Widrow & Hoff
(1960) with a soft winner among the outputs:

.. math:: \Delta u_{ci} = \rho \, (T - t_i)_+ \, ([c = \text{label}] - \text{softmax}(y)_c) ,

presynaptic trace times an error that is the output neuron's own (the softmax needs the sum of the
outputs, lateral inhibition).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from spikeproof.errors import InvalidRecording
from spikeproof.models.latency import LatencyNetwork
from spikeproof.training.local_kernels import compete, delta, potentiate
from spikeproof.types import Cells, Labels

_CHUNK = 1000  # images whose first spikes are computed at once


@dataclass(frozen=True)
class LocalRules:
    """Settings.

    ``passes`` over the images for the hidden layer; ``ignition`` the time in (0, 1) at which a
    neuron would spike for what it began with; ``floor`` the least plasticity; ``homeostasis`` as a
    share of the mean threshold; ``readings`` passes of the delta rule, with ``rate`` per winner,
    falling to a tenth of it.
    """

    passes: int = 2
    ignition: float = 0.4
    floor: float = 0.005
    homeostasis: float = 0.002
    readings: int = 20
    rate: float = 0.5
    seed: int = 0


def learn_locally(
    network: LatencyNetwork,
    cells: Cells,
    labels: Labels,
    rules: LocalRules | None = None,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Teach ``network`` in place with images ``[N, 1, C, H, W]`` and their ``labels`` ``[N]``.

    Raises :class:`InvalidRecording` for fewer images than hidden neurons, or labels outside the
    classes.
    """
    rules = rules or LocalRules()
    if len(cells) != len(labels) or len(cells) < len(network.weight):
        raise InvalidRecording(
            f"{len(network.weight)} neurons begin with an image each, and there are {len(cells)}"
            f" images with {len(labels)} labels; give more images, or make fewer neurons"
        )
    if int(labels.min()) < 0 or int(labels.max()) >= network.n_classes:
        raise InvalidRecording(f"labels must be 0 to {network.n_classes - 1}")
    rng = np.random.default_rng(rules.seed)
    tell("Hidden layer: spike-timing dependent plasticity")
    learn_hidden(network, cells, rules, rng)
    tell("Readout: delta rule")
    learn_readout(network, cells, labels, rules, rng)
    network.eval()


def learn_hidden(network: LatencyNetwork, cells: Cells, rules: LocalRules, rng: Generator) -> None:
    """The hidden layer: weights and thresholds."""
    dtype = network.weight.dtype
    x = cells.flatten(1).to(dtype).clamp(0, 1).numpy()
    begin = x[rng.choice(len(x), len(network.weight), replace=False)]
    weight = np.full(network.weight.T.shape, 1e-3, x.dtype)  # [F, H], none without any weight
    weight /= np.linalg.norm(weight, axis=0)
    for i, image in enumerate(begin):
        potentiate(image, weight, i, rules.ignition, 1.0)
    mean = float(np.median(np.linalg.norm(np.maximum(begin + (rules.ignition - 1), 0), axis=1)))
    theta = np.full(weight.shape[1], mean, x.dtype)
    spikes = np.ones(weight.shape[1], np.int64)
    for _ in range(rules.passes):
        order = rng.permutation(len(x))
        compete(x, order, weight, theta, spikes, rules.floor, rules.homeostasis * mean)
    with torch.no_grad():
        network.weight.copy_(torch.from_numpy(weight).T)
        network.threshold.copy_(torch.from_numpy(theta))


def learn_readout(
    network: LatencyNetwork, cells: Cells, labels: Tensor, rules: LocalRules, rng: Generator
) -> None:
    """The outputs, anew; the hidden layer stays as it is."""
    parts = [network.first_spikes(part) for part in torch.split(cells, _CHUNK)]
    times, who = torch.cat([t for t, _ in parts]), torch.cat([w for _, w in parts])
    lead = times[:, -1:] - times
    unit = lead.mean().clamp(min=1e-6)  # rates are in units of the mean lead
    scaled = (lead / unit).numpy()
    readout = np.zeros((len(network.weight), network.n_classes), scaled.dtype)
    bias = np.zeros(network.n_classes, scaled.dtype)
    for reading in range(rules.readings):
        rate = rules.rate / network.winners * 0.1 ** (reading / rules.readings)
        order = rng.permutation(len(labels))
        delta(scaled, who.numpy(), labels.numpy(), order, readout, bias, rate)
    with torch.no_grad():
        network.readout.copy_(torch.from_numpy(readout).T / unit)
        network.bias.copy_(torch.from_numpy(bias))
