"""The glossary of axes and one alias per kind of tensor.

Axis letters, the same everywhere:

======  =======================================================
``n``   sample in the batch
``t``   time bin
``p``   polarity, 0 = off, 1 = on
``h``   sensor row (``y`` of an event)
``w``   sensor column (``x`` of an event)
``k``   class
======  =======================================================

Aliases are documentation for readers and type checkers; the test-suite also enforces them at run
time through jaxtyping's import hook.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

Cells: TypeAlias = Float[Tensor, "n t p h w"]
"""Binned recordings: 0/1 in a binary grid, whole numbers in a count grid."""

Gain: TypeAlias = Float[Tensor, "n t p h w"]
"""How much an attack wants each cell changed; higher is more, ``-inf`` is never."""

Mask: TypeAlias = Bool[Tensor, "n t p h w"]
"""A choice of cells."""

Logits: TypeAlias = Float[Tensor, "n k"]
Labels: TypeAlias = Int[Tensor, " n"]
PerSample: TypeAlias = Float[Tensor, " n"]
Counts: TypeAlias = Int[Tensor, " n"]
Flags: TypeAlias = Bool[Tensor, " n"]


@runtime_checkable
class Model(Protocol):
    """A victim: any callable from ``[N, T, P, H, W]`` to logits ``[N, K]``.

    It must be a pure function of its input: state is created inside the call.
    """

    def __call__(self, x: Tensor, /) -> Tensor:
        """Logits ``[N, K]`` of the recordings ``x``."""
        ...


@runtime_checkable
class Pool(Protocol):
    """Recordings to draw from: a tensor ``[M, T, P, H, W]``, or what is indexed like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``[M, T, P, H, W]``."""
        ...

    def __getitem__(self, chosen: Tensor, /) -> Tensor:
        """Those at the places ``chosen`` ``[n]``: cells ``[n, T, P, H, W]`` of any dtype."""
        ...
