"""Names are replaced by what ``let`` says of them, and everything has its kind.

There are two kinds, numbers and networks. A name means what the nearest ``let`` around it says;
what a ``let`` names is looked up where the ``let`` stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

from spikeproof.models.topology.place import misfit
from spikeproof.models.topology.terms import (
    Branches,
    Chain,
    Conv,
    Dense,
    Dropout,
    Inputs,
    Let,
    Name,
    Number,
    Open,
    PoolTerm,
    Size,
    Term,
)

Nameless: TypeAlias = Number | Dense | Conv | PoolTerm | Dropout | Chain | Branches
_Scope: TypeAlias = Mapping[str, Nameless]


def network(term: Term) -> Nameless:
    """``term`` without ``let`` and names; raises :class:`InvalidModel` unless it is a network."""
    return _network(term, {})


def _resolved(term: Term, scope: _Scope) -> Nameless:
    match term:
        case Number():
            return term
        case Name():
            found = _looked_up(term, scope)
            return replace(found, place=term.place) if isinstance(found, Number) else found
        case Dense():
            units = _number(term.units, scope)
            return replace(term, inputs=_inputs(term.inputs, scope), units=units)
        case Conv():
            return replace(
                term,
                inputs=_inputs(term.inputs, scope),
                channels=_number(term.channels, scope),
                kernel=_number(term.kernel, scope),
                stride=_number(term.stride, scope),
            )
        case PoolTerm():
            return replace(term, size=_number(term.size, scope))
        case Dropout():
            return replace(term, percent=_number(term.percent, scope))
        case Chain() | Branches():
            return replace(term, parts=tuple(_network(part, scope) for part in term.parts))
        case Let():
            value = _resolved(term.value, scope)
            return _resolved(term.body, {**scope, term.name: value})


def _network(term: Term, scope: _Scope) -> Nameless:
    found = _resolved(term, scope)
    if isinstance(found, Number):
        said = f"{term} is the number {found}" if isinstance(term, Name) else f"{found} is a number"
        why = f"{said}, but a network such as dense 4 2 is expected"
        raise misfit(why, found.place or term.place)
    return found


def _number(size: Size, scope: _Scope) -> Number:
    found = _resolved(size, scope)
    if not isinstance(found, Number):
        raise misfit(f"{size} is a network, but a number is expected", size.place)
    return found


def _inputs(inputs: Inputs, scope: _Scope) -> Inputs:
    return inputs if isinstance(inputs, Open) else _number(inputs, scope)


def _looked_up(name: Name, scope: _Scope) -> Nameless:
    if name.name not in scope:
        known = f"known here: {', '.join(scope)}" if scope else "nothing is named here"
        raise misfit(
            f"{name} is not defined ({known}); write let {name} = ... in before", name.place
        )
    return scope[name.name]
