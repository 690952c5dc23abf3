"""``spikeproof view``: a recording, or two and their difference, as a film or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikeproof.cli.common import check_file, guarded, out
from spikeproof.cli.data_options import SensorOptions
from spikeproof.errors import SpikeproofError

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof view digit.bin\n\n"
    "spikeproof view clean.npz attacked.npz --out both.gif\n\n"
    "spikeproof view clean.npz retimed.npz --moved --slow 20 --out film.mp4"
)


@guarded
def command(
    recording: Annotated[Path, typer.Argument(help="A recording, in any format that is read.")],
    other: Annotated[
        Path | None, typer.Argument(help="A second one, shown beside it with the difference.")
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Film (.gif, .mp4) or contact sheet (.png).",
            show_default="RECORDING.gif, here",
        ),
    ] = None,
    moved: Annotated[
        bool, typer.Option("--moved", help="Show events that only changed their time as moved.")
    ] = False,
    fps: Annotated[int, typer.Option(min=1, max=50, help="Frames per second.")] = 25,
    slow: Annotated[float, typer.Option(help="So many times slower than life.")] = 10.0,
    *,
    sensor: SensorOptions,
) -> None:
    """Show a recording as a film or picture.

    With a second one: clean, attacked and their difference side by side.
    """
    if not slow > 0:
        raise SpikeproofError(f"--slow {slow:g} is impossible; give a positive number")
    path = path or Path(f"{recording.stem}.gif")
    check_file(path, (".gif", ".mp4", ".png"))

    from rich.text import Text

    from spikeproof.report import render

    first = sensor.read(recording)
    second = None if other is None else sensor.read(other)
    path.parent.mkdir(parents=True, exist_ok=True)
    render(path, first, other=second, moved=moved, fps=fps, slow=slow)
    out.print(Text(str(path)), soft_wrap=True)
