"""Calling a model again, to see whether it is a pure function with a gradient.

Each probe takes a model, recordings ``x`` ``[N, T, P, H, W]`` and its logits ``[N, K]`` on them,
and answers one question by other calls: the same again, others in between, other random numbers,
another order, one by one, with a gradient.
"""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor

from spikeproof.adapters.check import Check
from spikeproof.adapters.encoders import straight_through
from spikeproof.adapters.eot import ExpectationOverTransformation, repeatable
from spikeproof.models.surrogate import ArcTan, Surrogate
from spikeproof.models.swap import using_surrogate
from spikeproof.types import Model

_ALONE = 4  # recordings asked alone
_CLOSE = 1e-4  # difference, relative to the largest logit, that rounding can explain
_OPEN = "spikeproof.models"
_WITHOUT = "without one, attacks can only ask it and search on an imitation"


def ask(model: Model, x: Tensor, seed: int = 0, own: bool = False) -> Tensor:
    """Logits of a copy of ``x`` (of itself if ``own``) with the random numbers of ``seed``."""
    with torch.no_grad(), repeatable(seed, model, x):
        return model(x if own else x.clone())


def apart(a: Tensor, b: Tensor) -> Tensor:
    """Largest difference per recording ``[N]``, relative to the largest logit."""
    scale = a.abs().max().clamp(min=1e-12)
    return (a - b).abs().amax(1) / scale


