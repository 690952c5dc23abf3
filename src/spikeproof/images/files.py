"""Single images in files of their own, as an audit writes them, with nothing rounded.

An ``.npz`` with the arrays of a test part, ``x_test`` ``[1, C, H, W]`` (float32) and ``y_test``
``[1]``, and the names of the ``classes``. A folder of them is a set of images again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor


def write_image(
    path: Path, image: Float[Tensor, "1 c h w"], label: int, classes: tuple[str, ...]
) -> None:
    """Write one image with its ``label``, which counts in ``classes``, to an ``.npz``."""
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            x_test=image.numpy(),
            y_test=np.array([label]),
            classes=np.array(classes),
        )
