"""Can the numbers be trusted? What a careful reviewer would ask, asked by the tool.

After AutoAttack's checks (Croce & Hein, ICML 2020; flags): what the examination before the attacks
found wrong with the model, and what the finished figures show of a broken evaluation. Every doubt
stands in the report with its figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from spikeproof.inputs.subject import Subject
from spikeproof.inputs.wording import worded
from spikeproof.results import AttackRecord
from spikeproof.results.records import Caveat, Proportion, Trial
from spikeproof.results.stage_stats import StageStats

_LIMITLESS = {
    "flip-minimum": "number of flips",
    "linf-minimum": "change of intensities",
    "l2-minimum": "length of the change",
    "l0-minimum": "number of pixels",
}  # attacks that could turn any sample into any other
_QUICK = Caveat(
    "A quick audit",
    "The quick version of the ensemble makes a few more edits than needed and learns each pattern"
    " once, so the network looks somewhat more robust than it is. Run the audit without --quick for"
    " figures to report.",
)
_MOST = 0.5  # of the results: so many made cheaper without gradients are no accident
_FEWER, _DEARER = 0.5, 2.0  # successes and edits, beside the best surrogate


def find(
    subject: Subject,
    attacks: dict[str, AttackRecord],
    clean: Proportion,
    trials: Sequence[Trial] = (),
    *,
    quick: bool = False,
) -> tuple[Caveat, ...]:
    """The doubts that the probe, the ``trials`` and the confirmed ``attacks`` give reason for.

    ``attacks`` are found by their id; ``quick`` says that they are the quick version's.
    """
    found = [_QUICK] if quick else []
    found += [*_about_model(subject, clean), *_about_data(subject), *about_trials(trials)]
    for attack in attacks.values():
        if attack.measured and not attack.is_control:
            control = attacks.get(attack.control or "")
            found += _about_attack(attack, control)
    return tuple(
        Caveat(worded(d.title, subject.of_images), worded(d.detail, subject.of_images), d.level)
        for d in found
    )


def about_stages(did: Sequence[StageStats]) -> list[Caveat]:
    """Doubts about gradients, where attacks without them do better on the same recordings.

    A stage that ran on several parts may be recorded several times. Nothing is doubted where no
    attack with gradients ran before.
    """
    if not any(stage.kind == "white-box" and stage.attempted for stage in did):
        return []
    found = []
    for name in dict.fromkeys(s.name for s in did if s.kind in ("gradient-free", "transfer")):
        runs = [s for s in did if s.name == name]
        tried, fooled, first, cheaper = (
            sum(getattr(s, what) for s in runs)
            for what in ("attempted", "succeeded", "first_successes", "improved")
        )
        if not first and cheaper <= _MOST * fooled:
            continue
        reasons = []
        if first:
            reasons.append(f"it fools {first} recordings that withstood all attacks with gradients")
        if cheaper > _MOST * fooled:
            reasons.append(f"on {cheaper} of {tried} recordings it needs fewer edits than these")
        found.append(
            Caveat(
                f"{name}: gradient-free beats white-box",
                f"Without the model's gradient {', and '.join(reasons)}. The gradients that the"
                " attacks follow are masked; try another surrogate (--surrogate auto), and trust"
                " the robustness that is reported no further than these attacks.",
                "warning",
            )
        )
    return found


def about_last_resorts(attack: AttackRecord) -> list[Caveat]:
    """A note where recordings fell only to another surrogate, loss, start or way than the first."""
    found = []
    white = [s for s in attack.stages if s.kind == "white-box"]
    late = [s for s in white[1:] if s.first_successes]
    if late and attack.family == "input-specific":
        first, told = (
            white[0],
            ", ".join(f"{s.name} {s.first_successes} of {s.attempted}" for s in late),
        )
        found.append(
            Caveat(
                f"{attack.title}: success depends on the search",
                f"The first search fooled in {first.succeeded} of {first.attempted} attempts;"
                f" what it left"
                f" fell to {told}. One attack alone would have called those recordings robust.",
            )
        )
    return found


def about_trials(trials: Sequence[Trial]) -> list[Caveat]:
    """A doubt where some surrogates do much worse than the best one that was tried."""
    hits = [t for t in trials if t.fooled.k]
    if not hits:
        return []
    best = min(hits, key=lambda t: (-t.fooled.k, t.edits or 0.0))
    worst = max(
        trials, key=lambda t: (-t.fooled.k, t.edits if t.edits is not None else float("inf"))
    )
    fewer = worst.fooled.k < _FEWER * best.fooled.k
    dearer = (worst.edits or 0.0) > _DEARER * (best.edits or 0.0)
    if not (fewer or dearer):
        return []
    said = " and ".join(
        f"{t.surrogate} fools {t.fooled.k} of {t.fooled.n}"
        + ("" if t.edits is None else f" with {t.edits:.1f} edits")
        for t in (best, worst)
    )
    return [
        Caveat(
            "Success depends on the surrogate",
            f"Of {len(trials)} surrogate gradients that were tried {said}. Figures hold for the one"
            " that was chosen; another network trained alike may need another.",
        )
    ]


def _about_model(subject: Subject, clean: Proportion) -> list[Caveat]:
    found = [
        Caveat(
            "Randomness is not averaged" if check.name == "randomness" else check.title,
            f"{check.says[0].upper()}{check.says[1:]}.",
            check.level,
        )
        for check in subject.checks
        if not check.ok
    ]
    accuracy, chance = clean.value or 0.0, 1 / max(len(subject.classes), 1)
    if clean.n and (clean.low or 0.0) <= chance:
        found.append(
            Caveat(
                "No better than guessing",
                f"It is right on {clean.k} of {clean.n} recordings, as guessing among"
                f" {len(subject.classes)} classes may be. Robustness says little of such a model:"
                " check its weights, its classes and that recordings come as in its training.",
                "warning",
            )
        )
    trained = subject.about.get("accuracy")
    if trained is not None and accuracy < trained - 0.1:
        found.append(
            Caveat(
                "Less accurate than recorded",
                f"The checkpoint records {100 * trained:.1f} % accuracy, here it is"
                f" {100 * accuracy:.1f} %: the data or its binning may not be what it was trained"
                " on.",
                "warning",
            )
        )
    return found


def _about_data(subject: Subject) -> list[Caveat]:
    found = []
    if len(subject) < 50:
        found.append(
            Caveat(
                "Few recordings",
                f"With {len(subject)} recordings the intervals are wide; use --recordings.",
            )
        )
    split = subject.about.get("split")
    if split is not None and subject.about.get("data") == subject.data.name:
        if split != subject.data.split:
            found.append(
                Caveat(
                    "Perhaps trained on these recordings",
                    f"The model was trained with: {split.rstrip('.')}; the audit uses:"
                    f" {subject.data.split.rstrip('.')}."
                    " Give the audit the same --holdout and --split-seed as the training.",
                    "warning",
                )
            )
    else:
        found.append(
            Caveat(
                "Training recordings unknown",
                "Nothing records which recordings the model was trained on; make sure that these"
                " are not among them.",
            )
        )
    return found


def _about_attack(attack: AttackRecord, control: AttackRecord | None) -> list[Caveat]:
    found = []
    if attack.invalid:
        whys = {row.why.partition(": ")[2] or row.why for row in attack.rows if not row.valid}
        found.append(
            Caveat(
                f"{attack.title}: {attack.invalid} invalid results",
                f"They count as failures of the attack. Reasons: {'; '.join(sorted(whys)[:3])}.",
                "warning",
            )
        )
    free = attack.family == "input-specific" and not attack.curve  # as many edits as it likes
    share = attack.success.value
    missed = attack.success.n - attack.success.k - attack.invalid
    if attack.id in _LIMITLESS and missed > 0:
        which = f" ({attack.norm})" if attack.norm else ""
        found.append(
            Caveat(
                f"No limit, and still not everything falls{which}",
                f"With any {_LIMITLESS[attack.id]} allowed the attack fools {attack.success.k} of"
                f" {attack.success.n} recordings. Every recording can be turned into one of another"
                " class, so the attack was stopped by masked gradients or too few steps.",
                "warning",
            )
        )
    found += [replace(d, title=f"{attack.title}, {d.title}") for d in about_stages(attack.stages)]
    found += about_last_resorts(attack)
    if control is not None and control.measured and not free:
        other = control.success.value
        if share is not None and other is not None and other > share:
            found.append(
                Caveat(
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
                Caveat(
                    f"{attack.title}: a larger budget helps the defender",
                    "Robust accuracy rises along the curve, which cannot be; the attack is too"
                    " weak at the larger budget.",
                    "warning",
                )
            )
            break
    return found
