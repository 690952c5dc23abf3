"""The standard audit: which attacks run, each with its control, from cheapest to dearest."""

from __future__ import annotations

import torch
from torch import Tensor

from spikeproof.attacks.noise import RandomEdits, random_patches, random_pattern
from spikeproof.attacks.patch import FitPatch, Sticker, Views, put
from spikeproof.attacks.sparse_flip import SparseFlip
from spikeproof.attacks.universal import FitUniversal, Pattern
from spikeproof.audit.entry import Bench, Entry, Row, record, write_pattern
from spikeproof.audit.settings import Settings
from spikeproof.audit.subject import Subject
from spikeproof.goals import Mislead, Target
from spikeproof.models.checkpoint import read_tensors, write_tensors
from spikeproof.threats import Flip, Patch, Retime, Threat, Universal
from spikeproof.threats.universal import apply

_RANDOM_DRAWS = 5  # random patterns that a universal pattern is compared with


def standard(subject: Subject, settings: Settings) -> list[Entry]:
    """The entries of the standard audit of ``subject``."""
    mean_active = float((subject.learn_cells > 0).flatten(1).sum(1).float().mean())
    entries = [
        *_minimum(
            "flip-minimum",
            "Sparse flip, fewest flips",
            "Adds and removes single events, as few as it can, for each recording on its own.",
            Flip(),
            settings,
        ),
        *_budget(Flip(), settings),
        *_minimum(
            "retime",
            "Retiming, fewest moves",
            "Only shifts events in time; every pixel keeps its number of events.",
            Retime(settings.max_shift),
            settings,
        ),
    ]
    for share in settings.universal_shares:
        threat = Universal(budget=int(share * mean_active))
        name, title = f"universal-{100 * share:g}", f"Universal pattern, +{100 * share:g} %"
        what = (
            "One pattern of added events, learned on other recordings, for all inputs; its size is"
            f" {100 * share:g} % of the mean number of active cells."
        )
        entries += _universal(name, title, what, threat, settings)
    share = settings.universal_shares[0]
    budget = int(share * mean_active)
    entries += _universal(
        "universal-both",
        f"Universal pattern, ±{100 * share:g} %",
        "One pattern that adds some events and removes others.",
        Universal(budget=budget, remove=True),
        settings,
    )
    bin_ms = subject.grid.window / subject.grid.bins / 1000
    entries += _universal(
        "periodic",
        f"Periodic pattern, +{100 * share:g} %",
        f"A flicker that repeats every {settings.period * bin_ms:g} ms and starts at any time.",
        Universal(budget=budget, period=settings.period),
        settings,
    )
    h, w, size = subject.grid.height, subject.grid.width, settings.patch
    size = min(size, h, w)
    centre = ((h - size) // 2, (w - size) // 2)
    entries += _patch(
        "patch-fixed",
        f"Patch {size}×{size}, known place",
        "A flickering region in the middle of the sensor, synchronised, that forces a class.",
        Patch(size, size, centre),
        FitPatch(settings.fit_steps, settings.patch_batch),
        subject,
        centre,
    )
    entries += _patch(
        "patch-anywhere",
        f"Patch {size}×{size}, random place",
        "The same at unseen places, at random times and with polarities swapped at random.",
        Patch(size, size),
        FitPatch(settings.fit_steps, settings.patch_batch, free_time=True),
        subject,
        centre,
    )
    return entries


def _minimum(name: str, title: str, what: str, threat: Threat, settings: Settings) -> list[Entry]:
    """Fewest edits per recording; the control makes as many edits of the same kind at random."""
    retime = isinstance(threat, Retime)
    attack = SparseFlip("minimum", settings.steps)

    def run(bench: Bench, part: Tensor) -> list[Row]:
        chosen = bench.right(part)
        goal = Mislead(bench.subject.labels[chosen])
        clean = bench.subject.clean(chosen)
        adv = attack(bench.victim, clean, goal, threat, rng=bench.rng(name))
        return record(bench, name, chosen, adv, goal, threat, retime=retime)

    def run_control(bench: Bench, part: Tensor) -> list[Row]:
        chosen = bench.right(part)
        cost = {r["place"]: r["flips"] for r in bench.rows(name)}
        count = torch.tensor([cost[i] for i in chosen.tolist()], dtype=torch.long)
        goal = Mislead(bench.subject.labels[chosen])
        rng = bench.rng(name, "control", int(part[0]))
        clean = bench.subject.clean(chosen)
        adv = RandomEdits(count)(bench.victim, clean, goal, threat, rng=rng)
        none = torch.zeros(len(chosen), dtype=torch.bool)
        return record(bench, f"{name}-random", chosen, adv, goal, threat, export=none)

    control = f"{name}-random"
    return [
        Entry(name, title, what, str(threat), "input-specific", run, control=control, cost=20),
        Entry(
            control,
            f"{title}: random control",
            "The same number of edits for each recording, chosen at random.",
            str(threat),
            "input-specific",
            run_control,
            is_control=True,
            cost=0.7,
        ),
    ]


def _budget(threat: Flip, settings: Settings) -> list[Entry]:
    """Success at given budgets; a recording that fewer flips fool is fooled at every budget."""
    attack = SparseFlip("budget", settings.steps // 2)

    def run(bench: Bench, part: Tensor) -> list[Row]:
        rows: list[Row] = []
        known = {r["place"]: r for r in bench.rows("flip-minimum")}
        for share in settings.shares:
            limited = threat.at(share)
            chosen = bench.right(part)
            limit = limited.limit(bench.subject.clean(chosen))
            open_: list[int] = []
            done: list[int] = []
            for i, most in zip(chosen.tolist(), limit.tolist(), strict=True):
                row = known[i]
                within = row["success"] and row["flips"] <= most
                (done if within else open_).append(i)
            rows += [{**known[i], "share": share} for i in done]
            if open_:
                left = torch.tensor(open_)
                goal = Mislead(bench.subject.labels[left])

                clean = bench.subject.clean(left)
                adv = attack(bench.victim, clean, goal, limited, rng=bench.rng("flip-budget"))
                where, extra = f"flip-budget/{100 * share:g}", {"share": share}
                rows += record(bench, where, left, adv, goal, limited, extra=extra)
        return rows

    def run_control(bench: Bench, part: Tensor) -> list[Row]:
        rows: list[Row] = []
        chosen = bench.right(part)
        goal = Mislead(bench.subject.labels[chosen])
        clean = bench.subject.clean(chosen)
        none = torch.zeros(len(chosen), dtype=torch.bool)
        for share in settings.shares:
            limited = threat.at(share)
            rng = bench.rng("flip-budget-random", share, int(part[0]))
            adv = RandomEdits()(bench.victim, clean, goal, limited, rng=rng)
            rows += record(
                bench, "", chosen, adv, goal, limited, export=none, extra={"share": share}
            )
        return rows

    top = f"{threat.at(settings.shares[-1])}" if settings.shares else str(threat)
    return [
        Entry(
            "flip-budget",
            "Sparse flip, fixed budgets",
            "How many recordings fall when only so many events may be added or removed.",
            top,
            "input-specific",
            run,
            control="flip-budget-random",
            cost=25,
        ),
        Entry(
            "flip-budget-random",
            "Sparse flip, fixed budgets: random control",
            "As many flips as the budget allows, chosen at random.",
            top,
            "input-specific",
            run_control,
            is_control=True,
            cost=3,
        ),
    ]


def _universal(
    name: str, title: str, what: str, threat: Universal, settings: Settings
) -> list[Entry]:
    fit = FitUniversal(settings.fit_steps, settings.fit_batch, settings.fit_targets)

    def prepare(bench: Bench) -> None:
        cells, labels = bench.subject.learn_cells, bench.subject.learn_labels
        learned = fit(bench.victim, cells, labels, threat, rng=bench.rng(name, "fit"))
        _save(bench, name, {"pattern": learned.pattern})
        alone = torch.zeros(1, *bench.subject.cells.shape[1:])
        write_pattern(bench, f"{name}/pattern", apply(alone, learned.pattern)[0])

    def run(bench: Bench, part: Tensor) -> list[Row]:
        pattern = _load(bench, name)["pattern"]
        return _apply(bench, part, Pattern(pattern), threat.holding(pattern), name, None)

    def run_control(bench: Bench, part: Tensor) -> list[Row]:
        learned, rows = _load(bench, name)["pattern"], []
        for draw in range(_RANDOM_DRAWS):
            rng = bench.rng(name, "control", draw)
            pattern = random_pattern(learned, threat, bench.subject.cells.shape[1], rng)
            rows += _apply(bench, part, Pattern(pattern), threat.holding(pattern), name, draw)
        return rows

    control = f"{name}-random"
    return [
        Entry(name, title, what, str(threat), "universal", run, prepare, control, cost=12),
        Entry(
            control,
            f"{title}: random control",
            f"{_RANDOM_DRAWS} random patterns of the same size and signs.",
            str(threat),
            "universal",
            run_control,
            is_control=True,
            cost=3,
        ),
    ]


def _apply(
    bench: Bench, part: Tensor, attack: Pattern, threat: Universal, name: str, draw: int | None
) -> list[Row]:
    chosen = bench.right(part)
    goal = Mislead(bench.subject.labels[chosen])
    rng = bench.rng(name, "apply", draw, int(part[0]))
    clean = bench.subject.clean(chosen)
    adv = attack(bench.victim, clean, goal, threat, rng=rng)
    export = torch.full((len(chosen),), draw is None)
    extra = {} if draw is None else {"draw": draw}
    return record(bench, name, chosen, adv, goal, threat, export=export, extra=extra)


def _patch(
    name: str,
    title: str,
    what: str,
    threat: Patch,
    fit: FitPatch,
    subject: Subject,
    centre: tuple[int, int],
) -> list[Entry]:
    n_classes = len(subject.classes)

    def prepare(bench: Bench) -> None:
        cells, labels = subject.learn_cells, subject.learn_labels
        rng = bench.rng(name, "fit")
        learned = fit(bench.victim, cells, labels, threat, n_classes, rng=rng)
        _save(bench, name, {"patches": learned.patches})
        alone = torch.zeros(n_classes, *cells.shape[1:])
        middle = threat if threat.place else threat.at_place(centre)
        views = Views.draw(n_classes, alone, middle, False, rng)
        shown = put(alone, learned.patches, views, middle)
        for k in range(n_classes):
            write_pattern(bench, f"{name}/patch-{k}", shown[k])

    def sticker(bench: Bench) -> Sticker:
        return Sticker(_load(bench, name)["patches"], fit.free_time)

    def run(bench: Bench, part: Tensor) -> list[Row]:
        return _stick(bench, part, sticker(bench), threat, name, n_classes, export=True)

    def run_control(bench: Bench, part: Tensor) -> list[Row]:
        random = random_patches(sticker(bench), bench.rng(name, "control"))
        return _stick(bench, part, random, threat, name, n_classes, export=False)

    control = f"{name}-random"
    return [
        Entry(name, title, what, str(threat), "patch", run, prepare, control, cost=18),
        Entry(
            control,
            f"{title}: random control",
            "Random patches, as dense as the learned ones, at the same places.",
            str(threat),
            "patch",
            run_control,
            is_control=True,
            cost=4,
        ),
    ]


def _stick(
    bench: Bench,
    part: Tensor,
    attack: Sticker,
    threat: Patch,
    name: str,
    n_classes: int,
    export: bool,
) -> list[Row]:
    """Every recording with the patch of every other class; one target each is written."""
    rows: list[Row] = []
    right = bench.right(part)
    for target in range(n_classes):
        chosen = right[bench.subject.labels[right] != target]
        if not len(chosen):
            continue
        goal = Target(torch.full((len(chosen),), target))
        rng = bench.rng(name, "place", target, int(part[0]))  # the control's places are the same
        clean = bench.subject.clean(chosen)
        adv = attack(bench.victim, clean, goal, threat, rng=rng)
        written = torch.full((len(chosen),), export) & (chosen % n_classes == target)
        extra = {"target": target}
        rows += record(bench, name, chosen, adv, goal, threat, export=written, extra=extra)
    return rows


def _save(bench: Bench, name: str, tensors: dict[str, Tensor]) -> None:
    write_tensors(bench.folder / "work" / f"{name}.safetensors", tensors, {})


def _load(bench: Bench, name: str) -> dict[str, Tensor]:
    return read_tensors(bench.folder / "work" / f"{name}.safetensors")[0]
