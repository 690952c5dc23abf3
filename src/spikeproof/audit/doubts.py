"""Can the numbers be trusted? What a careful reviewer would ask, asked by the tool.

After AutoAttack's checks (Croce & Hein, ICML 2020; flags): the model is probed once before the
attacks, and the finished figures are searched for the marks of a broken evaluation. Every doubt
that is found stands in the report with its figures.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from spikeproof.attacks.victim import Victim
from spikeproof.audit.subject import Subject
from spikeproof.evaluate import answer
from spikeproof.goals import Mislead
from spikeproof.results import Attack
from spikeproof.results.records import Doubt

_PROBES = 16


def probe(subject: Subject) -> dict[str, Any]:
    """Ask the model the same thing in different ways; JSON-ready findings."""
    part = torch.arange(min(_PROBES, len(subject)))
    x = subject.clean(part)
    once, again = answer(subject.model, x), answer(subject.model, x)
    backwards = answer(subject.model, x.flip(0)).flip(0)
    scale = float(once.abs().max().clamp(min=1e-12))
    goal = Mislead(subject.labels[part])
    _, gradient = Victim(subject.model).gradient(x, goal)
    no_gradient = (gradient.flatten(1) == 0).all(1)
    return {
        "probes": len(part),
        "repeat": float((once - again).abs().max()) / scale,
        "order": float((once - backwards).abs().max()) / scale,
        "training": bool(getattr(subject.model, "training", False)),
        "no_gradient": int(no_gradient.sum()),
    }


def find(
    subject: Subject, trust: dict[str, Any], attacks: dict[str, Attack], accuracy: float
) -> tuple[Doubt, ...]:
    """The doubts that the probe and the finished ``attacks`` (by id) give reason for."""
    found = [*_about_model(subject, trust, accuracy), *_about_data(subject)]
    for attack in attacks.values():
        if attack.measured and not attack.is_control:
            control = attacks.get(attack.control or "")
            found += _about_attack(attack, control)
    return tuple(found)


def _about_model(subject: Subject, trust: dict[str, Any], accuracy: float) -> list[Doubt]:
    found = []
    if trust["training"]:
        found.append(
            Doubt("The model is in training mode", "Call model.eval() before the audit.", "warning")
        )
    if trust["repeat"] > 0:
        found.append(
            Doubt(
                "The model is random, or remembers",
                f"Two calls on the same {trust['probes']} recordings differ by"
                f" {trust['repeat']:.1e} of the largest logit: it draws random numbers or keeps"
                " state between calls. Single verdicts are then partly luck.",
                "warning",
            )
        )
    if trust["order"] > 1e-4:
        found.append(
            Doubt(
                "Batch-mates matter",
                f"In another order the logits differ by {trust['order']:.1e} of the largest one;"
                " a recording's verdict depends on its neighbours.",
                "warning",
            )
        )
    if trust["no_gradient"]:
        found.append(
            Doubt(
                "Vanishing gradients",
                f"{trust['no_gradient']} of {trust['probes']} recordings have an all-zero input"
                " gradient; gradient attacks cannot work on them and robustness is overstated.",
                "warning",
            )
        )
    trained = subject.about.get("accuracy")
    if trained is not None and accuracy < trained - 0.1:
        found.append(
            Doubt(
                "Less accurate than recorded",
                f"The checkpoint records {100 * trained:.1f} % accuracy, here it is"
                f" {100 * accuracy:.1f} %: the data or its binning may not be what it was trained"
                " on.",
                "warning",
            )
        )
    return found


def _about_data(subject: Subject) -> list[Doubt]:
    found = []
    if len(subject) < 50:
        found.append(
            Doubt(
                "Few recordings",
                f"With {len(subject)} recordings the intervals are wide; use --recordings.",
            )
        )
    split = subject.about.get("split")
    if split is not None and subject.about.get("data") == subject.data.name:
        if split != subject.data.split:
            found.append(
                Doubt(
                    "Perhaps trained on these recordings",
                    f"The model was trained with: {split}; the audit uses: {subject.data.split}."
                    " Give the audit the same --holdout and --split-seed as the training.",
                    "warning",
                )
            )
    else:
        found.append(
            Doubt(
                "Training recordings unknown",
                "Nothing records which recordings the model was trained on; make sure that these"
                " are not among them.",
            )
        )
    return found


def _about_attack(attack: Attack, control: Attack | None) -> list[Doubt]:
    found = []
    if attack.invalid:
        whys = {row.why.partition(": ")[2] or row.why for row in attack.rows if not row.valid}
        found.append(
            Doubt(
                f"{attack.title}: {attack.invalid} invalid results",
                f"They count as failures of the attack. Reasons: {'; '.join(sorted(whys)[:3])}.",
                "warning",
            )
        )
    free = attack.id in ("flip-minimum", "retime")
    share = attack.success.value
    missed = attack.success.n - attack.success.k - attack.invalid
    if attack.id == "flip-minimum" and missed > 0:
        found.append(
            Doubt(
                "No limit, and still not everything falls",
                f"With any number of flips allowed the attack fools {attack.success.k} of"
                f" {attack.success.n} recordings. Every recording can be turned into one of another"
                " class, so the attack was stopped by masked gradients or too few steps.",
                "warning",
            )
        )
    if control is not None and control.measured and not free:
        other = control.success.value
        if share is not None and other is not None and other > share:
            found.append(
                Doubt(
                    f"{attack.title}: chance does better",
                    f"The random control succeeds on {100 * other:.0f} %, the attack on"
                    f" {100 * share:.0f} %.",
                    "warning",
                )
            )
    points = [p.robust_accuracy for p in attack.curve]
    for before, after in pairwise(points):
        if before.value is not None and after.value is not None and after.value > before.value:
            found.append(
                Doubt(
                    f"{attack.title}: a larger budget helps the defender",
                    "Robust accuracy rises along the curve, which cannot be; the attack is too"
                    " weak at the larger budget.",
                    "warning",
                )
            )
            break
    return found
