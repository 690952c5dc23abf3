"""Networks of our own, from their checkpoints.

A checkpoint says how recordings are binned, which classes there are and which recordings were
held out of its training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import spikeproof.models
from spikeproof.errors import InvalidModel, InvalidThreat
from spikeproof.events import Grid
from spikeproof.models import Described, load_checkpoint
from spikeproof.models.device import choose, placed

SHIPPED = Path(spikeproof.models.__file__).parent / "pretrained" / "digits-small.safetensors"
"""The checkpoint that comes with spikeproof, trained on the embedded digits."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A network from a file; ``about`` describes it, ``classes`` are named in logit order."""

    network: Described
    about: dict[str, Any]
    grid: Grid
    classes: tuple[str, ...]
    source: Path


def load_trained(path: str | Path | None, *, device: str = "auto") -> Trained:
    """The network in the checkpoint ``path`` (None: the shipped one), on ``device``.

    Raises :class:`InvalidModel` naming the file if it cannot be used.
    """
    path = SHIPPED if path is None else Path(path)
    where = choose(device)
    checkpoint = load_checkpoint(path)
    network, known = checkpoint.network, checkpoint.about
    try:
        grid = Grid(**known["grid"])
        classes = tuple(str(name) for name in known["classes"])
    except (KeyError, TypeError, InvalidThreat) as error:
        raise InvalidModel(
            f"{path}: its description has no usable grid or classes ({error}); train again"
        ) from None
    if len(classes) != network.n_classes or len(set(classes)) != len(classes):
        raise InvalidModel(
            f"{path}: names {len(set(classes))} classes for {network.n_classes} outputs; train"
            " again"
        )
    if (2, grid.height, grid.width) != network.input_shape:
        raise InvalidModel(
            f"{path}: its grid is of {grid.width}x{grid.height} pixels and its network of"
            f" {network.input_shape[2]}x{network.input_shape[1]}; train again"
        )
    about = {
        "name": path.stem,
        **known,
        "architecture": network.description.get("architecture", network.description.get("kind")),
        "kind": "spiking" if network.description.get("spiking", True) else "non-spiking",
        "parameters": network.n_parameters,
        "file": path.name,
        "sha256": checkpoint.digest,
    }
    return Trained(placed(network, where), about, grid, classes, path)
