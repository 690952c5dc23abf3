"""The embedded images: scikit-learn's 1,797 handwritten digits of 8x8 pixels.

The test part of Alpaydin and Kaynak's "Optical Recognition of Handwritten Digits" (UCI, 1998), in
17 grey levels. Nothing is downloaded.
"""

from __future__ import annotations

import numpy as np

from spikeproof.images.set import SEED, ImageData, held_out, images_of

N_TEST = 400


def load_digit_images() -> ImageData:
    """1,397 digits to learn from and 400 to test on, the same split each time."""
    from sklearn.datasets import load_digits  # slow to import

    digits = load_digits()
    pixels = (digits.images / 16).astype(np.float32)
    everything = images_of(pixels, digits.target, "digits", tuple(str(k) for k in range(10)))
    return held_out(everything, "digits", N_TEST, SEED)
