"""Entries that learn one pattern or patch and use it on all recordings, with random controls."""

from __future__ import annotations

import torch
from torch import Tensor

from spikeproof.attacks.learned.learners import best_patches, best_pattern
from spikeproof.attacks.learned.patch import FitPatch, LearnedPatch, Views, put
from spikeproof.attacks.learned.universal import FitUniversal, UniversalPattern
from spikeproof.attacks.random_edits import random_patches, random_pattern
from spikeproof.audit.entry import AuditContext, Entry, Row, record, write_pattern
from spikeproof.audit.settings import Settings
from spikeproof.goals import Targeted, Untargeted
from spikeproof.inputs.subject import Subject
from spikeproof.models.checkpoint import read_tensors, write_tensors
from spikeproof.threats import Patch, Universal
from spikeproof.threats.universal import apply

_RANDOM_DRAWS = 5  # random patterns that a universal pattern is compared with


def universal(
    name: str, title: str, what: str, threat: Universal, settings: Settings
) -> list[Entry]:
    """A universal pattern, and random patterns of the same size beside it."""
    fit = FitUniversal(settings.fit_steps, settings.fit_batch, settings.fit_targets)

    def prepare(bench: AuditContext) -> None:
        cells, labels = bench.subject.learn_cells, bench.subject.learn_labels
        rng = bench.rng(name, "fit")
        judge, learners = bench.subject.model, bench.learners
        learned, did = best_pattern(fit, learners, judge, cells, labels, threat, rng=rng)
        bench.did.extend(did)
        _save(bench, name, {"pattern": learned.pattern})
        alone = torch.zeros(1, *bench.subject.grid.shape)
        write_pattern(bench, f"{name}/pattern", apply(alone, learned.pattern)[0])

    def run(bench: AuditContext, part: Tensor) -> list[Row]:
        pattern = _load(bench, name)["pattern"]
        return _apply(bench, part, UniversalPattern(pattern), threat.holding(pattern), name, None)

    def run_control(bench: AuditContext, part: Tensor) -> list[Row]:
        learned, rows = _load(bench, name)["pattern"], []
        for draw in range(_RANDOM_DRAWS):
            rng = bench.rng(name, "control", draw)
            pattern = random_pattern(learned, threat, bench.subject.grid.bins, rng)
            rows += _apply(
                bench, part, UniversalPattern(pattern), threat.holding(pattern), name, draw
            )
        return rows

    control = f"{name}-random"
    return [
        Entry(name, title, what, str(threat), "universal", run, prepare, control, cost=11),
        Entry(
            control,
            f"{title}: random control",
            f"{_RANDOM_DRAWS} random patterns of the same size and signs.",
            str(threat),
            "universal",
            run_control,
            is_control=True,
            cost=1.5,
        ),
    ]


def _apply(
    bench: AuditContext,
    part: Tensor,
    attack: UniversalPattern,
    threat: Universal,
    name: str,
    draw: int | None,
) -> list[Row]:
    chosen = bench.right(part)
    goal = Untargeted(bench.subject.labels[chosen])
    rng = bench.rng(name, "apply", draw, int(part[0]))
    clean = bench.subject.clean(chosen)
    adv = attack(bench.victim, clean, goal, threat, rng=rng)
    extra = {} if draw is None else {"draw": draw}
    control = draw is not None
    return record(bench, name, chosen, adv, goal, threat, control=control, extra=extra)


def patch(
    name: str,
    title: str,
    what: str,
    threat: Patch,
    fit: FitPatch,
    subject: Subject,
    centre: tuple[int, int],
) -> list[Entry]:
    """A patch for every class; at ``centre`` when it is shown alone and has no place."""
    n_classes = len(subject.classes)

    def prepare(bench: AuditContext) -> None:
        cells, labels = subject.learn_cells, subject.learn_labels
        rng = bench.rng(name, "fit")
        learned, did = best_patches(
            fit, bench.learners, subject.model, cells, labels, threat, n_classes, rng=rng
        )
        bench.did.extend(did)
        _save(bench, name, {"patches": learned.patches})
        alone = torch.zeros(n_classes, *subject.grid.shape)
        middle = threat if threat.place else threat.at_place(centre)
        views = Views.draw(n_classes, alone, middle, False, rng)
        shown = put(alone, learned.patches, views, middle)
        for k in range(n_classes):
            write_pattern(bench, f"{name}/patch-{k}", shown[k])

    def sticker(bench: AuditContext) -> LearnedPatch:
        return LearnedPatch(_load(bench, name)["patches"], fit.free_time)

    def run(bench: AuditContext, part: Tensor) -> list[Row]:
        return _stick(bench, part, sticker(bench), threat, name, n_classes, control=False)

    def run_control(bench: AuditContext, part: Tensor) -> list[Row]:
        random = random_patches(sticker(bench), bench.rng(name, "control"))
        return _stick(bench, part, random, threat, name, n_classes, control=True)

    control = f"{name}-random"
    return [
        Entry(name, title, what, str(threat), "patch", run, prepare, control, cost=15),
        Entry(
            control,
            f"{title}: random control",
            "Random patches, as dense as the learned ones, at the same places.",
            str(threat),
            "patch",
            run_control,
            is_control=True,
            cost=2,
        ),
    ]


def _stick(
    bench: AuditContext,
    part: Tensor,
    attack: LearnedPatch,
    threat: Patch,
    name: str,
    n_classes: int,
    control: bool,
) -> list[Row]:
    """Every recording with the patch of every other class; one target each is written."""
    rows: list[Row] = []
    right = bench.right(part)
    for target in range(n_classes):
        chosen = right[bench.subject.labels[right] != target]
        if not len(chosen):
            continue
        goal = Targeted(torch.full((len(chosen),), target))
        rng = bench.rng(name, "place", target, int(part[0]))  # the control's places are the same
        clean = bench.subject.clean(chosen)
        adv = attack(bench.victim, clean, goal, threat, rng=rng)
        rows += record(
            bench,
            name,
            chosen,
            adv,
            goal,
            threat,
            control=control,
            export=chosen % n_classes == target,
            extra={"target": target},
        )
    return rows


def _save(bench: AuditContext, name: str, tensors: dict[str, Tensor]) -> None:
    write_tensors(bench.folder / "work" / f"{name}.safetensors", tensors, {})


def _load(bench: AuditContext, name: str) -> dict[str, Tensor]:
    return read_tensors(bench.folder / "work" / f"{name}.safetensors")[0]
