"""Sizes: whether what comes out of each term fits into the next.

A network takes and gives features, ``(F,)``, or maps, ``(C, H, W)`` (channels, rows, columns).
``dense`` takes maps too, flattened. The answer is the program in normal form: no names, one chain
of layers and branches, and every number of inputs written out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

from spikeproof.models.topology.names import network
from spikeproof.models.topology.place import misfit
from spikeproof.models.topology.terms import (
    Branches,
    Chain,
    Conv,
    Dense,
    Dropout,
    Inputs,
    Layer,
    Let,
    Name,
    Number,
    Open,
    PoolTerm,
    Size,
    Term,
)

Shape: TypeAlias = tuple[int, ...]
Part: TypeAlias = Layer | Branches
_MOST = 1000  # layers; a few let can write out more than any memory holds


@dataclass(frozen=True)
class Typed:
    """A program that fits: its parts in normal form, the shape it takes and the one it gives."""

    parts: tuple[Part, ...]
    takes: Shape
    gives: Shape

    def __str__(self) -> str:
        return str(_joined(self.parts))


def typed(term: Term, takes: Shape) -> Typed:
    """``term`` for inputs of shape ``takes``, ``(F,)`` or ``(C, H, W)``.

    Raises :class:`InvalidModel`, with a note that shows the place, for sizes that do not fit and
    for a network that does not end in a read-out: ``dense`` without norm.
    """
    if any(size < 1 for size in takes):
        raise misfit(f"inputs of {_words(takes)} have no cells", None)
    parts, gives = _Sizes().of(network(term), takes)
    _end(parts)
    return Typed(parts, takes, gives)


def number(size: Size | Inputs) -> int:
    """The value of a number in a program of normal form."""
    assert isinstance(size, Number)
    return size.value


class _Sizes:
    """Goes through a term once and counts its layers."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, term: Term, came: Shape) -> tuple[tuple[Part, ...], Shape]:
        """The parts of ``term`` in normal form, and the shape that they give."""
        match term:
            case Chain(parts=terms):
                parts: tuple[Part, ...] = ()
                for part in terms:
                    more, came = self.of(part, came)
                    parts += more
                return parts, came
            case Branches(parts=terms):
                both = [self.of(part, came) for part in terms]
                joined = tuple(_joined(parts) for parts, _ in both)
                gives = _side_by_side(term, [gives for _, gives in both])
                return (replace(term, parts=joined),), gives
            case Number() | Name() | Let():
                raise AssertionError("names are resolved before sizes are checked")
        self._count += 1
        if self._count > _MOST:
            raise misfit(f"more than {_MOST} layers; write a smaller network", term.place)
        layer, gives = _layer(term, came)
        return (layer,), gives


def _layer(layer: Layer, came: Shape) -> tuple[Layer, Shape]:
    match layer:
        case Dense():
            inputs = _taken(layer, layer.inputs, math.prod(came), came)
            return replace(layer, inputs=inputs), (_least_one(layer.units),)
        case Conv():
            channels, rows, columns = _maps(layer, came)
            inputs = _taken(layer, layer.inputs, channels, came)
            if _least_one(layer.kernel) % 2 == 0:
                why = "the kernel must be odd, so that padding keeps the size"
                raise misfit(f"{why}, not {layer.kernel}", layer.kernel.place)
            s = _least_one(layer.stride)
            gives = (_least_one(layer.channels), (rows - 1) // s + 1, (columns - 1) // s + 1)
            return replace(layer, inputs=inputs), gives
        case PoolTerm():
            channels, rows, columns = _maps(layer, came)
            size = _least_one(layer.size)
            if min(rows, columns) < size:
                why = f"{layer} leaves nothing of maps of {rows}x{columns}"
                raise misfit(f"{why}; use fewer or smaller poolings", layer.place)
            return layer, (channels, rows // size, columns // size)
        case Dropout():
            if not 1 <= number(layer.percent) <= 99:
                why = f"dropout is from 1 to 99 %, not {layer.percent}"
                raise misfit(why, layer.percent.place)
            return layer, came


def _taken(layer: Dense | Conv, inputs: Inputs, come: int, came: Shape) -> Number:
    if isinstance(inputs, Open):
        return Number(come, place=inputs.place)
    if number(inputs) != come:
        fits = replace(layer, inputs=Number(come))
        raise misfit(
            f"{layer} takes {inputs}, but {come} come in ({_words(came)}); write {fits}, or let"
            f" what comes before give {inputs}",
            inputs.place or layer.place,
        )
    return Number(come, place=inputs.place)


def _maps(layer: Conv | PoolTerm, came: Shape) -> Shape:
    if len(came) != 3:
        raise misfit(
            f"{layer} takes maps, but {_words(came)} come in; convolution and pooling must come"
            " before the first dense (fc)",
            layer.place,
        )
    return came


def _least_one(size: Size) -> int:
    if number(size) < 1:
        raise misfit(f"sizes must be at least 1, not {size}", size.place)
    return number(size)


def _side_by_side(term: Branches, shapes: list[Shape]) -> Shape:
    first = shapes[0]
    for part, shape in zip(term.parts, shapes, strict=True):
        if shape[1:] != first[1:] or len(shape) != len(first):
            raise misfit(
                f"this branch gives {_words(shape)} and the first one {_words(first)}, which cannot"
                " be joined; all must give features, or maps with as many rows and columns",
                part.place or term.place,
            )
    return (sum(shape[0] for shape in shapes), *first[1:])


def _joined(parts: tuple[Part, ...]) -> Term:
    return parts[0] if len(parts) == 1 else Chain(parts)


def _end(parts: tuple[Part, ...]) -> None:
    """Refuses a program with an end that is no read-out."""
    match last := parts[-1]:
        case Dense(norm=False):
            return
        case Branches(parts=branches):
            for branch in branches:
                _end(branch.parts if isinstance(branch, Chain) else (branch,))  # type: ignore[arg-type]
        case _:
            why = f"must end with its read-out, such as dense _ 10 (fc10), not with {last}"
            raise misfit(f"the network {why}", last.place)


def _words(shape: Shape) -> str:
    return f"{shape[0]} features" if len(shape) == 1 else "x".join(map(str, shape)) + " maps"
