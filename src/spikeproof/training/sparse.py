r"""Few and late spikes as part of what is learned.

Cross-entropy plus a penalty on the mean value of a hidden unit in each of the L hidden layers,

    loss = CE + penalty / L * sum_l mean_i x_i,

where the value of a neuron that spikes once is the time from its spike to the end of its window,
and 0 if it does not spike: sparse by an L1 norm, as of Stanojevic et al. (Nature Communications
15:6793, 2024). For a ReLU network it is its activations, so both have the same loss and gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models import Network, SerializableNetwork
from spikeproof.models.modules import Weighted
from spikeproof.models.ttfs import FirstSpikeNetwork
from spikeproof.types import Cells, Labels


@dataclass(frozen=True)
class SparsityPenalty:
    """An objective of :func:`~spikeproof.training.fit`; ``penalty`` 0 is plain cross-entropy.

    Windows of a network of first spikes are widened to ``room`` times what the batch needs, so
    that the next one has room. Raises :class:`InvalidModel` for other networks than those of first
    spikes and non-spiking ones of our own, in which branches count as no layer.
    """

    penalty: float = 0.0
    room: float = 10.0

    def __call__(
        self, network: SerializableNetwork, x: Cells, labels: Labels
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and its logits ``[N, K]``."""
        if isinstance(network, FirstSpikeNetwork):
            trace = network.trace(x)
            network.widen(trace, self.room)
            pairs = zip(trace.times[1:], trace.ends[1:], strict=True)
            logits, values = trace.logits, [(end - times).mean() for times, end in pairs]
        elif isinstance(network, Network) and not network.description["spiking"]:
            logits, values = _activations(network, x)
        else:
            raise InvalidModel("a penalty on values needs first spikes or a non-spiking network")
        loss = F.cross_entropy(logits, labels)
        return loss + self.penalty * torch.stack(values).mean() if values else loss, logits


def _activations(network: Network, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Logits and the mean value in each hidden layer."""
    values = []
    for layer in network.layers:
        x = layer(x)
        if isinstance(layer, Weighted) and not isinstance(layer.activation, nn.Identity):
            values.append(x.mean())
    return x.mean(1), values
