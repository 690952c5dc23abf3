"""``spikeproof convert``: a recording in another file format, or a piece of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from spikeproof.cli.common import check_folder, guarded, out
from spikeproof.cli.options import SensorOptions
from spikeproof.errors import InvalidRecording, SpikeproofError

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof convert drive.raw drive.aedat4\n\n"
    "spikeproof convert damaged.aedat4 mended.npz --repair\n\n"
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
    *,
    sensor: SensorOptions,
) -> None:
    """Write a recording in another format.

    What is written is read again and compared, so that nothing is lost unnoticed.
    """
    if path.exists():
        raise SpikeproofError(f"{path}: is there already; choose another name")
    check_folder(path.parent)

    import numpy as np

    from spikeproof.events import Events, read, write

    events = sensor.read(recording)
    first = 0 if begin is None else int(np.searchsorted(events.t, begin))
    last = len(events) if end is None else int(np.searchsorted(events.t, end))
    part = slice(first, max(first, last))
    kept = Events(
        events.x[part], events.y[part], events.t[part], events.p[part], events.width, events.height
    )
    if not len(kept):
        span = f"{events.t[0]} to {events.t[-1]}"
        raise InvalidRecording(f"{recording}: has no event there; its times are {span} µs")
    write(path, kept)
    if read(path, width=kept.width, height=kept.height) != kept:
        raise SpikeproofError(
            f"{path}: does not read back as it was written; choose another format"
        )
    size = f"{kept.width}x{kept.height} pixels, {kept.duration / 1e6:g} s"
    out.print(Text(f"{path}: {len(kept)} events, {size}"), soft_wrap=True)
