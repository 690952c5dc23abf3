"""Which surrogate gradient the attacks of an audit use."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from spikeproof.attacks.surrogate_choice import choose_surrogate
from spikeproof.evaluate import answer
from spikeproof.goals import Mislead
from spikeproof.models import Surrogate, surrogate_name, surrogate_named
from spikeproof.threats import Flip
from spikeproof.types import Labels, Model

TRIED = 12  # recordings that candidates are tried on, from the learning split


def surrogate_of(
    text: str, model: Model, x: Tensor, labels: Labels
) -> tuple[Surrogate | None, list[dict[str, Any]]]:
    """The surrogate that ``text`` names, None for the model's own, and what was tried.

    ``auto`` tries candidates on those of ``x`` ``[N, T, P, H, W]`` that ``model`` classifies
    right. Raises :class:`InvalidModel` for a name that is unknown.
    """
    if text == "own":
        return None, []
    if text != "auto":
        return surrogate_named(text), []
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


def name_of(surrogate: Surrogate | None) -> str:
    """What reports call it."""
    return "own" if surrogate is None else surrogate_name(surrogate)
