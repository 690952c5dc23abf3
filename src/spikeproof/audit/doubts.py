"""Can the numbers be trusted? What a careful reviewer would ask, asked by the tool.

After AutoAttack's checks (Croce & Hein, ICML 2020; flags): what the examination before the attacks
found wrong with the model, and what the finished figures show of a broken evaluation. Every doubt
stands in the report with its figures.
"""

from __future__ import annotations

from itertools import pairwise

from spikeproof.audit.subject import Subject
from spikeproof.results import Attack
from spikeproof.results.records import Doubt, Proportion


def find(subject: Subject, attacks: dict[str, Attack], clean: Proportion) -> tuple[Doubt, ...]:
    """The doubts that the probe and the finished ``attacks`` (by id) give reason for."""
    found = [*_about_model(subject, clean), *_about_data(subject)]
    for attack in attacks.values():
        if attack.measured and not attack.is_control:
            control = attacks.get(attack.control or "")
            found += _about_attack(attack, control)
    return tuple(found)


def _about_model(subject: Subject, clean: Proportion) -> list[Doubt]:
    found = [
        Doubt(check.title, f"{check.says[0].upper()}{check.says[1:]}.", check.level)
        for check in subject.checks
        if not check.ok
    ]
    accuracy, chance = clean.value or 0.0, 1 / max(len(subject.classes), 1)
    if clean.n and (clean.low or 0.0) <= chance:
        found.append(
            Doubt(
                "No better than guessing",
                f"It is right on {clean.k} of {clean.n} recordings, as guessing among"
                f" {len(subject.classes)} classes may be. Robustness says little of such a model:"
                " check its weights, its classes and how its recordings are binned.",
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
                    f"The model was trained with: {split.rstrip('.')}; the audit uses:"
                    f" {subject.data.split.rstrip('.')}."
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


def _about_stages(attack: Attack) -> list[Doubt]:
    """What it means that some recordings fell to a last resort only."""
    found = []
    blind = [s for s in attack.stages if s.kind in ("gradient-free", "transfer") and s.first]
    if blind and any(s.kind == "white-box" for s in attack.stages):
        told = ", ".join(f"{s.name} {s.first} of {s.tried}" for s in blind)
        found.append(
            Doubt(
                f"{attack.title}: attacks without gradients do better",
                f"Recordings that stood against all gradients fell to {told}. Gradients lead astray"
                " in this model (masked gradients); its weakness may be larger than these figures.",
                "warning",
            )
        )
    white = [s for s in attack.stages if s.kind == "white-box"]
    late = [s for s in white[1:] if s.first]
    if late and attack.family == "input-specific":
        first, told = white[0], ", ".join(f"{s.name} {s.first} of {s.tried}" for s in late)
        found.append(
            Doubt(
                f"{attack.title}: success depends on the gradient",
                f"The first search fooled in {first.fooled} of {first.tried} tries; what it left"
                f" fell to {told}. One attack alone would have called those recordings robust.",
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
    free = attack.family == "input-specific" and not attack.curve  # as many edits as it likes
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
    found += _about_stages(attack)
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
