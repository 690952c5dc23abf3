"""The contents of ``results.json``: these frozen records *are* the file format.

Field names are the JSON keys; a field with a default may be missing from the file. Counts of
flips are cells of the grid, sizes of changes are intensities of the range [0, 1], times are seconds
unless the name ends in ``_us``. A "recording" may be an image; the data say which there are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from spikeproof.results.figures import Operations, Proportion, Summary
from spikeproof.results.stage_stats import StageStats

__all__ = [
    "SCHEMA",
    "AttackRecord",
    "Audit",
    "Caveat",
    "CheckRecord",
    "CleanRecord",
    "DataRecord",
    "Energy",
    "Example",
    "GridRecord",
    "ModelRecord",
    "Operations",
    "Pair",
    "Point",
    "Proportion",
    "Row",
    "StageStats",
    "Summary",
    "TargetRecord",
    "TimingRecord",
    "Trial",
]

SCHEMA: Final = "spikeproof/audit/2"


@dataclass(frozen=True)
class ModelRecord:
    """The audited network.

    ``assumptions`` say how it is called; ``surrogate`` is the gradient of a spike that attacks
    used, "own" for the model's.
    """

    name: str
    architecture: str = ""
    kind: str = "spiking"
    parameters: int = 0
    file: str = ""
    sha256: str = ""
    trained_on: str | None = None
    framework: str = ""
    assumptions: tuple[str, ...] = ()
    surrogate: str = ""


@dataclass(frozen=True)
class GridRecord:
    """How recordings are binned: ``bins`` equal bins over ``window_us`` µs."""

    bins: int
    window_us: float
    height: int
    width: int


@dataclass(frozen=True)
class Size:
    """What images are made of."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class DataRecord:
    """The recordings that were audited, seen through a ``grid``, or ``images`` of this size."""

    name: str
    grid: GridRecord | None = None
    images: Size | None = None
    split: str = ""
    classes: tuple[str, ...] = ()
    recordings: int = 0
    learn_recordings: int = 0
    active_cells: Summary | None = None
    events: Summary | None = None


@dataclass(frozen=True)
class CleanRecord:
    """The network on unchanged recordings."""

    accuracy: Proportion
    spikes: Summary | None = None
    synops: Summary | None = None
    operations: Operations | None = None


@dataclass(frozen=True)
class Point:
    """Robust accuracy at one budget: cells, a share of the active ones, or a size of changes."""

    robust_accuracy: Proportion
    budget: int | None = None
    relative: float | None = None
    control: Proportion | None = None
    eps: float | None = None

    @property
    def at(self) -> float | None:
        """The budget, in whatever it is given."""
        known = (self.budget, self.relative, self.eps)
        return next((float(value) for value in known if value is not None), None)


@dataclass(frozen=True)
class TargetRecord:
    """How often an attack forces one given class."""

    target: str
    success: Proportion
    control: Proportion | None = None


@dataclass(frozen=True)
class Pair:
    """A count on clean and on attacked recordings."""

    clean: Summary
    attacked: Summary


@dataclass(frozen=True)
class Energy:
    """What the attack does to the network's activity."""

    spikes: Pair | None = None
    synops: Pair | None = None


@dataclass(frozen=True)
class Row:
    """One recording under one attack; ``size`` is that of an image's change, in the norm."""

    index: int
    label: int
    clean: int
    prediction: int
    success: bool
    valid: bool = True
    flips: int | None = None
    size: float | None = None
    relative: float | None = None
    recording: str | None = None
    target: int | None = None
    why: str = ""


@dataclass(frozen=True)
class AttackRecord:
    """One attack, or one control, over all recordings.

    Of images the ``norm`` (linf, l2, l0) says how the ``size`` of a change is measured.
    ``rows`` are a tuple, or a file that is read anew each time they are asked for: an audit of
    many recordings has more of them than should be in memory. In ``results.json`` they are a list,
    or the name of the file.
    """

    id: str
    title: str
    success: Proportion
    robust_accuracy: Proportion
    family: str = ""
    is_control: bool = False
    control: str | None = None
    threat: str = ""
    what: str = ""
    status: str = "done"
    n: int = 0
    invalid: int = 0
    norm: str | None = None
    flips: Summary | None = None
    size: Summary | None = None
    relative: Summary | None = None
    added: Summary | None = None
    removed: Summary | None = None
    moved: Summary | None = None
    curve: tuple[Point, ...] = ()
    per_target: tuple[TargetRecord, ...] = ()
    energy: Energy | None = None
    pattern: str | None = None
    seconds: float = 0.0
    gradients: int = 0
    forwards: int = 0
    stages: tuple[StageStats, ...] = ()
    rows: Iterable[Row] = ()

    @property
    def measured(self) -> bool:
        """Whether it has finished on at least one recording."""
        return self.status == "done" and self.success.n > 0


@dataclass(frozen=True)
class Caveat:
    """A reason to distrust the numbers."""

    title: str
    detail: str = ""
    level: str = "note"


@dataclass(frozen=True)
class CheckRecord:
    """What was asked of the network before any attack, and what came out."""

    name: str
    ok: bool
    detail: str = ""
    title: str = ""


@dataclass(frozen=True)
class Trial:
    """What a surrogate gradient achieved on a few recordings before the audit."""

    surrogate: str
    fooled: Proportion
    edits: float | None = None


@dataclass(frozen=True)
class Example:
    """A clean recording beside the one that fooled the network."""

    attack: str
    index: int
    label: str
    clean_prediction: str
    attacked_prediction: str
    clean: str
    attacked: str
    moved: bool = False
    caption: str = ""


@dataclass(frozen=True)
class TimingRecord:
    """Wall-clock seconds of one part of the audit."""

    stage: str
    seconds: float


@dataclass(frozen=True)
class Audit:
    """All of ``results.json``."""

    schema: str
    model: ModelRecord
    data: DataRecord
    clean: CleanRecord
    spikeproof: str = ""
    created: str = ""
    updated: str = ""
    complete: bool = False
    command: str = ""
    seed: int = 0
    environment: dict[str, str | None] = field(default_factory=dict)
    attacks: tuple[AttackRecord, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    checks: tuple[CheckRecord, ...] = ()
    trials: tuple[Trial, ...] = ()
    examples: tuple[Example, ...] = ()
    timing: tuple[TimingRecord, ...] = ()

    def attack(self, name: str | None) -> AttackRecord | None:
        """The attack with this id, if the audit has one."""
        return next((a for a in self.attacks if a.id == name), None)
