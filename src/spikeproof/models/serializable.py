"""Networks that know how they are built, so that they can be saved without code."""

from __future__ import annotations

from typing import Any

from torch import nn


class SerializableNetwork(nn.Module):
    """A network that maps ``[N, T, *input_shape]`` to logits ``[N, n_classes]``.

    ``description`` is a JSON-ready table of what is needed to build it again; its ``kind`` names
    the builder in :mod:`~spikeproof.models.kinds`. ``input_shape`` is ``(P, H, W)``, of images
    ``(C, H, W)``, which come as a single time bin.
    """

    description: dict[str, Any]
    n_classes: int
    input_shape: tuple[int, ...]

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(p.numel() for p in self.parameters())
