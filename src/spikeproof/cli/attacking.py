"""What ``spikeproof attack`` does: take recordings, attack them, write what fools the network.

Imported by the command only when it runs, so heavy imports stand at the top here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor

from spikeproof.attacks import Attack, SparseFlip, Victim, confirmed
from spikeproof.attacks.catalogue import attack_named
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.ensemble.state import Mode
from spikeproof.attacks.victim import NARROW_SURROGATE
from spikeproof.audit.surrogates import Choice
from spikeproof.errors import InvalidRecording, Unrealisable
from spikeproof.evaluate import answer, judge
from spikeproof.events import Data, Events, Grid, Recordings
from spikeproof.events import write as write_events
from spikeproof.goals import Goal, Targeted, Untargeted
from spikeproof.inputs.load import LoadedInputs
from spikeproof.threats import Retime, Threat

STANDARD = "autospike"


@dataclass(frozen=True)
class Case:
    """A recording with its name and label; ``cells`` are its binned events."""

    name: str
    label: int
    events: Events
    cells: Tensor


@dataclass(frozen=True)
class Result:
    """What became of a recording: classes by name, ``edits`` in words, empty if not attacked."""

    name: str
    label: str
    clean: str
    attacked: str
    edits: str
    verdict: str
    file: Path | None = None


@dataclass
class Writer:
    """Writes pairs of recordings below ``folder``, each name once."""

    folder: Path
    ending: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        self._taken: set[str] = set()

    def __call__(self, case: Case, attacked: Events) -> Path:
        """Write ``case`` and what was made of it; the path of the latter."""
        stem = Path(case.name).stem
        name = f"{self.classes[case.label]}/{stem}"
        while name in self._taken:
            name += "+"
        self._taken.add(name)
        paths = [self.folder / kind / f"{name}{self.ending}" for kind in ("clean", "attacked")]
        for path, events in zip(paths, (case.events, attacked), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_events(path, events)
        return paths[1]


def case(grid: Grid, name: str, label: int, events: Events) -> Case:
    """A recording and its cells; raises :class:`InvalidRecording` if none is active."""
    cells = grid.bin(events)
    if not bool(cells.any()):
        raise InvalidRecording(
            f"{name}: has no event inside the model's window of {grid.window} µs from"
            f" {grid.start} µs; align it to its first event (--align first), or choose another"
            " --window"
        )
    return Case(name, label, events, cells)


def alone(events: Events, name: str, label: str) -> Data:
    """One recording as data; a model is tried on it and on its mirror images."""
    x, y = events.width - 1 - events.x.astype(int), events.height - 1 - events.y.astype(int)
    views = [
        Events(column, row, events.t, polarity, events.width, events.height)
        for column, row, polarity in (
            (events.x, events.y, events.p),
            (x, events.y, events.p),
            (events.x, y, events.p),
            (x, y, 1 - events.p),
        )
    ]
    labels, names = np.zeros(len(views), np.int64), (name,) * len(views)
    part = Recordings(labels, (label,), names, events.width, events.height, views.__getitem__)
    return Data(name, part, part.subset([0]), "One recording.")


def drawn(given: LoadedInputs, count: int, seed: int) -> Iterator[Case]:
    """``count`` test recordings, drawn by ``seed``."""
    test = given.data.test
    chosen = np.random.default_rng(seed).permutation(len(test))[:count]
    for i in sorted(chosen.tolist()):
        yield case(given.grid, test.names[i], int(test.labels[i]), test.events(i))


@dataclass(frozen=True, eq=False)
class AttackRun:
    """How a model is attacked: by the standard ensemble, or by one attack of the catalogue.

    With a ``surrogate`` other than the ensemble's, the standard is the plain sparse flip. Raises
    :class:`InvalidThreat` for the name of an unknown attack.
    """

    given: LoadedInputs
    attack: str
    steps: int
    seed: int
    surrogate: Choice

    def __post_init__(self) -> None:
        if self.attack != STANDARD:
            attack_named(self.attack)

    def __call__(self, x: Tensor, goal: Goal, threat: Threat) -> Tensor:
        """Fewest edits within the threat; where none were found, all that it allows."""
        rng = torch.Generator().manual_seed(self.seed)
        if self.attack not in (STANDARD, "sparse-flip"):
            return self._with(attack_named(self.attack), x, goal, threat, rng)
        adv = self._with(self._ours("minimum"), x, goal, threat, rng)
        left = (~goal.reached(answer(self.given.model, adv))).nonzero().squeeze(1)
        if len(left):
            adv[left] = self._with(self._ours("budget"), x[left], goal[left], threat, rng)
        return adv

    def _ours(self, mode: Mode) -> Attack:
        asks = not self.given.gradients  # which only the ensemble can do without
        if self.attack == STANDARD and (asks or self.surrogate == "ensemble"):
            return AutoSpike(mode, self.given.model, self.steps)
        return SparseFlip(mode, self.steps)

    def _with(
        self, attack: Attack, x: Tensor, goal: Goal, threat: Threat, rng: Generator
    ) -> Tensor:
        surrogate = NARROW_SURROGATE if self.surrogate == "ensemble" else self.surrogate
        victim = Victim(self.given.search, surrogate, fast=True)
        if isinstance(attack, AutoSpike):  # asks the judge after each stage
            return attack(victim, x, goal, threat, rng=rng)
        return confirmed(attack, victim, self.given.model, x, goal, threat, rng=rng)


def attack_all(
    search: AttackRun,
    cases: list[Case],
    threat: Threat,
    aim: int | None,
    refractory: int,
    write: Writer,
) -> list[Result]:
    """Attack ``cases`` together, judge, and write what fools the network."""
    given, seed = search.given, search.seed
    classes, grid, model = given.classes, given.grid, given.model
    clean = torch.stack([case.cells for case in cases])
    labels = torch.tensor([case.label for case in cases])
    goal: Goal = Untargeted(labels) if aim is None else Targeted(torch.full_like(labels, aim))
    before = answer(model, clean).argmax(1)
    open_ = (~goal.reached(answer(model, clean))).nonzero().squeeze(1)
    adv = clean.clone()
    if len(open_):
        adv[open_] = search(clean[open_], goal[open_], threat)
    outcome = judge(model, clean, adv, goal, threat)
    results = []
    for j, case in enumerate(cases):
        truth, said = classes[case.label], classes[int(before[j])]
        if j not in open_.tolist():
            verdict = "already " + ("wrong" if aim is None else "the target")
            results.append(Result(case.name, truth, said, "", "", verdict))
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
        results.append(Result(case.name, truth, said, answered, edits, verdict, file))
    return results


def _stream(
    grid: Grid,
    clean: Events,
    cells: Tensor,
    refractory: int,
    retime: bool,
    rng: np.random.Generator,
) -> Events:
    """The recording that has these cells; raises :class:`Unrealisable` if there is none."""
    stream = grid.unbin(clean, cells, refractory=refractory, retime=retime, rng=rng)
    if not torch.equal(grid.bin(stream), cells):
        raise Unrealisable("its events do not give the cells back")
    return stream
