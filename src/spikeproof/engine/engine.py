r"""Logits and input gradients of our networks, without autograd.

An attack asks thousands of times for the gradient of one number with respect to the input, and for
nothing else. Autograd computes it from parts that pass over memory again and again and that do not
know what is between them. Here the whole way is written out for our chains of layers: forward

.. math:: u = \mathrm{scan}(W x), \qquad s = [u \ge 0], \qquad x' = \mathrm{pool}(s)

and back through :math:`x'`, :math:`u` and :math:`W^T` (the equations of
:mod:`spikeproof.models.scan`), with one compiled loop per layer and direction
(:mod:`spikeproof.engine.forwards`, ``backwards``) and one convolution per layer backwards.

The forward pass adds up float32 weights of the inputs that are active, so logits differ from
autograd's only by the order of sums; where the processor is made for it, gradients pass through
convolutions in bfloat16. Eager PyTorch is the oracle in the tests, and the way out for all that the
engine does not know.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from spikeproof.adapters.adapted import Adapted
from spikeproof.engine.around import Around, follows
from spikeproof.engine.buffers import Buffers
from spikeproof.engine.plan import Firing, Flat, Layer, Plan, PlanReadout, plan_of
from spikeproof.engine.precision import bfloat16_is_faster
from spikeproof.engine.stages import FiringStage, LayerStage, PlanStage, ReadingStage, Signal
from spikeproof.errors import InvalidModel
from spikeproof.models.circuit import Circuit
from spikeproof.models.network import Network
from spikeproof.models.surrogate import Surrogate
from spikeproof.models.swap import using_surrogate
from spikeproof.types import Model

Precision = Literal["float32", "bfloat16"]
Climb: TypeAlias = Callable[[Tensor, slice], Tensor]
"""A loss per sample, of logits ``[M, K]`` and of which samples they are."""

_AT_ONCE = 16
_CELLS = 2**23  # of the samples that are worked on together: 12 of 20 bins of 128x128 pixels


class Engine:
    """A fast way to the logits and input gradients of ``model``.

    ``precision`` is that of gradients on their way through convolutions (None: what is faster on
    this machine). Weights are read at every call. ``buffers`` are used by one thread at a time.
    """

    def __init__(
        self,
        model: Network | Circuit,
        precision: Precision | None = None,
        buffers: Buffers | None = None,
    ) -> None:
        self.model, self.precision = model, precision
        self._buffers = Buffers() if buffers is None else buffers

    def takes(self, x: Tensor) -> bool:
        """Whether ``x`` is what the engine works on: float32 on the CPU, of the network's size."""
        fits = x.dim() == 5 and tuple(x.shape[2:]) == tuple(self.model.input_shape)
        if x.dim() == 5 and len(self.model.input_shape) == 1:
            fits = math.prod(x.shape[2:]) == self.model.input_shape[0]
        return fits and x.dtype == torch.float32 and x.device.type == "cpu"

    def __call__(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of ``x`` ``[N, T, P, H, W]``, without gradients."""
        run = self._run()
        with torch.no_grad():
            if not len(x):
                return self.model(x)  # type: ignore[no-any-return]
            parts = torch.split(x, _together(x))
            return torch.cat([run.forward(part, keep=False) for part in parts])

    def around(self, x: Tensor) -> Around | None:
        """A faster way to the logits of what differs from ``x`` in few cells, if there is one.

        It holds until it is made again, as long as the weights stay the same.
        """
        plan = plan_of(self.model)
        assert plan is not None
        if not len(x) or not follows(plan):
            return None
        with torch.no_grad():
            return Around(plan, self, x, self._buffers)

    def gradient(
        self, x: Tensor, climb: Climb, surrogate: Surrogate | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits ``[N, K]`` and the gradient of the sum of the losses, as ``x``.

        ``surrogate`` None keeps the model's own. Raises :class:`InvalidModel` for a loss that does
        not depend on the logits.
        """
        if not len(x):
            return self(x), x.clone()
        logits, gradients = [], []
        with using_surrogate(self.model, surrogate):
            run = self._run()
            size = _together(x)
            for lo in range(0, len(x), size):
                chosen = slice(lo, min(lo + size, len(x)))
                with torch.no_grad():
                    answer = run.forward(x[chosen], keep=True)
                leaf = answer.requires_grad_()
                with torch.enable_grad():
                    climbed = climb(leaf, chosen).sum()
                    if not climbed.requires_grad:
                        raise InvalidModel("the loss has no gradient with respect to the logits")
                    (grad,) = torch.autograd.grad(climbed, leaf)
                with torch.no_grad():
                    gradients.append(run.backward(grad))
                logits.append(answer.detach())
        return torch.cat(logits), torch.cat(gradients)

    def _run(self) -> _Run:
        plan = plan_of(self.model)
        assert plan is not None
        precision = self.precision
        if precision is None:
            precision = "bfloat16" if bfloat16_is_faster() else "float32"
        return _Run(plan, getattr(torch, precision), self._buffers)


class _Run:
    """The stages of a plan, for batches one after the other."""

    def __init__(self, plan: Plan, dtype: torch.dtype, buffers: Buffers) -> None:
        self._input_shape = plan.input_shape
        *before, last = plan.steps
        reading = last if isinstance(last, PlanReadout) else None
        self._stages: list[PlanStage | Flat] = []
        for place, step in enumerate(before if reading else plan.steps):
            match step:
                case Firing():
                    self._stages.append(FiringStage(step, dtype, buffers, place))
                case Layer():
                    self._stages.append(LayerStage(step, dtype))
                case Flat():
                    self._stages.append(step)
        self._reading = ReadingStage(reading, plan.readout, dtype)

    def forward(self, x: Tensor, keep: bool) -> Tensor:
        """Logits ``[N, K]``."""
        self._shape = x.shape
        x = x.reshape(*x.shape[:2], *self._input_shape)
        if x.dim() == 3:
            signal = Signal(x[:, :, None, None].contiguous(), flat=True)
        else:
            signal = Signal(x.permute(0, 1, 3, 4, 2).contiguous())
        for stage in self._stages:
            if isinstance(stage, Flat):
                signal = Signal(signal.data, signal.scale, flat=True)
            else:
                signal = stage.forward(signal, keep)
        self._flat = signal.flat
        return self._reading.logits(signal)

    def backward(self, grad: Tensor) -> Tensor:
        """The gradient of the input of the last :meth:`forward`, given that of its logits."""
        found = self._reading.backward(grad)
        for stage in reversed(self._stages):
            if not isinstance(stage, Flat):
                found = stage.backward(found)
        if len(self._input_shape) == 3:
            found = found.permute(0, 1, 4, 2, 3)
        return found.reshape(self._shape).float()


def engine_for(
    model: Model, precision: Precision | None = None, buffers: Buffers | None = None
) -> Engine | None:
    """The engine for ``model``; None if it is not one of ours, or more than the engine knows.

    That is: a :class:`Network` with spiking neurons or a chain of layers (a :class:`Circuit`
    without branches or loops, also one read from a NIR graph), in evaluation mode, with float32
    weights on the CPU, and without hooks.
    """
    if (
        isinstance(model, Adapted)
        and model.framework == "nir"
        and isinstance(model.module, Circuit)
    ):
        return engine_for(model.module, precision, buffers)
    if type(model) is not Network and not (type(model) is Circuit and model.in_line):
        return None
    if any(_unusual(module) for module in model.modules()):
        return None
    weights = (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point()))
    if any(w.dtype != torch.float32 or w.device.type != "cpu" for w in weights):
        return None
    return Engine(model, precision, buffers) if plan_of(model) is not None else None


def _together(x: Tensor) -> int:
    """Samples like ``x`` ``[N, ...]`` in a part; memory does not grow with their size."""
    return max(1, min(_AT_ONCE, _CELLS // max(1, x[0].numel())))


def _unusual(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return module.training or any(hooks) or bool(module._backward_pre_hooks)
