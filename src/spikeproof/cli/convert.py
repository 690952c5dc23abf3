"""``spikeproof convert``: a recording in another file format, or a piece of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from spikeproof.cli.common import check_folder, guarded, out
from spikeproof.cli.data_options import Align, SensorOptions, tell
from spikeproof.errors import InvalidRecording, SpikeproofError

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof convert drive.raw drive.aedat4\n\n"
    "spikeproof convert damaged.aedat4 mended.npz --repair\n\n"
    "spikeproof convert drive.aedat4 drive.raw --align first\n\n"
    "spikeproof convert drive.raw part.h5 --from 2000000 --to 2500000 [dim]# µs, as in the file"
    "[/dim]"
)


@guarded
def command(
    recording: Annotated[Path, typer.Argument(help="A recording, in any format that is read.")],
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The new file; its ending says the format. It must not exist."
        ),
    ],
    begin: Annotated[
        int | None, typer.Option("--from", metavar="µs", help="Leave out events before this time.")
    ] = None,
    end: Annotated[
        int | None,
        typer.Option("--to", metavar="µs", help="Leave out events at this time and after."),
    ] = None,
    align: Annotated[
        Align,
        typer.Option(help="Write times as they are, or counted from the first event that is kept."),
    ] = Align.none,
    *,
    sensor: SensorOptions,
) -> None:
    """Write a recording in another format.

    What is written is read again and compared, so that nothing is lost unnoticed. Formats whose
    clock starts at 0 (.raw, .dat) want --align first for times that count from 1970.
    """
    if path.exists():
        raise SpikeproofError(f"{path}: is there already; choose another name")
    if begin is not None and end is not None and begin >= end:
        raise SpikeproofError(f"--from {begin} is not before --to {end}; correct them (µs)")
    check_folder(path.parent)

    import numpy as np

    from spikeproof.events import Events, read, write
    from spikeproof.events.files import written_as

    format = written_as(path)
    events = sensor.read(recording)
    first = 0 if begin is None else int(np.searchsorted(events.t, begin))
    last = len(events) if end is None else int(np.searchsorted(events.t, end))
    part = slice(first, max(first, last))
    t = events.t[part]
    if not len(t):
        span = f"{events.t[0]} to {events.t[-1]}"
        raise InvalidRecording(f"{recording}: has no event there; its times are {span} µs")
    if align is Align.first:
        t = t - t[0]
    kept = Events(events.x[part], events.y[part], t, events.p[part], events.width, events.height)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, kept)
    if read(path, width=kept.width, height=kept.height) != kept:
        raise SpikeproofError(
            f"{path}: does not read back as it was written; choose another format"
        )
    if not format.sized:
        size = f"--width {kept.width} --height {kept.height}"
        tell(f"{path}: the format does not hold the sensor's size; read it with {size}")
    size = f"{kept.width}x{kept.height} pixels, {kept.duration / 1e6:g} s"
    out.print(Text(f"{path}: {len(kept)} events, {size}"), soft_wrap=True)
