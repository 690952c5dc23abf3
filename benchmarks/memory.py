"""What takes memory: long recordings, many recordings, and a gradient step.

    python benchmarks/memory.py slices [events, 216e6]
    python benchmarks/memory.py audit [recordings, 100 1000 10000] [--keep 100]
    python benchmarks/memory.py gradient [architecture]

``slices`` writes a ``.bin`` recording of that many events (5 bytes each) and passes it through
``slices``, by number of events and by time. The bound is a reader's piece, about 2^20 events, with
what is made of it.

``audit`` audits a small network on that many synthetic recordings (16x16 pixels, 8 bins, 4 classes;
made from their number when they are read): all entries of the standard audit, with few steps, and
the report. The bound is a part of the audit; what grows are a few hundred bytes a recording.

``gradient`` takes one eager gradient step of an attack with so many recordings at once in the
network; the difference of two batches is what each pixel and time bin costs, with compiled and with
plain PyTorch neuron loops. Attacks let 16 through at once (``Victim.chunk``), however many they are
given, so that the larger batch then costs little more than itself.

Every figure is the peak of resident memory in a process of its own.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 2**22  # events written at once
SIDE, BINS, WINDOW, CLASSES = 16, 8, 80_000, 4
LEARN = 400
SHIPPED = "16c5-bn-p2-32c3-bn-p2-fc10"
PIXELS, STEPS = 34 * 34, 16
SIZES = (64, 192)  # recordings that go through the network at once


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    what = parser.add_subparsers(dest="what", required=True)
    what.add_parser("slices").add_argument("events", nargs="?", type=float, default=216e6)
    many = what.add_parser("audit")
    many.add_argument("recordings", nargs="*", type=int, default=[100, 1_000, 10_000])
    many.add_argument("--keep", type=int, help="write event files of so many recordings only")
    what.add_parser("gradient").add_argument("architecture", nargs="?", default=SHIPPED)
    given = parser.parse_args()
    {"slices": slices, "audit": audits, "gradient": gradient}[given.what](given)


def alone(run: Callable[..., Any], *values: object) -> Any:
    """What ``run`` gives in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run, values)


def peak() -> float:
    """Largest resident memory of this process so far, in MiB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def slices(given: argparse.Namespace) -> None:
    n = int(given.events)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.bin"
        record(path, n)
        print(f"{path.stat().st_size / 1e9:.2f} GB, {n / 1e6:g} million events")
        for how in ({"count": 100_000}, {"duration": 10_000}):
            alone(stream, path, n, how)


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
        f" {n / seconds / 1e6:.0f} million events per second",
        flush=True,
    )


def audits(given: argparse.Namespace) -> None:
    print(
        "recordings  before MiB  peak MiB  seconds  CPU seconds  ms each    files"
        "  report kB  results kB"
    )
    for n in given.recordings:
        with tempfile.TemporaryDirectory() as folder:
            before, after, seconds, busy = alone(audit, n, given.keep, folder)
            files = sum(1 for _ in Path(folder).rglob("*.npz"))
            report, results = (
                (Path(folder) / name).stat().st_size / 1000
                for name in ("report.html", "results.json")
            )
            shutil.rmtree(folder, ignore_errors=True)
            Path(folder).mkdir()
        line = f"{n:10}{before:12.0f}{after:10.0f}{seconds:9.1f}{busy:13.1f}{1e3 * busy / n:9.1f}"
        print(f"{line}{files:9}{report:11.0f}{results:12.0f}", flush=True)


def audit(n: int, keep: int | None, folder: str) -> tuple[float, ...]:
    """Memory before the audit and at its peak, in MiB, its seconds, and those of the processor."""
    import torch

    from spikeproof import Data, Grid, Settings, run_audit
    from spikeproof.events import Recordings

    labels = np.arange(n + LEARN) % CLASSES
    names = tuple(f"{i:06}" for i in range(n + LEARN))
    every = Recordings(labels, tuple("abcd"), names, SIDE, SIDE, quadrant)
    split = every.subset(range(LEARN)), every.subset(range(LEARN, n + LEARN))
    grid = Grid(bins=BINS, window=WINDOW, height=SIDE, width=SIDE)
    model = trained(torch.from_numpy(labels[:LEARN]), split[0].grid_batch(grid, range(LEARN)))
    settings = Settings(
        recordings=n,
        steps=4,
        shares=(0.05,),
        universal_shares=(0.1,),
        fit_steps=2,
        patch=4,
        learn=LEARN,
        surrogate="own",
        keep=keep,
    )
    before, began, busy = peak(), time.perf_counter(), time.process_time()
    run_audit(
        model, Data("quadrants", *split, "by number"), out=folder, grid=grid, settings=settings
    )
    return before, peak(), time.perf_counter() - began, time.process_time() - busy


def quadrant(i: int) -> Any:
    """Recording ``i``: 80 events, most of them in the quarter of the sensor that is its class."""
    from spikeproof.events import Events

    rng = np.random.default_rng(i)
    n, half, label = 80, SIDE // 2, i % CLASSES
    stray = rng.random(n) < 0.2
    x, y = rng.integers(0, half, (2, n)) + half * np.array([[label % 2], [label // 2]])
    x, y = (np.where(stray, rng.integers(0, SIDE, n), axis) for axis in (x, y))
    return Events(x, y, np.sort(rng.integers(0, WINDOW, n)), rng.integers(0, 2, n), SIDE, SIDE)


def trained(labels: Any, cells: Any) -> Any:
    """A small spiking network that tells the quadrants apart."""
    import torch

    from spikeproof.models.network import build

    torch.manual_seed(0)
    network = build("4c3-p2-fc4", height=SIDE, width=SIDE)
    optimiser = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(40):
        chosen = torch.randint(len(labels), (32,))
        loss = torch.nn.functional.cross_entropy(network(cells[chosen].float()), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def gradient(given: argparse.Namespace) -> None:
    small, large = SIZES
    print(f"{given.architecture}, {PIXELS} pixels, {STEPS} bins; MiB at the peak, one thread")
    print(
        f"{'neuron loops':14}{'at once':>9}{small:>8}{large:>8}   bytes per recording, bin, pixel"
    )
    for how, chunk in itertools.product(("compiled", "plain"), (None, 16)):
        peaks = [alone(step, given.architecture, n, chunk or n, how) for n in SIZES]
        each = (peaks[1] - peaks[0]) * 2**20 / ((large - small) * STEPS * PIXELS)
        print(f"{how:14}{chunk or 'all':>9}{peaks[0]:8.0f}{peaks[1]:8.0f}{each:10.0f}", flush=True)


def step(architecture: str, batch: int, chunk: int, how: str) -> float:
    """Peak memory, in MiB, of one forward pass with the gradient of its input."""
    import torch

    from spikeproof.attacks.victim import Victim
    from spikeproof.goals import Untargeted
    from spikeproof.models import scan
    from spikeproof.models.network import build

    torch.manual_seed(0)
    torch.set_num_threads(1)
    if how == "plain":
        scan._forward_compiled, scan._backward_compiled = scan._forward_eager, scan._backward_eager
    network = build(architecture, height=34, width=34).eval()
    x = torch.zeros(batch, STEPS, 2, 34, 34)
    for one in x:  # no random numbers for all at once, which would be the peak
        one[torch.rand(one.shape) < 0.055] = 1
    Victim(network, chunk=chunk).gradient(x, Untargeted(torch.zeros(batch, dtype=torch.long)))
    return peak()


if __name__ == "__main__":
    main()
