"""What an audit is given, a model and recordings, made to fit each other.

A checkpoint of ours says how recordings are binned, which classes there are and which recordings
were held out of its training: all three are taken from there, so that the model sees what it was
trained on and is never audited on it. Of any other model these come from the user and the data,
and an adapter finds out how it is called.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spikeproof.adapters import Check, examine, has_gradient, require
from spikeproof.audit.binned import Binned
from spikeproof.audit.choice import DataChoice, Holdout, ModelChoice
from spikeproof.audit.foreign import Victims, adapted, fetch, named
from spikeproof.audit.imitate import imitate
from spikeproof.audit.settings import Settings
from spikeproof.audit.subject import Subject
from spikeproof.audit.trained import SHIPPED, Trained, load_trained
from spikeproof.errors import InvalidModel, InvalidRecording, SpikeproofError
from spikeproof.events import Data, Grid, Recordings, fitted, load_data
from spikeproof.types import Cells, Labels, Model

__all__ = [
    "SHIPPED",
    "Holdout",
    "Ready",
    "Trained",
    "class_index",
    "load_trained",
    "ready",
    "sample_of",
]

_HOLDOUT = 0.5  # of data that the model does not come from
_FOREIGN = ("weights", "layout", "readout", "framework", "classes")  # to say of other models
_PROBES = 8  # recordings that the model is examined with
_KEPT = 2**28  # bytes of cells to learn from that stay in memory; of more, the last ones drawn
_TOLD = 100  # recordings between two words about the reading of them


@dataclass(frozen=True, eq=False)
class Ready:
    """A model with recordings that suit it.

    ``model`` gives the verdicts, ``search`` is what attacks see (the same, or a faster copy, or
    other random draws), ``gradients`` whether it gives any. ``classes`` are named in logit order,
    ``checks`` are what was asked of the model before any attack.
    """

    model: Model
    search: Model
    about: dict[str, Any]
    data: Data
    grid: Grid
    classes: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    gradients: bool = True


def ready(
    model: ModelChoice,
    data: DataChoice,
    progress: Callable[[str], None] = lambda _: None,
    *,
    strict: bool = True,
) -> Ready:
    """Load, bin, adapt and examine what the user named; ``strict`` refuses what failed.

    Raises :class:`InvalidModel` for a model that cannot be attacked as it is, with what to
    change, and :class:`InvalidRecording` for recordings that do not suit it.
    """
    progress("loading the model")
    own = _own(model)
    if own is not None:
        progress("loading the recordings")
        grid = _grid(model, own.grid)
        found = with_classes(fitted(_recordings_of(own, data), grid, data.fit), own.classes)
        victims, classes = Victims(own.network, own.network, own.about), own.classes
    else:
        source = fetch(model)
        progress("loading the recordings")
        loaded = _loaded(data, _HOLDOUT, 0, None, None)
        shown = loaded.grid or Grid(height=loaded.test.height, width=loaded.test.width)
        grid = _grid(model, shown)
        found = fitted(loaded, grid, data.fit)
        progress("adapting the model")
        victims = adapted(source, model, sample_of(found.learn, grid)[0])
        classes = named(victims, model, found, numbered=isinstance(data.source, Data))
        found = with_classes(found, classes)
    progress("examining the model")
    sample, labels = sample_of(found.learn, grid)
    checks = examine(victims.model, sample, labels)
    if strict:
        require(checks)
    sound = all(check.ok or check.level != "error" for check in checks)
    gradients = not sound or has_gradient(victims.search, sample, labels)
    return Ready(
        victims.model, victims.search, victims.about, found, grid, classes, checks, gradients
    )


def sensor_of(choice: ModelChoice) -> tuple[int | None, int | None]:
    """Width and height that a checkpoint of ours was made for; None of any other model."""
    own = _own(choice)
    return (None, None) if own is None else (own.grid.width, own.grid.height)


def _own(choice: ModelChoice) -> Trained | None:
    """The checkpoint of ours that is meant, if it is one."""
    source = choice.source
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".safetensors":
        ours: Path | None = Path(source)
    elif source is None:
        ours = None
    else:
        return None
    said = [name for name in _FOREIGN if getattr(choice, name) is not None]
    if said or choice.draws > 1:
        options = ", ".join(f"--{name}" for name in said or ["draws"])
        raise InvalidModel(
            f"{ours or 'the shipped network'} knows its weights, its classes and how it is called;"
            f" leave out {options}, or say with --model which other model is meant"
        )
    return load_trained(ours, device=choice.device)


def _grid(choice: ModelChoice, found: Grid) -> Grid:
    """``found``, where the user does not say otherwise."""
    said = {
        name: value
        for name in ("bins", "window", "start", "counts")
        if (value := getattr(choice, name)) is not None
    }
    return replace(found, **said)


def _recordings_of(trained: Trained, data: DataChoice) -> Data:
    """The recordings that are meant (None: the embedded digits), split as in the training."""
    about, spec = trained.about, data.source
    if isinstance(spec, Data):
        return spec
    trained_on = about.get("data")
    if spec is None and trained_on not in (None, "digits"):
        raise SpikeproofError(
            f"{trained.source}: was trained on {trained_on!r}; give its recordings with --data"
        )
    name = "digits" if spec in (None, "digits") else Path(str(spec)).resolve().name
    known = about if name == trained_on else {}
    return _loaded(
        data,
        _first(known.get("holdout"), _HOLDOUT),
        _first(known.get("split_seed"), 0),
        trained.grid.width,
        trained.grid.height,
    )


def _loaded(
    data: DataChoice, holdout: int | float, seed: int, width: int | None, height: int | None
) -> Data:
    if isinstance(data.source, Data):
        return data.source
    return load_data(
        data.source,
        holdout=_first(data.holdout, holdout),
        seed=_first(data.split_seed, seed),
        width=_first(data.width, width, None),
        height=_first(data.height, height, None),
        root=data.root,
        repair=data.repair,
        told=data.told,
        download=data.download,
    )


def _first(*values: Any) -> Any:
    return next((v for v in values if v is not None), None)


def sample_of(recordings: Recordings, grid: Grid) -> tuple[Cells, Labels]:
    """A few recordings, spread over the set, as float cells, with their labels."""
    many = min(_PROBES, len(recordings))
    chosen = np.linspace(0, len(recordings) - 1, many).astype(int)
    cells = recordings.grid_batch(grid, chosen).float()
    return cells, torch.from_numpy(recordings.labels[chosen].copy())


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
                f"{data.name}: label {name!r} is outside the model's {len(classes)} classes;"
                f" choose one of {_some(classes)}, remove its recordings, or train a model on all"
                " labels"
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
    model: ModelChoice,
    data: DataChoice,
    settings: Settings,
    progress: Callable[[str], None] = lambda _: None,
) -> Subject:
    """What ``settings`` audit of a model on recordings."""
    return take(ready(model, data, progress), settings, progress)


def take(
    given: Ready, settings: Settings, progress: Callable[[str], None] = lambda _: None
) -> Subject:
    """Choose ``settings.recordings`` of the test split and ``settings.learn`` to learn from.

    All are read once, one at a time. Raises :class:`InvalidRecording` if one does not fit the grid.
    """
    data, grid = given.data, given.grid
    rng = np.random.default_rng(settings.seed)
    chosen = np.sort(rng.permutation(len(data.test))[: settings.recordings])
    learned = np.sort(rng.permutation(len(data.learn))[: settings.learn])
    total = len(chosen) + len(learned)

    def read(part: Recordings, index: NDArray[np.int64], most: int, before: int) -> Binned:
        def tell(done: int) -> None:
            if done % _TOLD == 1:
                progress(f"reading recordings, {before + done:,} of {total:,}")

        return Binned.read(part, grid, index, most, tell)

    size = math.prod(grid.shape)
    cells = read(data.test, chosen, settings.at_once(size), 0)
    kept = max(1, _KEPT // (size * (2 if grid.counts else 1)))
    learn_cells = read(data.learn, learned, kept, len(chosen))
    empty = cells.active == 0
    if bool(empty.any()):
        name = data.test.names[int(chosen[int(empty.int().argmax())])]
        raise InvalidRecording(
            f"{name}: has no event inside the model's window of {grid.window} µs from"
            f" {grid.start} µs; align recordings to their first event (--align first), choose"
            " another --window, or remove the recording"
        )
    search, about = given.search, given.about
    if not given.gradients:
        progress("imitating the model, which gives no gradient")
        imitation = imitate(given.model, learn_cells, seed=settings.seed)
        search = imitation.network
        about = {**about, "assumptions": [*about.get("assumptions", ()), imitation.says]}
    return Subject(
        model=given.model,
        search=search,
        about=about,
        data=data,
        grid=grid,
        cells=cells,
        learn_cells=learn_cells,
        checks=given.checks,
        imitated=not given.gradients,
    )
