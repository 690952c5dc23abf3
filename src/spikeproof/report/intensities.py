"""Pictures of images: as they are, and what an attack changed of them.

A change may be too small to be seen, so it is drawn by itself, its largest value in full ink:
brighter in the colour of what is added, darker in that of what is removed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikeproof.images import load_arrays
from spikeproof.report import palette
from spikeproof.report.pictures import Picture

Image = NDArray[np.float64]
_SEEN = 1e-9  # below it nothing was changed


def read_image(path: Path) -> Image:
    """The intensities ``[C, H, W]`` in a file of an audit; raises as the loader does."""
    image: Image = load_arrays(path).test.x[0, 0].double().numpy()
    return image


def plain_image(image: Image) -> Picture:
    """An image ``[C, H, W]`` as it is."""
    channels = image if len(image) == 3 else image[:1].repeat(3, axis=0)
    return _finish(255 * channels.transpose(1, 2, 0))


def change(clean: Image, attacked: Image) -> Picture:
    """What became brighter and what darker, on paper; of colours, the mean of their channels."""
    moved = (attacked - clean).mean(0)
    ink = np.abs(moved) / max(float(np.abs(moved).max()), _SEEN)
    ends = np.where(moved[..., None] > 0, _colour(palette.ADDED), _colour(palette.REMOVED))
    paper = _colour(palette.PAPER)
    return _finish(paper + ink[..., None] * (ends - paper))


def size(clean: Image, attacked: Image, norm: str | None) -> float:
    """How much was changed, in the norm."""
    moved = attacked - clean
    if norm == "l0":
        return float((moved != 0).any(0).sum())
    return float(np.sqrt((moved**2).sum()) if norm == "l2" else np.abs(moved).max())


def _colour(name: str) -> Image:
    return np.array(palette.rgb(name), dtype=np.float64)


def _finish(image: Image) -> Picture:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
