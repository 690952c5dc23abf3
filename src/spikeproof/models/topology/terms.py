"""The syntax tree of the topology language; ``str`` of a term is its text.

=============================  ===============================================================
``dense n m``                  fully connected, n inputs, m neurons
``conv n m k``                 convolution with same padding, n to m channels, k x k kernel
``... stride s``, ``... norm``  convolution with a stride; batch norm before the neurons
``pool s``, ``maxpool s``      average or maximum over non-overlapping squares, s x s
``dropout p``                  drops p % of the units of a sample, for all time bins alike
``e |> e'``                    sequence: what ``e`` gives is what ``e'`` takes
``e (-) e'``                   branches: both take the same input, and what they give is joined
``let x = e in e'``            a name for a number or a network
=============================  ===============================================================

``_`` in the place of n stands for "as many as come in". ``(-)`` binds tighter than ``|>``. Numbers,
``dense``, ``|>``, ``(-)`` and ``let`` are the language of Al-Fayyadh, Ali and Abood (Webology 19,
2022), where ``(-)`` is written with a circled minus.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from spikeproof.models.topology.place import Place


@dataclass(frozen=True)
class _Term:
    """Terms are equal if they say the same, wherever they stand."""

    place: Place | None = field(default=None, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class Number(_Term):
    """A number, at least 0."""

    value: int

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Name(_Term):
    """Stands for what a ``let`` says."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Open(_Term):
    """A number of inputs left to what comes in."""

    def __str__(self) -> str:
        return "_"


Size: TypeAlias = Number | Name
Inputs: TypeAlias = Number | Name | Open


@dataclass(frozen=True)
class Dense(_Term):
    """Fully connected."""

    inputs: Inputs
    units: Size
    norm: bool = False

    def __str__(self) -> str:
        return f"dense {self.inputs} {self.units}{_norm(self.norm)}"


@dataclass(frozen=True)
class Conv(_Term):
    """Convolution with same padding."""

    inputs: Inputs
    channels: Size
    kernel: Size
    stride: Size = field(default_factory=lambda: Number(1))
    norm: bool = False

    def __str__(self) -> str:
        stride = "" if self.stride == Number(1) else f" stride {self.stride}"
        return f"conv {self.inputs} {self.channels} {self.kernel}{stride}{_norm(self.norm)}"


@dataclass(frozen=True)
class PoolTerm(_Term):
    """Average or maximum over non-overlapping squares."""

    size: Size
    maximum: bool = False

    def __str__(self) -> str:
        return f"{'max' if self.maximum else ''}pool {self.size}"


@dataclass(frozen=True)
class Dropout(_Term):
    """Drops units of a sample for all its time bins alike."""

    percent: Size

    def __str__(self) -> str:
        return f"dropout {self.percent}"


@dataclass(frozen=True)
class Chain(_Term):
    """Terms one after the other."""

    parts: tuple[Term, ...]

    def __str__(self) -> str:
        return " |> ".join(_enclosed(part, Chain | Let) for part in self.parts)


@dataclass(frozen=True)
class Branches(_Term):
    """Terms side by side on one input, whose features (or channels) are joined."""

    parts: tuple[Term, ...]

    def __str__(self) -> str:
        return " (-) ".join(_enclosed(part, Chain | Branches | Let) for part in self.parts)


@dataclass(frozen=True)
class Let(_Term):
    """``name`` stands for ``value`` in ``body``; each use of a network has weights of its own."""

    name: str
    value: Term
    body: Term

    def __str__(self) -> str:
        return f"let {self.name} = {self.value} in {self.body}"


Layer: TypeAlias = Dense | Conv | PoolTerm | Dropout
Term: TypeAlias = Number | Name | Layer | Chain | Branches | Let


def _norm(norm: bool) -> str:
    return " norm" if norm else ""


def _enclosed(term: Term, kinds: object) -> str:
    return f"({term})" if isinstance(term, kinds) else str(term)  # type: ignore[arg-type]
