"""CIFAR-10 as sheets of pictures, in the layout of ConvNetJS.

``cifar10_batch_B.png`` has 1000 rows; each is one image of 32x32x3 bytes. ``cifar10_labels.js``
lists the labels of batches 0 to 50 one after the other. Batch 50 belongs to the test part, the
others to the part to learn from; those that are there are read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from spikeproof.errors import InvalidRecording
from spikeproof.images.set import ImageData, Images, images_of

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SIDE, ROWS, TEST_BATCH = 32, 1000, 50
_LABELS = "cifar10_labels.js"


def load_sheets(folder: str | Path) -> ImageData:
    """The batches in ``folder``, with the data set's own split.

    Raises :class:`InvalidRecording` if sheets or labels are missing, damaged or of another size.
    """
    folder = Path(folder)
    labels = _labels(folder / _LABELS)
    found = {
        int(match.group(1)): path
        for path in folder.glob("cifar10_batch_*.png")
        if (match := re.fullmatch(r"cifar10_batch_(\d+)\.png", path.name))
    }
    learn = {batch: path for batch, path in sorted(found.items()) if batch < TEST_BATCH}
    test = {batch: path for batch, path in sorted(found.items()) if batch == TEST_BATCH}
    if not learn or not test:
        raise InvalidRecording(
            f"{folder}: needs cifar10_batch_{TEST_BATCH}.png, which is the test part, and at least"
            " one other batch"
        )
    return ImageData(
        folder.name,
        _images(learn, labels),
        _images(test, labels),
        f"The split of the data set; {len(learn)} of {TEST_BATCH} batches to learn from.",
    )


def holds_sheets(folder: Path) -> bool:
    """Whether ``folder`` holds such sheets."""
    return (folder / _LABELS).is_file()


def _images(batches: dict[int, Path], labels: NDArray[np.int64]) -> Images:
    pixels = np.concatenate([_sheet(path) for path in batches.values()])
    numbers = [labels[ROWS * batch : ROWS * (batch + 1)] for batch in batches]
    where = ", ".join(path.name for path in batches.values())
    return images_of(pixels, np.concatenate(numbers), where, CLASSES)


def _sheet(path: Path) -> NDArray[np.uint8]:
    """The images of a sheet, ``[1000, 32, 32, 3]``."""
    try:
        with Image.open(path) as sheet:
            if sheet.size != (SIDE * SIDE, ROWS):
                raise InvalidRecording(
                    f"{path}: is {sheet.size[0]}x{sheet.size[1]} pixels; a sheet has"
                    f" {SIDE * SIDE}x{ROWS}, one image a row"
                )
            return np.asarray(sheet.convert("RGB")).reshape(ROWS, SIDE, SIDE, 3)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidRecording(f"{path}: is no picture that can be read: {error}") from None


def _labels(path: Path) -> NDArray[np.int64]:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise InvalidRecording(f"{path}: the labels cannot be read; fetch them again") from None
    match = re.fullmatch(r"\s*var\s+labels\s*=\s*\[([\d,\s]*)\]\s*;?\s*", text)
    if match is None:
        raise InvalidRecording(f"{path}: is not one list, var labels=[...]; fetch it again")
    return np.array([int(word) for word in match.group(1).split(",") if word.strip()], np.int64)
