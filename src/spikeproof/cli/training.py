"""What ``spikeproof train`` does before and after the training itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from spikeproof.attacks import AdversarialBatch
from spikeproof.cli.common import ReportProgress, intensities_of, number
from spikeproof.errors import InvalidRecording
from spikeproof.evaluate import answer
from spikeproof.events import Data, Grid, Recordings, fitted, load_data
from spikeproof.images import ImageData, load_images
from spikeproof.inputs.choice import AnyDataChoice, DataChoice, ImageChoice
from spikeproof.inputs.recordings import refuse_images
from spikeproof.models import Coded, CodeSpec, Network, SerializableNetwork, zoo_line
from spikeproof.threats import Flip, Linf

_STEPS = {"latency": 16}  # of codes that need many


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a network learns from and is tested on, recordings or images.

    ``shape`` is that of what it sees at a time, ``(P, H, W)``; ``cells`` gives those to learn from
    and those to test on, read when asked for. ``about`` is for the checkpoint.
    """

    name: str
    noun: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    labels: Tensor
    test_labels: Tensor
    cells: Callable[[ReportProgress], tuple[Tensor, Tensor]]
    about: dict[str, Any]


def lessons(
    given: AnyDataChoice, holdout: int | float, split_seed: int, grid: Grid
) -> TrainingData:
    """What the user means; ``grid`` bins recordings that do not say how (its size is theirs)."""
    if isinstance(given, ImageChoice):
        return _images(given, holdout, split_seed)
    return _recordings(given, holdout, split_seed, grid)


def _images(given: ImageChoice, holdout: int | float, split_seed: int) -> TrainingData:
    assert not isinstance(given.source, ImageData)
    data = load_images(given.source, holdout=holdout, seed=split_seed)
    channels, height, width = data.learn.x.shape[2:]
    size = {"channels": channels, "height": height, "width": width}
    return TrainingData(
        data.name,
        "images",
        data.learn.classes,
        (channels, height, width),
        data.learn.labels,
        data.test.labels,
        lambda _: (data.learn.x, data.test.x),
        {"split": data.split, "images": size},
    )


def _recordings(
    given: DataChoice, holdout: int | float, split_seed: int, binning: Grid
) -> TrainingData:
    assert not isinstance(given.source, Data)
    refuse_images(given.source)
    loaded = load_data(
        given.source,
        holdout=holdout,
        seed=split_seed,
        width=given.width,
        height=given.height,
        root=given.root,
        repair=given.repair,
        told=given.told,
        download=given.download,
    )
    sensor = loaded.learn
    grid = loaded.grid or replace(binning, height=sensor.height, width=sensor.width)
    grid = replace(grid, counts=False)  # frames bring a grid of counts; the network sees 0/1
    data = fitted(loaded, grid, given.fit)

    def cells(tell: ReportProgress) -> tuple[Tensor, Tensor]:
        learn = binned(data.learn, grid, tell, "reading recordings")
        return learn, binned(data.test, grid, tell, "reading test recordings")

    seen = {
        "bins": grid.bins,
        "window": grid.window,
        "height": grid.height,
        "width": grid.width,
        "counts": grid.counts,
        "start": grid.start,
    }
    return TrainingData(
        data.name,
        "recordings",
        data.learn.classes,
        (2, grid.height, grid.width),
        torch.from_numpy(data.learn.labels.copy()),
        torch.from_numpy(data.test.labels.copy()),
        cells,
        {"split": data.split, "grid": seen},
    )


def coded(network: Network, name: str | None, steps: int | None) -> Coded:
    """``network`` behind a code, by default constant current; the non-spiking twin needs one step.

    Raises :class:`InvalidModel` for a code that does not exist.
    """
    chosen = CodeSpec.from_dict({"name": str(name or "direct"), "steps": 1})
    usual = _STEPS.get(chosen.name, 4) if network.description["spiking"] else 1
    return Coded(replace(chosen, steps=steps or usual), network)


def perturbing(text: str | None, images: bool) -> AdversarialBatch | None:
    """What ``--adversarial`` says: a number of flips, or an intensity."""
    if text is None:
        return None
    if images:
        return AdversarialBatch(Linf(intensities_of(text, "--adversarial")[0]))
    return AdversarialBatch(Flip(number(text, "--adversarial")))


def line_of(arch: str, n_classes: int) -> str:
    """The program for a name of the zoo, or the program itself."""
    named = not any(c.isdigit() for c in arch)
    return zoo_line(arch, n_classes) if named else arch


def binned(recordings: Recordings, grid: Grid, tell: ReportProgress, doing: str) -> Tensor:
    """All recordings as cells; raises :class:`InvalidRecording` for one without events."""
    parts = []
    for some in torch.split(torch.arange(len(recordings)), 256):
        tell(f"{doing}: {int(some[0])} of {len(recordings)}")
        cells = recordings.grid_batch(grid, some.numpy())
        empty = (cells.flatten(1) > 0).sum(1) == 0
        if bool(empty.any()):
            name = recordings.names[int(some[int(empty.int().argmax())])]
            raise InvalidRecording(
                f"{name}: has no event in the first {grid.window} µs; align recordings to their"
                " first event (--align first), give a longer --window, or remove the recording"
            )
        parts.append(cells)
    return torch.cat(parts)


def count_right(network: SerializableNetwork, cells: Tensor, labels: Tensor) -> int:
    """How many of ``cells`` the network gets right."""
    both: Any = zip(torch.split(cells, 256), torch.split(labels, 256), strict=True)
    return sum(int((answer(network, x.float()).argmax(1) == y).sum()) for x, y in both)
