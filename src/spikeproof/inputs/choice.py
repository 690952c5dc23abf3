"""What the user says of a model and of recordings; everything left out is found, or a default."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from spikeproof.events import Data, Fit
from spikeproof.images import ImageData
from spikeproof.types import Model

Holdout: TypeAlias = int | float | None
HOLDOUT = 0.5
"""Of data that have no split, and that the model does not come from."""


@dataclass(frozen=True)
class ModelChoice:
    """A model and how it is to be called.

    ``source`` is None (the shipped network), a checkpoint or NIR file, ``FILE.py:NAME`` with
    ``weights``, or any callable or module. ``bins``, ``window`` (µs), ``start`` (µs) and
    ``counts`` say how recordings are binned for it, ``classes`` name its outputs in order. With
    ``draws`` above 1 so many random draws are averaged; a random network from a checkpoint is so
    anyway. ``fast`` allows attacks to search on a
    faster copy that gives the same spikes. ``device`` is for models from files; a module stays
    where it is.
    """

    source: str | Path | Model | None = None
    weights: Path | None = None
    bins: int | None = None
    window: int | None = None
    start: int | None = None
    counts: bool | None = None
    classes: tuple[str, ...] | None = None
    framework: str | None = None
    layout: str | None = None
    readout: str | None = None
    draws: int = 1
    fast: bool = True
    name: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class DataChoice:
    """Recordings and how they are read, split and made to fit the model's window.

    ``source`` is what ``load_data`` takes, or loaded ``Data``; ``root``, ``width``, ``height``
    and ``repair`` are for reading (``told`` is given a sentence on each repair), ``holdout`` and
    ``split_seed`` for data without a split. Tonic fetches its data only with ``download``.
    """

    source: str | Path | Data | None = None
    root: Path | None = None
    holdout: Holdout = None
    split_seed: int | None = None
    width: int | None = None
    height: int | None = None
    repair: bool = False
    told: Callable[[str], None] = warnings.warn
    download: bool = False
    fit: Fit = field(default_factory=Fit)


@dataclass(frozen=True)
class ImageChoice:
    """Images, for a model that sees images.

    ``source`` is what ``load_images`` takes, or loaded ``ImageData``; ``holdout`` and
    ``split_seed`` are for arrays without a split.
    """

    source: str | Path | ImageData | None = None
    holdout: Holdout = None
    split_seed: int | None = None


AnyDataChoice: TypeAlias = DataChoice | ImageChoice


def first(*values: Any) -> Any:
    """The first that is said; None if none is."""
    return next((value for value in values if value is not None), None)
