"""The embedded data: 1,797 handwritten digits, filmed the way N-MNIST was.

scikit-learn's 8x8 digits (the test part of Alpaydin and Kaynak's "Optical Recognition of
Handwritten Digits", UCI, 1998) are drawn large, shown to a 34x34 ``Camera`` and moved along a
triangle of three saccades of 100 ms each, after Orchard et al., Frontiers in Neuroscience 9:437
(2015), section 2.3. Nothing is downloaded: the set is made once in some seconds, with fixed
seeds, and kept in the user's cache folder (``SPIKEPROOF_CACHE`` overrides which).
"""

from __future__ import annotations

import hashlib
import io
import os
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray

from spikeproof.events.atomic import write_bytes
from spikeproof.events.camera import Camera
from spikeproof.events.recordings import Data, Packed, Recordings

VERSION = 1  # raise when anything below changes the events
SIDE = 34  # pixels of the sensor
DRAWN = 28  # pixels of the picture, 10x10 with a dark rim around the 8x8
CORNERS = ((2.8, 1.2), (0.0, -2.4), (-2.8, 1.2))  # of the digit's path, (x, y) in pixels
SACCADE = 100  # ms
CAMERA = Camera(on=0.56, off=0.56, mismatch=0.07, refractory=1_700, noise=0.2, floor=0.05)
N_TEST = 400
SEED = 2015
_BATCH = 64  # recordings filmed together; a frame of them stays in the processor's cache
_COLUMNS = ("x", "y", "t", "p", "offsets", "labels")


def load_digits_events(*, cache: bool = True) -> Data:
    """Load the embedded recordings: 1,397 to learn from and 400 to test on.

    They last 300 ms and are the same, bit for bit, each time on one machine. Without ``cache``
    they are made anew and not stored; a cache that is damaged or cannot be written does no harm.
    """
    path = _cache_path()
    made = _load(path) if cache else None
    if made is None:
        made = _film()
        if cache:
            _store(path, *made)
    packed, labels = made
    names = tuple(f"digits/{i:04d}" for i in range(len(labels)))
    classes = tuple(str(digit) for digit in range(10))
    everything = Recordings(labels, classes, names, SIDE, SIDE, packed)
    order = np.random.default_rng(SEED).permutation(len(everything))
    return Data(
        "digits",
        learn=everything.subset(np.sort(order[N_TEST:])),
        test=everything.subset(np.sort(order[:N_TEST])),
        split=f"{N_TEST} of {len(everything)} recordings held out for testing with seed {SEED}.",
    )


def _film() -> tuple[Packed, NDArray[np.int64]]:
    """Make all recordings; gives them and their labels."""
    images, labels = _pictures()
    path = _gaze()
    times = np.arange(len(path)) * 1_000
    reels = []
    for first in range(0, len(images), _BATCH):
        batch = images[first : first + _BATCH]
        rng = np.random.default_rng((SEED, first))
        reels.append(CAMERA.record(partial(_seen, batch, path), times, rng))
    joined = {name: np.concatenate([getattr(r, name) for r in reels]) for name in "xytp"}
    lengths = np.concatenate([np.diff(reel.offsets) for reel in reels])
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return Packed(**joined, offsets=offsets, width=SIDE, height=SIDE), labels


def _pictures() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Digits in the middle of a dark frame with room to move, [N, H + 2m, W + 2m], and labels."""
    from sklearn.datasets import load_digits  # slow to import, and the cache makes it needless

    digits = load_digits()
    small = torch.from_numpy(digits.images).float()[:, None] / 16
    small = torch.nn.functional.pad(small, (1, 1, 1, 1))  # [N, 1, 10, 10]
    large = torch.nn.functional.interpolate(
        small, size=(DRAWN, DRAWN), mode="bicubic", align_corners=False
    )[:, 0]
    ink = ((large - 0.25) / 0.5).clamp(0, 1)
    ink = ink * ink * (3 - 2 * ink)  # smooth edges of a pen, in place of the blur of 8x8 pixels
    margin = (SIDE + 2 * _margin() - DRAWN) // 2
    ink = torch.nn.functional.pad(ink, (margin,) * 4)
    return ink.numpy(), np.asarray(digits.target, np.int64)


def _margin() -> int:
    """Pixels beyond the sensor that come into view when the digit moves."""
    return 1 + int(np.ceil(np.abs(CORNERS).max()))


def _gaze() -> NDArray[np.float64]:
    """Displacement of the digit in pixels, (x, y) at every ms from 0 to 300, [301, 2]."""
    share = np.arange(SACCADE) / SACCADE
    eased = share - np.sin(2 * np.pi * share) / (2 * np.pi)  # starts and stops gently
    corners = np.array([*CORNERS, CORNERS[0]])
    legs = [a + eased[:, None] * (b - a) for a, b in pairwise(corners)]
    return np.concatenate([*legs, corners[-1:]])


def _seen(images: NDArray[np.float32], path: NDArray[np.float64], k: int) -> NDArray[np.float32]:
    """Move the digits to where they are at step ``k``, bilinearly, and cut out the sensor's view.

    ``path`` is [K, 2], (x, y) in pixels; the result is [N, H, W].
    """
    x, y = path[k]
    across, down = _margin() - x, _margin() - y
    column, row = int(np.floor(across)), int(np.floor(down))
    a, b = np.float32(across - column), np.float32(down - row)
    rows = images[:, row : row + SIDE + 1]
    rows = rows[:, :-1] * (1 - b) + rows[:, 1:] * b
    view = rows[:, :, column : column + SIDE + 1]
    moved: NDArray[np.float32] = view[:, :, :-1] * (1 - a) + view[:, :, 1:] * a
    return moved


def _cache_path() -> Path:
    """Where the recordings are kept; the name changes with everything that shapes them."""
    recipe = repr((VERSION, SIDE, DRAWN, CORNERS, SACCADE, CAMERA, SEED, _BATCH))
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    folder = os.environ.get("SPIKEPROOF_CACHE") or platformdirs.user_cache_dir("spikeproof")
    return Path(folder) / f"digits-{VERSION}-{digest}.npz"


def _load(path: Path) -> tuple[Packed, NDArray[np.int64]] | None:
    """Read the cache, or None if there is none or its checksums are wrong."""
    try:
        # reading a member checks its CRC-32
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            x, y, t, p, offsets, labels = (archive[name] for name in _COLUMNS)
    except Exception:  # whatever is wrong with the file, the cure is to make it anew
        return None
    return Packed(x, y, t, p, offsets, SIDE, SIDE), labels


def _store(path: Path, packed: Packed, labels: NDArray[np.int64]) -> None:
    """Write the cache if that is possible."""
    buffer = io.BytesIO()
    columns = {name: getattr(packed, name) for name in _COLUMNS[:-1]}
    np.savez(buffer, **columns, labels=labels)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())
    except OSError:
        return  # a read-only home is no reason to stop
