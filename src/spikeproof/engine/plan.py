"""A network as the engine sees it: weighted layers, neurons and poolings in their order.

Weights are read off the network whenever a plan is made, batch norms folded in. A plan is made for
every call, which takes a fraction of a millisecond, so it is never out of date. What the compiled
loops know becomes :class:`Firing`, a read-out without neurons :class:`PlanReadout`; any other layer
stays as it is (:class:`Layer`) and is differentiated by PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from torch import Tensor, nn

from spikeproof.models.circuit import Circuit, Readout
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.modules import Dropped, Pooling, Weighted
from spikeproof.models.network import Network
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.models.surrogate import Bump, Rule


@dataclass(frozen=True, eq=False)
class Weights:
    """A convolution: ``weight`` ``[O, I, kh, kw]``, ``bias`` ``[O]``.

    A ``linear`` layer has a 1x1 kernel here; it sees a whole bin at once.
    """

    weight: Tensor
    bias: Tensor
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    linear: bool = False


@dataclass(frozen=True)
class Neurons:
    """One set of constants for all neurons of a layer.

    A spike takes ``taken`` off the membrane before it decays and adds ``jump`` after, or, if it
    ``wipes`` the membrane, leaves ``jump`` alone.
    """

    decay: float
    threshold: float
    wipes: bool
    taken: float
    jump: float
    start: float
    strict: bool
    surrogate: Bump


@dataclass(frozen=True, eq=False)
class Firing:
    """Weights, neurons, and average pooling of ``pool`` x ``pool``, a spike weighing ``scale``."""

    weights: Weights
    neurons: Neurons
    pool: int = 1
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class PlanReadout:
    """The last layer, linear and without neurons: its mean over time is that of its inputs."""

    weights: Weights


@dataclass(frozen=True, eq=False)
class Layer:
    """Any other layer; ``timed`` ones take ``[N, T, ...]``, the others one bin at a time."""

    module: nn.Module
    timed: bool


@dataclass(frozen=True)
class Flat:
    """From here on a bin is a vector."""


Step: TypeAlias = Firing | PlanReadout | Layer | Flat
Part: TypeAlias = nn.Module | Weights

_LARGEST_POOL = 15  # whose spikes can be counted in one byte


@dataclass(frozen=True, eq=False)
class Plan:
    """The ``steps`` of a network that takes ``input_shape`` in each bin."""

    steps: tuple[Step, ...]
    input_shape: tuple[int, ...]
    readout: Readout


def plan_of(model: Network | Circuit) -> Plan | None:
    """The plan of a chain of layers; None if it has no neurons that the loops know."""
    known = Weighted | Pooling | Dropped  # dropout does nothing in evaluation mode
    if isinstance(model, Network) and not all(isinstance(m, known) for m in model.layers):
        return None  # branches
    parts = list(_parts_of(model) if isinstance(model, Network) else model.layers)
    readout: Readout = "mean" if isinstance(model, Network) else model.readout
    flat = len(model.input_shape) == 1
    steps: list[Step] = []
    while parts:
        if _linear(parts[0]) and not flat:
            return None
        step, parts = _next(parts)
        if step is None:
            return None
        steps.append(step)
        flat = flat or isinstance(step, Flat)
    if not any(isinstance(step, Firing) for step in steps):
        return None
    return Plan(tuple(steps), tuple(model.input_shape), readout)


def _parts_of(network: Network) -> Iterator[Part]:
    flat = False
    for layer in network.layers:
        if isinstance(layer, Weighted):
            if isinstance(layer.weight, nn.Linear) and not flat:
                flat = True
                yield nn.Flatten()
            yield _folded(layer)
            if not isinstance(layer.activation, nn.Identity):
                yield layer.activation
        elif isinstance(layer, Pooling):
            yield nn.MaxPool2d(layer.size) if layer.maximum else nn.AvgPool2d(layer.size)


def _folded(layer: Weighted) -> Part:
    weights = _weights(layer.weight)
    if weights is None or layer.norm is None:
        return layer.weight if weights is None else weights
    scale, shift = (values.detach() for values in layer.norm.scale_and_shift())
    kernel = weights.weight * scale.view(-1, 1, 1, 1)
    return replace(weights, weight=kernel, bias=weights.bias * scale + shift)


def _linear(part: Part) -> bool:
    return part.linear if isinstance(part, Weights) else isinstance(part, nn.Linear)


def _weights(module: nn.Module) -> Weights | None:
    """The weights of a convolution or linear layer that the loops know."""
    bias: Tensor | None
    if type(module) is nn.Linear:
        weight, bias = module.weight.detach()[..., None, None], module.bias
        stride, padding = (1, 1), (0, 0)
    elif type(module) is nn.Conv2d:
        plain = module.groups == 1 and module.dilation == (1, 1) and module.padding_mode == "zeros"
        if not plain or isinstance(module.padding, str):
            return None
        weight, bias = module.weight.detach(), module.bias
        stride, padding = _two(module.stride), _two(module.padding)
    else:
        return None
    level = weight.new_zeros(len(weight)) if bias is None else bias.detach()
    return Weights(weight, level, stride, padding, linear=type(module) is nn.Linear)


def _two(size: int | tuple[int, ...]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _next(parts: list[Part]) -> tuple[Step | None, list[Part]]:
    """The step that ``parts`` begin with (None: not understood), and the parts after it."""
    first, rest = parts[0], parts[1:]
    weights = first if isinstance(first, Weights) else _weights(first)
    if weights is not None:
        if not rest:
            return PlanReadout(weights), rest
        if isinstance(rest[0], nn.Module) and (neurons := _neurons(rest[0])):
            gained = _gaining(weights, rest[0])
            pool, scale, rest = _pooled(rest[1:])
            return Firing(gained, neurons, pool, scale), rest
    if isinstance(first, Weights):
        return None, rest
    if isinstance(first, nn.Flatten):
        return Flat() if (first.start_dim, first.end_dim) == (1, -1) else None, rest
    return Layer(first, timed=isinstance(first, Dynamics | LIF | ParametricLIF)), rest


def _neurons(module: nn.Module) -> Neurons | None:
    """The constants of neurons that the loops know; rules for a whole layer they do not."""
    if not isinstance(module, LIF | ParametricLIF | Dynamics):
        return None
    if isinstance(surrogate := module.surrogate, Rule):
        return None
    if isinstance(module, LIF | ParametricLIF):
        if isinstance(module, ParametricLIF):
            decay = float(module.leak.detach().sigmoid())
        else:
            decay = module.decay
        level, hard = module.spec.threshold, module.spec.reset == "hard"
        return Neurons(decay, level, hard, 0.0 if hard else level, 0.0, 0.0, False, surrogate)
    if module.emits_membrane or module.synapse is not None:
        return None
    if module.multiple or module.reset == "erase" or bool((module.floor > -math.inf).any()):
        return None
    constants = (module.gain, module.bias, module.decay, module.threshold, module.jump)
    if not all(bool((c == c.flatten()[0]).all()) for c in (*constants, module.start)):
        return None  # each neuron has its own
    decay, level, jump, start = (
        float(c.flatten()[0]) for c in (module.decay, module.threshold, module.jump, module.start)
    )
    hard = module.reset == "hard"
    return Neurons(decay, level, hard, 0.0, jump, start, module.strict, surrogate)


def _gaining(weights: Weights, neurons: nn.Module) -> Weights:
    """Weights that give what the membranes of ``neurons`` gain."""
    if not isinstance(neurons, Dynamics):
        return weights
    gain, bias = neurons.gain.flatten()[0], neurons.bias.flatten()[0]
    return replace(weights, weight=weights.weight * gain, bias=weights.bias * gain + bias)


def _pooled(parts: list[Part]) -> tuple[int, float, list[Part]]:
    """Size of the average pooling that ``parts`` begin with, what a spike weighs, and the rest."""
    pool = parts[0] if parts else None
    if type(pool) is not nn.AvgPool2d or pool.ceil_mode:
        return 1, 1.0, parts
    (size, other), padding = _two(pool.kernel_size), _two(pool.padding)
    if size != other or _two(pool.stride) != (size, size) or padding != (0, 0):
        return 1, 1.0, parts
    if size > _LARGEST_POOL:
        return 1, 1.0, parts
    return size, 1.0 / (pool.divisor_override or size**2), parts[1:]
