"""How much memory a long recording takes when it is read in slices.

    python benchmarks/memory.py [events, 216e6]

Writes a ``.bin`` recording of that many events (5 bytes each) and passes it through ``slices``, by
number of events and by time, each in a process of its own. Prints the resident memory after the
imports and at its peak. The bound is a reader's piece, about 2^20 events, with what is made of it.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

BLOCK = 2**22  # events written at once


def main() -> None:
    n = int(float(sys.argv[1])) if len(sys.argv) > 1 else 216_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.bin"
        record(path, n)
        print(f"{path.stat().st_size / 1e9:.2f} GB, {n / 1e6:g} million events")
        for how in ({"count": 100_000}, {"duration": 10_000}):
            run = multiprocessing.get_context("spawn").Process(target=stream, args=(path, n, how))
            run.start()
            run.join()


def record(path: Path, n: int) -> None:
    """Random pixels at times that never go back, in N-MNIST's layout."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, n, BLOCK):
            k = min(BLOCK, n - start)
            t = np.arange(start, start + k) * (2**23 - 1) // n
            raw = np.empty((k, 5), np.uint8)
            raw[:, :2] = rng.integers(0, 34, (k, 2))
            raw[:, 2] = rng.integers(0, 2, k) << 7 | t >> 16
            raw[:, 3], raw[:, 4] = t >> 8 & 0xFF, t & 0xFF
            file.write(raw.tobytes())


def stream(path: Path, n: int, how: dict[str, int]) -> None:
    from spikeproof.events import slices

    before, began = peak(), time.perf_counter()
    total = sum(len(part) for part in slices(path, **how))
    assert total == n, f"{total} of {n} events came"
    seconds = time.perf_counter() - began
    print(
        f"{how}: {before:.0f} MiB after the imports, {peak():.0f} MiB at the peak,"
        f" {n / seconds / 1e6:.0f} million events per second"
    )


def peak() -> float:
    """Largest resident memory of this process so far, in MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
