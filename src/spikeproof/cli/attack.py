"""``spikeproof attack``: one attack on some recordings, written as event files."""

from __future__ import annotations

import shlex
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from spikeproof.cli.common import (
    check_folder,
    guarded,
    number,
    out,
    pixels_of,
    plainly,
    progress,
    stoppable,
    use_threads,
)
from spikeproof.cli.data_options import DataOptions, tell
from spikeproof.cli.options import ModelOptions, RunOptions
from spikeproof.errors import InvalidThreat, SpikeproofError

if TYPE_CHECKING:
    from spikeproof.cli.attacking import Result
    from spikeproof.events import Grid
    from spikeproof.threats import Threat

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof attack --out adv [dim]# fewest flips, embedded digits[/dim]\n\n"
    "spikeproof attack --threat retime --max-shift 1 --recordings 50 --out adv\n\n"
    "spikeproof attack --threat add --budget 4% --target 7 --out adv\n\n"
    "spikeproof attack --threat patch --size 10 --place 12,12 --out adv\n\n"
    "spikeproof attack digit.bin --label 3 --model net.safetensors --out adv"
)
_THREAT = "Threat"
_AT_ONCE = 10  # recordings attacked together; the progress moves that often


class ThreatName(StrEnum):
    """What the attacker may do."""

    flip = "flip"
    add = "add"
    remove = "remove"
    retime = "retime"
    patch = "patch"


@guarded
def command(
    recording: Annotated[
        Path | None, typer.Argument(help="One recording, in place of --data.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class of RECORDING.")
    ] = None,
    folder: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Gets clean/ and attacked/ recordings."),
    ] = Path("attacked"),
    form: Annotated[
        str,
        typer.Option(
            "--format", metavar="ENDING", help="Of the files: npz, aedat4, raw, dat, h5, csv, …"
        ),
    ] = "npz",
    recordings: Annotated[
        int, typer.Option(min=1, metavar="N", help="Test recordings to attack, drawn by --seed.")
    ] = 10,
    *,
    model: ModelOptions,
    data: DataOptions,
    run: RunOptions,
    threat: Annotated[
        ThreatName,
        typer.Option(
            help="Flip (add and remove), add or remove events, move them in time, or own a"
            " rectangle of pixels.",
            rich_help_panel=_THREAT,
        ),
    ] = ThreatName.flip,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="N|SHARE",
            help="Most edits: cells, or a share of the active ones such as 4%.",
            show_default="any number, but as few as possible",
            rich_help_panel=_THREAT,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Force this class.",
            show_default="any wrong one",
            rich_help_panel=_THREAT,
        ),
    ] = None,
    attack: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="autospike, the standard ensemble, or a single one: sparse-flip, sparse-dynamic,"
            " spikefool, spike-compatible, rate, hybrid, gumbel, sparse, frame, corner, dash, mask,"
            " spike-retiming; without gradients: greedy, decision, evolution.",
        ),
    ] = "autospike",
    max_shift: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="retime: time bins at most.", rich_help_panel=_THREAT
        ),
    ] = 2,
    max_total: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="retime: time bins of all moves together.",
            show_default="any number",
            rich_help_panel=_THREAT,
        ),
    ] = None,
    size: Annotated[
        str,
        typer.Option(metavar="PIX|HxW", help="patch: its size.", rich_help_panel=_THREAT),
    ] = "10",
    place: Annotated[
        str | None,
        typer.Option(
            metavar="ROW,COLUMN",
            help="patch: its upper left corner.",
            show_default="in the middle",
            rich_help_panel=_THREAT,
        ),
    ] = None,
    refractory: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="µs",
            help="Time that added events keep from others of their pixel.",
            rich_help_panel=_THREAT,
        ),
    ] = 1000,
    steps: Annotated[
        int, typer.Option(min=2, metavar="N", help="Gradient steps for each recording.")
    ] = 40,
) -> None:
    """Attack some recordings and write the adversarial ones.

    Those that fool the network are written as event files, with their clean originals beside.
    """
    check_folder(folder)
    if (folder / "attacked").exists():
        raise SpikeproofError(f"{folder}: has attacked recordings already; choose another --out")
    if (recording is None) != (label is None):
        raise SpikeproofError("give a RECORDING together with its --label")
    if recording is not None and data.data is not None:
        raise SpikeproofError("give a RECORDING or --data, not both")
    with (
        stoppable(f"Stopped. Recordings that were finished are in {folder}."),
        progress() as show,
    ):
        show("starting")
        use_threads(run.threads)

        import torch

        from spikeproof.audit.surrogates import check_name, surrogate_of
        from spikeproof.cli.attacking import AttackRun, Writer, alone, attack_all, drawn
        from spikeproof.events import read
        from spikeproof.events.files import WRITABLE
        from spikeproof.inputs.load import class_index, ready, sensor_of

        check_name(model.surrogate)
        ending = f".{form.removeprefix('.')}"
        if ending not in WRITABLE:
            raise SpikeproofError(
                f"--format {form!r} cannot be written; choose one of"
                f" {', '.join(sorted(e.removeprefix('.') for e in WRITABLE))}"
            )
        choice, chosen = model.choice(run.device), data.choice()
        if recording is not None and label is not None:
            known = sensor_of(choice) if recording.suffix.lower() == ".bin" else (None, None)
            events = read(
                recording,
                width=data.width or known[0],
                height=data.height or known[1],
                repair=data.repair,
                told=tell,
            )
            chosen = replace(chosen, source=alone(events, str(recording), label))
        given = ready(choice, chosen, show, images=False)
        aim = None if target is None else class_index(given.classes, target)
        allowed = _threat(threat, budget, max_shift, max_total, size, place, given.grid)
        nothing = torch.zeros(1, *given.grid.shape)
        allowed.select(nothing, nothing)  # raises if the threat does not fit the grid
        show("loading the recordings")
        cases = list(drawn(given, recordings, run.seed))
        learn = given.data.learn.subset(range(min(32, len(given.data.learn))))
        learn_cells = learn.grid_batch(given.grid, range(len(learn)))
        labels = torch.from_numpy(learn.labels.copy())
        surrogate, _ = surrogate_of(model.surrogate, given.search, learn_cells, labels)
        search = AttackRun(given, attack, steps, run.seed, surrogate)
        writer = Writer(folder, ending, given.classes)
        results = []
        for first in range(0, len(cases), _AT_ONCE):
            show("attacking", first, len(cases))
            part = cases[first : first + _AT_ONCE]
            results += attack_all(search, part, allowed, aim, refractory, writer)
    _show(results, str(allowed), folder)


