"""The compiler: from a checked program to the layers of a network, spiking or not.

A non-linearity follows every ``dense`` and ``conv`` except the read-outs, which end the program:
a spiking neuron in the spiking network, a ReLU in its non-spiking twin. Parameters have the same
names and shapes in both, so weights go from one to the other as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import nn

from spikeproof.models.modules import Dropped, Joined, Pooling, Weighted
from spikeproof.models.topology.sizes import Part, Typed, number
from spikeproof.models.topology.terms import Branches, Chain, Conv, Dense, Dropout, PoolTerm

Activation = Callable[[], nn.Module]


def compiled(program: Typed, activation: Activation) -> list[nn.Module]:
    """The layers of ``program``, with freshly drawn weights, in the order of its parts."""
    return _chain(program.parts, activation, nn.Identity)


def _chain(parts: tuple[Part, ...], hidden: Activation, end: Activation) -> list[nn.Module]:
    layers = [_module(part, hidden, hidden) for part, _ in pairwise(parts)]
    return [*layers, _module(parts[-1], hidden, end)]


def _module(part: Part, hidden: Activation, end: Activation) -> nn.Module:
    match part:
        case Dense(norm=norm):
            linear = nn.Linear(number(part.inputs), number(part.units), bias=not norm)
            return Weighted(linear, norm, end())
        case Conv(norm=norm):
            kernel = number(part.kernel)
            conv = nn.Conv2d(
                number(part.inputs),
                number(part.channels),
                kernel,
                stride=number(part.stride),
                padding=kernel // 2,
                bias=not norm,
            )
            return Weighted(conv, norm, end())
        case PoolTerm(maximum=maximum):
            return Pooling(number(part.size), maximum)
        case Dropout():
            return Dropped(number(part.percent))
        case Branches(parts=branches):
            both = [b.parts if isinstance(b, Chain) else (b,) for b in branches]
            return Joined([_chain(parts, hidden, end) for parts in both])  # type: ignore[arg-type]
