"""The loss of a network of first crossings: cross-entropy on spike times, and a temporal penalty.

Nomura et al. (IEEE TCAS-II 69(9), 2022) train time-to-first-spike networks with a penalty that
holds the times of the output neurons near a given one, and find that its strength decides how
robust the network is:

    L = CE(softmax(-t / tau), y) + gamma * mean_k (t_k - t_ref)^2 + wake * mean_i late_i

The body of that paper was not at hand: the form of the penalty is the one of Sakemi et al. (IEEE
TNNLS 34(1), 2023) as remembered, and details (the mean instead of a sum, where ``t_ref`` lies) are
ours. So is the last term: ``late_i`` is how far the hidden neuron ``i`` was from a spike on that
image of the batch on which it came closest. It pulls on neurons that are silent on all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from spikeproof.errors import InvalidModel
from spikeproof.models.crossing import CrossingNetwork
from spikeproof.models.serializable import SerializableNetwork
from spikeproof.types import Cells, Labels


@dataclass(frozen=True)
class TemporalPenalty:
    """An objective of :func:`~spikeproof.training.fit`, for a :class:`CrossingNetwork`.

    ``gamma`` weighs the squared distance of output times from ``t_ref`` (in the unit of the
    network's horizon), ``wake`` the silence of hidden neurons.
    """

    gamma: float = 0.0
    t_ref: float = 1.5
    wake: float = 1.0

    def __call__(
        self, network: SerializableNetwork, x: Cells, labels: Labels
    ) -> tuple[Tensor, Tensor]:
        """The loss of a batch and its logits ``[N, K]``.

        Raises :class:`InvalidModel` for a network without spike times.
        """
        if not isinstance(network, CrossingNetwork):
            raise InvalidModel(
                "a temporal penalty is one on spike times; give a CrossingNetwork, not a"
                f" {type(network).__name__}"
            )
        ran = network.crossings(x)
        *hidden, out = ran.times[1:]
        loss = F.cross_entropy(ran.logits, labels)
        loss = loss + self.gamma * (out - self.t_ref).square().mean()
        for times in hidden:
            loss = loss + self.wake * (times.amin(0) - ran.end).clamp(min=0).mean()
        return loss, ran.logits
