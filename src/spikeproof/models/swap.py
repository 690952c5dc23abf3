"""Another surrogate gradient for a while.

The surrogate a model was trained with is a poor guide for attacks: it was chosen to train well,
and a defender could choose it to hide weaknesses. Spikes do not depend on it, so an attack brings
its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from spikeproof.errors import InvalidModel
from spikeproof.models.circuit import Circuit
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.models.surrogate import Rule, Surrogate, surrogate_name


@contextmanager
def using_surrogate(model: Any, surrogate: Surrogate | None) -> Iterator[None]:
    """Give all our neurons in ``model`` this ``surrogate``; put theirs back, whatever happens.

    The model, or a module inside it, whose neurons are not ours lends them by a method
    ``using_surrogate(surrogate)`` that gives a context manager. With None, or for a model without
    either, nothing changes. Raises :class:`InvalidModel` for a gradient rule where neurons are
    computed bin by bin: in networks with loops, and where the lender says so.
    """
    parts = list(model.modules()) if isinstance(model, nn.Module) else [model]
    neurons = [m for m in parts if isinstance(m, LIF | ParametricLIF | Dynamics)]
    before = [m.surrogate for m in neurons]
    if isinstance(surrogate, Rule) and any(isinstance(m, Circuit) and m.recurrent for m in parts):
        raise InvalidModel(
            f"{surrogate_name(surrogate)} needs all time bins at once and a network with loops is"
            " computed bin by bin; take a surrogate of single spikes, such as arctan:4"
        )
    try:
        with ExitStack() as stack:
            if surrogate is not None:
                for m in neurons:
                    m.surrogate = surrogate
                for part in parts:
                    if callable(lend := getattr(part, "using_surrogate", None)):
                        stack.enter_context(lend(surrogate))
            yield
    finally:  # last, as lenders may have put back what was set above
        for m, old in zip(neurons, before, strict=True):
            m.surrogate = old


def takes(model: Any, surrogate: Surrogate | None) -> bool:
    """Whether :func:`using_surrogate` accepts this surrogate for ``model``."""
    try:
        with using_surrogate(model, surrogate):
            return True
    except InvalidModel:
        return False
