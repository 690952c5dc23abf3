"""Encoders of others inside a model, opened to gradients for a while.

Our own codes (:mod:`spikeproof.models.codes`) let gradients through by themselves. What they do,
:func:`straight_through` does to the encoders of frameworks while an attack looks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spikeproof.models.codes import as_if, secant


@contextmanager
def straight_through(model: Any) -> Iterator[None]:
    """Let gradients pass the encoders of others in ``model``; spikes and draws stay the same.

    Known are SpikingJelly's ``PoissonEncoder``, ``LatencyEncoder`` and ``WeightedPhaseEncoder``,
    and every ``torch.bernoulli(probabilities)``, which is what ``snntorch.spikegen.rate`` calls.
    Not reachable are comparisons written out (``torch.rand_like(x) < x``) and
    ``snntorch.spikegen.latency`` and ``delta``: use
    :class:`~spikeproof.models.codes.Bernoulli` or :class:`~spikeproof.models.codes.Latency`.
    """
    encoding = sys.modules.get("spikingjelly.activation_based.encoding")
    modules = model.modules() if encoding and isinstance(model, nn.Module) else ()
    with ExitStack() as stack:
        for module in modules:
            if isinstance(module, encoding.PoissonEncoder):  # type: ignore[union-attr]
                hook = module.register_forward_hook(lambda _, inputs, out: as_if(out, inputs[0]))
                stack.callback(hook.remove)
            elif isinstance(module, encoding.LatencyEncoder):  # type: ignore[union-attr]
                stack.enter_context(_secant_encode(module, highest=1.0))
            elif isinstance(module, encoding.WeightedPhaseEncoder):  # type: ignore[union-attr]
                stack.enter_context(_secant_encode(module, highest=1 - 2.0**-module.T))
        stack.enter_context(_BernoulliStraight())
        yield


@contextmanager
def _secant_encode(module: Any, highest: float) -> Iterator[None]:
    """Shadow the method that makes the spike train, so that the state it is kept in has slopes."""
    before, shadowed = module.single_step_encode, "single_step_encode" in vars(module)
    module.single_step_encode = partial(secant, before, reach=1.0, highest=highest)
    try:
        yield
    finally:
        if shadowed:
            module.single_step_encode = before
        else:
            del module.single_step_encode


class _BernoulliStraight(TorchFunctionMode):
    """``torch.bernoulli(p)`` with the gradient of ``p`` instead of zeros."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by torch for each of its functions."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        drawn = func is torch.bernoulli or func is Tensor.bernoulli
        if drawn and len(args) == 1 and not kwargs.keys() - {"generator"}:
            return as_if(out, args[0])
        return out
