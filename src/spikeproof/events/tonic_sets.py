"""Data sets of Tonic, by name or as objects.

Tonic (Lenz et al., 2021, https://tonic.readthedocs.io) keeps a data set ``NAME`` below
``<root>/NAME`` and downloads in its constructor what it does not find there. Here nothing is
downloaded unless that is asked for. A data set object is anything with ``len(ds)`` and ``ds[i]``,
a pair of a structured array (fields ``x``, ``y``, ``t`` in µs, ``p``) and a label; it is read when
asked for. Some of Tonic's classes list files in the order of the disk, so recordings are put in
the order of their files' names where these are known: a seed holds out the same ones everywhere.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.recordings import Data, Recordings, hold_out, in_order
from spikeproof.events.stream import Events

SETS = ("ASLDVS", "CIFAR10DVS", "DVSGesture", "DVSLip", "NCALTECH101", "NMNIST", "POKERDVS")
"""Those of camera recordings with one class each; the rest is sound, poses and pictures."""


class TonicSet(Protocol):
    """A data set of Tonic, or one like it."""

    def __len__(self) -> int:
        """Count the recordings."""
        ...

    def __getitem__(self, i: int, /) -> tuple[Any, Any]:
        """Give recording ``i`` as a structured array, and its label."""
        ...


def load_tonic(
    name: str,
    root: str | Path,
    *,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
    download: bool = False,
) -> Data:
    """Load Tonic's data set ``name`` from ``<root>/<name>``, with its own split if it has one.

    The other arguments are those of ``from_tonic``. Raises ``InvalidRecording`` for a name that
    is none of ``SETS``, without Tonic, and for files that are not there unless ``download`` lets
    Tonic fetch them.
    """
    if name not in SETS:
        lower = {known.lower(): known for known in SETS}
        close = [lower[key] for key in difflib.get_close_matches(name.lower(), lower)]
        raise InvalidRecording(
            f"tonic:{name}: is no set that can be loaded by name; use one of "
            f"{', '.join(close or SETS)}, or from_tonic for a data set object"
        )
    try:
        kind = getattr(importlib.import_module("tonic.datasets"), name)
    except ImportError as error:
        raise InvalidRecording(
            f'tonic:{name}: needs tonic ({error}); pip install "spikeproof[tonic]"'
        ) from None
    has_split = "train" in inspect.signature(kind).parameters
    parts = [
        _open(kind, Path(root), {"train": train}, download)
        for train in ((True, False) if has_split else ())
    ] or [_open(kind, Path(root), {}, download)]
    return from_tonic(
        *parts, holdout=holdout, seed=seed, width=width, height=height, name=f"tonic:{name}"
    )


def from_tonic(
    dataset: TonicSet,
    test: TonicSet | None = None,
    *,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
    name: str | None = None,
) -> Data:
    """Make a labelled set of ``dataset``, with ``test`` for testing or with a held-out part.

    ``holdout`` and ``seed`` are those of ``load_folder``; ``width`` and ``height`` (pixels)
    override the data set's ``sensor_size``. Labels are read from ``targets`` where the data set
    has them and does not transform them, else by reading every recording once. Raises
    ``InvalidRecording`` if recordings are no events (but frames, say) or labels no classes.
    """
    name = name or type(dataset).__name__
    learn = _opened(name, dataset, width, height)
    if test is None:
        everything = _recordings(learn, learn.classes)
        return hold_out(name, everything, holdout=holdout, seed=seed, place=name)
    if test is dataset:
        raise InvalidRecording(f"{name}: learning and test set are one object; give two")
    held_out = _opened(f"{name} (test)", test, width, height)
    return Data(
        name,
        learn=_recordings(learn, learn.classes),
        test=_recordings(held_out, learn.classes),
        split="The data set's own split into training and test set.",
    )


@dataclass(frozen=True, eq=False)
class TonicSource:
    """Recordings of a data set object on a sensor of ``width`` x ``height`` pixels."""

    dataset: TonicSet
    name: str
    width: int
    height: int

    def __call__(self, i: int) -> Events:
        """Read recording ``i``; raises ``InvalidRecording`` if it is no valid event stream."""
        array = np.asarray(self.dataset[i][0])
        try:
            if array.dtype.names is None:
                raise InvalidRecording(
                    f"is an array of shape {array.shape} without fields: frames, not events; "
                    "make the data set without a transform to frames"
                )
            return Events.from_structured(array.reshape(-1), self.width, self.height)
        except InvalidRecording as error:
            raise InvalidRecording(f"{self.name}: recording {i}: {error}") from None


@dataclass(frozen=True, eq=False)
class _Set:
    """A data set object that has been looked at; ``labels`` are names of classes."""

    source: TonicSource
    labels: list[str]
    classes: tuple[str, ...]
    names: list[str]


def _open(
    kind: Callable[..., TonicSet], root: Path, split: dict[str, bool], download: bool
) -> TonicSet:
    """Construct a data set of Tonic, without a download unless that is wanted."""
    name = kind.__name__
    part = {True: " (training set)", False: " (test set)", None: ""}[split.get("train")]
    place = f"tonic:{name}{part}: {root / name}"

    def refuse(_: object) -> None:
        raise InvalidRecording(
            f"{place}: files are missing (tonic wants the archive beside what was unpacked); let "
            "it fetch them (--download, or download=True), or give the "
            "folder that holds one folder per label as data"
        )

    if not download:  # Tonic finds the files by the name of the class
        assert isinstance(kind, type)
        kind = type(name, (kind,), {"download": refuse})
    try:
        dataset = kind(save_to=str(root), **split)
    except SystemExit:  # DVSLip's way to say that it must be fetched by hand
        raise InvalidRecording(
            f"{place}: files are missing and tonic cannot fetch them; see the data set's page"
        ) from None
    except (OSError, RuntimeError) as error:
        raise InvalidRecording(f"{place}: cannot be loaded ({error})") from None
    if not len(dataset):
        raise InvalidRecording(f"{place}: holds no recordings; fetch the data set again")
    return dataset


def _opened(name: str, dataset: TonicSet, width: int | None, height: int | None) -> _Set:
    """Look at a data set: its sensor, its first recording, its labels and classes."""
    total = len(dataset)
    if not total:
        raise InvalidRecording(f"{name}: holds no recordings; give a set that does")
    size = _attribute(dataset, "sensor_size")
    if (width is None or height is None) and (not isinstance(size, Sequence) or len(size) < 2):
        raise InvalidRecording(
            f"{name}: its sensor_size is {size!r}; give width and height (--width, --height)"
        )
    source = TonicSource(dataset, name, width or int(size[0]), height or int(size[1]))
    source(0)
    found, own = _labels(dataset)
    known = _attribute(dataset, "classes") if own else None
    if isinstance(known, dict):  # numbers by name
        known = sorted(known, key=known.__getitem__)
    classes = None if known is None else tuple(str(one) for one in known)
    labels = [_class(name, i, label, classes) for i, label in enumerate(found)]
    if classes is None or not set(labels) <= set(classes):
        classes = in_order(labels)
    return _Set(source, labels, classes, _names(dataset, total))


def _attribute(dataset: object, name: str) -> Any:
    """Find an attribute of a data set, or of the one that a cache or subset has inside."""
    inner: Any = dataset
    while inner is not None and getattr(inner, name, None) is None:
        inner = getattr(inner, "dataset", None)
    return getattr(inner, name, None)


def _labels(dataset: TonicSet) -> tuple[Sequence[Any], bool]:
    """Labels as ``dataset[i]`` gives them, and whether they still are the data set's own."""
    targets = getattr(dataset, "targets", None)
    if targets is not None and len(targets) != len(dataset):
        targets = None
    changed = any(
        _attribute(dataset, name) is not None for name in ("target_transform", "transforms")
    )
    if targets is not None and not changed:
        return targets, True
    labels = [dataset[i][1] for i in range(len(dataset))]
    same = targets is not None and [str(label) for label in targets] == [str(x) for x in labels]
    return labels, same or not changed


