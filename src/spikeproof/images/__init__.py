"""Images: labelled sets of intensities, and the files that they come in."""

from spikeproof.images.arrays import load_arrays
from spikeproof.images.digits import load_digit_images
from spikeproof.images.files import write_image
from spikeproof.images.idx import load_idx, read_idx
from spikeproof.images.out_of_distribution import STRANGE, resized
from spikeproof.images.photos import load_photo_patches
from spikeproof.images.set import ImageData, Images
from spikeproof.images.sheets import load_sheets
from spikeproof.images.sources import holds_images, load_images

__all__ = [
    "STRANGE",
    "ImageData",
    "Images",
    "holds_images",
    "load_arrays",
    "load_digit_images",
    "load_idx",
    "load_images",
    "load_photo_patches",
    "load_sheets",
    "read_idx",
    "resized",
    "write_image",
]
