"""What each step of a plan computes, forwards and back.

Between the steps goes a :class:`Signal`. Forwards, a stage keeps what it needs on the way back;
backwards, it turns the gradient of what it gave into that of what it got. Gradients are ``[N, T, H,
W, C]`` in the engine's ``dtype``, or ``[N, 1, ...]`` where they are the same in all time bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import DTypeLike
from torch import Tensor

from spikeproof.engine import backwards, forwards
from spikeproof.engine.adjoint import Adjoint
from spikeproof.engine.buffers import Buffers
from spikeproof.engine.plan import Firing, Layer, Neurons, PlanReadout, Weights
from spikeproof.engine.threads import spread
from spikeproof.models.circuit import Readout
from spikeproof.models.kernels import F32, PRECOMPUTED, as_array, kind_of

_BAND = 256 * 1024  # bytes of membranes that a band of rows may have: they should stay in cache


@dataclass(frozen=True, eq=False)
class Signal:
    """What goes from layer to layer: ``data`` ``[N, T, H, W, C]`` times ``scale``.

    Bytes are counts of spikes. For PyTorch's layers a bin is ``[C, H, W]``, or a vector if the
    signal is ``flat``.
    """

    data: Tensor
    scale: float = 1.0
    flat: bool = False

    def series(self) -> Tensor:
        """As PyTorch has it, ``[N, T, C, H, W]`` or ``[N, T, F]``, float32."""
        values = self.data.float()
        return self.like(values if self.scale == 1.0 else values * self.scale)

    def like(self, data: Tensor) -> Tensor:
        """``data`` ``[N, T, H, W, C]`` in the order of :meth:`series`."""
        x = data.permute(0, 1, 4, 2, 3)
        return x.flatten(2) if self.flat else x

    def back(self, series: Tensor) -> Tensor:
        """The inverse of :meth:`like`."""
        _, _, h, w, c = self.data.shape
        x = series.view(*series.shape[:2], c, h, w) if self.flat else series
        return x.permute(0, 1, 3, 4, 2).contiguous()


class PlanStage(Protocol):
    """A layer on its way forwards and back."""

    def forward(self, x: Signal, keep: bool) -> Signal:
        """What the layer gives; ``keep`` says that a gradient will be asked for."""
        ...

    def backward(self, grad: Tensor) -> Tensor:
        """The gradient of what it got last."""
        ...


class FiringStage:
    """Weights, neurons and pooling in one loop; the adjoint of the weights is PyTorch's."""

    def __init__(self, step: Firing, dtype: torch.dtype, buffers: Buffers, place: object) -> None:
        self._step, self._dtype, self._buffers, self._place = step, dtype, buffers, place
        half = dtype == torch.bfloat16
        self._bits: DTypeLike = np.uint16 if half else np.uint32
        self._integers = torch.uint16 if half else torch.uint32
        self._fitted: _Fitted | None = None

    def forward(self, x: Signal, keep: bool) -> Signal:
        """Counts of spikes in each pool."""
        n, t = x.data.shape[:2]
        if self._fitted is None:
            self._fitted = _Fitted(self._step, x, self._dtype)
        fitted, pool = self._fitted, self._step.pool
        (rows, cols), n_out = fitted.size, fitted.n_out
        self._u = self._take("u", (n, t if keep else 0, rows, cols * n_out), self._bits)
        out = self._take("out", (n, t, rows // pool, cols // pool * n_out), np.uint8)
        given = (
            x.data.flatten(3).numpy(),
            fitted.reached,
            fitted.columns,
            fitted.bias,
            fitted.geometry,
            fitted.neuron,
            pool,
            fitted.band,
            self._u,
            out,
        )
        spread(lambda *items: forwards.forward(items, *given), n * fitted.bands)
        spikes = torch.from_numpy(out).view(*out.shape[:3], -1, n_out)
        return Signal(spikes, self._step.scale, fitted.flat)

    def known(self) -> tuple[F32, forwards.Geometry, F32, F32]:
        """Weights ``[kh, kw, I, O]``, geometry, neurons and ``u`` of what was passed last."""
        fitted = self._fitted
        assert fitted is not None
        return fitted.kernel, fitted.geometry, fitted.neuron, self._u.view(np.float32)

    def backward(self, grad: Tensor) -> Tensor:
        """Through pooling, neurons and weights."""
        fitted, neurons = self._fitted, self._step.neurons
        assert fitted is not None
        kind, slope = kind_of(neurons.surrogate)
        bump = self._bump() if kind == PRECOMPUTED else np.empty((0, 0, 0, 0), dtype=np.float32)
        after = 0.0 if neurons.wipes else neurons.decay
        given = (
            grad.contiguous().flatten(3).view(self._integers).numpy(),
            self._u,
            bump,
            kind,
            np.array([slope, neurons.decay, after, self._step.scale], dtype=np.float32),
            self._step.pool,
            fitted.n_out,
            fitted.band,
        )
        spread(lambda *items: backwards.backward(items, *given), len(self._u) * fitted.bands)
        found = fitted.adjoint(self._kept().flatten(0, 1))
        return found.view(*self._u.shape[:2], *found.shape[1:])

    def _kept(self) -> Tensor:
        """``u``, or what took its place, ``[N, T, Ho, Wo, O]``."""
        assert self._fitted is not None
        values = torch.from_numpy(self._u).view(self._dtype)
        return values.view(*values.shape[:3], -1, self._fitted.n_out)

    def _bump(self) -> F32:
        """The derivative of a surrogate that the loops do not know, ``[N, T, Ho, Wo*O]``."""
        assert self._fitted is not None
        u = Signal(self._kept().float(), flat=self._fitted.flat)
        bump = u.back(self._step.neurons.surrogate.derivative(u.series()))
        return as_array(bump.flatten(3))

    def _take(self, what: str, shape: tuple[int, ...], dtype: DTypeLike) -> forwards.Bits:
        return self._buffers.take((self._place, what), shape, dtype)


class _Fitted:
    """The weights of a step as the loops need them, for signals of one shape."""

    def __init__(self, step: Firing, x: Signal, dtype: torch.dtype) -> None:
        height, width = x.data.shape[2:4]
        weight = _for(step.weights, x)
        self.n_out, _, kh, kw = weight.shape
        (sh, sw), (ph, pw) = step.weights.stride, step.weights.padding
        self.geometry = kh, kw, sh, sw, ph, pw
        self.size = (height + 2 * ph - kh) // sh + 1, (width + 2 * pw - kw) // sw + 1
        self.reached = forwards.reached_of(
            self.geometry, width, self.size[1], x.data.shape[4], self.n_out
        )
        self._gained = weight * x.scale
        self.columns = forwards.columns_of(as_array(self._gained), sw)
        self.bias = np.tile(as_array(step.weights.bias), self.size[1])
        self.neuron = _constants(step.neurons)
        self.adjoint = Adjoint(weight, (height, width), (sh, sw), (ph, pw), dtype)
        self.band = max(1, _BAND // (4 * self.size[1] * self.n_out * step.pool)) * step.pool
        self.bands = -(-self.size[0] // self.band)
        self.flat = step.weights.linear

    @property
    def kernel(self) -> F32:
        """The weights as ``[kh, kw, I, O]``."""
        return as_array(self._gained.permute(2, 3, 1, 0).contiguous())


def _constants(neurons: Neurons) -> F32:
    """As the loop forwards takes them; "above" is "at least the next number"."""
    level = np.float32(neurons.threshold)
    if neurons.strict:
        level = np.nextafter(level, np.float32(np.inf))
    held = 0.0 if neurons.wipes else 1.0
    rest = (neurons.taken, held, neurons.jump, neurons.start)
    return np.array([neurons.decay, level, *rest], dtype=np.float32)


def _for(weights: Weights, x: Signal) -> Tensor:
    """The kernel ``[O, I, kh, kw]`` for ``x``: that of a linear layer covers all of it."""
    h, w, c = x.data.shape[2:]
    return weights.weight.view(-1, c, h, w) if weights.linear else weights.weight


class LayerStage:
    """Any layer, differentiated by PyTorch."""

    def __init__(self, step: Layer, dtype: torch.dtype) -> None:
        self._step, self._dtype = step, dtype

    def forward(self, x: Signal, keep: bool) -> Signal:
        """What the layer gives."""
        self._got, series = x, x.series()
        with torch.set_grad_enabled(keep):
            self._leaf = series.requires_grad_(keep)
            if self._step.timed:
                self._gave = self._step.module(self._leaf)
            else:
                once = self._step.module(self._leaf.flatten(0, 1))  # [N*T, ...]
                self._gave = once.view(*series.shape[:2], *once.shape[1:])
        gave = self._gave.detach()
        flat = gave.dim() == 3
        bins = gave[..., None, None] if flat else gave  # [N, T, C, H, W]
        self._signal = Signal(bins.permute(0, 1, 3, 4, 2).contiguous(), flat=flat)
        return self._signal

    def backward(self, grad: Tensor) -> Tensor:
        """By autograd."""
        arrived = self._signal.like(grad.float()).expand_as(self._gave)
        (found,) = torch.autograd.grad(self._gave, self._leaf, arrived)
        return self._got.back(found).to(self._dtype)


class ReadingStage:
    """Logits ``[N, K]``: one value per class over time, and before it the last layer if linear.

    A linear layer of a mean over time is the mean of a linear layer, and ``T`` times less work.
    """

    def __init__(self, step: PlanReadout | None, readout: Readout, dtype: torch.dtype) -> None:
        self._weights = None if step is None else step.weights
        self._readout, self._dtype = readout, dtype

    def logits(self, x: Signal) -> Tensor:
        """From what the layers before gave."""
        self._got, steps = x, x.data.shape[1]
        if self._readout == "last":
            once = x.data[:, -1:].float() * x.scale
        else:
            once = x.data.sum(1, keepdim=True, dtype=torch.float32)
            once = once * (x.scale / steps if self._readout == "mean" else x.scale)
        series = Signal(once, flat=x.flat).series()
        if self._weights is None:
            return series.flatten(1)
        self._kernel = _for(self._weights, x)
        bias = self._weights.bias * (steps if self._readout == "sum" else 1)
        out = F.conv2d(
            once[:, 0].permute(0, 3, 1, 2),
            self._kernel,
            bias,
            self._weights.stride,
            self._weights.padding,
        )
        self._shape = out.shape
        return out.flatten(1)

    def per_entry(self, x: Signal) -> tuple[F32, F32]:
        """What an entry of ``x`` weighs, ``[H*W*C, K]``, and what a bin counts for ``[T]``."""
        steps, h, w, c = x.data.shape[1:]
        if self._weights is None:
            weight = torch.eye(c * h * w).view(c * h * w, c, h, w)
        else:
            weight = _for(self._weights, x)
        share = torch.full((steps,), x.scale / (steps if self._readout == "mean" else 1))
        if self._readout == "last":
            share[:-1] = 0.0
        return as_array(weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()), as_array(share)

    def backward(self, grad: Tensor) -> Tensor:
        """Of the gradient ``[N, K]``: what the layers before have to take back."""
        n, steps, h, w, c = self._got.data.shape
        if self._weights is None:
            once = self._got.back(grad.view(n, 1, *self._got.like(self._got.data).shape[2:]))
        else:
            adjoint = Adjoint(
                self._kernel, (h, w), self._weights.stride, self._weights.padding, torch.float32
            )
            once = adjoint(grad.view(self._shape).permute(0, 2, 3, 1)).unsqueeze(1)
        if self._readout == "last":
            whole = once.new_zeros(n, steps, h, w, c)
            whole[:, -1:] = once
            once = whole
        return (once / steps if self._readout == "mean" else once).to(self._dtype)
