"""A network in one line: ``16c5-bn-p2-32c3-bn-p2-fc10``.

====================  ============================================================
``16c5``, ``16c5s2``  convolution, 16 channels, 5x5 kernel, same padding (stride 2)
``bn``                batch normalisation of the layer before, over samples, time and space
``p2``                average pooling, 2x2
``mp2``               max pooling, 2x2 (a spike if any of the four neurons spiked)
``drop20``            dropout of 20 %, one mask for all time bins of a sample
``fc10``              fully connected, 10 units
====================  ============================================================

A non-linearity follows every convolution and fully connected layer except the last layer, which
is the read-out: a spiking neuron in the spiking network, a ReLU in its non-spiking twin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from spikeproof.errors import InvalidModel


@dataclass(frozen=True)
class Conv:
    """Convolution with same padding."""

    channels: int
    kernel: int
    stride: int = 1
    norm: bool = False


@dataclass(frozen=True)
class Pool:
    """Average or maximum over non-overlapping squares."""

    size: int
    maximum: bool = False


@dataclass(frozen=True)
class Dense:
    """Fully connected."""

    units: int
    norm: bool = False


@dataclass(frozen=True)
class Dropout:
    """Drops units of a sample for all its time bins alike."""

    percent: int


Layer: TypeAlias = Conv | Pool | Dense | Dropout

_CONV = re.compile(r"(\d{1,5})c(\d{1,5})(?:s(\d{1,5}))?", re.ASCII)
_OTHER = re.compile(r"(mp|p|fc|drop)(\d{1,5})", re.ASCII)


def parse(text: str) -> tuple[Layer, ...]:
    """The layers that ``text`` describes.

    Raises :class:`InvalidModel` that names the offending word and its place.
    """
    layers: list[Layer] = []
    words = text.split("-")
    for place, word in enumerate(words, start=1):
        where = f"architecture {text!r}, word {place} ({word!r})"
        if word == "bn":
            if not layers or not isinstance(layers[-1], Conv | Dense) or layers[-1].norm:
                raise InvalidModel(f"{where}: bn must follow a convolution or fc layer")
            last = layers.pop()
            layers.append(
                Conv(last.channels, last.kernel, last.stride, norm=True)
                if isinstance(last, Conv)
                else Dense(last.units, norm=True)  # type: ignore[union-attr]
            )
            continue
        layer = _layer(word, where)
        if isinstance(layer, Conv | Pool) and any(isinstance(x, Dense) for x in layers):
            raise InvalidModel(f"{where}: convolution and pooling must come before the first fc")
        layers.append(layer)
    if not isinstance(layers[-1], Dense) or layers[-1].norm:
        raise InvalidModel(f"architecture {text!r} must end with its read-out, such as fc10")
    return tuple(layers)


def _layer(word: str, where: str) -> Layer:
    if match := _CONV.fullmatch(word):
        channels, kernel, stride = (int(g or 1) for g in match.groups())
        if kernel % 2 == 0:
            raise InvalidModel(f"{where}: the kernel must be odd, so that padding keeps the size")
        if 0 in (channels, kernel, stride):
            raise InvalidModel(f"{where}: sizes must be at least 1")
        return Conv(channels, kernel, stride)
    if match := _OTHER.fullmatch(word):
        kind, number = match.group(1), int(match.group(2))
        if number == 0 or (kind == "drop" and number >= 100):
            raise InvalidModel(f"{where}: {number} is not a possible size")
        if kind == "fc":
            return Dense(number)
        return Dropout(number) if kind == "drop" else Pool(number, maximum=kind == "mp")
    raise InvalidModel(f"{where} is not understood; words are like 16c5, bn, p2, mp2, drop20, fc10")
