"""Shorthand for networks without branches: ``16c5-bn-p2-32c3-bn-p2-fc10``.

====================  ============================================================
``16c5``, ``16c5s2``  ``conv _ 16 5``, ``conv _ 16 5 stride 2``
``bn``                ``norm`` of the layer before
``p2``, ``mp2``       ``pool 2``, ``maxpool 2``
``drop20``            ``dropout 20``
``fc10``              ``dense _ 10``
====================  ============================================================

Checkpoints written before the language was there describe their network so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from spikeproof.errors import InvalidModel
from spikeproof.models.topology.place import Place, misfit
from spikeproof.models.topology.terms import (
    Chain,
    Conv,
    Dense,
    Dropout,
    Layer,
    Number,
    Open,
    PoolTerm,
    Term,
)

_CONV = re.compile(r"(\d{1,5})c(\d{1,5})(?:s(\d{1,5}))?", re.ASCII)
_OTHER = re.compile(r"(mp|p|fc|drop)(\d{1,5})", re.ASCII)


def translated(text: str) -> Term:
    """The term that ``text`` is short for; places are those of its words.

    Raises :class:`InvalidModel` that names the offending word and its place.
    """
    layers: list[Layer] = []
    for number, place in enumerate(_words(text), start=1):
        word = text[place.start : place.end]
        if word != "bn":
            layers.append(_layer(word, number, place))
            continue
        last = layers[-1] if layers else None
        if not isinstance(last, Conv | Dense) or last.norm:
            raise _wrong(number, place, "bn must follow a convolution or fc layer")
        layers[-1] = replace(last, norm=True)
    if len(layers) == 1:
        return layers[0]
    return Chain(tuple(layers), place=Place(text, 0, len(text)))


def _words(text: str) -> Iterator[Place]:
    start = 0
    for word in text.split("-"):
        yield Place(text, start, start + len(word))
        start += len(word) + 1


def _layer(word: str, number: int, place: Place) -> Layer:
    if match := _CONV.fullmatch(word):
        channels, kernel, stride = (Number(int(g or 1), place=place) for g in match.groups())
        return Conv(Open(), channels, kernel, stride, place=place)
    if match := _OTHER.fullmatch(word):
        size = Number(int(match[2]), place=place)
        match match[1]:
            case "fc":
                return Dense(Open(), size, place=place)
            case "drop":
                return Dropout(size, place=place)
            case kind:
                return PoolTerm(size, maximum=kind == "mp", place=place)
    why = "is not understood; words are like 16c5, bn, p2, mp2, drop20, fc10"
    raise _wrong(number, place, why)


def _wrong(number: int, place: Place, why: str) -> InvalidModel:
    word = place.text[place.start : place.end]
    return misfit(f"word {number} ({word!r}) {why}", place)
