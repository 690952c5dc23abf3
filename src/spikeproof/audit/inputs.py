"""What an audit is given, a network and recordings, made to fit each other.

A checkpoint says how recordings are binned, which classes there are and which recordings were
held out of its training. All three are taken from there, so that the model sees what it was
trained on and is never audited on it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

import spikeproof.models
from spikeproof.audit.settings import Settings
from spikeproof.audit.subject import Subject, take
from spikeproof.errors import InvalidModel, InvalidRecording, InvalidThreat, SpikeproofError
from spikeproof.events import Data, Grid, Recordings, load_data
from spikeproof.models import Network, load_checkpoint
from spikeproof.models.device import choose, placed
from spikeproof.types import Model

SHIPPED = Path(spikeproof.models.__file__).parent / "pretrained" / "digits-small.safetensors"
"""The checkpoint that comes with spikeproof, trained on the embedded digits."""

Holdout: TypeAlias = int | float | None
_HOLDOUT = 0.5  # of a folder that the model does not come from


@dataclass(frozen=True, eq=False)
class Trained:
    """A network from a file; ``about`` describes it, ``classes`` are named in logit order."""

    network: Network
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
        "architecture": network.description["architecture"],
        "kind": "spiking" if network.description["spiking"] else "non-spiking",
        "parameters": network.n_parameters,
        "file": path.name,
        "sha256": checkpoint.digest,
    }
    return Trained(placed(network, where), about, grid, classes, path)


def recordings_for(
    trained: Trained,
    spec: str | Path | None,
    *,
    holdout: Holdout = None,
    split_seed: int | None = None,
) -> Data:
    """The recordings in ``spec`` (None: the embedded digits), with the classes of ``trained``.

    If the model was trained on them, ``holdout`` and ``split_seed`` default to those of its
    training. Raises :class:`InvalidRecording` for recordings that do not suit the model.
    """
    about = trained.about
    trained_on = about.get("data")
    if spec is None and trained_on not in (None, "digits"):
        raise SpikeproofError(
            f"{trained.source}: was trained on {trained_on!r}; give its recordings with --data"
        )
    name = "digits" if spec in (None, "digits") else Path(str(spec)).resolve().name
    known = about if name == trained_on else {}
    data = load_data(
        spec,
        holdout=_first(holdout, known.get("holdout"), _HOLDOUT),
        seed=_first(split_seed, known.get("split_seed"), 0),
        width=trained.grid.width,
        height=trained.grid.height,
    )
    return with_classes(data, trained.classes)


def _first(*values: Any) -> Any:
    return next(v for v in values if v is not None)


def with_classes(data: Data, classes: tuple[str, ...]) -> Data:
    """``data`` with labels that count in ``classes``, matched by name.

    Raises :class:`InvalidRecording` for a label that is none of them.
    """
    return replace(data, learn=_renamed(data, data.learn, classes),
                   test=_renamed(data, data.test, classes))  # fmt: skip


def _renamed(data: Data, part: Recordings, classes: tuple[str, ...]) -> Recordings:
    if part.classes == classes:
        return part
    for name in part.classes:
        if name not in classes:
            raise InvalidRecording(
                f"{data.name}: label {name!r} is outside the model's {len(classes)} classes"
                f" ({_some(classes)}); remove its folder, or train a model on all labels"
            )
    place = np.array([classes.index(name) for name in part.classes], np.int64)
    return replace(part, labels=place[part.labels], classes=classes)


def class_index(classes: tuple[str, ...], name: str) -> int:
    """The place of the class ``name``; raises :class:`SpikeproofError` if there is none."""
    if name not in classes:
        raise SpikeproofError(f"no class {name!r} in the model; choose one of {_some(classes)}")
    return classes.index(name)


def _some(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def subject_of(
    model: str | Path | Model | None,
    data: str | Path | Data | None,
    settings: Settings,
    *,
    grid: Grid | None = None,
    name: str = "",
    holdout: Holdout = None,
    split_seed: int | None = None,
    device: str = "auto",
    progress: Callable[[str], None] = lambda _: None,
) -> Subject:
    """What ``settings`` audit of ``model``, a checkpoint file or any callable, on ``data``.

    ``grid`` and ``name`` are for callables, which take and give tensors on the CPU; a checkpoint
    brings its own and computes on ``device``.
    """
    about: dict[str, Any]
    if model is None or isinstance(model, str | Path):
        progress("loading the model")
        trained = load_trained(model, device=device)
        if isinstance(data, Data):
            data = with_classes(data, trained.classes)
        else:
            progress("loading the recordings")
            data = recordings_for(trained, data, holdout=holdout, split_seed=split_seed)
        model, about, grid = trained.network, trained.about, trained.grid
        n_classes = len(trained.classes)
    else:
        if not isinstance(data, Data):
            data = load_data(data, holdout=_first(holdout, _HOLDOUT), seed=_first(split_seed, 0))
        grid = grid or Grid(height=data.test.height, width=data.test.width)
        about = {"name": name or type(model).__name__, "kind": "user's"}
        if isinstance(model, torch.nn.Module):
            about["parameters"] = sum(p.numel() for p in model.parameters())
        n_classes = None
    return take(
        model,
        about,
        data,
        grid,
        recordings=settings.recordings,
        learn=settings.learn,
        seed=settings.seed,
        n_classes=n_classes,
        progress=progress,
    )
