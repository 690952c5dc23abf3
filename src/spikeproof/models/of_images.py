"""A network of small maps as a network of images: cut, scaled and shown as a constant current.

Published systems often see less than the image: its middle, at a lower resolution. Done inside the
model, this leaves the image to be what is attacked and audited.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from spikeproof.errors import InvalidModel
from spikeproof.models.serializable import SerializableNetwork


class OfImages(SerializableNetwork):
    """``network`` behind a look at images ``[N, 1, C, H, W]``; ``image`` is ``(C, H, W)``.

    Of each image the middle square of ``crop`` pixels (None: all of it) is brought to the network's
    size, by averages where it shrinks and bilinearly where it grows, and shown for ``steps`` time
    bins. Raises :class:`InvalidModel` if the crop is larger than the image or channels differ.
    """

    def __init__(
        self,
        network: SerializableNetwork,
        *,
        image: tuple[int, int, int],
        crop: int | None = None,
        steps: int = 1,
    ) -> None:
        super().__init__()
        if crop is not None and not 0 < crop <= min(image[1:]):
            raise InvalidModel(f"cannot cut {crop}x{crop} pixels out of {image[1]}x{image[2]}")
        if image[0] != network.input_shape[0]:
            raise InvalidModel(
                f"images of {image[0]} channels do not fit a network of {network.input_shape[0]}"
            )
        if steps < 1:
            raise InvalidModel(f"an image is shown for at least 1 time bin, not {steps}")
        self.network = network
        self.crop, self.steps = crop, steps
        self.n_classes = network.n_classes
        self.input_shape = tuple(image)
        self.description = {
            "kind": "of-images",
            "network": network.description,
            "image": list(image),
            "crop": crop,
            "steps": steps,
        }

    def seen(self, x: Tensor) -> Tensor:
        """What the network sees ``[N, 1, C, h, w]`` of images ``[N, 1, C, H, W]``."""
        if x.dim() != 5 or x.shape[1] != 1 or tuple(x.shape[2:]) != self.input_shape:
            c, h, w = self.input_shape
            raise InvalidModel(f"this network takes images [N, 1, {c}, {h}, {w}], not {[*x.shape]}")
        y = x.squeeze(1)
        if self.crop is not None:
            top, left = ((size - self.crop) // 2 for size in y.shape[2:])
            y = y[..., top : top + self.crop, left : left + self.crop]
        size = (self.network.input_shape[1], self.network.input_shape[2])
        if y.shape[2] >= size[0] and y.shape[3] >= size[1]:
            y = F.adaptive_avg_pool2d(y, size)
        else:
            y = F.interpolate(y, size, mode="bilinear", align_corners=False)
        return y.unsqueeze(1)

    def shown(self, x: Tensor) -> Tensor:
        """The same ``[N, steps, C, h, w]``, in every time bin."""
        return self.seen(x).expand(-1, self.steps, -1, -1, -1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of images ``[N, 1, C, H, W]``."""
        logits: Tensor = self.network(self.shown(x))
        return logits
