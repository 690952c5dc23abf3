r"""Neurons that integrate and fire at most once, with the spike-timing rule as their gradient.

In every step :math:`t = 0, 1, \dots` each input that spikes adds its weight to the membrane, which
does not leak. The neuron spikes in the first step at whose end the membrane is at its threshold,
and then listens no more. Membranes may fall again, as weights may be negative, so the first
crossing counts. Who does not cross has the time :math:`T`, that of no spike:

.. math::
    t_k = \min \{ t : \sum_{f : t_f \le t} w_{fk} \ge \theta \}

Backwards (SSTDP: Liu, Zhao, Chen, Wang & Dai, Front. Neurosci. 15:756876, 2021), an error
:math:`g_k` of the output times, positive for too late, makes

.. math::
    \partial L / \partial w_{fk} = - u_{fk} g_k, \quad
    u_{fk} = \begin{cases} a & t_f \le t_k, t_f < T \\ -b & \text{else} \end{cases}, \qquad
    \partial L / \partial t_f = \sum_k w_{fk} g_k [t_f \le t_k]

A convolution is the same neurons on the patches of its input, so there is one implementation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spikeproof.errors import InvalidModel
from spikeproof.models import kernels as threads
from spikeproof.models.once import kernels

_PAIRS = 1 << 24  # of spikes that the eager backward looks at together


@dataclass(frozen=True)
class Neuron:
    """Settings of all neurons: ``threshold``, ``steps`` T, and the rule's a and b."""

    threshold: float = 100.0
    steps: int = 255
    early: float = 1.0
    late: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 2 or not self.threshold > 0:
            raise InvalidModel(
                f"neurons need at least 2 steps and a threshold above 0, not {self.steps} and"
                f" {self.threshold:g}"
            )


def spike_once(times: Tensor, weight: Tensor, neuron: Neuron) -> Tensor:
    """Spike times ``[R, K]`` of neurons with ``weight`` ``[F, K]`` whose inputs spike at ``times``.

    ``times`` ``[R, F]`` are whole numbers from 0, and ``neuron.steps`` for no spike; so is what is
    returned. Float32 on the CPU takes compiled loops, anything else plain PyTorch.
    """
    out: Tensor = _SpikeOnce.apply(times, weight, neuron)  # type: ignore[no-untyped-call]
    return out


class _SpikeOnce(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, times: Tensor, weight: Tensor, neuron: Neuron) -> Tensor:
        times, weight = times.contiguous(), weight.contiguous()
        out = _crossings(times, weight, neuron)
        ctx.save_for_backward(times, weight, out)
        ctx.neuron = neuron
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor | None, ...]:
        times, weight, out = ctx.saved_tensors
        wrong = (
            errors[0].any(1).nonzero().squeeze(1)
        )  # most rows of a trained network have no error
        few = times[wrong], out[wrong], errors[0][wrong].contiguous()
        to_times = to_weight = None
        if ctx.needs_input_grad[0]:
            to_times = torch.zeros_like(times)
            to_times[wrong] = _passed_back(*few, weight)
        if ctx.needs_input_grad[1]:
            early, late = ctx.neuron.early, ctx.neuron.late
            to_weight = _causal_sums(*few, ctx.neuron.steps).mul_(-(early + late))
            if late:
                to_weight += late * few[2].sum(0)
        return to_times, to_weight, None


def _crossings(times: Tensor, weight: Tensor, neuron: Neuron) -> Tensor:
    out = times.new_full((len(times), weight.shape[1]), neuron.steps)
    if _compiled(times):
        threads.share_threads()
        arrays = threads.as_array(times), threads.as_array(weight)
        kernels.crossings(*arrays, neuron.threshold, neuron.steps, threads.as_array(out))
        return out
    v = torch.zeros_like(out)
    for t in torch.unique(times[times < neuron.steps]):
        v = v + (times == t).to(weight) @ weight
        out = torch.where((v >= neuron.threshold) & (out == neuron.steps), t, out)
    return out


