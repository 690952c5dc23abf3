"""``spikeproof audit``: measure a network's robustness and write the report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from spikeproof.cli.common import (
    check_folder,
    command_line,
    guarded,
    intensities_of,
    out,
    plainly,
    progress,
    shares_of,
    stoppable,
    told,
    use_threads,
)
from spikeproof.cli.data_options import DataOptions, ImageOptions
from spikeproof.cli.options import ModelOptions, RunOptions

if TYPE_CHECKING:
    from spikeproof.inputs.subject import Subject
    from spikeproof.results import AttackRecord, Audit

EXAMPLES = (
    "[b]Examples[/b]\n\n"
    "spikeproof audit [dim]# the shipped network on the embedded digits[/dim]\n\n"
    "spikeproof audit --model net.safetensors --data recordings --out audit-net\n\n"
    "spikeproof audit --model my_net.py:build --weights w.pt --data recordings --bins 20\n\n"
    "spikeproof audit --model net.nir --data tonic:NMNIST --root tonic --recordings 400\n\n"
    "spikeproof audit --model mnist.safetensors --images mnist --eps 8/255,0.1,0.3\n\n"
    "An audit that was interrupted continues when the same command is given again."
)
_ATTACKS, _EFFORT = "Attacks", "Effort"


@guarded
def command(
    folder: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Results, recordings and report.")
    ] = Path("audit"),
    recordings: Annotated[
        int, typer.Option(min=1, metavar="N", help="Test recordings to audit, drawn by --seed.")
    ] = 100,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            metavar="N",
            help="Write event files of so many recordings only, spread evenly.",
            show_default="all",
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Discard an audit in --out and begin anew.")
    ] = False,
    *,
    model: ModelOptions,
    data: DataOptions,
    images: ImageOptions,
    run: RunOptions,
    budgets: Annotated[
        str,
        typer.Option(
            metavar="SHARES",
            help="Flip budgets of the curve, as shares of the active cells.",
            rich_help_panel=_ATTACKS,
        ),
    ] = "0.5%,1%,2%,4%,8%",
    max_shift: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="Time bins an event may move.", rich_help_panel=_ATTACKS
        ),
    ] = 2,
    patch: Annotated[
        int,
        typer.Option(
            min=1, metavar="PIX", help="Side of the square patch.", rich_help_panel=_ATTACKS
        ),
    ] = 10,
    refractory: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="µs",
            help="Time that added events keep from others of their pixel.",
            rich_help_panel=_ATTACKS,
        ),
    ] = 1000,
    eps: Annotated[
        str,
        typer.Option(
            metavar="X,Y,…",
            help="Of images: budgets of the curve, by how much every intensity may move.",
            rich_help_panel=_ATTACKS,
        ),
    ] = "2/255,4/255,8/255,0.1",
    norm: Annotated[
        str,
        typer.Option(
            metavar="linf,l2,l0",
            help="Of images: the norms in which the smallest change is searched for.",
            rich_help_panel=_ATTACKS,
        ),
    ] = "linf,l2,l0",
    steps: Annotated[
        int,
        typer.Option(
            min=2, metavar="N", help="Gradient steps for each recording.", rich_help_panel=_EFFORT
        ),
    ] = 40,
    fit_steps: Annotated[
        int,
        typer.Option(
            min=1,
            metavar="N",
            help="Gradient steps for each pattern and patch.",
            rich_help_panel=_EFFORT,
        ),
    ] = 40,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="A quick version of the ensemble, for every day: a few more edits than needed.",
            rich_help_panel=_EFFORT,
        ),
    ] = False,
) -> None:
    """Audit a network's robustness and write a report.

    Every attack is judged independently and stands beside a random control. Fewer steps than the
    default make an audit quicker and its figures too kind to the network.
    """
    check_folder(folder)
    shares, radii = shares_of(budgets), intensities_of(eps, "--eps")
    kept = f"Stopped. What is finished is kept in {folder}; the same command"
    with stoppable(f"{kept}{', without --fresh,' if fresh else ''} continues it."):
        with progress() as tell:
            tell("starting")
            use_threads(run.threads)

            from spikeproof.audit.run import audit
            from spikeproof.audit.settings import Settings, norms_of
            from spikeproof.audit.surrogates import check_name
            from spikeproof.inputs.load import subject_of
            from spikeproof.report import build

            check_name(model.surrogate)
            settings = Settings(
                recordings=recordings,
                seed=run.seed,
                steps=steps,
                shares=shares,
                max_shift=max_shift,
                patch=patch,
                refractory=refractory,
                fit_steps=fit_steps,
                surrogate=model.surrogate,
                quick=quick,
                keep=keep,
                eps=radii,
                norms=norms_of(norm),
            )
            subject = subject_of(model.choice(run.device), images.choice(data), settings, tell)
        out.print(_head(subject))
        with progress() as tell:
            results = audit(
                subject,
                folder,
                settings,
                command=command_line(),
                fresh=fresh,
                progress=lambda p: tell(p.doing, p.done, p.total),
            )
            tell("writing the report")
            build(folder)
    _summarise(results, folder)


def _head(subject: Subject) -> Table:
    """What is audited, on what, and what was taken for granted."""
    about, data = subject.about, subject.data
    model = ", ".join(w for w in (about.get("architecture"), about["kind"]) if w)
    model = f"{about['name']}: {model} network"
    of = f"{len(subject)} of {len(data.test)} test {subject.noun}"
    if subject.of_images:
        seen = "x".join(map(str, subject.shape[1:])) + " intensities"
    else:
        seen = f"{subject.grid.bins} bins of {subject.grid.window / subject.grid.bins / 1000:g} ms"
    recordings = f"{data.name}: {of}, {len(subject.classes)} classes, {seen}"
    head = Table.grid(padding=(0, 2, 0, 0))
    head.add_row("model", Text(model))
    head.add_row("data", Text(recordings))
    for k, said in enumerate(about.get("assumptions", ())):
        head.add_row("" if k else "assumed", Text(said, "dim"))
    return head


def _summarise(audit: Audit, folder: Path) -> None:
    from spikeproof.report.terms import terms
    from spikeproof.report.words import interval, percent

    clean, say = audit.clean.accuracy, terms(audit)
    out.print()
    said = plainly(percent(clean.value))
    of = plainly(f" ({interval(clean)}), {clean.k} of {clean.n} {say.many}")
    out.print(Text.assemble("Clean accuracy ", (said, "bold"), of))
    if audit.clean.operations is not None:
        out.print(told(audit.clean.operations, audit.model.kind))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("attack")
    median = "median edits" if audit.data.images is None else "median change"
    for name in ("success (95 %)", median, "random"):
        table.add_column(name, justify="right", no_wrap=True)
    for attack in audit.attacks:
        if attack.measured and not attack.is_control:
            table.add_row(*_row(attack, audit.attack(attack.control)))
    out.print()
    out.print(table)
    for attack in audit.attacks:
        if attack.curve and not attack.is_control:
            out.print()
            out.print(_curve(attack))
    if audit.caveats:
        out.print()
    for doubt in audit.caveats:
        mark, style = ("!", "bold yellow") if doubt.level == "warning" else ("·", "dim")
        line = Text.assemble((doubt.title, style), f": {doubt.detail}")
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(mark, style), line)
        out.print(grid)
    out.print()
    paths = f"report   {folder / 'report.html'}\nresults  {folder / 'results.json'}"
    out.print(Text(paths), soft_wrap=True)


def _row(attack: AttackRecord, control: AttackRecord | None) -> tuple[Text, ...]:
    from spikeproof.report.words import DASH, amount, interval, number, percent

    edits = attack.moved or attack.flips or attack.size
    if edits is None or edits.median is None:
        cost = DASH
    elif attack.norm is not None:
        cost = amount(edits.median, attack.norm)
    else:
        relative = attack.relative.median if attack.relative else None
        cost = f"{number(edits.median)} ({percent(relative)})"
    chance = percent(control.success.value) if control and control.measured else DASH
    success, sure = percent(attack.success.value), f" ({interval(attack.success)})"
    return (
        Text(plainly(attack.title)),
        Text.assemble((plainly(success), "bold"), plainly(sure)),
        Text(plainly(cost)),
        Text(plainly(chance)),
    )


def _curve(attack: AttackRecord) -> Table:
    """Accuracy left at each budget."""
    from spikeproof.report.words import level, percent

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    for _ in attack.curve:
        table.add_column(justify="right")
    left = [percent(p.robust_accuracy.value) for p in attack.curve]
    chance = [percent(p.control.value if p.control else None) for p in attack.curve]
    if any(p.eps is not None for p in attack.curve):
        names = ("intensities moved", "random moves")
        budgets = [level(p.eps or 0.0) for p in attack.curve]
    else:
        names = ("cells flipped", "random flips")
        budgets = [percent(p.relative) for p in attack.curve]
    for name, cells in ((names[0], budgets), ("accuracy left", left), (names[1], chance)):
        table.add_row(name, *map(plainly, cells))
    return table
