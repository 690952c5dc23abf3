"""Loops spread over as many threads as PyTorch uses.

The compiled loops let go of Python's lock, so that threads of Python serve. numba's own parallel
loops do the same work in the same time, but compiling one takes longer than all that is in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

_EACH = 4  # parts for each thread, so that one that is held up does not hold up the others


def spread(loop: Callable[[int, int], object], items: int) -> None:
    """Call ``loop(first, last)`` for ranges that together are ``range(items)``, side by side."""
    threads = torch.get_num_threads()
    if threads == 1 or items == 1:
        loop(0, items)
        return
    size = -(-items // (_EACH * threads))
    starts = range(0, items, size)
    for _ in _pool(threads).map(lambda first: loop(first, min(first + size, items)), starts):
        pass  # raises what a part raised


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "spikeproof-engine")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has no threads
