"""``spikeproof check``: how a model is called, and whether it can be attacked as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from spikeproof.cli.common import guarded, out, plainly, progress, use_threads
from spikeproof.cli.data_options import DataOptions, ImageOptions
from spikeproof.cli.options import ModelOptions, RunOptions

if TYPE_CHECKING:
    from spikeproof.inputs.load import LoadedInputs

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof check --model my_net.py:build --weights w.pt --data recordings\n\n"
    "spikeproof check --model net.nir --data recordings --bins 20 --window 100000\n\n"
    "Exits with status 1 if the model cannot be audited as it is."
)


@guarded
def command(
    *, model: ModelOptions, data: DataOptions, images: ImageOptions, run: RunOptions
) -> None:
    """Say how a model is called, and examine it.

    An audit does the same before its first attack.
    """
    with progress() as tell:
        tell("starting")
        use_threads(run.threads)

        from spikeproof.evaluate import activity, recorded
        from spikeproof.inputs.load import ready
        from spikeproof.inputs.wording import worded
        from spikeproof.report.operations import line

        given = ready(model.choice(run.device), images.choice(data), tell, strict=False)
        sound = all(check.ok or check.level != "error" for check in given.checks)
        few, _ = given.source.sample()
        found = activity(given.model, few) if sound else None
    about = given.about
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row("model", Text(about["name"]))
    table.add_row("framework", Text(about.get("framework", "spikeproof")))
    for k, said in enumerate(about.get("assumptions", ())):
        table.add_row("" if k else "assumed", Text(said))
    table.add_row(*_seen(given))
    table.add_row("classes", Text(", ".join(given.classes)))
    if found is not None:
        said = line(recorded(found), about.get("kind", "spiking"))
        table.add_row("operations", Text(plainly(f"{said} (median of {len(few)} recordings)")))
    out.print(table)
    out.print()
    checks = Table.grid(padding=(0, 2, 0, 0))
    colours = {"error": "bold red", "warning": "bold yellow", "note": "dim"}
    for check in given.checks:
        mark, style = ("✓", "green") if check.ok else ("!", colours[check.level])
        title = Text(check.title, "" if check.ok else style)
        checks.add_row(Text(mark, style), title, Text(worded(check.says, given.of_images)))
    out.print(checks)
    if not sound:
        raise typer.Exit(1)


def _seen(given: LoadedInputs) -> tuple[str, Text]:
    """What the model is shown."""
    if given.of_images:
        shape = given.source.sample()[0].shape[2:]
        return "images", Text(f"{'x'.join(map(str, shape))} intensities in [0, 1]")
    grid = given.grid
    cells = "numbers of events" if grid.counts else "0/1"
    bins = f"{grid.bins} bins of {grid.window / grid.bins / 1000:g} ms"
    return "recordings", Text(f"{bins}, {grid.width}x{grid.height} pixels, {cells}")
