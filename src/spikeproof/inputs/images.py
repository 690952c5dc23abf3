"""Images as the source of an audit: recordings of one bin, whose cells are intensities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeproof.errors import InvalidModel, InvalidRecording, SpikeproofError, Unrealisable
from spikeproof.images import ImageData, Images, load_images, write_image
from spikeproof.images.set import SEED
from spikeproof.inputs.checkpoint import TrainedNetwork
from spikeproof.inputs.choice import HOLDOUT, ImageChoice, ModelChoice, first
from spikeproof.inputs.recordings import drawn, places
from spikeproof.inputs.samples import SampleSettings
from spikeproof.types import Cells, Labels

_PROBES = 8  # images that the model is examined with
_OF_EVENTS = ("bins", "window", "start", "counts")


@dataclass(frozen=True, eq=False)
class ImageSamples:
    """Those ``images`` of a split that stand at ``index`` there; indexed like a tensor."""

    images: Images
    index: NDArray[np.int64]

    def __len__(self) -> int:
        """Count them."""
        return len(self.index)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all of them together."""
        return tuple(self.images.x.shape)

    @property
    def labels(self) -> Labels:
        """Their classes, ``[N]``."""
        return self.images.labels

    def __getitem__(self, chosen: Tensor, /) -> Tensor:
        """The images at the places ``chosen`` ``[n]``: ``[n, 1, C, H, W]``."""
        return self.images.x[chosen]

    def figures(self, i: int) -> dict[str, int]:
        """Nothing: every pixel of an image is there."""
        return {}

    def save(self, i: int, path: Path) -> None:
        """Write image ``i`` as it is."""
        self._write(path, i, self.images.x[i])

    def made(
        self, i: int, cells: Tensor, settings: SampleSettings, *, retime: bool = False
    ) -> Callable[[Path], None]:
        """What writes ``cells`` ``[1, C, H, W]`` in the place of image ``i``.

        Raises :class:`Unrealisable` for what is no intensity in single precision.
        """
        if cells.dtype != torch.float32 or not bool(((cells >= 0) & (cells <= 1)).all()):
            raise Unrealisable("the attacked image holds something that is no intensity")
        return lambda path: self._write(path, i, cells)

    def update(self, digest: Any) -> None:
        """Add the images and their labels to a hash."""
        for values in (self.images.x, self.images.labels):
            digest.update(np.ascontiguousarray(values.numpy()).tobytes())

    def _write(self, path: Path, i: int, image: Tensor) -> None:
        write_image(path, image, int(self.labels[i]), self.images.classes)


@dataclass(frozen=True, eq=False)
class ImageSource:
    """Images to learn from and to test on."""

    data: ImageData

    @classmethod
    def found(
        cls, model: ModelChoice, trained: TrainedNetwork | None, data: ImageChoice
    ) -> ImageSource:
        """What the user means, for a checkpoint of ours split as in its training.

        Raises :class:`InvalidModel` for settings that are of recordings, and
        :class:`InvalidRecording` for images of another size than the checkpoint takes.
        """
        said = [f"--{name}" for name in _OF_EVENTS if getattr(model, name) is not None]
        if said:
            raise InvalidModel(f"images are not binned; leave out {', '.join(said)}")
        known = {} if trained is None else trained.about
        trained_on = known.get("data")
        if data.source is None and trained_on not in (None, "digits"):
            raise SpikeproofError(
                f"the model was trained on {trained_on!r}; give its images with --images"
            )
        if isinstance(data.source, ImageData):
            loaded = data.source
        else:
            known = {} if trained is None else trained.split_of(data.source or "digits")
            loaded = load_images(
                data.source,
                holdout=first(data.holdout, known.get("holdout"), HOLDOUT),
                seed=first(data.split_seed, known.get("split_seed"), SEED),
            )
        shape = tuple(loaded.test.x.shape[2:])
        if trained is not None and shape != trained.network.input_shape:
            raise InvalidRecording(
                f"{loaded.name}: holds images of {_size(shape)} and {trained.source.name} takes"
                f" {_size(trained.network.input_shape)}; give images like those of its training"
            )
        return cls(loaded)

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.data.name

    @property
    def split(self) -> str:
        """How the images were parted."""
        return self.data.split

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.data.test.classes

    def renamed(self, classes: tuple[str, ...]) -> ImageSource:
        """The same with labels that count in ``classes``, matched by name.

        Raises :class:`InvalidRecording` for a label that is none of them.
        """
        if self.classes == classes:
            return self
        place = torch.from_numpy(places(self.name, self.classes, classes))

        def part(images: Images) -> Images:
            return Images(images.x, place[images.labels], classes)

        data = replace(self.data, learn=part(self.data.learn), test=part(self.data.test))
        return replace(self, data=data)

    def sample(self) -> tuple[Cells, Labels]:
        """A few images, spread over those to learn from (or to test on, if there are none)."""
        images = self.data.learn if len(self.data.learn) else self.data.test
        many = min(_PROBES, len(images))
        few = images.subset(np.linspace(0, len(images) - 1, many).astype(int))
        return few.x, few.labels

    def taken(
        self, settings: SampleSettings, progress: Callable[[str], None] = lambda _: None
    ) -> tuple[ImageSamples, ImageSamples]:
        """The images to audit and those to learn from."""
        chosen, learned = drawn(settings, len(self.data.test), len(self.data.learn))
        return (
            ImageSamples(self.data.test.subset(chosen), chosen),
            ImageSamples(self.data.learn.subset(learned), learned),
        )


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
