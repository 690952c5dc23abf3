"""Spiking neurons as modules: integrate-and-fire, leaky, and leaky with a learned leak.

All three are :func:`~spikeproof.models.scan.scan` with a different decay. ``LIF`` with time
constant ``tau`` (in time bins) decays by ``1 - 1/tau`` per bin; ``IF`` does not decay; in
``ParametricLIF`` (Fang et al., ICCV 2021) the decay is learned, as the sigmoid of a parameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.models.scan import Reset, scan
from spikeproof.models.surrogate import (
    ArcTan,
    Surrogate,
    surrogate_from_dict,
    surrogate_to_dict,
)

Kind = Literal["if", "lif", "plif"]


@dataclass(frozen=True)
class NeuronSpec:
    """Which neuron a network is built from.

    ``tau`` is the membrane time constant in time bins (at the start, for ``plif``; unused for
    ``if``), ``threshold`` the firing threshold, in the units of the input current.
    """

    kind: Kind = "lif"
    tau: float = 2.0
    threshold: float = 1.0
    reset: Reset = "hard"
    surrogate: Surrogate = field(default_factory=ArcTan)

    def __post_init__(self) -> None:
        if self.kind not in ("if", "lif", "plif"):
            raise InvalidModel(f"unknown neuron {self.kind!r}; choose one of if, lif, plif")
        if self.reset not in ("hard", "soft"):
            raise InvalidModel(f"unknown reset {self.reset!r}; choose hard or soft")
        if not 1.0 < self.tau < math.inf:
            raise InvalidModel(f"tau must be a number above 1 time bin, not {self.tau}")
        if not 0.0 < self.threshold < math.inf:
            raise InvalidModel(f"threshold must be positive, not {self.threshold}")

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "kind": self.kind,
            "tau": self.tau,
            "threshold": self.threshold,
            "reset": self.reset,
            "surrogate": surrogate_to_dict(self.surrogate),
        }

    @classmethod
    def from_dict(cls, description: dict[str, Any]) -> NeuronSpec:
        """The inverse of :meth:`to_dict`; raises :class:`InvalidModel`."""
        settings = dict(description)
        try:
            surrogate = surrogate_from_dict(settings.pop("surrogate", {}))
            return cls(**settings, surrogate=surrogate)
        except TypeError as error:
            raise InvalidModel(f"neuron has wrong settings: {error}") from error

    def build(self) -> nn.Module:
        """A fresh neuron layer."""
        if self.kind == "plif":
            return ParametricLIF(self)
        decay = 1.0 if self.kind == "if" else 1.0 - 1.0 / self.tau
        return LIF(self, decay)


class LIF(nn.Module):
    """(Leaky) integrate-and-fire neurons with a fixed decay per time bin."""

    def __init__(self, spec: NeuronSpec, decay: float) -> None:
        super().__init__()
        self.spec = spec
        self.surrogate = spec.surrogate
        self.decay = decay

    def forward(self, current: Tensor) -> Tensor:
        """Spikes ``[N, T, ...]`` from input current ``[N, T, ...]``."""
        return scan(
            current,
            self.decay,
            threshold=self.spec.threshold,
            reset=self.spec.reset,
            surrogate=self.surrogate,
        )

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"decay={self.decay:.3g}, threshold={self.spec.threshold:.3g}, {self.surrogate}"


class ParametricLIF(nn.Module):
    """Leaky neurons whose decay, ``sigmoid(leak)``, is shared by the layer and learned."""

    def __init__(self, spec: NeuronSpec) -> None:
        super().__init__()
        self.spec = spec
        self.surrogate = spec.surrogate
        self.leak = nn.Parameter(torch.tensor(math.log(spec.tau - 1.0)))  # sigmoid -> 1 - 1/tau

    def forward(self, current: Tensor) -> Tensor:
        """Spikes ``[N, T, ...]`` from input current ``[N, T, ...]``."""
        return scan(
            current,
            self.leak.sigmoid(),
            threshold=self.spec.threshold,
            reset=self.spec.reset,
            surrogate=self.surrogate,
        )