def _causal_sums(times: Tensor, out: Tensor, error: Tensor, steps: int) -> Tensor:
    """Sum ``[F, K]`` of ``error`` where input and output spiked in this order."""
    n_rows, n_inputs = times.shape
    sums = error.new_zeros(n_inputs, error.shape[1])
    if _compiled(times):
        threads.share_threads()
        arrays = map(threads.as_array, (times.t().contiguous(), out, error))
        kernels.causal_sums(*arrays, steps, threads.as_array(sums))
        return sums
    for rows in torch.split(torch.arange(n_rows), max(1, _PAIRS // sums.numel())):
        pre = times[rows].unsqueeze(2)
        causal = (pre <= out[rows].unsqueeze(1)) & (pre < steps)
        sums += (causal * error[rows].unsqueeze(1)).sum(0)
    return sums


def _passed_back(times: Tensor, out: Tensor, error: Tensor, weight: Tensor) -> Tensor:
    """Errors ``[R, F]`` of the input times."""
    back = torch.empty_like(times)
    if _compiled(times):
        threads.share_threads()
        arrays = map(threads.as_array, (times, out, error, weight, back))
        kernels.passed_back(*arrays)
        return back
    for rows in torch.split(torch.arange(len(times)), max(1, _PAIRS // weight.numel())):
        later = times[rows].unsqueeze(2) <= out[rows].unsqueeze(1)
        back[rows] = (later * weight * error[rows].unsqueeze(1)).sum(2)
    return back


def _compiled(times: Tensor) -> bool:
    return times.dtype == torch.float32 and times.device.type == "cpu"


class SpikeOnce(nn.Module):
    """Neurons on all inputs, or on the patches of a kernel.

    ``weight`` is ``[F, K]``, a row for each input; a kernel's rows run over channels, rows and
    columns. It is drawn evenly from ``spread``, (lowest, highest).
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        neuron: Neuron,
        spread: tuple[float, float],
        sliding: SamePadding | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, units).uniform_(*spread))
        self.neuron, self.spread, self.sliding = neuron, spread, sliding

    def forward(self, times: Tensor, kept: float = 1.0) -> Tensor:
        """Times ``[N, K]``, or ``[N, K, H', W']``, of input times ``[N, ...]``.

        Where only a share ``kept`` of the inputs was left to spike, the threshold is lower by it.
        """
        rows = self.patches(times)
        neuron = replace(self.neuron, threshold=kept * self.neuron.threshold)
        out = spike_once(rows.flatten(0, 1), self.weight, neuron)
        if self.sliding is None:
            return out
        return (
            out.view(*rows.shape[:2], -1).transpose(1, 2).reshape(len(rows), -1, *self.sliding.size)
        )

    def patches(self, times: Tensor) -> Tensor:
        """What each neuron of a channel sees, ``[N, P, F]``; P is 1 without a kernel."""
        if self.sliding is None:
            return times.flatten(1).unsqueeze(1)
        return self.sliding(times, self.neuron.steps)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"{list(self.weight.shape)}, {self.neuron}, sliding={self.sliding}"


@dataclass(frozen=True)
class SamePadding:
    """A ``kernel`` x ``kernel`` window with same padding, which is silence; ``size`` is H', W'."""

    kernel: int
    stride: int
    size: tuple[int, int]

    def __call__(self, times: Tensor, steps: int) -> Tensor:
        """Patches ``[N, P, F]`` of ``times`` ``[N, C, H, W]``."""
        silence = times - steps  # what is padded is zero then
        patches = F.unfold(silence, self.kernel, padding=self.kernel // 2, stride=self.stride)
        return (patches + steps).transpose(1, 2)


class EarliestSpikePool(nn.Module):
    """Max pooling: of the spikes in a square the first goes on."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, times: Tensor) -> Tensor:
        """Times ``[N, C, H // size, W // size]`` of times ``[N, C, H, W]``."""
        return -F.max_pool2d(-times, self.size)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"size={self.size}"
