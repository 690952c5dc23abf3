"""What is left of a network's accuracy under attack, as the judge measures it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator

from spikeproof.attacks import APGD, PGD, Attack, Victim
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.evaluate import judge, proportion
from spikeproof.goals import Untargeted, margin
from spikeproof.images import Images
from spikeproof.results import Proportion
from spikeproof.threats import Linf
from spikeproof.types import Cells, Flags, Model


def standing(network: Model, images: Images, attack: Attack, eps: float, seed: int) -> Proportion:
    """Share of images that keep their label when each intensity may move by ``eps``."""
    return _share_of(_stands(network, network, images, attack, eps, seed))


@dataclass(frozen=True)
class Strongest:
    """What stands PGD, AutoSpike, and in the end ``all``; ``squares`` fell only to asking."""

    eps: float
    pgd: Proportion
    auto: Proportion
    all: Proportion
    squares: int


def strongest(
    network: Model,
    images: Images,
    eps: float,
    seed: int,
    *,
    steps: int = 40,
    guides: Sequence[Model] = (),
) -> Strongest:
    """PGD, AutoSpike and, along the gradients of ``guides``, Auto-PGD, on the same images.

    A guide is a network with the same logits and another gradient.
    """
    goal, rng = Untargeted(images.labels), Generator().manual_seed(seed)
    suite = AutoSpike("budget", steps=steps)
    found = suite.evaluate(_of(network), images.x, goal, Linf(eps), rng=rng)
    auto = _kept(network, images, found.adv, eps)
    stands = auto.clone()
    for guide in guides:
        climb = APGD(margin, 2 * steps, restarts=5)
        stands &= _stands(network, guide, images, climb, eps, seed)
    pgd = _stands(network, network, images, PGD(), eps, seed)
    return Strongest(
        eps,
        _share_of(pgd),
        _share_of(auto),
        _share_of(stands & pgd),
        sum(did.first_successes for did in found.did if "square" in did.name),
    )


def _stands(
    network: Model, guide: Model, images: Images, attack: Attack, eps: float, seed: int
) -> Flags:
    """Which images keep their label, if the attack asks ``guide``."""
    goal, rng = Untargeted(images.labels), Generator().manual_seed(seed)
    adv = attack(_of(guide), images.x, goal, Linf(eps), rng=rng)
    return _kept(network, images, adv, eps)


def _kept(network: Model, images: Images, adv: Cells, eps: float) -> Flags:
    return ~judge(network, images.x, adv, Untargeted(images.labels), Linf(eps)).success


def _share_of(flags: Flags) -> Proportion:
    return proportion(int(torch.count_nonzero(flags)), len(flags))


def _of(network: Model) -> Victim:
    return Victim(network, surrogate=None, chunk=256)
