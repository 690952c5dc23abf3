"""Find data by what the user typed.

======================  =====================================================
nothing, ``digits``     the embedded recordings
``tonic:NAME``          a data set of Tonic below ``root``
``*.csv, *.parquet``    a manifest, a table that lists recordings
a folder                recordings, or SpikingJelly's frames if it holds those
======================  =====================================================
"""

from __future__ import annotations

import warnings
from pathlib import Path

from spikeproof.errors import InvalidRecording
from spikeproof.events.digits import load_digits_events
from spikeproof.events.folder import has_ending, load_folder
from spikeproof.events.frames import BIN_US, holds_frames, load_frames
from spikeproof.events.manifest import load_manifest
from spikeproof.events.recordings import Data, Told
from spikeproof.events.table import ENDINGS
from spikeproof.events.tonic_sets import load_tonic

_TONIC = "tonic:"


def load_data(
    spec: str | Path | None,
    *,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
    root: str | Path | None = None,
    repair: bool = False,
    told: Told = warnings.warn,
    bin_us: int = BIN_US,
    download: bool = False,
) -> Data:
    """Load what ``spec`` names: see the module.

    ``holdout`` and ``seed`` part a set that comes without a test split; ``width`` and ``height``
    (pixels) override what files say. ``root`` is the folder of Tonic's data sets, which are
    fetched if ``download`` says so; ``repair`` and ``told`` are those of ``read`` and concern
    folders and manifests; ``bin_us`` is the time that a stored frame stands for. The digits
    have a fixed split and size. Raises ``InvalidRecording`` as the loaders do.
    """
    if root is not None and not str(spec).startswith(_TONIC):
        raise InvalidRecording(
            f"{spec}: root {root} is only for tonic:NAME; give the folder itself as data"
        )
    if spec is None or spec == "digits":
        return load_digits_events()
    if str(spec).startswith(_TONIC):
        if root is None:
            raise InvalidRecording(
                f"{spec}: give the folder that holds tonic's data sets as root (--root)"
            )
        return load_tonic(
            str(spec).removeprefix(_TONIC),
            root,
            holdout=holdout,
            seed=seed,
            width=width,
            height=height,
            download=download,
        )
    path = Path(spec)
    if has_ending(path, ENDINGS) and not path.is_dir():
        load = load_manifest
    elif path.is_dir() and holds_frames(path):
        return load_frames(
            path, bin_us=bin_us, holdout=holdout, seed=seed, width=width, height=height
        )
    else:
        load = load_folder
    return load(
        path, holdout=holdout, seed=seed, width=width, height=height, repair=repair, told=told
    )
