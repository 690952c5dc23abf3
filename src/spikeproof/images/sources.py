"""Find images by what the user typed.

=======================  ====================================================
nothing, ``digits``      the embedded digits
``photos``               embedded patches of photographs, of no digit
a folder with IDX files  MNIST, Fashion-MNIST and their like
a folder with sheets     CIFAR-10 as ConvNetJS has it
``*.npz``, or a folder   arrays; in a folder, ``images.npy`` and ``labels.npy``, or
                         the ``*.npz`` that an audit wrote
=======================  ====================================================
"""

from __future__ import annotations

from pathlib import Path

from spikeproof.errors import InvalidRecording
from spikeproof.images.arrays import holds_arrays, load_arrays
from spikeproof.images.digits import load_digit_images
from spikeproof.images.idx import holds_idx, load_idx
from spikeproof.images.photos import load_photo_patches
from spikeproof.images.set import SEED, ImageData
from spikeproof.images.sheets import holds_sheets, load_sheets


def load_images(
    spec: str | Path | None = None, *, holdout: int | float = 0.5, seed: int = SEED
) -> ImageData:
    """Load what ``spec`` names: see the module.

    ``holdout`` and ``seed`` part arrays that come without a test part. Raises
    :class:`InvalidRecording` as the loaders do, and for anything that is none of these.
    """
    if spec is None or spec == "digits":
        return load_digit_images()
    if spec == "photos":
        return load_photo_patches()
    path = Path(spec)
    if not path.exists():
        raise InvalidRecording(f"{path}: no such file or folder")
    if path.is_file():
        return load_arrays(path, holdout=holdout, seed=seed)
    if holds_idx(path):
        return load_idx(path)
    if holds_sheets(path):
        return load_sheets(path)
    if holds_arrays(path):
        return load_arrays(path, holdout=holdout, seed=seed)
    raise InvalidRecording(
        f"{path}: holds no images that are known; needed are IDX files (MNIST), sheets of CIFAR-10,"
        " images.npy and labels.npy, or .npz; recordings of events are given with --data"
    )


def holds_images(spec: object) -> bool:
    """Whether ``spec`` is a folder with files that are of images and of nothing else."""
    if not isinstance(spec, str | Path) or not Path(spec).is_dir():
        return False
    folder = Path(spec)
    return holds_idx(folder) or holds_sheets(folder) or (folder / "images.npy").is_file()
