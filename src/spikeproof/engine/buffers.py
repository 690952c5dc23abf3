"""Memory that is used again from step to step.

Fresh memory costs more than the arithmetic on it: the system hands out pages of zeros one by one.
Batches of an attack shrink as recordings are done, so a buffer is as long as the longest batch so
far and a shorter one takes its beginning.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Buffers:
    """Arrays by name; what :meth:`take` gives holds until the same name is taken again."""

    def __init__(self) -> None:
        self._held: dict[object, NDArray[np.uint8]] = {}

    def take(self, name: object, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of this ``shape`` with anything in it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        held = self._held.get(name)
        if held is None or len(held) < size:
            held = self._held[name] = np.empty(size, dtype=np.uint8)
        return held[:size].view(dtype).reshape(shape)
