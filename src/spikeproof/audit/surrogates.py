"""Which surrogate gradient the attacks of an audit use."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from spikeproof.adapters.adapted import Adapted
from spikeproof.attacks.surrogate_choice import choose_surrogate
from spikeproof.evaluate import answer
from spikeproof.goals import Mislead
from spikeproof.models import Surrogate, surrogate_name, surrogate_named, using_surrogate
from spikeproof.models.dynamics import Dynamics
from spikeproof.models.neuron import LIF, ParametricLIF
from spikeproof.threats import Flip
from spikeproof.types import Labels, Model

TRIED = 12  # recordings that candidates are tried on, from the learning split


def check_name(text: str) -> None:
    """Raise :class:`InvalidModel` unless ``text`` is ``own``, ``auto`` or names a surrogate."""
    if text not in ("own", "auto"):
        surrogate_named(text)


def surrogate_of(
    text: str, model: Model, x: Tensor, labels: Labels
) -> tuple[Surrogate | None, list[dict[str, Any]]]:
    """The surrogate that ``text`` names, None for the model's own, and what was tried.

    A model without spiking layers that are known keeps its own, whatever ``text`` names.
    ``auto`` tries candidates on those of ``x`` ``[N, T, P, H, W]`` that ``model`` classifies
    right. Raises :class:`InvalidModel` for a name that is unknown, or a rule that the model's
    neurons cannot take.
    """
    if text == "own":
        return None, []
    if text != "auto":
        named = surrogate_named(text)
        with using_surrogate(model, named):
            return (named if _takes_one(model) else None), []
    right = answer(model, x.float()).argmax(1) == labels
    chosen = right.nonzero().squeeze(1)[:TRIED]
    goal = Mislead(labels[chosen])
    surrogate, table = choose_surrogate(model, x[chosen].float(), goal, Flip())
    return surrogate, [
        {
            "surrogate": name_of(tried.surrogate),
            "fooled": tried.successes,
            "of": tried.recordings,
            "edits": tried.edits,
        }
        for tried in table
    ]


def _takes_one(model: Model) -> bool:
    """Whether there is a place to put another surrogate, as ``using_surrogate`` does."""
    parts = model.modules() if isinstance(model, nn.Module) else (model,)
    return any(
        bool(m.neurons)
        if isinstance(m, Adapted)
        else isinstance(m, LIF | ParametricLIF | Dynamics) or hasattr(m, "using_surrogate")
        for m in parts
    )


def name_of(surrogate: Surrogate | None) -> str:
    """What reports call it."""
    return "own" if surrogate is None else surrogate_name(surrogate)
