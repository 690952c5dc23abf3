r"""Deep belief networks as classifiers: with sigmoid units, and with integrate-and-fire neurons.

A stack of restricted Boltzmann machines (Hinton, Osindero & Teh, Neural Computation 18(7), 2006)
gives, read upwards, a network of sigmoids; a linear layer on top names the class. Both networks
here have the same weights and biases in the same places, in the units of the Boltzmann machines.

In the spiking one every pixel spikes in each step with its intensity as probability. A hidden
neuron has no leak, threshold 1 and a soft reset, and starts half charged. Under the current
:math:`a` it fires at the rate :math:`\min(\max(a, 0), 1)`, a sigmoid of three straight lines, so
with

.. math:: \text{current}_t = \tfrac12 + \beta \Big( b_i + \sum_j W_{ij} s_{j,t} \Big),
          \qquad \beta = 0.178

its rate is that of the unit, :math:`\sigma(b_i + \sum_j W_{ij} r_j)`, within 0.06, which is the
least that straight lines allow. Logits are the mean over time of the top layer's currents. The
Siegert neurons of O'Connor et al. (Front. Neurosci. 7:178, 2013) are another such approximation,
of leaky neurons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.activity import Activity, Ledger, settled
from spikeproof.models.codes import Bernoulli
from spikeproof.models.neuron import NeuronSpec
from spikeproof.models.serializable import SerializableNetwork

SLOPE = 0.178  # beta; minimises the largest distance of the two curves


class BeliefNetwork(SerializableNetwork):
    """Maps images ``[N, 1, C, H, W]`` to logits ``[N, K]`` through layers of sigmoids.

    ``sizes`` are those of the hidden layers.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], sizes: Sequence[int], n_classes: int
    ) -> None:
        super().__init__()
        self.input_shape, self.n_classes = tuple(input_shape), n_classes
        self.description = _described("belief", input_shape, sizes, n_classes)
        self.hidden, self.top = _layers(input_shape, sizes), nn.Linear(sizes[-1], n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``; raises :class:`InvalidModel` for images of another size."""
        return self.top(self.features(x))  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """Probabilities ``[N, H]`` of the last hidden layer's units."""
        return self._through(x)[-1]

    @torch.no_grad()
    def activity(self, x: Tensor) -> Activity:
        """Operations: intensities and probabilities are multiplied."""
        counted = Ledger(len(x))
        for r, layer in zip(self._through(x), (*self.hidden, self.top), strict=True):
            counted.receives(r, r.new_tensor(len(layer.weight)))
        return counted.activity(1)

    def _through(self, x: Tensor) -> list[Tensor]:
        """Intensities and the probabilities of each hidden layer."""
        found = [_flat(x, self.input_shape)]
        for layer in self.hidden:
            found.append(layer(found[-1]).sigmoid())
        return found


class SpikingBelief(SerializableNetwork):
    """The same with spikes, over ``steps`` time steps.

    Spikes of the pixels are drawn from torch's global generator, so this network is random:
    attack and judge it as an :class:`~spikeproof.adapters.eot.ExpectationOverTransformation`.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        sizes: Sequence[int],
        n_classes: int,
        *,
        steps: int = 32,
    ) -> None:
        super().__init__()
        self.input_shape, self.n_classes = tuple(input_shape), n_classes
        self.description = {
            **_described("spiking-belief", input_shape, sizes, n_classes),
            "steps": steps,
        }
        self.code = Bernoulli(steps)
        self.hidden, self.top = _layers(input_shape, sizes), nn.Linear(sizes[-1], n_classes)
        neuron = NeuronSpec("if", reset="soft")
        self.neurons = nn.ModuleList(neuron.build() for _ in sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``; raises :class:`InvalidModel` for images of another size."""
        return self.top(self.spikes(x)[-1]).mean(1)  # type: ignore[no-any-return]

    def spikes(self, x: Tensor) -> list[Tensor]:
        """Spikes of the pixels and of each hidden layer, each ``[N, steps, units]``."""
        trains = [self.code(_flat(x, self.input_shape))]
        for layer, neurons in zip(self.hidden, self.neurons, strict=True):
            current = 0.5 + SLOPE * layer(trains[-1])
            half = torch.zeros_like(current[:1, :, :1])  # [1, T, 1]
            half[:, 0] = 0.5  # of a threshold, there before the first step
            trains.append(neurons(current + half))
        return trains

    @torch.no_grad()
    def activity(self, x: Tensor) -> Activity:
        """Operations on one draw of the pixels' spikes: all are additions."""
        trains, counted = self.spikes(x), Ledger(len(x))
        for spikes, layer in zip(trains, (*self.hidden, self.top), strict=True):
            counted.receives(spikes, spikes.new_tensor(len(layer.weight)))
        for spikes in trains[1:]:
            counted.fires(spikes, self.code.steps)
        said = self.top(trains[-1]).cumsum(1).argmax(2)
        return counted.activity(self.code.steps, decided=settled(said))

    def rates(self, x: Tensor) -> Tensor:
        """Rates ``[N, H]`` of the last hidden layer that endless time would give.

        They are what a layer on top learns from; between layers rates take the place of spikes.
        """
        r = _flat(x, self.input_shape).clamp(0, 1)
        for layer in self.hidden:
            r = (0.5 + SLOPE * layer(r)).clamp(0, 1)
        return r


def belief(described: Mapping[str, Any]) -> BeliefNetwork:
    """The network with sigmoids that a checkpoint describes."""
    return BeliefNetwork(tuple(described["input"]), described["hidden"], described["classes"])


def spiking_belief(described: Mapping[str, Any]) -> SpikingBelief:
    """The network with spikes that a checkpoint describes."""
    return SpikingBelief(
        tuple(described["input"]),
        described["hidden"],
        described["classes"],
        steps=described["steps"],
    )


def _described(
    kind: str, input_shape: tuple[int, int, int], sizes: Sequence[int], n_classes: int
) -> dict[str, Any]:
    if not sizes or min(sizes) < 1:
        raise InvalidModel(f"hidden layers need at least 1 unit each, not {list(sizes)}")
    return {"kind": kind, "input": [*input_shape], "hidden": [*sizes], "classes": n_classes}


def _layers(input_shape: tuple[int, int, int], sizes: Sequence[int]) -> nn.ModuleList:
    widths = (input_shape[0] * input_shape[1] * input_shape[2], *sizes)
    return nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))


def _flat(x: Tensor, input_shape: tuple[int, ...]) -> Tensor:
    if x.dim() != 5 or x.shape[1] != 1 or tuple(x.shape[2:]) != input_shape:
        c, h, w = input_shape
        raise InvalidModel(f"this network takes images [N, 1, {c}, {h}, {w}], not {[*x.shape]}")
    return x.flatten(1)
