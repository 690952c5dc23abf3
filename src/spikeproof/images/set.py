"""A labelled set of images, as the recordings of one time bin that models and attacks take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from spikeproof.errors import InvalidRecording

SEED = 2015  # of the permutation that holds images out for testing


@dataclass(frozen=True, eq=False)
class Images:
    """Intensities ``x`` ``[N, 1, C, H, W]`` in [0, 1], ``labels`` ``[N]`` and the class names.

    C is 1 or 3; it takes the place of the polarities of a recording.
    """

    x: Float[Tensor, "n 1 c h w"]
    labels: Int[Tensor, " n"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        """Count the images."""
        return len(self.labels)

    def subset(self, indices: NDArray[np.integer]) -> Images:
        """Some of the images, in the order of ``indices``."""
        chosen = torch.from_numpy(np.asarray(indices, np.int64))
        return Images(self.x[chosen], self.labels[chosen], self.classes)

    def drawn(self, count: int, seed: int) -> Images:
        """``count`` of the images drawn by ``seed``, or all if there are no more, in order."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        return self.subset(order[:count].sort().values.numpy())


@dataclass(frozen=True, eq=False)
class ImageData:
    """Images to learn from and to test on; ``split`` says how they were parted."""

    name: str
    learn: Images
    test: Images
    split: str


def images_of(
    pixels: NDArray[np.generic],
    labels: NDArray[np.generic],
    where: str,
    classes: tuple[str, ...] = (),
) -> Images:
    """Images of ``pixels`` ``[N, H, W]``, ``[N, H, W, C]`` or ``[N, C, H, W]`` and their labels.

    Bytes are divided by 255; floats must be in [0, 1]. Without ``classes`` they are named by their
    numbers. Raises :class:`InvalidRecording`, which begins with ``where``, for anything else.
    """
    x = _intensities(_channels_first(pixels, where), where)
    labels = np.asarray(labels)
    if labels.shape != (len(x),) or not np.issubdtype(labels.dtype, np.integer):
        raise InvalidRecording(
            f"{where}: {len(x)} images need as many whole-number labels, not an array"
            f" {list(labels.shape)} of {labels.dtype}"
        )
    if len(labels) == 0:
        raise InvalidRecording(f"{where}: holds no images")
    numbers = labels.astype(np.int64)
    most = int(numbers.max())
    if int(numbers.min()) < 0 or (classes and most >= len(classes)):
        raise InvalidRecording(
            f"{where}: label {most if int(numbers.min()) >= 0 else int(numbers.min())} is not one"
            f" of the classes 0 to {len(classes) - 1 if classes else most}"
        )
    names = classes or tuple(str(k) for k in range(most + 1))
    return Images(torch.from_numpy(x).unsqueeze(1), torch.from_numpy(numbers), names)


def held_out(everything: Images, name: str, holdout: int | float, seed: int) -> ImageData:
    """``holdout`` images (an int) or that share of them (a float) become the test set.

    Raises :class:`InvalidRecording` if one of the two parts would be empty.
    """
    n = len(everything)
    count = round(holdout * n) if isinstance(holdout, float) else holdout
    if not 0 < count < n:
        raise InvalidRecording(
            f"{name}: cannot hold out {holdout} of {n} images; leave at least one on either side"
        )
    order = np.random.default_rng(seed).permutation(n)
    return ImageData(
        name,
        learn=everything.subset(np.sort(order[count:])),
        test=everything.subset(np.sort(order[:count])),
        split=f"{count} of {n} images held out for testing with seed {seed}.",
    )


def _channels_first(pixels: NDArray[np.generic], where: str) -> NDArray[np.generic]:
    """``pixels`` as ``[N, C, H, W]``."""
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.ndim == 4 and pixels.shape[1] in (1, 3):
        return pixels
    if pixels.ndim == 4 and pixels.shape[3] in (1, 3):
        return np.moveaxis(pixels, 3, 1)
    raise InvalidRecording(
        f"{where}: images are [N, H, W], [N, C, H, W] or [N, H, W, C] with 1 or 3 channels, not"
        f" {list(pixels.shape)}"
    )


def _intensities(pixels: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels, np.float32) / np.float32(255)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise InvalidRecording(
            f"{where}: pixels are bytes or floats in [0, 1], not {pixels.dtype}; convert them"
        )
    x = np.ascontiguousarray(pixels, np.float32)
    if x.size and not (x.min() >= 0 and x.max() <= 1):  # refuses NaN as well
        raise InvalidRecording(
            f"{where}: float pixels go from {x.min():g} to {x.max():g}; scale them to [0, 1]"
        )
    return x