def _class(name: str, i: int, label: Any, classes: tuple[str, ...] | None) -> str:
    """Name the class that a label stands for."""
    value = label.item() if getattr(label, "shape", None) == () else label  # NumPy's and torch's
    if not isinstance(value, int | str):
        raise InvalidRecording(
            f"{name}: recording {i} has a label of type {type(label).__name__}; give a data set "
            "whose labels are classes, whole numbers or texts"
        )
    if isinstance(value, str) or classes is None:
        return str(value)
    if not 0 <= value < len(classes):
        raise InvalidRecording(
            f"{name}: recording {i} has label {value} and there are {len(classes)} classes; "
            "number labels from 0"
        )
    return classes[value]


def _names(dataset: TonicSet, total: int) -> list[str]:
    """Names of the recordings: their files below the data set's folder, or numbers."""
    files = getattr(dataset, "data", None)
    if (
        isinstance(files, Sequence)
        and len(files) == total > 1
        and all(isinstance(file, str | os.PathLike) for file in files)
    ):
        paths = [os.fspath(file) for file in files]
        top = getattr(dataset, "location_on_system", None) or os.path.commonpath(paths)
        return [Path(os.path.relpath(path, top)).as_posix() for path in paths]
    return [f"{i:06d}" for i in range(total)]


def _recordings(part: _Set, classes: tuple[str, ...]) -> Recordings:
    """Make a set in the order of the names."""
    numbers = {label: k for k, label in enumerate(classes)}
    for i, label in enumerate(part.labels):
        if label not in numbers:
            raise InvalidRecording(
                f"{part.source.name}: recording {i} has label {label!r}, which is none of the "
                f"{len(classes)} classes to learn; leave it out, or learn from such recordings"
            )
    order = sorted(range(len(part.names)), key=part.names.__getitem__)
    return Recordings(
        labels=np.array([numbers[part.labels[i]] for i in order], np.int64),
        classes=classes,
        names=tuple(part.names[i] for i in order),
        width=part.source.width,
        height=part.source.height,
        source=part.source,
        index=np.array(order, np.int64),
    )
