"""Load a folder of labelled recordings, with or without a given test split.

Layouts: ``<label>/<recording>``, or the same below ``Train/`` and ``Test/`` (in any case), as
N-MNIST and the data sets of SpikingJelly are laid out. Hidden files and files of other endings are
passed over; so are tables (``.csv``) beside recordings in other formats, for they will be notes,
and that is told.
Where there is only one split, recordings are held out by a seeded permutation of the sorted names,
so that the same seed holds out the same recordings everywhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.files import READABLE
from spikeproof.events.recordings import (
    Data,
    Paths,
    Recordings,
    Source,
    Told,
    hold_out,
    in_order,
)

TABLES = (".csv",)


@dataclass(frozen=True)
class _Split:
    """The recordings below one folder, by label."""

    folder: Path
    files: dict[str, list[Path]]


def load_folder(
    path: str | Path,
    *,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
    repair: bool = False,
    told: Told = warnings.warn,
) -> Data:
    """Load ``<path>/[Train|Test/]<label>/*``.

    Given both splits, they are kept. Given one, ``holdout`` recordings (an int) or that fraction
    of them (a float) become the test set, chosen by ``seed``. ``width`` and ``height`` (pixels)
    override what the files say; ``repair`` and ``told`` are those of ``read``.
    Raises ``InvalidRecording`` if the folder does not have this layout or the split is
    impossible; damaged recordings show when they are read.
    """

    def source(paths: tuple[Path, ...]) -> Source:
        return Paths(paths, width, height, repair, told)

    return arrange(
        Path(path),
        READABLE,
        source,
        sensor=(width, height),
        holdout=holdout,
        seed=seed,
        told=told,
    )


def arrange(
    root: Path,
    endings: Collection[str],
    source: Callable[[tuple[Path, ...]], Source],
    *,
    sensor: tuple[int | None, int | None],
    holdout: int | float,
    seed: int,
    told: Told = warnings.warn,
) -> Data:
    """Load the files below ``root`` that have one of ``endings``, through ``source``.

    ``sensor`` is the width and height in pixels, that of the first recording if not given;
    ``told`` hears of tables that are passed over.
    """
    name = root.resolve().name
    splits = _find_splits(root)
    if len(splits) == 2:
        train, test = (_scan(splits[name], endings, told) for name in ("train", "test"))
        classes = in_order(train.files)
        for label in in_order(test.files):
            if label not in classes:
                raise InvalidRecording(
                    f"{test.folder}: label {label!r} is not in {train.folder.name}/; remove it "
                    "or add recordings to learn it from"
                )
        _refuse_shared(root, _paths(train, classes), _paths(test, classes))
        return Data(
            name,
            learn=_recordings(root, train, classes, source, sensor),
            test=_recordings(root, test, classes, source, sensor),
            split=f"The folder's own split: {train.folder.name}/ and {test.folder.name}/.",
        )
    only = _scan(next(iter(splits.values()), root), endings, told)
    classes = in_order(only.files)
    everything = _recordings(root, only, classes, source, sensor)
    data = hold_out(name, everything, holdout=holdout, seed=seed, place=str(root))
    paths = np.array(_paths(only, classes), object)
    _refuse_shared(root, paths[data.learn.index], paths[data.test.index])
    return data


def _find_splits(root: Path) -> dict[str, Path]:
    """Find ``Train`` and ``Test`` below ``root``, if there."""
    splits: dict[str, Path] = {}
    for folder in _folders(root):
        name = folder.name.lower()
        if name not in ("train", "test"):
            continue
        if name in splits:
            raise InvalidRecording(
                f"{root}: has both {splits[name].name}/ and {folder.name}/; keep one of them"
            )
        splits[name] = folder
    return splits


def _folders(root: Path) -> list[Path]:
    """Visible folders below ``root``, sorted."""
    return [entry for entry in _entries(root) if entry.is_dir()]


def _entries(folder: Path) -> list[Path]:
    """Everything visible in ``folder``, sorted by name."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except FileNotFoundError:
        raise InvalidRecording(f"{folder}: does not exist; check the path") from None
    except NotADirectoryError:
        raise InvalidRecording(
            f"{folder}: is no folder; give the folder that holds one folder per label, or a "
            "manifest (.csv, .parquet) that lists recordings and labels"
        ) from None
    except OSError as error:
        raise InvalidRecording(f"{folder}: cannot be read ({error.strerror})") from None


def _scan(root: Path, endings: Collection[str], told: Told) -> _Split:
    """List the recordings of every label."""
    labels = _folders(root)
    if not labels:
        raise InvalidRecording(
            f"{root}: has no label folders; lay recordings out as <label>/<recording>"
        )
    files: dict[str, list[Path]] = {}
    others: set[str] = set()
    for label in labels:
        entries = [entry for entry in _entries(label) if not entry.is_dir()]
        files[label.name] = [entry for entry in entries if has_ending(entry, endings)]
        others.update(entry.suffix or entry.name for entry in entries)
    tables = [has_ending(path, TABLES) for found in files.values() for path in found]
    if any(tables) and not all(tables):
        told(
            f"{root}: passed over {sum(tables)} .csv beside recordings of other formats; if they "
            "are recordings too, convert them (spikeproof convert)"
        )
        files = {
            label: [path for path in found if not has_ending(path, TABLES)]
            for label, found in files.items()
        }
    known = listed(endings)
    if not any(files.values()):
        for label in labels:
            if _find_splits(label):
                raise InvalidRecording(
                    f"{root}: {label.name}/ holds a training or test split; give that folder"
                )
        found = ", ".join(sorted(others)[:8]) or "no files at all"
        raise InvalidRecording(
            f"{root}: has no recordings of a known ending (found: {found}); convert them to one "
            f"of {known}"
        )
    for name, found_files in files.items():
        if not found_files:
            raise InvalidRecording(
                f"{root / name}: has no recordings ({known}); add some or remove the folder"
            )
    return _Split(root, files)


def listed(endings: Collection[str]) -> str:
    """List endings, without the longer names of those that are known anyway (``.evt3.raw``)."""
    return ", ".join(
        sorted(
            end
            for end in endings
            if not any(end != other and end.endswith(other) for other in endings)
        )
    )


def has_ending(path: Path, endings: Collection[str]) -> bool:
    """Say whether the name of ``path`` ends in one of ``endings`` (``.a`` or ``.a.b``)."""
    return path.name.lower().endswith(tuple(endings))


def _paths(split: _Split, classes: tuple[str, ...]) -> list[Path]:
    """All files of a split, class by class."""
    return [path for label in classes for path in split.files.get(label, ())]


def _recordings(
    root: Path,
    split: _Split,
    classes: tuple[str, ...],
    source: Callable[[tuple[Path, ...]], Source],
    sensor: tuple[int | None, int | None],
) -> Recordings:
    """Make a set whose sensor is that of its first recording, if it is not given."""
    paths = tuple(_paths(split, classes))
    labels = [k for k, label in enumerate(classes) for _ in split.files.get(label, ())]
    names = tuple(path.relative_to(root).as_posix() for path in paths)
    read = source(paths)
    width, height = sensor
    if width is None or height is None:
        first = read(0)
        width, height = first.width, first.height
    return Recordings(np.array(labels, np.int64), classes, names, width, height, read)


def _refuse_shared(root: Path, learn: Collection[Path], test: Collection[Path]) -> None:
    """Refuse a file that is in both sets, by link or by name."""
    seen: dict[tuple[int, int], tuple[str, Path]] = {}
    for part, paths in (("learn", learn), ("test", test)):
        for path in paths:
            try:
                status = path.stat()
            except OSError as error:
                raise InvalidRecording(f"{path}: cannot be read ({error.strerror})") from None
            other, same = seen.setdefault((status.st_dev, status.st_ino), (part, path))
            if other != part:
                raise InvalidRecording(
                    f"{path}: is the same file as {same.relative_to(root).as_posix()}, which is "
                    "in the other split; remove one of the links"
                )
