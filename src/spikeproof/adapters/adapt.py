"""A trained model of any supported framework as a pure function of recordings.

Layout and read-out are found by trying, on a few recordings of the sample. A layout is accepted
if the answer looks like logits and the model keeps samples apart: turning the batch around turns
the logits around, and a recording alone gets the answer that it gets in the batch. A model that
takes samples for time steps fails this.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook
from torch.nn.parameter import UninitializedParameter

from spikeproof.adapters.adapted import Adapted, Framework, Layout
from spikeproof.adapters.frameworks.norse import NORSE
from spikeproof.adapters.frameworks.plain import PLAIN
from spikeproof.adapters.frameworks.sinabs import SINABS
from spikeproof.adapters.frameworks.snntorch import SNNTORCH
from spikeproof.adapters.frameworks.spikingjelly import SPIKINGJELLY
from spikeproof.adapters.layouts import layout_named, one_polarity
from spikeproof.adapters.lend import undisturbed
from spikeproof.adapters.readout import ReadoutRule, check_readout, read, says
from spikeproof.adapters.refusal import refusal
from spikeproof.errors import InvalidModel
from spikeproof.models.surrogate import Bump, Rule, Surrogate, surrogate_name

FRAMEWORKS: dict[str, Framework] = {
    f.name: f for f in (SPIKINGJELLY, SNNTORCH, NORSE, SINABS, PLAIN)
}


def adapt(
    model: nn.Module | Callable[..., object],
    sample: Tensor,
    *,
    framework: str | None = None,
    layout: str | None = None,
    readout: str | None = None,
) -> Adapted:
    """``model`` as a pure function ``[N, T, P, H, W] -> [N, K]``, in evaluation mode.

    ``sample`` is a batch of recordings ``[N, T, P, H, W]`` on which layouts are tried; three
    recordings are enough. ``framework``, ``layout`` and ``readout`` (mean, sum, last, max over
    time) are found, or honoured if given. The model computes in its own precision and logits come
    back as float32; those of float64 are given relative to the largest, so that rounding cannot
    change the answer. Raises :class:`InvalidModel` if no layout works, naming all that
    were tried, or if a parameter is not finite.
    """
    if isinstance(model, Adapted):
        return model
    if not callable(model):
        raise InvalidModel(f"{type(model).__name__} is no model; give a module or a function")
    _check_weights(model)
    subject = _Subject(model, _frameworks(model, framework))
    over_time = check_readout(readout or "mean")
    found, notes = _find(subject, _probe(sample), layout, over_time)

    def forward(x: Tensor) -> Tensor:
        return found.logits(subject.answer(found.layout, x), x)

    return Adapted(
        model,
        forward,
        framework=subject.frameworks[0].name,
        assumptions=(*subject.assumptions(), *notes),
        swap=subject.swap,
        neurons=subject.neurons(),
        timeless=found.layout.timeless,
    )


@dataclass(frozen=True)
class _Subject:
    """A model with the frameworks it is made of."""

    model: nn.Module | Callable[..., object]
    frameworks: tuple[Framework, ...]

    def answer(self, layout: Layout, x: Tensor) -> object:
        """What the model answers to ``x`` from a fresh state, on its device, in its precision."""
        with undisturbed(self.model):
            if isinstance(self.model, nn.Module):
                x = _like_weights(self.model, x)
                for f in self.frameworks:
                    f.prepare(self.model, len(x))
            return layout.call(self.model, x)

    def layouts(self) -> tuple[Layout, ...]:
        as_module = self.model if isinstance(self.model, nn.Module) else nn.Module()
        return self.frameworks[0].layouts(as_module)

    def neurons(self) -> Sequence[nn.Module]:
        if not isinstance(self.model, nn.Module):
            return ()
        return [m for f in self.frameworks for m in f.neurons(self.model)]

    def swap(self, surrogate: Surrogate) -> AbstractContextManager[None]:
        if not isinstance(surrogate, Rule):
            return self._swapped(surrogate)
        if self.neurons():
            raise InvalidModel(
                f"{surrogate_name(surrogate)} is a rule for whole layers and"
                f" {self.frameworks[0].title} computes neurons bin by bin; search on the faster"
                " copy (--fast) or take a surrogate of single spikes, such as arctan:4"
            )
        return nullcontext()  # neurons inside that are ours are found without help

    @contextmanager
    def _swapped(self, surrogate: Bump) -> Iterator[None]:
        with ExitStack() as stack:
            if isinstance(self.model, nn.Module):
                for f in self.frameworks:
                    stack.enter_context(f.swap(self.model, surrogate))
            yield

    def assumptions(self) -> tuple[str, ...]:
        named = " and ".join(f.title for f in self.frameworks)
        if not isinstance(self.model, nn.Module):
            return ("a Python function without state",)
        state = "put back after" if self.frameworks[0] is PLAIN else "reset before"
        return (f"{named} in evaluation mode, state is {state} every call",)


@dataclass(frozen=True)
class _Found:
    layout: Layout
    reading: ReadoutRule

    def logits(self, answer: object, x: Tensor) -> Tensor:
        y = self.reading(answer, len(x), x.shape[1])
        if y.dtype == torch.float64:  # rounding must not make two classes equal
            y = y - y.detach().amax(1, keepdim=True)
        return y.to(x.device, torch.float32)


def _find(
    subject: _Subject, probe: Tensor, name: str | None, over_time: str
) -> tuple[_Found, tuple[str, ...]]:
    """The layout that is accepted, and what is to be said of it."""
    if name is not None:
        candidates: tuple[Layout, ...] = (layout_named(name),)
    else:
        candidates = subject.layouts()
        if probe.shape[2] > 1:
            candidates = (*candidates, *(one_polarity(c) for c in candidates))
    tried: dict[str, list[str]] = {}
    depths: dict[str, int] = {}
    for place, candidate in enumerate(candidates):
        ran: list[nn.Module] = []
        hook = register_module_forward_hook(lambda module, *_, ran=ran: ran.append(module))
        try:
            found, logits, notes = _accept(subject, candidate, probe, over_time)
        except Exception as error:  # the model is the user's and may raise anything
            why = _short(error)
            tried.setdefault(why, []).append(candidate.name)
            depths[why] = max(depths.get(why, 0), len(ran))
            continue
        finally:
            hook.remove()
        others = [c for c in candidates[place + 1 :] if _could_be_meant(c, candidate, subject)]
        rivals = [
            other.name
            for other in others
            if _answers_otherwise(subject, other, probe, over_time, logits)
        ]
        if rivals:
            notes += (
                f"layout {candidate.name} was chosen by convention; {', '.join(rivals)} would work"
                " too and answer differently (layout=... chooses)",
            )
        return found, notes
    raise InvalidModel(refusal(probe, name, tried, depths))


def _accept(
    subject: _Subject, layout: Layout, probe: Tensor, over_time: str
) -> tuple[_Found, Tensor, tuple[str, ...]]:
    """The layout with its reading, its logits and notes; raises whatever speaks against it."""
    n, bins = probe.shape[:2]

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        answer = subject.answer(layout, probe)
        found = _Found(layout, read(answer, layout, n, bins, over_time))

        def logits(x: Tensor) -> Tensor:
            return found.logits(subject.answer(layout, x), x)

        first = found.logits(answer, probe)
        notes: tuple[str, ...] = (layout.says, says(found.reading, answer, bins))
        tested, expected = probe, first
        if _same(first, first[:1].expand_as(first)):  # silent perhaps; almost all cells then
            tested = probe.amax() - probe if probe.any() else torch.ones_like(probe)
            expected = logits(tested)
        if not _same(logits(tested.flip(0)).flip(0), expected):
            if _same(logits(tested), expected):
                raise ValueError("samples are not kept apart: their order changes the logits")
            notes = (*notes, "two calls with the same recordings answer differently")
        elif not _same(logits(tested[:1]), expected[:1]):
            raise ValueError("samples are not kept apart: one alone is answered differently")
    return found, first, notes


def _could_be_meant(other: Layout, chosen: Layout, subject: _Subject) -> bool:
    """Whether it is worth asking: a spiking model wants time, and no model loses its state."""
    return not (
        other.name.endswith("/P1")
        or (other.by_step and chosen.by_step)
        or (other.name.startswith("summed") and subject.frameworks[0] is not PLAIN)
    )


def _answers_otherwise(
    subject: _Subject, other: Layout, probe: Tensor, over_time: str, logits: Tensor
) -> bool:
    """Whether another layout works as well and gives other logits."""
    try:
        _, rival, _ = _accept(subject, other, probe, over_time)
    except Exception:  # does not work, which is what is asked
        return False
    return rival.shape != logits.shape or not _same(rival, logits)


def _same(a: Tensor, b: Tensor) -> bool:
    scale = float(b.abs().max()) if b.numel() else 0.0
    return torch.allclose(a, b, rtol=1e-3, atol=1e-3 * scale)


def _probe(sample: Tensor) -> Tensor:
    """A few different recordings, in a number unlike T and P (and unlike 1)."""
    if sample.dim() != 5 or not all(sample.shape):
        raise InvalidModel(
            f"the sample is {list(sample.shape)}; give recordings [N, T, P, H, W] to try layouts on"
        )
    few = next(n for n in (3, 4, 5) if n not in sample.shape[1:3])
    sample = sample.detach()
    turned = [sample, sample.flip(1), sample.flip(4), sample.flip(3), sample.flip(1, 4)]
    return torch.cat(turned)[:few] if len(sample) < few else sample[:few]


def _frameworks(model: object, name: str | None) -> tuple[Framework, ...]:
    if name is not None:
        if name not in FRAMEWORKS:
            raise InvalidModel(f"unknown framework {name!r}; choose one of {', '.join(FRAMEWORKS)}")
        return (FRAMEWORKS[name],)
    if not isinstance(model, nn.Module):
        return (PLAIN,)
    found = [f for f in FRAMEWORKS.values() if f is not PLAIN and f.recognises(model)]
    return tuple(found) or (PLAIN,)


def _like_weights(model: nn.Module, x: Tensor) -> Tensor:
    for p in model.parameters():
        if p.is_floating_point():
            return x.to(p.device, p.dtype)
    return x


def _check_weights(model: object) -> None:
    """Refuse weights that are not finite; a single infinite number may be a time constant."""
    for name, p in model.named_parameters() if isinstance(model, nn.Module) else ():
        if isinstance(p, UninitializedParameter):
            raise InvalidModel(f"{name!r} has no size yet; call the model once before")
        if p.isnan().any() or (p.numel() > 1 and p.isinf().any()):
            raise InvalidModel(
                f"{name!r} holds NaN or infinite values; training diverged, train again with a"
                " lower rate"
            )


def _short(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    text = first if isinstance(error, ValueError) and first else f"{type(error).__name__}: {first}"
    return text if len(text) <= 160 else text[:157] + "..."
