"""A model to search on for one that gives no gradient: a network of ours that imitates it.

The network learns, from recordings or images that nobody is measured on, to answer as the model
does. Of the model only the predicted classes are used, so it may be anything that answers: a
function outside PyTorch, a quantised copy, a chip (model extraction as a step of black-box
attacks: Papernot et al., AsiaCCS 2017). The work is bounded by the numbers of samples and epochs
and not by a clock, so that the same audit gives the same figures on any machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from spikeproof.evaluate import answer
from spikeproof.models import Network, build
from spikeproof.models.zoo import zoo_line
from spikeproof.training import Augment, EpochProgress, TrainingConfig, fit
from spikeproof.types import Model, Pool

RECORDINGS = 400  # shown to the network
IMAGES = 4000
EPOCHS = 15
_KEPT = 5  # every so manieth recording is kept to compare the two
_SIDE = 64  # pixels; larger sensors are pooled first


@dataclass(frozen=True, eq=False)
class SubstituteModel:
    """``network`` and, on ``compared`` recordings it did not learn, how often both ``agree``."""

    network: Network
    agree: int
    compared: int
    of_images: bool = False

    @property
    def says(self) -> str:
        """The assumption, in a sentence."""
        kind, noun = ("", "images") if self.of_images else ("spiking ", "recordings")
        return (
            f"it gives no gradient, so attacks search on a {kind}network that was trained to"
            f" imitate it (both agree on {self.agree} of {self.compared} {noun} that it did"
            " not learn from); verdicts are the model's own"
        )


def train_substitute(
    model: Model,
    pool: Pool,
    *,
    of_images: bool = False,
    line: str | None = None,
    most: int | None = None,
    epochs: int = EPOCHS,
    seed: int = 0,
    report: Callable[[EpochProgress], None] = lambda _: None,
) -> SubstituteModel:
    """Train a network to predict what ``model`` predicts on ``pool`` ``[M, T, P, H, W]``.

    The ``most`` first of them are used; ``line`` is the architecture (None: the small one of the
    zoo). The network spikes if the pool is of recordings. Raises :class:`InvalidModel` if the
    training comes to nothing.
    """
    most = (IMAGES if of_images else RECORDINGS) if most is None else most
    x = pool[torch.arange(min(pool.shape[0], most))]
    logits = answer(model, x.float())
    predicted, classes = logits.argmax(1), logits.shape[1]
    height, width = x.shape[-2:]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = build(
            line or _line(height, width, classes),
            height=height,
            width=width,
            polarities=x.shape[2],
            spiking=not of_images,
        )
        kept = torch.arange(len(x)) % _KEPT == _KEPT - 1
        kept &= len(x) > 2 * _KEPT  # of very few, all are needed to learn
        recipe = TrainingConfig(epochs, seed=seed, augment=None if of_images else Augment())
        fit(network, x[~kept], predicted[~kept], recipe, report=report)
    network.zero_grad()
    agree = (answer(network, x[kept].float()).argmax(1) == predicted[kept]).sum()
    return SubstituteModel(network, int(agree), int(kept.sum()), of_images)


def _line(height: int, width: int, classes: int) -> str:
    """The small network of the zoo, behind pooling of large sensors; one layer for tiny ones."""
    if min(height, width) < 8:
        return f"dense _ 64 |> dense 64 {classes}"
    shrink = max(height, width) // _SIDE
    return (f"pool {shrink} |> " if shrink > 1 else "") + zoo_line("small", classes)
