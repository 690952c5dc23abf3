"""The judge: measures again what an attack claims.

An adversarial recording counts as a success only if the threat's independent check accepts it and
the user's own model, called plainly and in its own precision, gives the answer that the goal
asks for. An attack's word is never taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from spikeproof.errors import InvalidModel
from spikeproof.goals import Goal
from spikeproof.threats import Threat
from spikeproof.threats.base import counted
from spikeproof.types import Cells, Counts, Flags, Labels, Logits, Model, PerSample


@dataclass(frozen=True, eq=False)
class Outcome:
    """Per sample: what the model said, and what the attack cost. All tensors are ``[N]``.

    ``added`` and ``removed`` count cells that hold more and less than before; of an image these
    are the intensities that rose and fell.
    """

    prediction: Labels
    reached: Flags
    valid: Flags
    why: tuple[str, ...]
    cost: PerSample
    added: Counts
    removed: Counts

    @property
    def success(self) -> Flags:
        """Goal reached by a valid recording."""
        return self.reached & self.valid


def answer(model: Model, x: Cells, chunk: int = 32) -> Logits:
    """Logits ``[N, K]`` of the model as its owner would get them.

    Raises :class:`InvalidModel` if they are not finite or not ``[N, K]``.
    """
    with torch.no_grad():
        logits = torch.cat([model(part) for part in torch.split(x, chunk)])
    if logits.dim() != 2 or len(logits) != len(x):
        raise InvalidModel(f"the model answers {list(logits.shape)} where [{len(x)}, K] is needed")
    if not torch.isfinite(logits).all():
        raise InvalidModel("the model answers with NaN or infinite logits; check its weights")
    return logits


def judge(model: Model, clean: Cells, adv: Cells, goal: Goal, threat: Threat) -> Outcome:
    """Measure ``adv`` against ``clean``, both ``[N, T, P, H, W]``."""
    logits = answer(model, adv)
    verdict = threat.check(clean, adv)
    return Outcome(
        prediction=logits.argmax(1),
        reached=goal.reached(logits),
        valid=verdict.ok,
        why=verdict.why,
        cost=threat.cost(clean, adv),
        added=counted(adv > clean),
        removed=counted(adv < clean),
    )
