"""The attacks that can be asked for by name, with the settings of their papers where they have one.

Our own ensemble is not among them: it is what they are compared with. How each works stands in
docs/attacks.md.
"""

from __future__ import annotations

from collections.abc import Callable

from spikeproof.attacks.base import Attack
from spikeproof.attacks.events.sparse_flip import SparseFlip
from spikeproof.attacks.peers import (
    CornerAttack,
    DashAttack,
    FrameAttack,
    GumbelSoftmax,
    RateAttack,
    SparseAttack,
    SparseDynamic,
    SpikeCompatible,
    SpikeFool,
    SpikeRetiming,
)
from spikeproof.attacks.queries import Decision, Evolution, Greedy
from spikeproof.errors import InvalidThreat
from spikeproof.models.rules import HybridGradient

MASK_ACTIVITY = 12
"""Events of a pixel that the mask filter lets pass; its attack stays below."""

CATALOGUE: dict[str, Callable[[], Attack]] = {
    "sparse-flip": SparseFlip,
    "sparse-dynamic": SparseDynamic,
    "spikefool": SpikeFool,
    "spike-compatible": SpikeCompatible,
    "rate": RateAttack,
    "hybrid": lambda: RateAttack(HybridGradient()),
    "gumbel": GumbelSoftmax,
    "sparse": SparseAttack,
    "frame": FrameAttack,
    "corner": CornerAttack,
    "dash": DashAttack,
    "mask": lambda: DashAttack(activity=MASK_ACTIVITY),
    "spike-retiming": SpikeRetiming,
    "greedy": Greedy,
    "decision": Decision,
    "evolution": Evolution,
}


def attack_named(name: str) -> Attack:
    """The attack of this name; raises :class:`InvalidThreat` if there is none."""
    if name not in CATALOGUE:
        raise InvalidThreat(f"no attack {name!r}; choose one of {', '.join(CATALOGUE)}")
    return CATALOGUE[name]()
