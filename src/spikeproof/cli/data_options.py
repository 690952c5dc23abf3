"""The options that commands share about what a network is shown: recordings or images.

Nothing here imports PyTorch, so that ``--help`` is quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from spikeproof.cli.common import err, holdout_of
from spikeproof.errors import SpikeproofError

if TYPE_CHECKING:
    from spikeproof.events import Events
    from spikeproof.inputs.choice import AnyDataChoice, DataChoice

_DATA = "Recordings"


class Align(StrEnum):
    """Where a recording's time begins."""

    none = "none"
    first = "first"


class Long(StrEnum):
    """What to do with recordings that are longer than the window."""

    cut = "cut"
    split_ = "split"
    refuse = "refuse"


class Short(StrEnum):
    """What to do with recordings that are shorter than the window."""

    pad = "pad"
    drop = "drop"
    refuse = "refuse"


Side = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="PIX",
        help="Sensor size in pixels.",
        show_default="what the file says; .bin: 34",
        rich_help_panel=_DATA,
    ),
]


@dataclass(frozen=True)
class DataOptions:
    """Which recordings, and how they are made to fit the window."""

    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FOLDER|FILE|tonic:NAME|digits",
            help="Recordings as LABEL/FILE, or Train/ and Test/ with that inside; a manifest (.csv,"
            " .parquet) with columns path and label; SpikingJelly's frame folders; a Tonic data"
            " set; 'digits' are embedded.",
            show_default="digits",
            rich_help_panel=_DATA,
        ),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="Where Tonic has its data sets.",
            rich_help_panel=_DATA,
        ),
    ] = None
    download: Annotated[
        bool,
        typer.Option(
            "--download",
            help="Let Tonic fetch what is not there yet; it may be gigabytes.",
            rich_help_panel=_DATA,
        ),
    ] = False
    holdout: Annotated[
        str | None,
        typer.Option(
            "--holdout",
            metavar="N|SHARE",
            help="Recordings held out for testing where the data have no split: a number, or a"
            " share such as 0.2 or 20%.",
            rich_help_panel=_DATA,
        ),
    ] = None
    split_seed: Annotated[
        int | None,
        typer.Option(
            "--split-seed",
            min=0,
            metavar="N",
            help="Draws which recordings are held out.",
            rich_help_panel=_DATA,
        ),
    ] = None
    width: Side = None
    height: Side = None
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Read damaged recordings as far as they go, and say what was dropped.",
            rich_help_panel=_DATA,
        ),
    ] = False
    align: Annotated[
        Align,
        typer.Option(
            "--align",
            help="Take times as they are, or from each recording's first event.",
            rich_help_panel=_DATA,
        ),
    ] = Align.none
    long: Annotated[
        Long,
        typer.Option(
            "--long",
            help="Recordings longer than the window: cut them, split them into windows, or refuse.",
            rich_help_panel=_DATA,
        ),
    ] = Long.cut
    short: Annotated[
        Short,
        typer.Option(
            "--short",
            help="Recordings shorter than the window: pad with silence, drop, or refuse.",
            rich_help_panel=_DATA,
        ),
    ] = Short.pad

    def choice(self) -> DataChoice:
        """The same as a value for the library."""
        from spikeproof.events import Fit
        from spikeproof.inputs.choice import DataChoice

        return DataChoice(
            self.data,
            root=self.root,
            holdout=holdout_of(self.holdout),
            split_seed=self.split_seed,
            width=self.width,
            height=self.height,
            repair=self.repair,
            told=tell,
            download=self.download,
            fit=Fit(align=self.align.value, long=self.long.value, short=self.short.value),
        )


@dataclass(frozen=True)
class ImageOptions:
    """Images in the place of recordings."""

    images: Annotated[
        str | None,
        typer.Option(
            "--images",
            metavar="FOLDER|FILE|digits",
            help="For a network that sees images: a folder with MNIST's files or CIFAR-10 sheets,"
            " .npz or .npy arrays; 'digits' are embedded. They are split by --holdout and"
            " --split-seed where they have no split.",
            rich_help_panel="Images",
        ),
    ] = None

    def choice(self, data: DataOptions) -> AnyDataChoice:
        """The recordings or images that are meant, as a value for the library.

        Raises :class:`SpikeproofError` if both are given.
        """
        from spikeproof.inputs.choice import ImageChoice

        if self.images is None:
            return data.choice()
        said = [name for name in ("data", "root", "width", "height") if getattr(data, name)]
        if said:
            raise SpikeproofError(
                f"--{said[0]} is for recordings of events; give it or --images, not both"
            )
        return ImageChoice(self.images, holdout_of(data.holdout), data.split_seed)


@dataclass(frozen=True)
class SensorOptions:
    """How single recordings are read."""

    width: Side = None
    height: Side = None
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Read a damaged recording as far as it goes, and say what was dropped."
        ),
    ] = False

    def read(self, path: Path) -> Events:
        """The recording in ``path``; repairs are told on the way."""
        from spikeproof.events import read

        return read(path, width=self.width, height=self.height, repair=self.repair, told=tell)


def tell(repair: str) -> None:
    """Say what was repaired."""
    err.print(Text(repair, "yellow"), soft_wrap=True)
