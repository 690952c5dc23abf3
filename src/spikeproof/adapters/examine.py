"""Is this a model that can be attacked? Asked before any attack, answered with the cure.

Attacks and the judge take a model for a pure function of one recording: same input, same answer;
no memory of earlier calls, no influence of batch-mates, and a gradient that says something. Users'
spiking networks break this in known ways (state that is not reset, dropout left on, encoders and
casts that block gradients), and the figures are then wrong without any error. :func:`examine`
measures each point by calling the model, after the self-checks of AutoAttack (Croce & Hein, ICML
2020). Memory and randomness are told apart by repeating a call with the same random numbers.

Random models are reported and not refused: average them
(:class:`~spikeproof.adapters.eot.ExpectationOverTransformation`). So are models without a
gradient, which attacks without gradients can query. The checks that take more calls are in
:mod:`spikeproof.adapters.probes`.
"""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from spikeproof.adapters.adapted import Adapted
from spikeproof.adapters.check import Check
from spikeproof.adapters.probes import (
    alone,
    apart,
    ask,
    gradient,
    memory,
    order,
    randomness,
    said,
)
from spikeproof.errors import InvalidModel
from spikeproof.types import Labels, Model

_MOST = 16  # recordings that are asked about
_SURE = 0.9999  # a probability beyond which nothing of a gradient is left


def examine(model: Model, x: Tensor, labels: Labels | None = None) -> tuple[Check, ...]:
    """Ask ``model`` about some recordings ``x`` ``[N, T, P, H, W]``; nothing is changed in it.

    ``labels`` ``[N]`` are those of ``x`` if known. After an answer that is no ``[N, K]`` of finite
    numbers nothing more is asked.
    """
    x = x[:_MOST]
    labels = None if labels is None else labels[:_MOST]
    found = [_weights(model), _mode(model)]
    with _statistics_kept(model):
        given = x.clone()
        try:
            logits = ask(model, given, own=True)
        except Exception as error:  # whatever a user's code may raise
            cure = "call it yourself on recordings [N, T, P, H, W] and put its forward right"
            return (*found, Check("runs", False, "error", f"it fails: {said(error)}", cure))
        found.append(_answer(logits, x, labels))
        if not found[-1].ok:
            return tuple(found)
        found += [_input(given, x), _spread(logits, x), _ties(logits), _confidence(logits)]
        if labels is not None:
            found.append(_accuracy(logits, labels))
        for probe in (memory, randomness, order, alone):
            found.append(probe(model, x, logits))
            if probe in (memory, randomness) and not found[-1].ok:
                break  # what follows would differ for the same cause
        found.append(gradient(model, x, logits.argmax(1) if labels is None else labels))
    return tuple(found)


def require(checks: tuple[Check, ...]) -> None:
    """Raise :class:`InvalidModel` that lists the failed checks of level "error", if any."""
    failed = [c for c in checks if not c.ok and c.level == "error"]
    if failed:
        listed = "; also: ".join(c.says for c in failed)
        raise InvalidModel(f"the model cannot be attacked as it is: {listed}")


def _statistics_kept(model: Model) -> ExitStack:
    """Batch norms in training mode forget what the examination showed them."""
    stack = ExitStack()
    for m in model.modules() if isinstance(model, nn.Module) else ():
        if isinstance(m, _BatchNorm) and m.training:
            for buffer in m.buffers():
                stack.callback(buffer.copy_, buffer.clone())
    return stack


def _weights(model: Model) -> Check:
    if not isinstance(model, nn.Module):
        return Check("weights", True, "note", "a plain function: its weights are not seen")
    for name, p in model.named_parameters():
        if not torch.isfinite(p.detach()).all():
            cure = "load weights from a training that did not diverge"
            return Check("weights", False, "error", f"{name} holds NaN or infinite weights", cure)
    return Check("weights", True, "note", "all weights are finite")


