"""How fast recordings are read, beside other implementations.

    python benchmarks/decoders.py [millions of events, 10] [a recording]

Writes recordings in every format and times, in turn and on one thread, our decoder alone (bytes in
memory to pieces of columns), our whole ``read`` (file to checked ``Events``) and the readers of
faery, expelliarmus, evlib and Tonic, as far as they are installed and read the format. The
recordings: single events at random; rows of neighbours, as cameras send them; and, where there is
one, a real recording again and again. Prints millions of events per second of processor time, the
best of three, with the file in the operating system's cache. A dash: not read, or not right.

The row "copy" is the bound: the four columns (13 bytes an event) copied once in memory. DAT has
little else to do. EVT2 and EVT3 have a branch at every word, and EVT2.1 one at every bit of a
mask, that the processor cannot always foresee. ``read`` joins the pieces and checks every value,
so it passes over the columns some three times more. The others give other things: faery and
expelliarmus an array of records, evlib a table with signed polarities. That a number of events is
right is all that is checked here; tests/events/formats/test_evt_peers.py compares every event.
"""

from __future__ import annotations

import os

os.environ.update(POLARS_MAX_THREADS="1", RAYON_NUM_THREADS="1", OMP_NUM_THREADS="1")

import importlib.util
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from spikeproof.events import Events
from spikeproof.events.files import WRITABLE, read, recognise, write

ENDINGS = {
    "EVT2": ".evt2.raw",
    "EVT2.1": ".evt21.raw",
    "EVT3": ".evt3.raw",
    "DAT": ".dat",
    "N-MNIST": ".bin",
    "AEDAT4": ".aedat4",
    "HDF5, DSEC": ".h5",
    "HDF5, ECF": ".hdf5",
    "npz": ".npz",
    "npy": ".npy",
    "CSV": ".csv",
}
REPEATS = 3

Run = Callable[[], int]
"""Read a recording; gives the number of events."""
Reader = Callable[[Path], Run]


def main() -> None:
    n = int(float(sys.argv[1]) * 1e6) if len(sys.argv) > 1 else 10_000_000
    readers = {"decoder": decoder, "read": ours, **peers()}
    print(f"about {n / 1e6:g} million events; millions of events per second of processor time")
    recordings = {"single events": scattered(n), "rows": rows(n)}
    if len(sys.argv) > 2:
        recordings[Path(sys.argv[2]).name] = again(read(sys.argv[2]), n)
    for name, events in recordings.items():
        print(f"\n{name:<16}{'bytes/event':>12}" + "".join(f"{who:>14}" for who in readers))
        print(f"{'copy':<28}{speeds([copier(events)], len(events))[0]:>14}")
        for format, ending in ENDINGS.items():
            if ending in WRITABLE:
                compare(format, ending, small(events) if ending == ".bin" else events, readers)


def compare(format: str, ending: str, events: Events, readers: dict[str, Reader]) -> None:
    """Print one row."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"recording{ending}"
        write(path, events)
        cells = speeds([reader(path) for reader in readers.values()], len(events))
        size = path.stat().st_size / len(events)
    print(f"{format:<16}{size:>12.1f}" + "".join(f"{cell:>14}" for cell in cells))


def speeds(runs: list[Run], n: int) -> list[str]:
    """Millions of events per second, the best of some turns; a dash for what fails."""
    best = [float("inf")] * len(runs)
    for turn in range(1 + REPEATS):  # the first compiles, and warms the cache of files
        for k, run in enumerate(runs):
            began = time.process_time()
            try:
                right = best[k] > 0 and run() == n
            except BaseException as error:  # faery panics where it should raise
                if isinstance(error, KeyboardInterrupt):
                    raise
                right = False
            took = time.process_time() - began
            best[k] = 0 if not right else min(best[k], took) if turn else best[k]
    return [f"{n / seconds / 1e6:.1f}" if seconds else "-" for seconds in best]


def scattered(n: int) -> Events:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, n // 2, n))  # 2 events a microsecond
    return Events(
        rng.integers(0, 1280, n), rng.integers(0, 720, n), t, rng.integers(0, 2, n), 1280, 720
    )


def rows(n: int) -> Events:
    """1 to 19 events of one row, time and polarity, as in bursts of a camera."""
    rng = np.random.default_rng(0)
    many = rng.integers(1, 20, n // 10)
    t, y, p, start = (
        np.repeat(column, many)
        for column in (
            np.sort(rng.integers(0, n // 20, len(many))),
            rng.integers(0, 720, len(many)),
            rng.integers(0, 2, len(many)),
            rng.integers(0, 1220, len(many)),
        )
    )
    within = np.arange(len(t)) - np.repeat(np.cumsum(many) - many, many)
    return Events(start + 3 * within, y, t, p, 1280, 720)


def small(events: Events) -> Events:
    """What fits 8-bit coordinates and 23 bits of time."""
    t = events.t * (2**23 - 1) // max(1, int(events.t[-1]))
    return Events(events.x % 34, events.y % 34, t, events.p, 34, 34)


def again(events: Events, n: int) -> Events:
    """The same recording over and over, one after the other."""
    times = max(1, n // len(events))
    step = events.duration + 1
    t = np.concatenate([events.t - events.t[0] + k * step for k in range(times)])
    x, y, p = (np.tile(column, times) for column in (events.x, events.y, events.p))
    return Events(x, y, t, p, events.width, events.height)


def copier(events: Events) -> Run:
    columns = (events.x, events.y, events.t, events.p)
    return lambda: sum(len(column.copy()) for column in columns) // len(columns)


def decoder(path: Path) -> Run:
    """Our decoder, from memory; every piece is thrown away."""
    format, data = recognise(path), path.read_bytes()
    return lambda: sum(len(p.t) for p in format.open(io.BytesIO(data), sys.exit).pieces)


def ours(path: Path) -> Run:
    size = {"width": 1280, "height": 720} if path.suffix == ".npy" else {}  # it holds no size
    return lambda: len(read(path, **size))


def peers() -> dict[str, Reader]:
    """The other readers that are installed; the rest are named."""
    found: dict[str, Reader] = {}
    for reader in (faery, expelliarmus, evlib, tonic):
        if importlib.util.find_spec(reader.__name__) is None:
            print(f"{reader.__name__}: not installed")
        else:
            found[reader.__name__] = reader
    return found


def faery(path: Path) -> Run:
    package = importlib.import_module("faery")
    return lambda: len(package.events_stream_from_file(path).to_array())


def expelliarmus(path: Path) -> Run:
    wizard = importlib.import_module("expelliarmus").Wizard
    kinds = {".evt2.raw": "evt2", ".evt3.raw": "evt3", ".dat": "dat"}
    return lambda: len(wizard(encoding=kinds["".join(path.suffixes)]).read(path))


def evlib(path: Path) -> Run:
    package = importlib.import_module("evlib")
    return lambda: package.load_events(str(path), sort=False).collect().height


def tonic(path: Path) -> Run:
    module = importlib.import_module("tonic.io")
    dtype = np.dtype([("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")])
    if path.suffix == ".bin":
        return lambda: len(module.read_mnist_file(str(path), dtype))
    return lambda: len(module.read_aedat4(str(path)))


if __name__ == "__main__":
    main()
