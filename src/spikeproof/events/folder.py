"""Load a folder of labelled recordings, with or without a given test split.

Layouts: ``<label>/<recording>``, or the same below ``Train/`` and ``Test/`` (in any case), as
N-MNIST is laid out. Hidden files and files of other endings are passed over. Where there is only
one split, recordings are held out by a seeded permutation of the sorted names, so that the same
seed holds out the same recordings everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeproof.errors import InvalidRecording
from spikeproof.events.files import READABLE, read
from spikeproof.events.recordings import Data, Paths, Recordings


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
) -> Data:
    """Load ``<path>/[Train|Test/]<label>/*``.

    Given both splits, they are kept. Given one, ``holdout`` recordings (an int) or that fraction
    of them (a float) become the test set, chosen by ``seed``. ``width`` and ``height`` (pixels)
    override what the files say. Raises ``InvalidRecording`` if the folder does not have this
    layout or the split is impossible; damaged recordings show when they are read.
    """
    root = Path(path)
    splits = _find_splits(root)
    if len(splits) == 2:
        train, test = _scan(splits["train"]), _scan(splits["test"])
        classes = _in_order(train.files)
        for label in _in_order(test.files):
            if label not in classes:
                raise InvalidRecording(
                    f"{test.folder}: label {label!r} is not in {train.folder.name}/; remove it "
                    "or add recordings to learn it from"
                )
        learn_set = _recordings(root, train, classes, width, height)
        test_set = _recordings(root, test, classes, width, height)
        _refuse_shared(learn_set, test_set)
        sentence = f"The folder's own split: {train.folder.name}/ and {test.folder.name}/."
        return Data(root.resolve().name, learn_set, test_set, sentence)
    only = _scan(next(iter(splits.values()), root))
    everything = _recordings(root, only, _in_order(only.files), width, height)
    n_test = _held_out(root, len(everything), holdout)
    order = np.random.default_rng(seed).permutation(len(everything))
    learn_set = everything.subset(np.sort(order[n_test:]))
    test_set = everything.subset(np.sort(order[:n_test]))
    _refuse_shared(learn_set, test_set)
    sentence = (
        f"{n_test} of {len(everything)} recordings held out for testing by a permutation of the "
        f"sorted names with seed {seed}."
    )
    return Data(root.resolve().name, learn_set, test_set, sentence)


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
            f"{folder}: is no folder; give the folder that holds one folder per label"
        ) from None
    except OSError as error:
        raise InvalidRecording(f"{folder}: cannot be read ({error.strerror})") from None


def _scan(root: Path) -> _Split:
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
        files[label.name] = [entry for entry in entries if entry.suffix.lower() in READABLE]
        others.update(entry.suffix or entry.name for entry in entries)
    known = ", ".join(sorted(READABLE))
    if not any(files.values()):
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


def _in_order(labels: dict[str, list[Path]]) -> tuple[str, ...]:
    """Sort labels by name, or as numbers if all are."""
    if all(label.isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _recordings(
    root: Path, split: _Split, classes: tuple[str, ...], width: int | None, height: int | None
) -> Recordings:
    """Make a set whose sensor is that of its first recording."""
    order = [label for label in classes if label in split.files]
    paths = tuple(path for label in order for path in split.files[label])
    labels = [classes.index(label) for label in order for _ in split.files[label]]
    if width is None or height is None:
        first = read(paths[0], width=width, height=height)
        sensor = first.width, first.height
    else:
        sensor = width, height
    names = tuple(path.relative_to(root).as_posix() for path in paths)
    source = Paths(paths, width, height)
    return Recordings(np.array(labels, np.int64), classes, names, *sensor, source)


def _held_out(root: Path, total: int, holdout: int | float) -> int:
    """Number of test recordings, at least one and not all."""
    if isinstance(holdout, float):
        n_test = round(total * holdout) if 0 < holdout < 1 else 0
    else:
        n_test = holdout
    if not 1 <= n_test < total:
        raise InvalidRecording(
            f"{root}: cannot hold out {holdout} of {total} recordings; both parts need at least "
            "one (--holdout takes a number of recordings, or a fraction below 1)"
        )
    return n_test


def _refuse_shared(learn: Recordings, test: Recordings) -> None:
    """Refuse a file that is in both sets, by link or by name."""
    seen: dict[tuple[int, int], str] = {}
    for part, name, path in [*_files(learn, "learn"), *_files(test, "test")]:
        try:
            status = path.stat()
        except OSError as error:
            raise InvalidRecording(f"{path}: cannot be read ({error.strerror})") from None
        other = seen.setdefault((status.st_dev, status.st_ino), part + name)
        if not other.startswith(part):
            raise InvalidRecording(
                f"{path}: is the same file as {other.removeprefix('learn')}, which is in the "
                "other split; remove one of the links"
            )


def _files(recordings: Recordings, part: str) -> list[tuple[str, str, Path]]:
    """Give part, name and path of every recording of a set made of files."""
    assert isinstance(recordings.source, Paths)
    assert recordings.index is not None
    paths = recordings.source.paths
    return [
        (part, name, paths[i])
        for name, i in zip(recordings.names, recordings.index.tolist(), strict=True)
    ]
