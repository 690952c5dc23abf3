r"""Single NIR nodes as layers, under a convention for what the format leaves open.

NIR (Pedersen et al., Nature Communications 15, 8122, 2024) describes neurons in continuous time,
:math:`\tau \dot v = (v_{leak} - v) + R I`, and a spike at :math:`v > v_{threshold}`. One step of
forward Euler is

.. math::
    v_t = (1 - \tfrac{dt}{\tau}) v_{t-1} + \tfrac{dt}{\tau} (v_{leak} + R I_t)

Exporters differ in ``dt``, and lose what the format cannot say (a reset by subtraction, several
spikes per bin). A :class:`Convention` puts it back:

===========  ========  ===========  ===========================  =====  ====================
convention   dt        decay        after a spike                spike  remarks
===========  ========  ===========  ===========================  =====  ====================
nir          1e-4 (*)  1 - dt/tau   ``v_reset``                  >      the paper
snntorch     1e-4      1 - dt/tau   minus threshold, next bin    >      its default reset
spikingjelly 1e-4      1 - dt/tau   ``v_reset``                  >=
norse        1e-6      1 - dt/tau   ``v_reset``                  >      1.1.0 writes tau * dt
sinabs       1         exp(-dt/tau) minus threshold, per spike   >=     several spikes a bin
spikeproof   1e-4      1 - dt/tau   ``v_reset``                  >=     our own export
===========  ========  ===========  ===========================  =====  ====================

(*) 1 where all time constants are 1 or more, as Sinabs counts them in bins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spikeproof.adapters.nir.file import Node
from spikeproof.errors import InvalidModel
from spikeproof.models.dynamics import AnyReset, Dynamics
from spikeproof.models.surrogate import Surrogate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Convention:
    """How continuous-time neurons become steps; ``dt`` in seconds (or in the units of tau).

    ``unit_synapse``: the synaptic current jumps by the input itself, not by ``dt/tau_syn`` of it.
    """

    name: str
    dt: float | None
    reset: AnyReset = "hard"
    strict: bool = True
    multiple: bool = False
    exponential: bool = False
    unit_synapse: bool = False


CONVENTIONS = {
    c.name: c
    for c in (
        Convention("nir", None),
        Convention("snntorch", 1e-4, reset="delayed"),
        Convention("spikingjelly", 1e-4, strict=False),
        Convention("norse", 1e-6, unit_synapse=True),
        Convention("sinabs", 1.0, "soft", strict=False, multiple=True, exponential=True),
        Convention("spikeproof", 1e-4, strict=False),
    )
}


@dataclass(frozen=True)
class NodeReading:
    """A convention with its time step settled, and the surrogate of the neurons."""

    convention: Convention
    dt: float
    surrogate: Surrogate

    def layer(self, node: Node) -> nn.Module:
        """The layer of a node; raises :class:`InvalidModel` if there is none."""
        kind = node.get("type")
        if kind not in _LAYERS:
            known = ", ".join(sorted(_LAYERS))
            raise InvalidModel(f"nodes of type {kind!r} are not supported, only {known}")
        try:
            return _LAYERS[kind](node, self)
        except KeyError as error:
            raise InvalidModel(f"has no {error.args[0]!r}, which {kind} needs") from error
        except (TypeError, ValueError, RuntimeError, IndexError, AttributeError) as error:
            raise InvalidModel(f"is no valid {kind} ({error})") from error

    def leak(self, node: Node, key: str) -> tuple[Array, Array]:
        """How much of the membrane stays in one step, and how much is replaced."""
        tau = _numbers(node, key, infinite=True)
        if (tau <= 0).any():
            raise InvalidModel(f"{key} must be positive")
        share = self.dt / tau
        if self.convention.exponential:
            return np.exp(-share), -np.expm1(-share)
        if (share > 1).any():
            raise InvalidModel(
                f"{key} of {tau.min():.3g} is shorter than a step of {self.dt:g}; give dt"
                " (Norse 1.1.0 writes tau times its dt: give dt=1e-6)"
            )
        return 1 - share, share

    def integrator(self, node: Node, *, spiking: bool) -> Dynamics:
        """I and IF, whose input counts in full if r is 1 or 1/dt."""
        r = _numbers(node, "r")
        gain = np.ones(()) if (r == 1).all() else r * self.dt
        v_reset = _numbers(node, "v_reset", missing=0.0) if spiking else 0.0
        return self.neurons(node, np.ones(()), gain, 0.0, spiking, start=v_reset)

    def leaky(self, node: Node, *, spiking: bool, synapse: bool = False) -> Dynamics:
        """LI, LIF and, with a synapse in front, CubaLI and CubaLIF."""
        decay, share = self.leak(node, "tau_mem" if synapse else "tau")
        r = _numbers(node, "r", infinite=True)
        with np.errstate(invalid="ignore"):
            gain = np.where(np.isinf(r), 1.0, r * share)  # tau and r = tau/dt, both infinite
        filtered = None
        if synapse:
            filtered, part = self.leak(node, "tau_syn")
            w_in = _numbers(node, "w_in", missing=1.0, infinite=True)
            with np.errstate(invalid="ignore"):
                jump = np.where(np.isinf(w_in), 1.0, w_in * part)
            gain = gain * (w_in if self.convention.unit_synapse else jump)
        rest = _numbers(node, "v_leak", missing=0.0)
        return self.neurons(node, decay, gain, share * rest, spiking, start=rest, synapse=filtered)

    def neurons(
        self,
        node: Node,
        decay: Array,
        gain: Array,
        bias: Array | float,
        spiking: bool,
        *,
        start: Array | float,
        synapse: Array | None = None,
    ) -> Dynamics:
        """Neurons that reset by the convention."""
        threshold = _numbers(node, "v_threshold") if spiking else None
        if threshold is not None and (threshold <= 0).any():
            raise InvalidModel("v_threshold must be positive")
        return Dynamics(
            _tensor(decay),
            threshold=None if threshold is None else _tensor(threshold),
            gain=_tensor(gain),
            bias=_tensor(bias),
            reset=self.convention.reset,
            v_reset=_tensor(_numbers(node, "v_reset", missing=0.0)) if spiking else 0.0,
            start=_tensor(start),
            synapse=None if synapse is None else _tensor(synapse),
            strict=self.convention.strict,
            multiple=self.convention.multiple,
            surrogate=self.surrogate,
        )


class Scaling(nn.Module):
    """Multiplies each value of a bin by its own factor."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, ...]`` times ``[...]``."""
        return x * self.scale


