"""One line of the audit: an attack or a control, measured part by part.

A part is a slice of the audited recordings. Its measurement is a JSON-ready dictionary with a row
per recording, written to disk before the next part begins; everything the report shows is
computed from these rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from torch import Generator, Tensor

from spikeproof.attacks.confirm import confirmed
from spikeproof.attacks.ensemble.autospike import AutoSpike
from spikeproof.attacks.ensemble.event_stages import single
from spikeproof.attacks.ensemble.state import Mode
from spikeproof.attacks.learned.learners import Learner, standard_learners
from spikeproof.attacks.victim import NARROW_SURROGATE, Queries, Victim
from spikeproof.audit.settings import Norm, Settings
from spikeproof.audit.surrogates import Choice
from spikeproof.errors import Unrealisable
from spikeproof.evaluate import Outcome, activity, judge
from spikeproof.events import Events, write
from spikeproof.goals import Goal
from spikeproof.inputs.subject import Subject
from spikeproof.results.stage_stats import StageStats
from spikeproof.threats import L0, Ball, Flip, Threat
from spikeproof.types import Cells

_CHUNK = 64  # images at once; they are smaller than recordings

Row: TypeAlias = dict[str, Any]
Family = Literal["input-specific", "universal", "patch"]


@dataclass(frozen=True, eq=False)
class AuditContext:
    """Where entries work: the subject, the settings, the audit's folder and what is measured.

    ``predictions`` ``[N]`` are those on the clean recordings; ``rows`` gives the rows of another
    entry for the same part. ``surrogate`` says whether the standard ensemble attacks or plain
    attacks with a single one; ``did`` collects what the stages of ensembles came to.
    """

    subject: Subject
    settings: Settings
    folder: Path
    predictions: Tensor
    rows: Callable[[str], list[Row]]
    queries: Queries = field(default_factory=Queries)
    did: list[StageStats] = field(default_factory=list)
    surrogate: Choice = "ensemble"

    @property
    def victim(self) -> Victim:
        """The model as attacks see it; what they ask is counted in ``queries``."""
        alone = NARROW_SURROGATE if self.surrogate == "ensemble" else self.surrogate
        chunk = _CHUNK if self.subject.of_images else Victim.chunk
        return Victim(self.subject.search, alone, chunk, queries=self.queries, fast=True)

    @property
    def learners(self) -> tuple[Learner, ...]:
        """What learns patterns and patches: those of the ensemble, or one with the surrogate."""
        if self.surrogate == "ensemble" and not self.settings.quick:
            return standard_learners(self.victim)
        return (Learner("gradients", self.victim),)

    def evaluate(
        self,
        mode: Mode,
        clean: Cells,
        goal: Goal,
        threat: Threat,
        rng: Generator,
        *,
        near: bool = False,
    ) -> Cells:
        """What the standard ensemble, or a plain attack, makes of ``clean``, as the judge sees it.

        A fixed budget gets half the steps: it comes after the fewest edits are known, and of those
        that need few more than the budget (``near``) only the way back to it is tried. A model that
        gives no gradient is asked instead, with the help of its imitation.
        """
        steps = self.settings.steps
        if mode == "budget" and not (near and isinstance(threat, Flip)):
            steps = max(steps // 2, 1)
        judge, victim, proxy = self.subject.model, self.victim, None
        if self.subject.uses_substitute:
            victim, proxy = replace(victim, model=judge, surrogate=None), self.subject.search
        elif self.surrogate != "ensemble":
            plain = single(threat, mode, steps)
            return confirmed(plain, victim, judge, clean, goal, threat, rng=rng)
        ensemble = AutoSpike(
            mode,
            judge,
            steps,
            queries=25 * steps,
            proxy=proxy,
            quick=self.settings.quick,
            near=near,
        )
        found = ensemble.evaluate(victim, clean, goal, threat, rng=rng)
        self.did.extend(found.did)
        return found.adv

    def right(self, part: Tensor) -> Tensor:
        """Those of ``part`` that the model classifies right: only they can be attacked."""
        return part[self.predictions[part] == self.subject.labels[part]]

    def rng(self, *what: object) -> Generator:
        """A generator that depends on the seed and on what it is for, and on nothing else."""
        words = [self.settings.seed, *(int.from_bytes(str(w).encode(), "big") for w in what)]
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
        return Generator().manual_seed(seed)


@dataclass(frozen=True, eq=False)
class Entry:
    """A measurable attack. ``control`` is the entry it is compared with.

    ``run`` measures one part (indices of audited recordings); ``prepare`` (learning a pattern,
    say) runs once before. ``cost`` is a rough share of the work, for the progress bar; ``norm`` is
    that of the changes of images.
    """

    id: str
    title: str
    what: str
    threat: str
    family: Family
    run: Callable[[AuditContext, Tensor], list[Row]]
    prepare: Callable[[AuditContext], None] | None = None
    control: str | None = None
    is_control: bool = False
    cost: float = 1.0
    norm: Norm | None = None


def record(
    bench: AuditContext,
    entry: str,
    chosen: Tensor,
    adv: Cells,
    goal: Goal,
    threat: Threat,
    *,
    control: bool = False,
    export: Tensor | None = None,
    retime: bool = False,
    extra: Row | None = None,
) -> list[Row]:
    """Judge ``adv`` of the samples ``chosen`` and write the successful ones as files.

    A success that no valid sample can have (of recordings because of the refractory time) is no
    success. ``export`` flags which samples to write (default: all); of a ``control`` nothing is
    written and its energy is not measured.
    """
    subject = bench.subject
    clean = subject.clean(chosen)
    outcome = judge(subject.model, clean, adv, goal, threat)
    effort = None if control else activity(subject.model, adv)
    prices = _prices(threat, clean, outcome)
    rows = []
    for j, i in enumerate(chosen.tolist()):
        row: Row = {
            "index": int(subject.index[i]),
            "place": i,
            "label": int(subject.labels[i]),
            "clean": int(bench.predictions[i]),
            "prediction": int(outcome.prediction[j]),
            "success": bool(outcome.success[j]),
            "valid": bool(outcome.valid[j]),
            "why": outcome.why[j],
            **prices[j],
            "recording": None,
            **(extra or {}),
        }
        if effort is not None:
            row |= effort.of(j)
        if row["success"] and not control and (export is None or bool(export[j])):
            try:
                row["recording"] = write_attacked(bench, entry, i, adv[j], retime)
            except Unrealisable as error:
                row |= {"success": False, "valid": False, "why": str(error)}
        rows.append(row)
    return rows


def cost_of(row: Row) -> float:
    """What the edits of a row come to under its threat."""
    return float(row["size"] if "size" in row else row["flips"])


def _prices(threat: Threat, clean: Cells, outcome: Outcome) -> list[Row]:
    """The cost of each sample's edits: how many cells of a recording, how much of an image."""
    if isinstance(threat, Ball):
        pixels = clean[:, :, 0].flatten(1).shape[1]
        return [
            {"size": size, **({"relative": size / pixels} if isinstance(threat, L0) else {})}
            for size in outcome.cost.tolist()
        ]
    active = (clean > 0).flatten(1).sum(1).clamp(min=1)
    columns = (outcome.cost, active, outcome.added, outcome.removed)
    return [
        {"flips": int(cost), "relative": float(cost) / of, "added": added, "removed": removed}
        for cost, of, added, removed in zip(*(c.tolist() for c in columns), strict=True)
    ]


def write_attacked(
    bench: AuditContext, entry: str, i: int, cells: Tensor, retime: bool
) -> str | None:
    """Write the sample with these ``cells``; its name relative to the audit's folder.

    Of a sample that ``settings.keep`` leaves out there is no file, and None is given. Raises
    :class:`Unrealisable` if no valid sample has these cells.
    """
    subject, settings = bench.subject, bench.settings
    write = subject.cells.made(i, cells, settings, retime=retime)
    if not subject.spread(i, settings.keep):
        return None
    return _keep(bench, f"{entry}/{int(subject.index[i])}", write)


def write_pattern(bench: AuditContext, name: str, cells: Tensor) -> None:
    """Write the additions of a learned pattern as a recording of its own, to be looked at."""
    grid = bench.subject.grid
    if bool((cells > 0).any()):
        stream = grid.unbin(Events.empty(grid.width, grid.height), (cells > 0).float())
        _keep(bench, name, lambda path: write(path, stream))


def _keep(bench: AuditContext, name: str, write: Callable[[Path], None]) -> str:
    path = bench.folder / "recordings" / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    return f"recordings/{name}.npz"
