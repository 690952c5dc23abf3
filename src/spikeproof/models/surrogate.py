"""Surrogate gradients: what stands in for the derivative of the spike.

A spike is the Heaviside step of ``u = v - threshold`` (membrane potential above threshold), whose
derivative is zero almost everywhere. Training and gradient attacks replace it on the backward
pass by a bump around ``u = 0``. Each bump is a small value with settings; two networks that
differ only in the surrogate emit the same spikes.

A few methods do not stop at the spike and say how gradient passes the whole layer over time; these
rules (:mod:`spikeproof.models.rules`) have names beside the bumps. Of the bumps here, the first
three are functions of ``u`` alone and peak at 1:

* :class:`ArcTan` -- Fang et al., ICCV 2021, eq. 8 (normalised to height 1).
* :class:`FastSigmoid` -- Zenke & Ganguli, Neural Computation 30(6), 2018 (SuperSpike), eq. 4.
* :class:`PiecewiseQuadratic` -- the derivative is a triangle; Esser et al., PNAS 2016; Bellec et
  al., NeurIPS 2018.

:class:`PotentialDependent` adapts its width to the spread of the membrane potentials (Lun et al.,
CVPR 2025, arXiv 2503.03272).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from spikeproof.errors import InvalidModel
from spikeproof.models.rules import HybridGradient, RateGradient


@dataclass(frozen=True)
class ArcTan:
    """``1 / (1 + (pi/2 * slope * u)^2)``."""

    slope: float = 2.0

    def __post_init__(self) -> None:
        _positive(self)

    def derivative(self, u: Tensor) -> Tensor:
        """Stand-in for d spike / d u, same shape as ``u`` ``[N, T, ...]``."""
        return (u * (math.pi / 2 * self.slope)).square_().add_(1.0).reciprocal_()


@dataclass(frozen=True)
class FastSigmoid:
    """``1 / (1 + slope * |u|)^2``."""

    slope: float = 4.0

    def __post_init__(self) -> None:
        _positive(self)

    def derivative(self, u: Tensor) -> Tensor:
        """Stand-in for d spike / d u, same shape as ``u`` ``[N, T, ...]``."""
        return (u.abs() * self.slope).add_(1.0).square_().reciprocal_()


@dataclass(frozen=True)
class PiecewiseQuadratic:
    """``max(0, 1 - |u| / width)``: the spike is a quadratic on either side of the threshold."""

    width: float = 1.0

    def __post_init__(self) -> None:
        _positive(self)

    def derivative(self, u: Tensor) -> Tensor:
        """Stand-in for d spike / d u, same shape as ``u`` ``[N, T, ...]``."""
        return (u.abs() * (-1.0 / self.width)).add_(1.0).clamp_(min=0.0)


@dataclass(frozen=True)
class PotentialDependent:
    """A Gaussian whose width is the standard deviation of the potentials themselves.

    ``exp(-((u - shift * s) / s)^2 / 2) / (sqrt(2 pi) * s)`` with ``s`` the standard deviation of
    ``u``. The paper takes it per channel over batch, space and past time; here it is taken per
    *sample* and channel over space and all time, so that a sample's gradient does not depend on
    its batch-mates.
    """

    shift: float = 0.5

    def derivative(self, u: Tensor) -> Tensor:
        """Stand-in for d spike / d u; ``u`` is ``[N, T, C, ...]`` or ``[N, T, F]``."""
        space = tuple(range(3, u.dim()))
        over = (1, *space) if space else (1, 2)
        centred = u - u.mean(dim=over, keepdim=True)
        s = centred.square_().mean(dim=over, keepdim=True).sqrt_().clamp_(min=1e-3)
        z = (u - self.shift * s) / s
        return torch.exp(z.square_().mul_(-0.5)) / (math.sqrt(2 * math.pi) * s)


Bump: TypeAlias = ArcTan | FastSigmoid | PiecewiseQuadratic | PotentialDependent
"""What stands in for the derivative of one spike."""

Rule: TypeAlias = RateGradient | HybridGradient
"""What stands in for back-propagation through a whole layer."""

Surrogate: TypeAlias = Bump | Rule

SURROGATES: dict[str, type[Surrogate]] = {
    "arctan": ArcTan,
    "fast-sigmoid": FastSigmoid,
    "piecewise-quadratic": PiecewiseQuadratic,
    "potential-dependent": PotentialDependent,
    "rate": RateGradient,
    "hybrid": HybridGradient,
}


def surrogate_named(text: str) -> Surrogate:
    """The surrogate called ``arctan`` or ``arctan:4``; raises :class:`InvalidModel` if unknown."""
    name, colon, setting = text.partition(":")
    if name not in SURROGATES:
        raise InvalidModel(f"unknown surrogate {name!r}; choose one of {', '.join(SURROGATES)}")
    try:
        return SURROGATES[name](float(setting)) if colon else SURROGATES[name]()
    except ValueError:
        raise InvalidModel(
            f"surrogate {text!r}: {setting!r} is no number; give one such as {name}:4"
        ) from None


def surrogate_name(surrogate: Surrogate) -> str:
    """The text that :func:`surrogate_named` makes this surrogate of."""
    described = surrogate_to_dict(surrogate)
    name = described.pop("name")
    return f"{name}:{next(iter(described.values())):g}"


def _positive(surrogate: ArcTan | FastSigmoid | PiecewiseQuadratic) -> None:
    for setting, value in asdict(surrogate).items():
        if not 0 < value < math.inf:
            raise InvalidModel(f"{setting} of a surrogate must be positive, not {value}")


def surrogate_to_dict(surrogate: Surrogate) -> dict[str, Any]:
    """A JSON-ready description, ``{"name": ..., setting: value}``."""
    name = next(n for n, cls in SURROGATES.items() if type(surrogate) is cls)
    return {"name": name, **asdict(surrogate)}


def surrogate_from_dict(description: dict[str, Any]) -> Surrogate:
    """The surrogate of :func:`surrogate_to_dict`; raises :class:`InvalidModel` if unknown."""
    settings = dict(description)
    name = settings.pop("name", None)
    if name not in SURROGATES:
        raise InvalidModel(f"unknown surrogate {name!r}; choose one of {', '.join(SURROGATES)}")
    try:
        return SURROGATES[name](**settings)
    except TypeError as error:
        raise InvalidModel(f"surrogate {name!r} has wrong settings {settings}: {error}") from error
