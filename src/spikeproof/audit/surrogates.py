"""Which surrogate gradient the attacks of an audit use: an ensemble of them, or a single one."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from spikeproof.adapters.adapted import Adapted
from spikeproof.attacks.ensemble.surrogate_choice import choose_surrogate
from spikeproof.evaluate import answer
from spikeproof.goals import Untargeted
from spikeproof.models import Surrogate, surrogate_name, surrogate_named, using_surrogate
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.threats import Flip, Linf
from spikeproof.types import Labels, Model, Pool

Choice: TypeAlias = Surrogate | Literal["ensemble"] | None
"""The standard ensemble, or plain attacks with this surrogate only (None: the model's own)."""

TRIED = 12  # recordings that candidates are tried on, from the learning split


def check_name(text: str) -> None:
    """Raise :class:`InvalidModel` unless ``text`` is a choice of :func:`surrogate_of`."""
    if text not in ("ensemble", "own", "auto"):
        surrogate_named(text)


def surrogate_of(
    text: str, model: Model, x: Pool, labels: Labels, *, pictures: bool = False
) -> tuple[Choice, list[dict[str, Any]]]:
    """What ``text`` names, and what was tried.

    ``ensemble`` is the standard, ``own`` the model's own surrogate, other names a single one.
    A model without spiking layers that are known keeps its own, whatever ``text`` names.
    ``auto`` tries candidates on those of ``x`` ``[N, T, P, H, W]`` that ``model`` classifies
    right; they are ``pictures`` or recordings. Raises :class:`InvalidModel` for a name that is
    unknown, or a rule that the model's neurons cannot take.
    """
    if text == "ensemble":
        return "ensemble", []
    if text == "own":
        return None, []
    if text != "auto":
        named = surrogate_named(text)
        with using_surrogate(model, named):
            return (named if _takes_one(model) else None), []
    few = _first_right(model, x, labels)
    threat = Linf() if pictures else Flip()
    surrogate, table = choose_surrogate(model, x[few].float(), Untargeted(labels[few]), threat)
    return surrogate, [
        {
            "surrogate": name_of(tried.surrogate),
            "fooled": tried.successes,
            "of": tried.recordings,
            "edits": tried.edits,
        }
        for tried in table
    ]


def _first_right(model: Model, x: Pool, labels: Labels) -> Tensor:
    """The places of the first recordings that ``model`` classifies right, as many as are tried."""
    found: list[Tensor] = []
    for part in torch.split(torch.arange(len(labels)), 32):
        found.append(part[answer(model, x[part].float()).argmax(1) == labels[part]])
        if sum(map(len, found)) >= TRIED:
            break
    return torch.cat(found)[:TRIED]


def _takes_one(model: Model) -> bool:
    """Whether there is a place to put another surrogate, as ``using_surrogate`` does."""
    parts = model.modules() if isinstance(model, nn.Module) else (model,)
    return any(
        bool(m.neurons)
        if isinstance(m, Adapted)
        else isinstance(m, LIF | ParametricLIF | Dynamics) or hasattr(m, "using_surrogate")
        for m in parts
    )


def chosen(name: str) -> Choice:
    """The choice that :func:`name_of` gave this name."""
    if name == "ensemble":
        return "ensemble"
    return None if name == "own" else surrogate_named(name)


def name_of(surrogate: Choice) -> str:
    """What reports call it."""
    if surrogate == "ensemble":
        return "ensemble"
    return "own" if surrogate is None else surrogate_name(surrogate)
