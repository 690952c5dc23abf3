"""Asking about recordings that differ in few cells: the changes alone beside whole passes.

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 python benchmarks/changes.py

The shipped network on 16 of the embedded digits; flips of cells that are active or beside one that
is. For each number of flips: microseconds a recording by the engine's whole forward pass and by
following the changes (what the known recordings do is computed once for all), medians of seven
turns in turn, their ratio, and the largest difference of a logit.
"""

from __future__ import annotations

import statistics
import time

import torch
import torch.nn.functional as F

from spikeproof.audit.settings import Settings
from spikeproof.engine import changed, engine_for
from spikeproof.inputs.choice import DataChoice, ModelChoice
from spikeproof.inputs.load import subject_of

EACH = 64  # neighbours of a recording
FLIPS = (1, 2, 4, 8, 16, 32, 64)
ALTERNATING_SURROGATES = 7


def main() -> None:
    subject = subject_of(ModelChoice(None), DataChoice(None), Settings(recordings=16))
    x = subject.clean(torch.arange(len(subject)))
    engine = engine_for(subject.model)  # type: ignore[arg-type]
    assert engine is not None
    engine.around(x)  # compiles
    began = time.perf_counter()
    near = engine.around(x)
    assert near is not None
    print(f"{len(x)} recordings kept in {1e6 * (time.perf_counter() - began) / len(x):.0f} us each")
    rng = torch.Generator().manual_seed(0)
    busy = (F.max_pool3d(x.transpose(1, 2), 3, 1, 1).transpose(1, 2) > 0).flatten(1).float()
    who = torch.arange(len(x)).repeat_interleave(EACH)
    print(f"{'flips':>5}{'whole':>10}{'changes':>10}{'ratio':>8}{'difference':>14}")
    for flips in FLIPS:
        cells = torch.multinomial(busy, EACH * flips, generator=rng).view(len(who), flips)
        values = 1 - x.flatten(1)[who].gather(1, cells)
        samples = changed(x.flatten(1)[who], cells, values).view(-1, *x.shape[1:])
        whole, followed = [], []
        for _ in range(1 + ALTERNATING_SURROGATES):  # the first compiles
            before = time.perf_counter()
            expected = engine(samples)
            between = time.perf_counter()
            found = near(who, cells, values)
            whole.append((between - before) / len(who))
            followed.append((time.perf_counter() - between) / len(who))
        a, b = (1e6 * statistics.median(seconds[1:]) for seconds in (whole, followed))
        gap = float((found - expected).abs().max())
        print(f"{flips:>5}{a:>10.0f}{b:>10.1f}{a / b:>8.1f}{gap:>14.1e}", flush=True)


if __name__ == "__main__":
    main()
