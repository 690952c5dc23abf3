"""Networks of our own, from their checkpoints.

A checkpoint says whether it sees recordings, and how they are binned, or images, which classes
there are, and what was held out of its training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spikeproof.models
from spikeproof.errors import InvalidModel, InvalidThreat
from spikeproof.events import Grid
from spikeproof.models import SerializableNetwork, load_checkpoint
from spikeproof.models.device import choose, placed

SHIPPED = Path(spikeproof.models.__file__).parent / "pretrained" / "digits-small.safetensors"
"""The checkpoint that comes with spikeproof, trained on the embedded digits."""


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network from a file; ``about`` describes it, ``classes`` are named in logit order.

    ``grid`` is None of a network that sees images.
    """

    network: SerializableNetwork
    about: dict[str, Any]
    grid: Grid | None
    classes: tuple[str, ...]
    source: Path

    def split_of(self, data: object) -> dict[str, Any]:
        """What is known of how ``data`` (a name or path) were split; nothing of other data."""
        name = Path(str(data)).resolve()
        same = self.about.get("data") in (name.name, name.stem)
        return self.about if same else {}


def load_trained(path: str | Path | None, *, device: str = "auto") -> TrainedNetwork:
    """The network in the checkpoint ``path`` (None: the shipped one), on ``device``.

    Raises :class:`InvalidModel` naming the file if it cannot be used.
    """
    path = SHIPPED if path is None else Path(path)
    where = choose(device)
    checkpoint = load_checkpoint(path)
    network, known = checkpoint.network, checkpoint.about
    try:
        grid, shape = _sight(known)
        classes = tuple(str(name) for name in known["classes"])
    except (KeyError, TypeError, InvalidThreat) as error:
        raise InvalidModel(
            f"{path}: its description has no usable grid, images or classes ({error}); train again"
        ) from None
    if len(classes) != network.n_classes or len(set(classes)) != len(classes):
        raise InvalidModel(
            f"{path}: names {len(set(classes))} classes for {network.n_classes} outputs; train"
            " again"
        )
    if shape != network.input_shape:
        raise InvalidModel(
            f"{path}: is described for {_pixels(shape)} pixels and its network is for"
            f" {_pixels(network.input_shape)}; train again"
        )
    about = {
        "name": path.stem,
        **known,
        **_said(network.description),
        "parameters": network.n_parameters,
        "file": path.name,
        "sha256": checkpoint.digest,
    }
    return TrainedNetwork(placed(network, where), about, grid, classes, path)


def _sight(known: dict[str, Any]) -> tuple[Grid | None, tuple[int, ...]]:
    """How recordings are binned (None of images), and the shape of a bin or of an image."""
    if "images" in known:
        size = known["images"]
        return None, (size["channels"], size["height"], size["width"])
    grid = Grid(**known["grid"])
    return grid, (2, grid.height, grid.width)


def _pixels(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in reversed(shape))


def _said(description: dict[str, Any]) -> dict[str, str]:
    """What the report says of a network with this description."""
    if description.get("kind") == "encoded":
        inside, code = _said(description["network"]), description["code"]
        steps = f"{code['steps']} {'step' if code['steps'] == 1 else 'steps'}"
        inside["architecture"] = f"{code['name']} code, {steps}: {inside['architecture']}"
        return inside
    return {
        "architecture": description.get("architecture") or description.get("kind", ""),
        "kind": "spiking" if description.get("spiking", True) else "non-spiking",
    }