def _mode(model: Model) -> Check:
    modules = list(model.named_modules()) if isinstance(model, nn.Module) else []
    switched = {id(m) for _, a in modules if isinstance(a, Adapted) for m in a.modules()}
    at_work = [(name, m) for name, m in modules if m.training and id(m) not in switched]
    norms = [name for name, m in at_work if isinstance(m, _BatchNorm)]
    drops = [name for name, m in at_work if "dropout" in type(m).__name__.lower()]
    if norms:
        detail = f"batch norm {norms[0]!r} is in training mode, so batch-mates matter"
        return Check("mode", False, "error", detail, "call model.eval() first")
    if drops:
        detail = f"dropout {drops[0]!r} is in training mode"
        cure = "call model.eval() first, or average over draws with --draws if this is meant"
        return Check("mode", False, "warning", detail, cure)
    return Check("mode", True, "note", "no layer is at work that only training needs")


def _answer(logits: object, x: Tensor, labels: Tensor | None) -> Check:
    cure = "adapt it with spikeproof.adapters.adapt, or let forward give logits [N, K]"
    if not isinstance(logits, Tensor):
        detail = f"it answers with a {type(logits).__name__}, not with a tensor"
    elif logits.dim() != 2 or len(logits) != len(x) or logits.shape[1] < 2:
        detail = f"it answers {list(logits.shape)} where [{len(x)}, K] with K > 1 is needed"
    elif not logits.is_floating_point():
        detail = f"its answers are {str(logits.dtype).removeprefix('torch.')}, not floats"
        cure = "return logits or scores, not classes"
    elif not torch.isfinite(logits).all():
        detail = "its answers are NaN or infinite"
        cure = "check its weights and the scale of the input"
    elif labels is not None and len(labels) and int(labels.max()) >= logits.shape[1]:
        detail = f"label {int(labels.max())} is outside its {logits.shape[1]} classes"
        cure = "give data with the classes that it was trained on"
    else:
        detail = f"it answers [{len(x)}, {logits.shape[1]}] with finite numbers"
        return Check("answer", True, "note", detail)
    return Check("answer", False, "error", detail, cure)


def _input(given: Tensor, x: Tensor) -> Check:
    if torch.equal(given, x):
        return Check("input", True, "note", "it leaves its input as it is")
    cure = "clone x before operations in place (x += ..., x[...] = ..., relu_)"
    return Check("input", False, "error", "it changes its input in place", cure)


def _spread(logits: Tensor, x: Tensor) -> Check:
    if len(x) < 2 or bool((x == x[:1]).all()):
        return Check("spread", True, "note", "one recording cannot show whether answers differ")
    if float(apart(logits, logits[:1]).max()) <= 1e-6:
        detail = f"all {len(x)} recordings get the same logits"
        cure = "check the scale of the input and that its neurons fire at all"
        return Check("spread", False, "error", detail, cure)
    classes = len(set(logits.argmax(1).tolist()))
    many = f"{classes} classes" if classes > 1 else "one class only"
    return Check("spread", True, "note", f"{many} among {len(x)} answers")


def _ties(logits: Tensor) -> Check:
    first, second = logits.topk(2, dim=1).values.unbind(1)
    tied = int((first == second).sum())
    if not tied:
        return Check("ties", True, "note", "no recording has two best classes")
    detail = f"{tied} of {len(logits)} recordings have two best classes; class order decides"
    cure = "read out membrane potentials, or more time bins, instead of few spike counts"
    return Check("ties", False, "warning", detail, cure)


def _confidence(logits: Tensor) -> Check:
    if bool((logits < 0).any()) or bool(((logits.sum(1) - 1).abs() > 1e-3).any()):
        return Check("confidence", True, "note", "the answers are no probabilities")
    sure = int((logits.amax(1) > _SURE).sum())
    if not sure:
        return Check("confidence", True, "note", "the answers are probabilities below certainty")
    detail = f"{sure} of {len(logits)} answers are probabilities of 1; their gradient vanishes"
    return Check("confidence", False, "warning", detail, "return the logits before the softmax")


def _accuracy(logits: Tensor, labels: Tensor) -> Check:
    right = int((logits.argmax(1) == labels).sum())
    detail = f"{right} of {len(labels)} recordings are classified right"
    if right or len(labels) < 4:
        return Check("accuracy", True, "note", detail)
    cure = "check the order of the classes and that recordings are binned as in its training"
    return Check("accuracy", False, "warning", detail, cure)
