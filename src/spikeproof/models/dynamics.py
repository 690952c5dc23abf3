r"""Neurons as other frameworks have them, as one differentiable function of time.

The neurons of SpikingJelly, snnTorch, Norse, Sinabs and of NIR graphs differ in how input is
scaled, what a spike takes from the membrane and when. All fit one recurrence. With input
:math:`x_t`, gain :math:`g`, bias :math:`b`, decay :math:`\lambda` and threshold :math:`\theta`,
scalars or one value per neuron:

.. math::
    u_t = c_{t-1} + a_t (g x_t + b), \qquad s_t = [u_t \ge \theta], \qquad
    c_t = \max(\lambda f, \; k_t u_t + j s_t)

where :math:`c_t`, the carry, is what is left of the membrane when the next bin begins,
:math:`k_t = \lambda` and :math:`a_t = 1` in silence, and after a spike

=========  ============================  ================================================
reset      carry :math:`c_t`             found in
=========  ============================  ================================================
hard       :math:`\lambda v_{reset}`     SpikingJelly, Norse, NIR, snnTorch "zero"
soft       :math:`\lambda(u_t-\theta)`   SpikingJelly (``v_reset=None``), Sinabs
delayed    :math:`\lambda u_t - \theta`  snnTorch "subtract" (``reset_delay=True``)
erase      0, and :math:`a_{t+1} = 0`    snnTorch ``Synaptic`` "zero": the next input is lost
none       :math:`\lambda u_t`           snnTorch "none"; also a leaky integrator
=========  ============================  ================================================

``strict`` spikes at :math:`u > \theta` only; ``multiple`` emits :math:`\lfloor u/\theta \rfloor`
spikes per bin (Sinabs); ``floor`` :math:`f` bounds the membrane from below; a ``synapse`` filters
the input first, :math:`i_t = \alpha i_{t-1} + x_t`. Backwards as in
:mod:`spikeproof.models.scan`: a surrogate for the spike, the reset itself not differentiated; or a
rule, which takes neurons for what they are between resets, with at most one spike per bin.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spikeproof.errors import InvalidModel
from spikeproof.models import dynamics_kernels, kernels
from spikeproof.models.backend import backend_for
from spikeproof.models.scan import Restore, derivative, like_series, time_series
from spikeproof.models.surrogate import ArcTan, Rule, Surrogate, surrogate_name

AnyReset = Literal["hard", "soft", "delayed", "erase", "none"]
Constant: TypeAlias = Tensor | float


class State(NamedTuple):
    """What neurons ``[N, ...]`` hand from one bin to the next."""

    carry: Tensor
    admitted: Tensor
    synapse: State | None


class Dynamics(nn.Module):
    """A layer of neurons given by its constants; see the table above.

    Constants are numbers or tensors that broadcast to one bin of the input, ``[C, H, W]`` or
    ``[F]``; they are not trained. Without a ``threshold`` the neurons are leaky integrators. With
    ``emits_membrane`` the layer gives the membrane before the reset instead of spikes.
    """

    decay: Tensor
    gain: Tensor
    bias: Tensor
    threshold: Tensor
    jump: Tensor
    floor: Tensor
    start: Tensor

    def __init__(
        self,
        decay: Constant,
        *,
        threshold: Constant | None = None,
        gain: Constant = 1.0,
        bias: Constant = 0.0,
        reset: AnyReset = "hard",
        v_reset: Constant = 0.0,
        start: Constant = 0.0,
        floor: Constant = -math.inf,
        synapse: Constant | None = None,
        strict: bool = False,
        multiple: bool = False,
        emits_membrane: bool = False,
        surrogate: Surrogate | None = None,
    ) -> None:
        super().__init__()
        spikes = threshold is not None
        self.reset: AnyReset = reset if spikes else "none"
        self.strict, self.multiple = strict, multiple
        self.emits_membrane = emits_membrane or not spikes
        self.surrogate: Surrogate = surrogate or ArcTan()
        self.synapse = None if synapse is None else Dynamics(synapse)
        rate, level = _tensor(decay), _tensor(math.inf if threshold is None else threshold)
        jump = {
            "hard": lambda: rate * _tensor(v_reset),
            "soft": lambda: -rate * level,
            "delayed": lambda: -level,
        }.get(self.reset, lambda: torch.zeros(()))()
        # Where the decay is 0 there is no membrane to bound, and 0 * inf is no number.
        least = torch.where(rate > 0, rate * _tensor(floor), -math.inf)
        constants = {"gain": _tensor(gain), "bias": _tensor(bias), "decay": rate}
        constants |= {"threshold": level, "jump": jump, "floor": least}
        constants |= {"start": rate * _tensor(start)}
        for name, value in constants.items():
            self.register_buffer(name, value)

    @property
    def spiking(self) -> bool:
        """Whether the layer gives spikes, not membranes."""
        return not self.emits_membrane

    def forward(self, x: Tensor) -> Tensor:
        """Spikes or membranes ``[N, T, ...]`` from input ``[N, T, ...]``."""
        if self.synapse is not None:
            x = self.synapse(x)
        surrogate = None if self.emits_membrane else self.surrogate
        constants = [c.to(x) for c in (*self._constants(), self.start)]
        flags = _Flags(
            self.strict, self.multiple, self.reset in ("hard", "erase"), self.reset == "erase"
        )
        out: Tensor = _Run.apply(x, constants, flags, surrogate)  # type: ignore[no-untyped-call]
        return out

    def step(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """One bin ``[N, ...]``: output and state. Slower than :meth:`forward`, for recurrence.

        Raises :class:`InvalidModel` for a gradient rule, which needs all bins at once.
        """
        before = None if state is None else state.synapse
        within = None
        if self.synapse is not None:
            x, within = self.synapse.step(x, before)
        gain, bias, decay, threshold, jump, floor = (c.to(x) for c in self._constants())
        if state is None:
            state = State(self.start.to(x).expand_as(x), torch.ones_like(x), None)
        u = state.carry + state.admitted * (gain * x + bias)
        s = _spikes(u.detach(), threshold, self.strict, self.multiple)
        fired = s > 0
        kept = decay * u
        if self.reset in ("hard", "erase"):
            kept = kept.masked_fill(fired, 0.0)
        carry = kept + jump * s
        carry = torch.where(carry > floor, carry, floor)
        admitted = (~fired).to(u) if self.reset == "erase" else state.admitted
        if self.emits_membrane:
            return u, State(carry, admitted, within)
        if isinstance(self.surrogate, Rule):
            raise InvalidModel(
                f"{surrogate_name(self.surrogate)} needs all time bins at once and these neurons"
                " are computed bin by bin; take a surrogate of single spikes, such as arctan:4"
            )
        bump = self.surrogate.derivative((u.detach() - threshold).unsqueeze(1)).squeeze(1)
        return s + bump * (u - u.detach()), State(carry, admitted, within)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        rate, level = float(self.decay.mean()), float(self.threshold.mean())
        return f"decay={rate:.3g}, threshold={level:.3g}, reset={self.reset}, {self.surrogate}"

    def _constants(self) -> tuple[Tensor, ...]:
        return self.gain, self.bias, self.decay, self.threshold, self.jump, self.floor


class _Flags(NamedTuple):
    strict: bool
    multiple: bool
    forgets: bool  # a spike wipes the membrane
    erases: bool  # ... and the next input


def _tensor(value: Constant) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float32).detach().clone()


def _spikes(u: Tensor, threshold: Tensor, strict: bool, multiple: bool) -> Tensor:
    fired = (u > threshold if strict else u >= threshold).to(u)
    return fired * (u / threshold).floor().clamp(min=1.0) if multiple else fired


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        constants: list[Tensor],
        flags: _Flags,
        surrogate: Surrogate | None,
    ) -> Tensor:
        series, restore = time_series(x)
        *rows, start = (_row(c, restore) for c in constants)
        table = torch.stack(rows)
        backend = backend_for(series)
        v, spikes = torch.empty_like(series), torch.empty_like(series)
        if backend == "numba":
            kernels.share_threads()
            arrays = [kernels.as_array(a) for a in (series, table, start, v, spikes)]
            dynamics_kernels.forward(*arrays[:3], *flags, *arrays[3:])
        elif backend == "triton":
            from spikeproof.models import triton_dynamics

            triton_dynamics.forward(series, table, start, flags, v, spikes)
        else:
            _forward_eager(series, table, start, flags, v, spikes)
        ctx.save_for_backward(v, table, *((series,) if isinstance(surrogate, Rule) else ()))
        ctx.settings = constants[3], flags, surrogate, backend, restore
        return restore(v if surrogate is None else spikes)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        v, table, *inputs = ctx.saved_tensors
        threshold, flags, surrogate, backend, restore = ctx.settings
        grad = like_series(grads[0], restore)
        if isinstance(surrogate, Rule):
            gain, bias, decay, level, *_ = table
            delta = surrogate.backward(grad, gain * inputs[0] + bias, v, decay, level)
            return restore(gain * delta), None, None, None
        out = torch.empty_like(grad)
        kind, slope = (
            (dynamics_kernels.LINEAR, 0.0) if surrogate is None else kernels.kind_of(surrogate)
        )
        bump = v
        if surrogate is not None and (kind == kernels.PRECOMPUTED or backend == "eager"):
            bump = derivative(surrogate, v, threshold, restore)
        if backend == "numba":
            kernels.share_threads()
            arrays = [kernels.as_array(a) for a in (grad, v, bump, table, out)]
            dynamics_kernels.backward(*arrays[:3], kind, slope, arrays[3], *flags, arrays[4])
        elif backend == "triton":
            from spikeproof.models import triton_dynamics

            triton_dynamics.backward(grad, v, bump, kind, slope, table, flags, out)
        else:
            upstream = grad if surrogate is None else grad * bump
            _backward_eager(upstream, v, table, flags, out)
        return restore(out), None, None, None


def _row(constant: Tensor, restore: Restore) -> Tensor:
    """A constant for each neuron ``[F]``, in the order of the series."""
    each = constant.expand(restore.shape[2:])
    return (each.movedim(0, -1) if restore.channels_last else each).flatten().contiguous()


def _forward_eager(
    x: Tensor, table: Tensor, start: Tensor, flags: _Flags, v: Tensor, spikes: Tensor
) -> None:
    gain, bias, decay, threshold, jump, floor = table
    carried, admitted = start.expand_as(x[:, 0]), torch.ones_like(x[:, 0])
    for t in range(x.shape[1]):
        u = carried + admitted * (gain * x[:, t] + bias)
        s = _spikes(u, threshold, flags.strict, flags.multiple)
        v[:, t], spikes[:, t] = u, s
        kept = decay * u * (s == 0) if flags.forgets else decay * u
        carried = torch.maximum(floor, kept + jump * s)
        if flags.erases:
            admitted = (s == 0).to(u)


def _backward_eager(grad: Tensor, v: Tensor, table: Tensor, flags: _Flags, out: Tensor) -> None:
    gain, _, decay, threshold, jump, floor = table
    spikes = _spikes(v, threshold, flags.strict, flags.multiple)
    carried = torch.zeros_like(grad[:, 0])
    for t in range(grad.shape[1] - 1, -1, -1):
        silent = spikes[:, t] == 0
        passed = decay * silent if flags.forgets else decay
        passed = passed * (passed * v[:, t] + jump * spikes[:, t] > floor)
        carried = grad[:, t] + passed * carried
        out[:, t] = gain * carried
        if flags.erases and t > 0:
            out[:, t] *= spikes[:, t - 1] == 0
