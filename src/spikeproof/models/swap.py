"""Another surrogate gradient for a while.

The surrogate a model was trained with is a poor guide for attacks: it was chosen to train well,
and a defender could choose it to hide weaknesses. Spikes do not depend on it, so an attack brings
its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.models.surrogate import Surrogate


@contextmanager
def using_surrogate(model: Any, surrogate: Surrogate | None) -> Iterator[None]:
    """Give all our neurons in ``model`` this ``surrogate``; put theirs back, whatever happens.

    With None, or for a model without neurons of ours, nothing changes.
    """
    neurons = [
        m
        for m in (model.modules() if isinstance(model, nn.Module) else ())
        if isinstance(m, LIF | ParametricLIF)
    ]
    before = [m.surrogate for m in neurons]
    try:
        if surrogate is not None:
            for m in neurons:
                m.surrogate = surrogate
        yield
    finally:
        for m, old in zip(neurons, before, strict=True):
            m.surrogate = old
