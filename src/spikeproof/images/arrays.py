"""Images in NumPy's files: one ``.npz``, two ``.npy`` in a folder, or many small ``.npz``.

An archive holds images and labels under common names (``x_train``, ``images``, ``labels`` ...). If
it holds a test part as well, that split is kept; with a test part only there is nothing to learn
from. ``classes`` names the labels. Of a folder of archives, such as the attacked images of an audit
(:mod:`~spikeproof.images.files`), the test parts are put together. Pickled objects are never read.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spikeproof.errors import InvalidRecording
from spikeproof.images.set import SEED, ImageData, Images, held_out, images_of

IMAGES = ("images", "x", "data")
LABELS = ("labels", "y", "target")
_ALL = "All images are to be tested on; none to learn from."


def load_arrays(path: str | Path, *, holdout: int | float = 0.5, seed: int = SEED) -> ImageData:
    """Load an ``.npz``, a folder of them, or the ``images.npy`` and ``labels.npy`` of a folder.

    A set without a test part (``x_test`` and ``y_test``, or ``test_images`` ...) is parted by
    ``holdout`` and ``seed``. Raises :class:`InvalidRecording` if arrays are missing or do not fit.
    """
    path = Path(path)
    if path.is_dir() and not (path / "images.npy").is_file():
        return _together(path)
    arrays = _folder(path) if path.is_dir() else _archive(path)
    learn = _part(arrays, "train", path) or _part(arrays, "", path)
    test = _part(arrays, "test", path)
    if learn is None and test is not None:
        return ImageData(path.stem, test.subset(np.arange(0)), test, _ALL)
    if learn is None:
        raise InvalidRecording(
            f"{path}: has no images and labels, only {', '.join(sorted(arrays)) or 'nothing'}; name"
            " them images and labels, or x_train, y_train, x_test and y_test"
        )
    if test is None:
        return held_out(learn, path.stem, holdout, seed)
    classes = max(learn.classes, test.classes, key=len)
    return ImageData(
        path.stem,
        Images(learn.x, learn.labels, classes),
        Images(test.x, test.labels, classes),
        "The split of the data set.",
    )


def holds_arrays(folder: Path) -> bool:
    """Whether ``folder`` holds ``images.npy``, or archives."""
    return (folder / "images.npy").is_file() or any(folder.glob("*.npz"))


def _together(folder: Path) -> ImageData:
    """The test parts of all archives in ``folder``, in the order of their numbers or names."""
    files = sorted(folder.glob("*.npz"), key=lambda p: (len(p.stem), p.stem))
    parts = [load_arrays(file).test for file in files]
    first = parts[0]
    for file, part in zip(files, parts, strict=True):
        if part.x.shape[1:] != first.x.shape[1:] or part.classes != first.classes:
            raise InvalidRecording(
                f"{file}: its images have another size or other classes than those of"
                f" {files[0].name}; keep one set in a folder"
            )
    x, labels = (torch.cat([getattr(part, what) for part in parts]) for what in ("x", "labels"))
    everything = Images(x, labels, first.classes)
    return ImageData(folder.name, everything.subset(np.arange(0)), everything, _ALL)


def _part(arrays: Mapping[str, NDArray[np.generic]], part: str, path: Path) -> Images | None:
    pixels = _named(arrays, IMAGES, part)
    labels = _named(arrays, LABELS, part)
    if pixels is None or labels is None:
        return None
    names = tuple(str(name) for name in arrays.get("classes", ()))
    return images_of(pixels, labels, f"{path} ({part})" if part else str(path), names)


def _named(
    arrays: Mapping[str, NDArray[np.generic]], names: tuple[str, ...], part: str
) -> NDArray[np.generic] | None:
    for name in names:
        for spelt in (f"{name}_{part}", f"{part}_{name}") if part else (name,):
            if spelt in arrays:
                return arrays[spelt]
    return None


def _archive(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise InvalidRecording(
                    f"{path}: is a single array; images need labels, so give an .npz, or a folder"
                    " with images.npy and labels.npy"
                )
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InvalidRecording(
            f"{path}: is no archive of arrays that can be read: {error}"
        ) from None


def _folder(path: Path) -> dict[str, NDArray[np.generic]]:
    arrays = {}
    for name in ("images", "labels"):
        try:
            arrays[name] = np.load(path / f"{name}.npy", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InvalidRecording(f"{path / name}.npy: cannot be read: {error}") from None
    return arrays
