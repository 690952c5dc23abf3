"""Logits of samples that differ from known ones in few cells.

Searches that turn cells over one by one ask a model about hundreds of samples that are nearly the
same. What an edit of a cell changes in a network of spikes is little: some neurons around it, from
its time on. :class:`Around` keeps what the neurons do for the known samples and follows the changes
alone (:mod:`spikeproof.engine.differences`). A sample that differs by more is computed as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from spikeproof.engine import differences
from spikeproof.engine.buffers import Buffers
from spikeproof.engine.differences import I64
from spikeproof.engine.plan import Firing, Flat, Plan, PlanReadout
from spikeproof.engine.stages import FiringStage, ReadingStage, Signal
from spikeproof.engine.threads import spread
from spikeproof.models.kernels import F32, as_array

Whole: TypeAlias = Callable[[Tensor], Tensor]

_TOGETHER = 8  # samples passed through a layer at once
_FEW = 16  # one of so many spikes of a layer may change; with more the whole is as fast
_LEAST = 64  # events that there is room for in any case, for each sample
_READ = 2**22  # weights of the read-out


class Around:
    """The neighbourhood of ``x`` ``[N, T, P, H, W]``, in a network whose ``plan`` is followed.

    ``whole`` gives logits of samples that are no neighbours. Holds until another is made with the
    same ``buffers``.
    """

    def __init__(self, plan: Plan, whole: Whole, x: Tensor, buffers: Buffers) -> None:
        self._whole, self._base, self._shape = whole, x.flatten(1), x.shape[1:]
        n, steps = x.shape[:2]
        size = (*plan.input_shape, 1, 1)[:3]
        self._size = size[0], size[1], size[2]
        signal = Signal(
            x.reshape(n, steps, *size).permute(0, 1, 3, 4, 2).contiguous(),
            flat=len(plan.input_shape) == 1,
        )
        self._layers = []
        reading = None
        for place, step in enumerate(plan.steps):
            match step:
                case Flat():
                    signal = Signal(signal.data, signal.scale, flat=True)
                case Firing():
                    stage = FiringStage(step, torch.float32, buffers, ("around", place))
                    _, t, h, w, c = signal.data.shape
                    signal = stage.forward(signal, keep=True)
                    self._layers.append(((t, h, w, c), *stage.known(), step.pool))
                case PlanReadout():
                    reading = step
        last = ReadingStage(reading, plan.readout, torch.float32)
        self.logits = last.logits(signal)
        self._weight, self._share = last.per_entry(signal)

    def __call__(self, who: Tensor, cells: Tensor, values: Tensor) -> Tensor:
        """Logits ``[M, K]`` of the samples ``who`` ``[M]`` with other ``values`` in some ``cells``.

        Both are ``[M, S]``, cells counted in ``[T, P, H, W]``. None may be named twice with a value
        that it does not have already.
        """
        had = self._base[who.unsqueeze(1), cells]
        logits, near = self.logits[who], np.zeros(len(who), dtype=np.bool_)
        index, places = who.contiguous().numpy(), cells.contiguous().numpy()
        after, before, out = as_array(values.contiguous()), as_array(had), as_array(logits)

        def some(first: int, last: int) -> None:
            for lo in range(first * _TOGETHER, min(last * _TOGETHER, len(who)), _TOGETHER):
                part = slice(lo, min(lo + _TOGETHER, len(who)))
                given = places[part], after[part], before[part], out[part]
                near[part] = self._followed(index[part], *given)

        spread(some, -(-len(who) // _TOGETHER))
        far = (~torch.from_numpy(near)).nonzero().squeeze(1)
        for part in torch.split(far, _TOGETHER) if len(far) else ():
            whole = changed(self._base[who[part]], cells[part], values[part])
            logits[part] = self._whole(whole.view(-1, *self._shape))
        return logits

    def _followed(self, who: I64, cells: I64, values: F32, had: F32, out: F32) -> bool:
        """Add to some logits ``out`` what the changes come to; False if these are not few."""
        events = differences.room_for(len(who), cells.shape[1])
        differences.listed(cells, values, had, self._size, events)
        for shape, weight, geometry, neuron, u, pool in self._layers:
            _, steps, rows, entries = u.shape
            each = max(_LEAST, steps * rows * entries // (pool**2 * _FEW))
            gives = differences.room_for(len(who), each)
            if not differences.passed(events, who, shape, weight, geometry, neuron, pool, u, gives):
                return False
            events = gives
        differences.read(events, self._share, self._weight, out)
        return True


def changed(known: Tensor, cells: Tensor, values: Tensor) -> Tensor:
    """Samples ``[M, D]`` like the ``known`` ones but for the ``values`` ``[M, S]`` in ``cells``."""
    change = values - known.gather(1, cells)
    return known.scatter_add(1, cells, change)


def follows(plan: Plan) -> bool:
    """Whether changes can be followed through the ``plan``: all layers are known to the loops."""
    *before, last = plan.steps
    if not all(isinstance(step, Firing | Flat) for step in before):
        return False
    if isinstance(last, PlanReadout):
        return last.weights.linear and last.weights.weight.numel() <= _READ
    return (
        isinstance(last, Firing) and last.weights.linear and len(last.weights.weight) ** 2 <= _READ
    )
