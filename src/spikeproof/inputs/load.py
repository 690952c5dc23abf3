"""What an audit is given, a model and recordings or images, made to fit each other.

A checkpoint of ours says what it sees, how recordings are binned, which classes there are and what
was held out of its training: all are taken from there, so that the model sees what it was trained
on and is never audited on it. Of any other model these come from the user and the data, and an
adapter finds out how it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spikeproof.adapters import Check, ExpectationOverTransformation, examine, has_gradient, require
from spikeproof.adapters.probes import ask, randomness
from spikeproof.errors import InvalidModel, SpikeproofError
from spikeproof.events import Data, Grid
from spikeproof.images import ImageData
from spikeproof.inputs.checkpoint import SHIPPED, TrainedNetwork, load_trained
from spikeproof.inputs.choice import AnyDataChoice, DataChoice, Holdout, ImageChoice, ModelChoice
from spikeproof.inputs.images import ImageSamples, ImageSource
from spikeproof.inputs.recordings import RecordingSource, some
from spikeproof.inputs.samples import SampleSettings
from spikeproof.inputs.subject import Subject
from spikeproof.inputs.substitute import train_substitute
from spikeproof.inputs.user_model import ModelPair, adapted, fetch, named
from spikeproof.types import Cells, Model

__all__ = [
    "SHIPPED",
    "Holdout",
    "LoadedInputs",
    "TrainedNetwork",
    "class_index",
    "load_trained",
    "ready",
]

DRAWS = 16
"""Random draws that are averaged of a checkpoint that is random."""

_USER_MODEL_OPTIONS = (
    "weights",
    "layout",
    "readout",
    "framework",
    "classes",
)  # to say of other models


@dataclass(frozen=True, eq=False)
class LoadedInputs:
    """A model with recordings or images that suit it, its ``source``.

    ``model`` gives the verdicts, ``search`` is what attacks see (the same, or a faster copy, or
    other random draws), ``gradients`` whether it gives any. ``classes`` are named in logit order,
    ``checks`` are what was asked of the model before any attack.
    """

    model: Model
    search: Model
    about: dict[str, Any]
    source: RecordingSource | ImageSource
    classes: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    gradients: bool = True

    @property
    def of_images(self) -> bool:
        """Whether the model sees images."""
        return isinstance(self.source, ImageSource)

    @property
    def data(self) -> Data:
        """The recordings; raises :class:`InvalidModel` if there are images."""
        return self._recorded.data

    @property
    def grid(self) -> Grid:
        """How recordings are binned; raises :class:`InvalidModel` if there are images."""
        return self._recorded.grid

    @property
    def _recorded(self) -> RecordingSource:
        if isinstance(self.source, RecordingSource):
            return self.source
        raise _sees_images(self.about)


def ready(
    model: ModelChoice,
    data: AnyDataChoice,
    progress: Callable[[str], None] = lambda _: None,
    *,
    strict: bool = True,
    images: bool = True,
) -> LoadedInputs:
    """Load, bin, adapt and examine what the user named; ``strict`` refuses what failed.

    Without ``images`` a checkpoint that sees them is refused. Raises :class:`InvalidModel` for a
    model that cannot be attacked as it is, with what to change, and :class:`InvalidRecording` for
    recordings or images that do not suit it.
    """
    progress("loading the model")
    own = _own(model, isinstance(data, ImageChoice))
    fetched = None if own is not None else fetch(model)
    if own is not None and own.grid is None and not images:
        raise _sees_images(own.about)
    data = _given(own, data)
    progress(f"loading the {'images' if isinstance(data, ImageChoice) else 'recordings'}")
    source: RecordingSource | ImageSource
    if isinstance(data, ImageChoice):
        source = ImageSource.found(model, own, data)
    else:
        source = RecordingSource.found(model, own, data)
    if own is not None:
        source = source.renamed(own.classes)
        victims, classes = _trained(own, model, source.sample()[0]), own.classes
    else:
        assert fetched is not None
        progress("adapting the model")
        victims = adapted(fetched, model, source.sample()[0])
        by_hand = isinstance(data.source, Data | ImageData)
        classes = named(victims, model, source.classes, numbered=by_hand)
        source = source.renamed(classes)
    progress("examining the model")
    sample, labels = source.sample()
    checks = examine(victims.model, sample, labels)
    if strict:
        require(checks)
    sound = all(check.ok or check.level != "error" for check in checks)
    gradients = not sound or has_gradient(victims.search, sample, labels)
    return LoadedInputs(
        victims.model, victims.search, victims.about, source, classes, checks, gradients
    )


def _sees_images(about: dict[str, Any]) -> InvalidModel:
    return InvalidModel(
        f"{about['name']}: sees images, and this is for recordings of events; use `spikeproof"
        " audit --images`"
    )


def sensor_of(choice: ModelChoice) -> tuple[int | None, int | None]:
    """Width and height that a checkpoint of ours was made for; None of any other model."""
    own = _own(choice)
    return (None, None) if own is None or own.grid is None else (own.grid.width, own.grid.height)


def _own(choice: ModelChoice, images: bool = False) -> TrainedNetwork | None:
    """The checkpoint of ours that is meant, if it is one."""
    source = choice.source
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".safetensors":
        ours: Path | None = Path(source)
    elif source is None:
        ours = None
    else:
        return None
    if ours is None and images:
        raise InvalidModel(
            "the shipped network sees recordings; say with --model which network sees images"
            " (`spikeproof train --images` makes one)"
        )
    own = load_trained(ours, device=choice.device)
    said = [f"--{name}" for name in _USER_MODEL_OPTIONS if getattr(choice, name) is not None]
    if not said and choice.draws > 1 and own.grid is not None:
        said = ["--draws"]
    if said:
        raise InvalidModel(
            f"{ours or 'the shipped network'} knows its weights, its classes and how it is called;"
            f" leave out {', '.join(said)}, or say with --model which other model is meant"
        )
    return own


def _given(own: TrainedNetwork | None, data: AnyDataChoice) -> AnyDataChoice:
    """The data that are meant; raises :class:`InvalidModel` if the model sees the other kind."""
    if own is None:
        return data
    if own.grid is not None and isinstance(data, ImageChoice):
        raise InvalidModel(
            f"{own.source}: was trained on recordings of events; give them with --data in the"
            " place of --images"
        )
    if own.grid is None and isinstance(data, DataChoice):
        if data.source is not None:
            raise InvalidModel(
                f"{own.source}: was trained on images; give them with --images in the place of"
                " --data"
            )
        return ImageChoice(holdout=data.holdout, split_seed=data.split_seed)
    return data


def _trained(own: TrainedNetwork, choice: ModelChoice, sample: Cells) -> ModelPair:
    """A checkpoint as victim: a random one is averaged over its draws."""
    network = own.network
    with_noise = not randomness(network, sample, ask(network, sample)).ok
    if not with_noise:
        if choice.draws > 1:
            raise InvalidModel(f"{own.source}: is not random; leave out --draws")
        return ModelPair(network, network, own.about)
    draws = choice.draws if choice.draws > 1 else DRAWS
    said = f"it is random, so logits are averaged over {draws} draws"
    averaged = ExpectationOverTransformation(network, draws=draws)
    return ModelPair(averaged, averaged, {**own.about, "assumptions": [said]})


def class_index(classes: tuple[str, ...], name: str) -> int:
    """The place of the class ``name``; raises :class:`SpikeproofError` if there is none."""
    if name not in classes:
        raise SpikeproofError(f"no class {name!r} in the model; choose one of {some(classes)}")
    return classes.index(name)


def subject_of(
    model: ModelChoice,
    data: AnyDataChoice,
    settings: SampleSettings,
    progress: Callable[[str], None] = lambda _: None,
) -> Subject:
    """What ``settings`` audit of a model on recordings or images."""
    return take(ready(model, data, progress), settings, progress)


def take(
    given: LoadedInputs, settings: SampleSettings, progress: Callable[[str], None] = lambda _: None
) -> Subject:
    """Choose ``settings.recordings`` of the test split and ``settings.learn`` to learn from.

    Recordings are read once, one at a time. Raises :class:`InvalidRecording` if one does not fit.
    """
    cells, learn_cells = given.source.taken(settings, progress)
    search, about = given.search, given.about
    uses_substitute = not given.gradients
    if uses_substitute:
        progress("imitating the model, which gives no gradient")
        of_images = isinstance(learn_cells, ImageSamples)
        imitation = train_substitute(
            given.model, learn_cells, of_images=of_images, seed=settings.seed
        )
        search = imitation.network
        about = {**about, "assumptions": [*about.get("assumptions", ()), imitation.says]}
    return Subject(
        model=given.model,
        search=search,
        about=about,
        data=given.source.data,
        cells=cells,
        learn_cells=learn_cells,
        checks=given.checks,
        uses_substitute=uses_substitute,
    )
