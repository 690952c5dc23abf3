"""From the figures of all entries to ``results.json``: what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import spikeproof
from spikeproof.audit import caveats
from spikeproof.audit.clean import CleanAnswers
from spikeproof.audit.settings import Settings
from spikeproof.audit.store import Store
from spikeproof.audit.tally import Tally
from spikeproof.evaluate import proportion, recorded, summary
from spikeproof.inputs.subject import Subject
from spikeproof.inputs.wording import worded
from spikeproof.results import SCHEMA, AttackRecord, Audit
from spikeproof.results import records as rec
from spikeproof.types import Labels


def assemble(
    subject: Subject,
    settings: Settings,
    store: Store,
    tallies: Sequence[Tally],
    clean: CleanAnswers,
    head: dict[str, Any],
) -> Audit:
    """The results of an audit, from the figures of its entries."""
    right = int((clean.predictions == subject.labels).sum())
    attacks = {tally.attack.id: tally.attack for tally in tallies}
    for name, attack in attacks.items():
        attacks[name] = _with_control(attack, attacks.get(attack.control or ""))
    accuracy = proportion(right, len(subject))
    about = subject.about
    tried = store.get("surrogate") or {"name": "", "trials": []}
    trials = tuple(_trial(t) for t in tried["trials"])
    return Audit(
        schema=SCHEMA,
        spikeproof=spikeproof.__version__,
        seed=settings.seed,
        model=rec.ModelRecord(
            name=about["name"],
            architecture=about.get("architecture", ""),
            kind=about.get("kind", "spiking"),
            parameters=about.get("parameters", 0),
            file=about.get("file", ""),
            sha256=about.get("sha256", ""),
            trained_on=about.get("data"),
            framework=about.get("framework", ""),
            assumptions=tuple(about.get("assumptions", ())),
            surrogate=tried["name"],
        ),
        data=rec.DataRecord(
            name=subject.data.name,
            **_sight(subject),
            split=subject.data.split,
            classes=subject.classes,
            recordings=len(subject),
            learn_recordings=len(subject.learn_labels),
            active_cells=_known(clean, "active"),
            events=_known(clean, "events"),
        ),
        clean=rec.CleanRecord(
            accuracy,
            _known(clean, "spikes"),
            _known(clean, "synops"),
            None if clean.activity is None else recorded(clean.activity),
        ),
        attacks=tuple(attacks.values()),
        caveats=caveats.find(subject, attacks, accuracy, trials, quick=settings.quick),
        checks=tuple(
            rec.CheckRecord(c.name, c.ok, worded(c.detail, subject.of_images), c.title)
            for c in subject.checks
        ),
        trials=trials,
        examples=_examples(subject, tallies, clean.predictions, settings.examples),
        timing=(
            rec.TimingRecord("clean recordings", clean.seconds),
            *(rec.TimingRecord(a.title, a.seconds) for a in attacks.values()),
        ),
        **head,
    )


def _sight(subject: Subject) -> dict[str, Any]:
    """The grid of recordings, or the size of images."""
    if subject.of_images:
        return {"images": rec.Size(*subject.shape[1:])}
    grid = subject.grid
    return {"grid": rec.GridRecord(grid.bins, grid.window, grid.height, grid.width)}


def _trial(tried: dict[str, Any]) -> rec.Trial:
    return rec.Trial(tried["surrogate"], proportion(tried["fooled"], tried["of"]), tried["edits"])


def _known(clean: CleanAnswers, what: str) -> rec.Summary | None:
    return summary(clean.numbers[what]) if what in clean.numbers else None


def _with_control(attack: AttackRecord, control: AttackRecord | None) -> AttackRecord:
    """``attack`` with its control's figures at each budget and target."""
    if control is None:
        return attack
    by_share = {p.at: p.robust_accuracy for p in control.curve}
    by_target = {t.target: t.success for t in control.per_target}
    curve = tuple(replace(p, control=by_share.get(p.at)) for p in attack.curve)
    targets = tuple(replace(t, control=by_target.get(t.target)) for t in attack.per_target)
    return replace(attack, curve=curve, per_target=targets)


def _examples(
    subject: Subject, tallies: Sequence[Tally], predictions: Labels, most: int
) -> tuple[rec.Example, ...]:
    """Successful recordings to look at: turns between the attacks, another recording each time."""
    found = {tally.attack.id: tally.shown for tally in tallies}
    order = [
        "flip-minimum",
        "retime",
        "add-minimum",
        "remove-minimum",
        *(name for name in found if name.startswith("universal")),
        "periodic",
        "patch-fixed",
        "patch-anywhere",
        *("linf-minimum", "linf-budget", "l2-minimum", "l0-minimum"),
    ]
    pools = [list(found.get(name, ())) for name in order]
    said = dict(zip(subject.index.tolist(), predictions.tolist(), strict=True))
    shown: list[rec.Example] = []
    used: set[int] = set()
    names = subject.classes
    while len(shown) < most and any(pools):
        for name, pool in zip(order, pools, strict=True):
            row = next((r for r in pool if r.index not in used), pool[0] if pool else None)
            if row is None or len(shown) == most:
                continue
            pool.remove(row)
            used.add(row.index)
            shown.append(
                rec.Example(
                    attack=name,
                    index=row.index,
                    label=_named(names, row.label),
                    clean_prediction=_named(names, said[row.index]),
                    attacked_prediction=_named(names, row.prediction),
                    clean=f"recordings/clean/{row.index}.npz",
                    attacked=row.recording or "",
                    moved=name == "retime",
                )
            )
    return tuple(shown)


def _named(names: tuple[str, ...], k: int) -> str:
    """The class ``k``, also of a model with more outputs than the data have labels."""
    return names[k] if k < len(names) else f"class {k}"