def said(error: Exception) -> str:
    """The first line of an error of the model's, to be quoted."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}"[:200].rstrip(". ")


def memory(model: Model, x: Tensor, logits: Tensor) -> Check:
    """The same calls with the same random numbers, with other recordings in between."""
    cure = (
        "reset its neurons and encoders at the start of forward; spikeproof.adapters.adapt does"
        " this for known frameworks"
    )
    try:
        moved = float(apart(logits, ask(model, x)).max())
        other = ask(model, x.flip(0))
        stuck = torch.equal(other, logits) and not torch.equal(other, logits.flip(0))
        moved = max(moved, float(apart(logits, ask(model, x)).max()))
    except Exception as error:
        return Check("memory", False, "error", f"a later call fails: {said(error)}", cure)
    if stuck:
        detail = "other recordings get the answers of the first ones: it remembers them"
        return Check("memory", False, "error", detail, cure)
    if moved > _CLOSE:
        detail = (
            f"the same call with the same random numbers answers otherwise, by {moved:.1e} of the"
            " largest logit: it remembers earlier calls, or draws from a generator of its own"
        )
        return Check("memory", False, "error", detail, cure)
    return Check("memory", True, "note", "calls do not depend on earlier calls")


def randomness(model: Model, x: Tensor, logits: Tensor) -> Check:
    """The same call with other random numbers."""
    moved = max(float(apart(logits, ask(model, x, seed)).max()) for seed in (1, 2))
    if moved <= _CLOSE:
        return Check("randomness", True, "note", "random numbers play no part")
    detail = f"it is random: another draw moves its logits by {moved:.1e} of the largest one"
    cure = "average over draws with --draws 16 (spikeproof.adapters.Averaged)"
    return Check("randomness", False, "warning", detail, cure)


def order(model: Model, x: Tensor, logits: Tensor) -> Check:
    """The same recordings, the last one first."""
    cure = "check that it takes the batch first, [N, T, P, H, W], and is in evaluation mode"
    return _same("order", "in another order", ask(model, x.flip(0)).flip(0), logits, cure)


def alone(model: Model, x: Tensor, logits: Tensor) -> Check:
    """Single recordings as batches of one."""
    cure = "let it take batches of any size; squeeze() without a dimension is a usual cause"
    try:
        single = [ask(model, one) for one in torch.split(x[:_ALONE], 1)]
    except Exception as error:
        return Check("alone", False, "error", f"it fails on one recording: {said(error)}", cure)
    if single[0].shape != logits[:1].shape:
        detail = f"it answers {list(single[0].shape)} to one recording, not [1, {logits.shape[1]}]"
        return Check("alone", False, "error", detail, cure)
    return _same("alone", "alone", torch.cat(single), logits[:_ALONE], cure)


def _same(name: str, how: str, asked: Tensor, logits: Tensor, cure: str) -> Check:
    """Few that differ may be spikes tipped over by rounding; many are a model that mixes."""
    difference = apart(logits, asked)
    many = int((difference > _CLOSE).sum())
    if not many:
        return Check(name, True, "note", f"{how}, recordings get the same logits")
    detail = (
        f"{how}, {many} of {len(logits)} recordings get other logits, by up to"
        f" {float(difference.max()):.1e} of the largest one: batch-mates matter"
    )
    return Check(name, False, "error" if 4 * many > len(logits) else "warning", detail, cure)


def gradient(model: Model, x: Tensor, labels: Tensor) -> Check:
    """Plainly, then as attacks do it: encoders opened, then with another surrogate as well."""
    try:
        slope, how = _steepest(model, x, labels)
    except Exception as error:
        cure = "reset its state before each forward, and do nothing in place on its input"
        detail = f"its gradient fails: {said(error)}"
        return Check("gradient", False, "error", detail, cure)
    if slope is None:
        detail = "it gives no gradient with respect to its input"
        cure = (
            "take torch.no_grad, detach, numpy and casts to int or bool out of its forward; for"
            f" random spikes or latencies use {_OPEN}; {_WITHOUT}"
        )
        return Check("gradient", False, "warning", detail, cure)
    if not torch.isfinite(slope).all():
        cure = "look for a division by zero, sqrt(0) or log(0) in its forward"
        return Check("gradient", False, "error", "its input gradient is NaN or infinite", cure)
    zero = int((slope == 0).flatten(1).all(1).sum())
    if zero == len(x):
        cure = (
            "give its spikes a surrogate gradient (v > 1 alone has none), and put Bernoulli or"
            f" Latency of {_OPEN} in the place of its encoder; {_WITHOUT}"
        )
        detail = f"the input gradient of all {zero} recordings is zero"
        return Check("gradient", False, "warning", detail, cure)
    if zero:
        detail = f"the input gradient of {zero} of {len(x)} recordings is zero{how}"
        cure = "try a wider surrogate, such as --surrogate arctan:1"
        return Check("gradient", False, "warning", detail, cure)
    return Check("gradient", True, "note", f"all recordings have an input gradient{how}")


def has_gradient(model: Model, x: Tensor, labels: Tensor) -> bool:
    """Whether attacks can follow an input gradient of ``model`` at any of ``x``."""
    slope, _ = _steepest(model, x, labels)
    return slope is not None and bool((slope != 0).any())


def _steepest(model: Model, x: Tensor, labels: Tensor) -> tuple[Tensor | None, str]:
    """The gradient in the first way that gives one, and which way that is in words.

    A forward that leaves PyTorch for numpy gives none; other errors are raised.
    """
    ways: tuple[tuple[Surrogate | None, bool, str], ...] = (
        (None, False, ""),
        (None, True, ", once its encoder passes it straight through"),
        (ArcTan(4.0), True, ", with the attack's surrogate only"),
    )
    slope, how = None, ""
    for surrogate, straight, how in ways:
        try:
            slope = _slope(model, x, labels, surrogate, straight)
        except RuntimeError as error:
            if "call numpy() on Tensor that requires grad" not in str(error):
                raise
            return None, how
        if slope is not None and bool((slope != 0).any()):
            break
    return slope, how


def _slope(
    model: Model, x: Tensor, labels: Tensor, surrogate: Surrogate | None, straight: bool
) -> Tensor | None:
    """Gradient of (best other logit minus that of the label), None if there is none."""
    gradients = []
    at_once = 1 if isinstance(model, ExpectationOverTransformation) else len(x)
    for rows in torch.split(torch.arange(len(x)), at_once):
        leaf = x[rows].clone().requires_grad_()
        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad())
            stack.enter_context(repeatable(0, model, leaf))
            stack.enter_context(using_surrogate(model, surrogate))
            if straight:
                stack.enter_context(straight_through(model))
            logits = model(leaf)
            if not logits.requires_grad:
                return None
            label = labels[rows].unsqueeze(1)
            other = logits.scatter(1, label, -torch.inf).amax(1)
            loss = (other - logits.gather(1, label).squeeze(1)).sum()
            (gradient,) = torch.autograd.grad(loss, leaf, allow_unused=True)
        if gradient is None:
            return None
        gradients.append(gradient)
    return torch.cat(gradients)
