"""``spikeproof attack``: one attack on some recordings, written as event files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from spikeproof.cli.common import (
    DataOption,
    Device,
    DeviceOption,
    HoldoutOption,
    ModelOption,
    SeedOption,
    SplitSeedOption,
    ThreadsOption,
    check_folder,
    guarded,
    holdout_of,
    number,
    out,
    pixels_of,
    plainly,
    progress,
    stoppable,
    use_threads,
)
from spikeproof.errors import InvalidRecording, InvalidThreat, SpikeproofError, Unrealisable

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from spikeproof.audit.inputs import Trained
    from spikeproof.events import Events, Grid
    from spikeproof.goals import Goal
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


class Format(StrEnum):
    """File formats of recordings."""

    npz = "npz"
    bin = "bin"


@guarded
def command(
    recording: Annotated[
        Path | None, typer.Argument(help="One recording (.npz, .bin), in place of --data.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class of RECORDING.")
    ] = None,
    model: ModelOption = None,
    data: DataOption = None,
    folder: Annotated[
        Path,
        typer.Option("--out", metavar="FOLDER", help="Gets clean/ and attacked/ recordings."),
    ] = Path("attacked"),
    form: Annotated[Format, typer.Option("--format", help="Of the files.")] = Format.npz,
    recordings: Annotated[
        int, typer.Option(min=1, metavar="N", help="Test recordings to attack, drawn by --seed.")
    ] = 10,
    holdout: HoldoutOption = None,
    split_seed: SplitSeedOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = Device.auto,
    threads: ThreadsOption = None,
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
    max_shift: Annotated[
        int,
        typer.Option(
            min=1, metavar="N", help="retime: time bins at most.", rich_help_panel=_THREAT
        ),
    ] = 2,
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
    if recording is not None and data is not None:
        raise SpikeproofError("give a RECORDING or --data, not both")
    held_out = holdout_of(holdout)
    with (
        stoppable(f"Stopped. Recordings that were finished are in {folder}."),
        progress() as tell,
    ):
        tell("starting")
        use_threads(threads)

        import torch

        from spikeproof.audit.inputs import class_index, load_trained

        trained = load_trained(model, device=device)
        aim = None if target is None else class_index(trained.classes, target)
        allowed = _threat(threat, budget, max_shift, size, place, trained.grid)
        nothing = torch.zeros(1, *trained.grid.shape)
        allowed.select(nothing, nothing)  # raises if the threat does not fit the grid
        if recording is not None and label is not None:
            cases = [_one(recording, class_index(trained.classes, label), trained)]
        else:
            tell("loading the recordings")
            cases = list(_drawn(trained, data, held_out, split_seed, recordings, seed))
        writer = _Writer(folder, f".{form.value}", trained.classes)
        results = []
        for first in range(0, len(cases), _AT_ONCE):
            tell("attacking", first, len(cases))
            part = cases[first : first + _AT_ONCE]
            results += _attack(trained, part, allowed, aim, steps, seed, refractory, writer)
    _show(results, str(allowed), folder)


@dataclass(frozen=True)
class _Case:
    """A recording with its name and label; ``cells`` are its binned events."""

    name: str
    label: int
    events: Events
    cells: Tensor


@dataclass(frozen=True)
class _Result:
    """What became of a recording: classes by name, ``edits`` in words, empty if not attacked."""

    name: str
    label: str
    clean: str
    attacked: str
    edits: str
    verdict: str
    file: Path | None = None


@dataclass
class _Writer:
    """Writes pairs of recordings below ``folder``, each name once."""

    folder: Path
    ending: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, case: _Case, attacked: Events) -> Path:
        """Write ``case`` and what was made of it; the path of the latter."""
        from spikeproof.events import write

        stem = Path(case.name).stem
        name = f"{self.classes[case.label]}/{stem}"
        while name in self._taken:
            name += "+"
        self._taken.add(name)
        paths = [self.folder / kind / f"{name}{self.ending}" for kind in ("clean", "attacked")]
        for path, events in zip(paths, (case.events, attacked), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, events)
        return paths[1]


def _threat(
    name: ThreatName, budget: str | None, max_shift: int, size: str, place: str | None, grid: Grid
) -> Threat:
    """The threat that the options describe."""
    from spikeproof.threats import Flip, Patch, Retime

    most = None if budget is None else number(budget, "--budget")
    if name is ThreatName.retime:
        return Retime(max_shift, most)
    if name is not ThreatName.patch:
        return Flip(most, add=name is not ThreatName.remove, remove=name is not ThreatName.add)
    if most is not None:
        raise InvalidThreat("a patch has no --budget, it owns all its cells; give its --size")
    height, width = pixels_of(size, "--size", "x")
    middle = ((grid.height - height) // 2, (grid.width - width) // 2)
    return Patch(height, width, middle if place is None else pixels_of(place, "--place", ","))


def _one(path: Path, label: int, trained: Trained) -> _Case:
    from spikeproof.events import read

    sensor = (trained.grid.width, trained.grid.height)
    width, height = sensor if path.suffix.lower() == ".bin" else (None, None)
    return _case(trained, str(path), label, read(path, width=width, height=height))


def _case(trained: Trained, name: str, label: int, events: Events) -> _Case:
    grid = trained.grid
    cells = grid.bin(events)
    if not bool(cells.any()):
        raise InvalidRecording(
            f"{name}: has no event inside the model's window of {grid.window} µs from"
            f" {grid.start} µs; attack another one, or train a model with another --window"
        )
    return _Case(name, label, events, cells)


def _drawn(
    trained: Trained,
    spec: str | None,
    holdout: int | float | None,
    split_seed: int | None,
    count: int,
    seed: int,
) -> Iterator[_Case]:
    import numpy as np

    from spikeproof.audit.inputs import recordings_for

    test = recordings_for(trained, spec, holdout=holdout, split_seed=split_seed).test
    chosen = np.random.default_rng(seed).permutation(len(test))[:count]
    for i in sorted(chosen.tolist()):
        yield _case(trained, test.names[i], int(test.labels[i]), test.events(i))


def _attack(
    trained: Trained,
    cases: list[_Case],
    threat: Threat,
    aim: int | None,
    steps: int,
    seed: int,
    refractory: int,
    write: _Writer,
) -> list[_Result]:
    """Attack ``cases`` together, judge, and write what fools the network."""
    import numpy as np
    import torch

    from spikeproof.evaluate import answer, judge
    from spikeproof.goals import Mislead, Target
    from spikeproof.threats import Retime

    classes, grid = trained.classes, trained.grid
    clean = torch.stack([case.cells for case in cases])
    labels = torch.tensor([case.label for case in cases])
    goal: Goal = Mislead(labels) if aim is None else Target(torch.full_like(labels, aim))
    before = answer(trained.network, clean).argmax(1)
    open_ = (~goal.reached(answer(trained.network, clean))).nonzero().squeeze(1)
    adv = clean.clone()
    if len(open_):
        adv[open_] = _search(trained, clean[open_], goal[open_], threat, steps, seed)
    outcome = judge(trained.network, clean, adv, goal, threat)
    results = []
    for j, case in enumerate(cases):
        truth, said = classes[case.label], classes[int(before[j])]
        if j not in open_.tolist():
            verdict = "already " + ("wrong" if aim is None else "the target")
            results.append(_Result(case.name, truth, said, "", "", verdict))
            continue
        moves = isinstance(threat, Retime)
        counts = f"+{int(outcome.added[j])} −{int(outcome.removed[j])}"
        edits = f"{int(outcome.cost[j])} moved" if moves else counts
        edits += f" ({100 * float(outcome.cost[j]) / int((clean[j] > 0).sum()):.1f} %)"
        verdict, file = outcome.why[j] or "resists", None
        if bool(outcome.success[j]):
            rng = np.random.default_rng([seed, case.label, int(clean[j].sum())])
            try:
                stream = _stream(grid, case.events, adv[j], refractory, moves, rng)
                verdict, file = "fooled", write(case, stream)
            except Unrealisable as error:
                verdict = f"no such recording: {error}"
        answered = classes[int(outcome.prediction[j])]
        results.append(_Result(case.name, truth, said, answered, edits, verdict, file))
    return results


def _search(
    trained: Trained, x: Tensor, goal: Goal, threat: Threat, steps: int, seed: int
) -> Tensor:
    """Fewest edits within the threat; where none were found, all that it allows."""
    import torch

    from spikeproof.attacks.sparse_flip import SparseFlip
    from spikeproof.attacks.victim import Victim

    victim, rng = Victim(trained.network), torch.Generator().manual_seed(seed)
    adv = SparseFlip("minimum", steps)(victim, x, goal, threat, rng=rng)
    left = (~victim.reached(adv, goal)).nonzero().squeeze(1)
    if len(left):
        adv[left] = SparseFlip("budget", steps)(victim, x[left], goal[left], threat, rng=rng)
    return adv


def _stream(
    grid: Grid,
    clean: Events,
    cells: Tensor,
    refractory: int,
    retime: bool,
    rng: np.random.Generator,
) -> Events:
    """The recording that has these cells; raises :class:`Unrealisable` if there is none."""
    import torch

    stream = grid.unbin(clean, cells, refractory=refractory, retime=retime, rng=rng)
    if not torch.equal(grid.bin(stream), cells):
        raise Unrealisable("its events do not give the cells back")
    return stream


def _show(results: list[_Result], threat: str, folder: Path) -> None:
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