def _threat(
    name: ThreatName,
    budget: str | None,
    max_shift: int,
    max_total: str | None,
    size: str,
    place: str | None,
    grid: Grid,
) -> Threat:
    """The threat that the options describe."""
    from spikeproof.threats import Flip, Patch, Retime

    most = None if budget is None else number(budget, "--budget")
    if name is ThreatName.retime:
        if grid.counts:
            raise InvalidThreat("moving events needs cells that are 0 or 1; give --binary")
        total = None if max_total is None else number(max_total, "--max-total")
        return Retime(max_shift, most, max_total=total)
    if name is not ThreatName.patch:
        return Flip(most, add=name is not ThreatName.remove, remove=name is not ThreatName.add)
    if most is not None:
        raise InvalidThreat("a patch has no --budget, it owns all its cells; give its --size")
    height, width = pixels_of(size, "--size", "x")
    middle = ((grid.height - height) // 2, (grid.width - width) // 2)
    return Patch(height, width, middle if place is None else pixels_of(place, "--place", ","))


def _show(results: list[Result], threat: str, folder: Path) -> None:
    from spikeproof.evaluate import proportion
    from spikeproof.report.words import interval, percent

    out.print(Text(f"threat  {threat}\n"))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name in ("recording", "label", "clean", "attacked"):
        table.add_column(name)
    table.add_column("edits", justify="right", no_wrap=True)
    table.add_column("verdict")
    for r in results:
        style = {"fooled": "bold red", "resists": "green"}.get(r.verdict, "dim")
        words = (r.name, r.label, r.clean, r.attacked or "–", r.edits or "–")
        table.add_row(*(Text(w) for w in words), Text(r.verdict, style))
    out.print(table)
    hits = [r for r in results if r.file is not None]
    tried = proportion(len(hits), sum(bool(r.edits) for r in results))
    line = f"{len(hits)} of {tried.n} fooled"
    line += plainly(f", {percent(tried.value)} ({interval(tried)})") if tried.n else ""
    out.print(Text(f"\n{line}"))
    if hits and (attacked := hits[0].file) is not None:
        clean = folder / "clean" / attacked.relative_to(folder / "attacked")
        hint = shlex.join(["spikeproof", "view", str(clean), str(attacked), "--out", "look.gif"])
        out.print(Text(f"look at one:  {hint}"), soft_wrap=True)