def _affine(node: Node, reading: NodeReading) -> nn.Module:
    weight = _weights(node, "weight", 2)
    bias = _weights(node, "bias", 1) if "bias" in node else None
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    return _filled(layer, weight, bias)


def _conv2d(node: Node, reading: NodeReading) -> nn.Module:
    weight = _weights(node, "weight", 4)
    bias = _weights(node, "bias", 1) if "bias" in node else None
    groups = int(_whole(node, "groups", missing=1)[0])
    padding = node.get("padding", 0)
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        stride=_whole(node, "stride", missing=1),
        padding=padding if isinstance(padding, str) else _whole(node, "padding", missing=0),
        dilation=_whole(node, "dilation", missing=1),
        groups=groups,
        bias=bias is not None,
        device="meta",
    )
    return _filled(layer, weight, bias)


def _filled(layer: nn.Linear | nn.Conv2d, weight: Tensor, bias: Tensor | None) -> nn.Module:
    if bias is not None and len(bias) != len(weight):
        raise InvalidModel(f"has {len(weight)} rows of weights but {len(bias)} biases")
    layer.weight = nn.Parameter(weight)
    layer.bias = None if bias is None else nn.Parameter(bias)
    return layer


def _pool(node: Node, *, mean: bool) -> nn.Module:
    size = _whole(node, "kernel_size")
    stride = _whole(node, "stride") if "stride" in node else size
    padding = _whole(node, "padding", missing=0)
    return nn.AvgPool2d(size, stride, padding, divisor_override=None if mean else 1)


def _flatten(node: Node, reading: NodeReading) -> nn.Module:
    first, last = (int(_whole(node, key)[0]) for key in ("start_dim", "end_dim"))
    return nn.Flatten(*(d + 1 if d >= 0 else d for d in (first, last)))  # NIR has no batch axis


def _threshold(node: Node, reading: NodeReading) -> nn.Module:
    level = _tensor(_numbers(node, "threshold"))
    strict = reading.convention.strict
    return Dynamics(0.0, threshold=level, reset="none", strict=strict, surrogate=reading.surrogate)


_LAYERS: dict[str, Callable[[Node, NodeReading], nn.Module]] = {
    "Affine": _affine,
    "AvgPool2d": lambda node, _: _pool(node, mean=True),
    "Conv2d": _conv2d,
    "CubaLI": lambda node, reading: reading.leaky(node, spiking=False, synapse=True),
    "CubaLIF": lambda node, reading: reading.leaky(node, spiking=True, synapse=True),
    "Flatten": _flatten,
    "I": lambda node, reading: reading.integrator(node, spiking=False),
    "IF": lambda node, reading: reading.integrator(node, spiking=True),
    "Input": lambda node, reading: nn.Identity(),
    "LI": lambda node, reading: reading.leaky(node, spiking=False),
    "LIF": lambda node, reading: reading.leaky(node, spiking=True),
    "Linear": _affine,
    "Output": lambda node, reading: nn.Identity(),
    "Scale": lambda node, reading: Scaling(_tensor(_numbers(node, "scale"))),
    "SumPool2d": lambda node, _: _pool(node, mean=False),
    "Threshold": _threshold,
}


def _numbers(
    node: Node, key: str, *, missing: float | None = None, infinite: bool = False
) -> Array:
    if key not in node and missing is not None:
        return np.asarray(missing)
    values = np.asarray(node[key], dtype=np.float64)
    if np.isnan(values).any() or (np.isinf(values).any() and not infinite):
        raise InvalidModel(f"{key} holds NaN or infinite values")
    return values


def _weights(node: Node, key: str, axes: int) -> Tensor:
    values = _numbers(node, key)
    if values.ndim != axes or 0 in values.shape:
        raise InvalidModel(f"{key} has shape {list(values.shape)}; expected {axes} axes")
    return _tensor(values)


def _whole(node: Node, key: str, *, missing: int | None = None) -> tuple[int, int]:
    values = _numbers(node, key, missing=missing).ravel()
    if values.size not in (1, 2) or (values != np.floor(values)).any() or (abs(values) > 1e6).any():
        raise InvalidModel(f"{key} must be one or two whole numbers")
    return int(values[0]), int(values[-1])


def _tensor(values: Array | float) -> Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float32))
