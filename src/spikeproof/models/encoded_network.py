"""A code before a network, as one network that can be saved.

The description says which: ``{"kind": "encoded", "code": {"kind": "direct", "steps": 64},
"network": {...}}``. The settings of a code are the arguments of its class in
:mod:`spikeproof.models.codes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.codes import Bernoulli, Direct, Latency, Poisson
from spikeproof.models.described import Described

CODES: dict[str, Callable[..., nn.Module]] = {
    "bernoulli": Bernoulli,
    "direct": Direct,
    "latency": Latency,
    "poisson": Poisson,
}
"""From the ``kind`` of a code to its class."""


class EncodedNetwork(Described):
    """Maps images ``[N, 1, C, H, W]`` (or recordings) through ``code`` to logits ``[N, K]``."""

    def __init__(self, code: Mapping[str, Any], network: Described) -> None:
        super().__init__()
        self.encoder, self.network = code_of(code), network
        self.description = {
            "kind": "encoded",
            "code": dict(code),
            "network": network.description,
        }
        self.n_classes, self.input_shape = network.n_classes, network.input_shape
        self.train(network.training)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``; random ones for a random code, drawn from torch's global generator."""
        logits: Tensor = self.network(self.encoder(x))
        return logits


def code_of(description: Mapping[str, Any]) -> nn.Module:
    """The code of ``description``; raises :class:`InvalidModel` for one that is not known."""
    settings = dict(description)
    kind = settings.pop("kind", None)
    if kind not in CODES:
        raise InvalidModel(f"unknown code {kind!r}; choose one of {', '.join(CODES)}")
    try:
        return CODES[kind](**settings)
    except TypeError as error:
        raise InvalidModel(f"code {kind!r} has wrong settings: {error}") from error
