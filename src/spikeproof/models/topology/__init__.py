"""A small typed language for networks: one description, a spiking network and its twin."""

from spikeproof.models.topology.compiler import compiled
from spikeproof.models.topology.grammar import parse
from spikeproof.models.topology.place import Place
from spikeproof.models.topology.sizes import Shape, Typed, typed
from spikeproof.models.topology.terms import (
    Branches,
    Chain,
    Conv,
    Dense,
    Dropout,
    Let,
    Name,
    Number,
    Open,
    PoolTerm,
    Term,
)

__all__ = [
    "Branches",
    "Chain",
    "Conv",
    "Dense",
    "Dropout",
    "Let",
    "Name",
    "Number",
    "Open",
    "Place",
    "PoolTerm",
    "Shape",
    "Term",
    "Typed",
    "compiled",
    "parse",
    "typed",
]
