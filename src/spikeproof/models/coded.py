"""Networks with the code before them in one description, so that both are saved and loaded.

The network sees spike trains and the pair sees images: what an attack may change is what the
sensor sees, and the code is the model's (:mod:`~spikeproof.models.codes`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.models.codes import Bernoulli, Direct, Encoded, Latency, Poisson
from spikeproof.models.serializable import SerializableNetwork

CodeName = Literal["direct", "bernoulli", "poisson", "latency"]


@dataclass(frozen=True)
class CodeSpec:
    """Which code, and for how many time ``steps``; its other settings are the standard ones."""

    name: CodeName = "direct"
    steps: int = 4

    def __post_init__(self) -> None:
        if self.name not in ("direct", "bernoulli", "poisson", "latency"):
            raise InvalidModel(
                f"unknown code {self.name!r}; choose one of direct, bernoulli, poisson, latency"
            )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return asdict(self)

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> CodeSpec:
        """The inverse of :meth:`to_dict`; raises :class:`InvalidModel`."""
        try:
            return cls(**description)
        except TypeError as error:
            raise InvalidModel(f"the code has wrong settings: {error}") from error

    def build(self) -> nn.Module:
        """The code as a layer; raises :class:`InvalidModel` for less than one step."""
        match self.name:
            case "bernoulli":
                return Bernoulli(self.steps)
            case "poisson":
                return Poisson(self.steps)
            case "latency":
                return Latency(self.steps)
            case _:
                return Direct(self.steps)


class Coded(Encoded, SerializableNetwork):
    """Maps images ``[N, 1, C, H, W]`` to the logits that ``network`` gives of their code."""

    def __init__(self, code: CodeSpec, network: SerializableNetwork) -> None:
        super().__init__(code.build(), network)
        inside = network.description
        self.description = {"kind": "encoded", "code": code.to_dict(), "network": inside}
        self.n_classes, self.input_shape = network.n_classes, network.input_shape
