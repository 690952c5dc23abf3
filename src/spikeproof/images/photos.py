"""Embedded images of other things: grey patches of scikit-learn's two photographs.

A pagoda (``china.jpg``) and a flower (``flower.jpg``), both CC BY 2.0. They are what a network of
digits has never seen. Nothing is downloaded.
"""

from __future__ import annotations

import numpy as np

from spikeproof.images.set import SEED, ImageData, held_out, images_of

SIDE = 8
SHRUNK = 4  # pixels of the photograph along a pixel of a patch
N_TEST = 400


def load_photo_patches() -> ImageData:
    """800 patches of 8x8 pixels of each photograph; 400 of all are held out for testing."""
    from sklearn.datasets import load_sample_images  # slow to import

    rng = np.random.default_rng(SEED)
    patches = []
    for photograph in load_sample_images().images:
        grey = photograph.mean(2) / 255
        rows, columns = (size // SHRUNK for size in grey.shape)
        grey = grey[: rows * SHRUNK, : columns * SHRUNK]
        small = grey.reshape(rows, SHRUNK, columns, SHRUNK).mean((1, 3)).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(small, (SIDE, SIDE)).reshape(
            -1, SIDE, SIDE
        )
        patches.append(windows[rng.choice(len(windows), 800, replace=False)])
    labels = np.repeat(np.arange(2), 800)
    everything = images_of(np.concatenate(patches), labels, "photos", ("pagoda", "flower"))
    return held_out(everything, "photos", N_TEST, SEED)
