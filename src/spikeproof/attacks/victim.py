"""How attacks talk to a model: logits and input gradients, in chunks, counted.

Everything an attack learns about a model goes through a :class:`Victim`. It keeps memory flat
(``chunk`` recordings at a time), switches off weight gradients, brings the attack's own surrogate
and counts what was asked. Whether an attack succeeded is not decided here but by the judge.

A random model comes as an :class:`~spikeproof.adapters.eot.ExpectationOverTransformation`. Its
noise is drawn anew for every gradient, so that an attack does not fit one sample of it. Logits
and margins keep the noise that the model came with: a search that takes the best of many lucky
draws finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor, nn

from spikeproof.adapters.encoders import straight_through
from spikeproof.adapters.eot import ExpectationOverTransformation
from spikeproof.engine import Buffers, Engine, changed, engine_for
from spikeproof.errors import InvalidModel
from spikeproof.goals import Goal, Loss, margin
from spikeproof.models.surrogate import ArcTan, PiecewiseQuadratic, Rule, Surrogate
from spikeproof.models.swap import using_surrogate
from spikeproof.types import Cells, Gain, Logits, Model, PerSample

_SMALLEST = 4  # samples in a batch whose logits do not depend on the size of the batch

NARROW_SURROGATE = ArcTan(slope=4.0)
"""The attacks' default surrogate: narrower than is good for training, it follows real spikes
closer and finds smaller perturbations (docs/results/surrogates.md)."""

Surrogates: TypeAlias = Surrogate | tuple[Surrogate | None, ...] | None
"""The gradient of a spike: one (None: the model's own), or several that take turns."""

Near: TypeAlias = Callable[[Tensor, Tensor, Tensor], Logits]
"""Logits ``[M, K]`` of known recordings, given by their index ``[M]``, with ``cells`` ``[M, S]``
turned to ``values``; see :meth:`spikeproof.engine.around.Around.__call__`."""

ALTERNATING_SURROGATES: Surrogates = (NARROW_SURROGATE, PiecewiseQuadratic(0.5), ArcTan(8.0))
"""Three that fail in different places; what one does not see, the next does."""


@dataclass
class Queries:
    """Recordings passed forward only, and recordings whose gradient was taken; draws count."""

    forwards: int = 0
    gradients: int = 0


@dataclass
class Victim:
    """``model`` as attacks see it. Of several surrogates each gradient uses the next.

    At most ``chunk`` recordings go through the model at once, the draws of an averaged model
    counted, but all draws of a recording go together. A ``fast`` victim answers by the engine
    (:mod:`spikeproof.engine`) where there is one for the model; its logits differ from the model's
    in the last digit. ``buffers`` are the engine's.
    """

    model: Model
    surrogate: Surrogates = NARROW_SURROGATE
    chunk: int = 16
    queries: Queries = field(default_factory=Queries)
    fast: bool = False
    buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)
    _turn: int = field(default=0, init=False)

    def logits(self, x: Cells) -> Logits:
        """Logits ``[N, K]``, without gradients."""
        engine = self._engine(x)
        with torch.no_grad():
            if engine is None:
                out = torch.cat([self._answered(part) for part in torch.split(x, self._at_once)])
            else:
                out = engine(x)  # which parts it itself
        self.queries.forwards += len(x) * self._draws
        return _finite(out)

    def around(self, x: Cells) -> Near:
        """What answers for recordings that differ in few cells from those of ``x``.

        Logits are those of :meth:`logits`, sooner where the engine can follow changes. It holds
        until the next one is made.
        """
        engine = self._engine(x)
        near = None if engine is None else engine.around(x)

        def answer(who: Tensor, cells: Tensor, values: Tensor) -> Logits:
            if near is not None:
                self.queries.forwards += len(who)
                return _finite(near(who, cells, values))
            found = []
            for part in torch.split(torch.arange(len(who)), self.chunk):  # few are held at once
                trial = changed(x.flatten(1)[who[part]], cells[part], values[part])
                found.append(self.logits(trial.view(-1, *x.shape[1:])))
            return torch.cat(found)

        return answer

    def reached(self, x: Cells, goal: Goal) -> Tensor:
        """Whether the goal is reached at ``x``, flags ``[N]``."""
        return goal.reached(self.logits(x))

    def gradient(self, x: Cells, goal: Goal, loss: Loss = margin) -> tuple[PerSample, Gain]:
        """Margin ``[N]`` of the goal at ``x``, and the gradient of the ``loss``, as ``x``.

        Raises :class:`InvalidModel` for a model that gives none.
        """
        told, _, gradient = self.slope(x, goal, loss)
        return told, gradient

    def slope(self, x: Cells, goal: Goal, loss: Loss) -> tuple[PerSample, PerSample, Gain]:
        """Margin ``[N]`` of the goal at ``x``, value ``[N]`` of the ``loss``, and its gradient.

        Of an averaged model the value is that of the draws that the gradient was taken of.
        """
        model, self._turn = self._drawn(), self._turn + 1
        engine = None if isinstance(self._surrogate, Rule) else self._engine(x)
        margins, values, gradients = [x.new_zeros(0)], [x.new_zeros(0)], [x[:0]]
        at_once = max(1, len(x)) if engine is not None else self._at_once  # it parts them itself
        with self._attacking(engine is None), torch.enable_grad():
            for start in range(0, len(x), at_once):
                part = torch.arange(start, min(start + at_once, len(x)), device=x.device)
                if engine is None:
                    logits, gradient = _by_autograd(model, x[part], goal[part], loss)
                else:
                    logits, gradient = _by_engine(engine, x[part], goal[part], loss)
                gradients.append(gradient)
                margins.append(goal[part].margin(logits))
                values.append(loss(goal[part], logits))
        self.queries.gradients += len(x) * self._draws
        told = torch.cat(margins) if model is self.model else goal.margin(self.logits(x))
        return told, torch.cat(values), torch.cat(gradients)

    def _answered(self, part: Cells) -> Logits:
        """The model's logits; a PyTorch module gets a few samples as part of a larger batch.

        PyTorch computes batches of one or two by other kernels, with other last digits. A search
        amplifies them, and the result of a sample would depend on its batch. Other callables are
        asked for exactly what is counted: they may be a chip that answers one query at a time.
        """
        missing = _SMALLEST - len(part)
        padded = isinstance(self.model, nn.Module) and self._draws == 1 <= len(part)
        if not padded or missing <= 0 or self._at_once < _SMALLEST:
            return self.model(part)
        return self.model(torch.cat([part, part[-1:].expand(missing, *part.shape[1:])]))[
            : len(part)
        ]

    @property
    def exact(self) -> bool:
        """Whether the model itself answers, not an engine for it."""
        return not self.fast or engine_for(self.model) is None

    def _engine(self, x: Cells) -> Engine | None:
        """The engine for the model as it is now, if it is wanted and takes ``x``."""
        engine = engine_for(self.model, buffers=self.buffers) if self.fast else None
        return engine if engine is not None and engine.takes(x) else None

    @property
    def _draws(self) -> int:
        return self.model.draws if isinstance(self.model, ExpectationOverTransformation) else 1

    @property
    def _at_once(self) -> int:
        return max(1, self.chunk // self._draws)

    @property
    def _surrogate(self) -> Surrogate | None:
        """The one whose turn it is."""
        if isinstance(self.surrogate, tuple):
            return self.surrogate[self._turn % len(self.surrogate)]
        return self.surrogate

    def _drawn(self) -> Model:
        """The model, with other noise at every turn if it is averaged."""
        return (
            self.model.fresh(self._turn)
            if isinstance(self.model, ExpectationOverTransformation)
            else self.model
        )

    @contextmanager
    def _attacking(self, by_autograd: bool) -> Iterator[None]:
        """The attack's surrogate in place; for autograd encoders open, weight gradients off."""
        weights = [
            p
            for p in (self.model.parameters() if isinstance(self.model, nn.Module) else ())
            if p.requires_grad
        ]
        with ExitStack() as stack:
            stack.enter_context(using_surrogate(self.model, self._surrogate))
            if not by_autograd:
                yield
                return
            stack.enter_context(straight_through(self.model))
            stack.callback(lambda: [p.requires_grad_(True) for p in weights])
            for p in weights:
                p.requires_grad_(False)
            yield


def _by_autograd(model: Model, x: Cells, goal: Goal, loss: Loss) -> tuple[Logits, Gain]:
    """Logits, and the gradient of the ``loss``."""
    leaf = x.detach().requires_grad_()
    logits = _finite(_open(model, leaf))
    climbed = loss(goal, logits)
    gradient = None
    if climbed.requires_grad:
        (gradient,) = torch.autograd.grad(climbed.sum(), leaf, allow_unused=True)
    if gradient is None:
        raise _closed()
    return logits.detach(), gradient


def _by_engine(engine: Engine, x: Cells, goal: Goal, loss: Loss) -> tuple[Logits, Gain]:
    """The same; the surrogate is in place."""
    places = torch.arange(len(x))
    return engine.gradient(x, lambda logits, some: loss(goal[places[some]], _finite(logits)))


def _open(model: Model, leaf: Tensor) -> Tensor:
    """Logits of ``leaf``, which needs a gradient; a model that leaves PyTorch has none to give."""
    try:
        return model(leaf)
    except RuntimeError as error:
        if "call numpy() on Tensor that requires grad" not in str(error):
            raise
        raise _closed() from error


def _closed() -> InvalidModel:
    return InvalidModel(
        "the model gives no gradient with respect to its input; build it of differentiable"
        " operations and do not run it under torch.no_grad, or use attacks that only ask it"
        " (attacks.queries, attacks.Transfer)"
    )


def _finite(logits: Tensor) -> Tensor:
    if not torch.isfinite(logits.detach()).all():
        raise InvalidModel("the model answers with NaN or infinite logits; check its weights")
    return logits
