"""Entries that attack each recording or image on its own, with their random controls."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from spikeproof.attacks.random_edits import RandomEdits
from spikeproof.audit.entry import AuditContext, Entry, Row, cost_of, record
from spikeproof.audit.settings import Norm
from spikeproof.goals import Untargeted
from spikeproof.threats import L0, L2, Ball, Flip, Linf, Retime, Threat

# Times the budget. Four more ways from beyond brought the fewest flips to 1/1.1 for 20 of 99
# recordings, to 1/1.15 for 10; of 39 images 3 fell at 1/1.1 of the smallest change, none at 1/1.2.
_NEAR, _NEAR_SIZE = 1.2, 1.25

Budgets: TypeAlias = tuple[tuple[float, Flip | Linf], ...]
"""Figures that name the budgets, ascending, and the threats with these budgets."""


def minimum(name: str, title: str, what: str, threat: Threat) -> list[Entry]:
    """Fewest edits per sample; the control makes as many edits of the same kind at random.

    Of images these are changes of the same size.
    """
    retime, norm = isinstance(threat, Retime), norm_of(threat)

    def run(bench: AuditContext, part: Tensor) -> list[Row]:
        chosen = bench.right(part)
        goal = Untargeted(bench.subject.labels[chosen])
        clean = bench.subject.clean(chosen)
        adv = bench.evaluate("minimum", clean, goal, threat, bench.rng(name))
        return record(bench, name, chosen, adv, goal, threat, retime=retime)

    def run_control(bench: AuditContext, part: Tensor) -> list[Row]:
        chosen = bench.right(part)
        cost = {r["place"]: cost_of(r) for r in bench.rows(name)}
        size = [cost[i] for i in chosen.tolist()]
        count = torch.tensor(size, dtype=torch.float32 if isinstance(threat, Ball) else torch.long)
        goal = Untargeted(bench.subject.labels[chosen])
        rng = bench.rng(name, "control", int(part[0]))
        clean = bench.subject.clean(chosen)
        adv = RandomEdits(count)(bench.victim, clean, goal, threat, rng=rng)
        return record(bench, f"{name}-random", chosen, adv, goal, threat, control=True)

    control = f"{name}-random"
    return [
        Entry(
            name,
            title,
            what,
            str(threat),
            "input-specific",
            run,
            control=control,
            cost=25,
            norm=norm,
        ),
        Entry(
            control,
            f"{title}: random control",
            "A change of each image drawn at random, at most as large as the attack's."
            if isinstance(threat, Ball)
            else "The same number of edits for each recording, chosen at random.",
            str(threat),
            "input-specific",
            run_control,
            is_control=True,
            cost=0.4,
            norm=norm,
        ),
    ]


def budgets(name: str, title: str, what: str, known_from: str, threats: Budgets) -> list[Entry]:
    """Success at given budgets, after the entry ``known_from`` found the fewest edits.

    What fewer edits fool is fooled at the budget; what needed far more counts as standing; those in
    between are searched for from beyond the budget, and those never fooled are attacked at exactly
    the budget.
    """
    here, chance = f"{name}-budget", f"{name}-budget-random"

    def run(bench: AuditContext, part: Tensor) -> list[Row]:
        rows: list[Row] = []
        known = {r["place"]: r for r in bench.rows(known_from)}
        for share, limited in threats:
            chosen = bench.right(part)
            limit = limited.limit(bench.subject.clean(chosen))
            reach = _NEAR if isinstance(limited, Flip) else _NEAR_SIZE
            near, never = [], []
            for i, most in zip(chosen.tolist(), limit.tolist(), strict=True):
                row = known[i]
                if row["success"] and cost_of(row) <= most:
                    rows.append({**row, "share": share})
                elif row["success"] and cost_of(row) > reach * most:
                    stands = {"prediction": row["clean"], "success": False, "recording": None}
                    rows.append({**row, **stands, "share": share})
                elif row["success"]:
                    near.append(i)
                else:
                    never.append(i)
            for some, fell in ((near, True), (never, False)):
                if not some:
                    continue
                left = torch.tensor(some)
                goal = Untargeted(bench.subject.labels[left])
                clean = bench.subject.clean(left)
                adv = bench.evaluate("budget", clean, goal, limited, bench.rng(here), near=fell)
                where, extra = f"{here}/{_figure(share, limited)}", {"share": share}
                rows += record(bench, where, left, adv, goal, limited, extra=extra)
        return rows

    def run_control(bench: AuditContext, part: Tensor) -> list[Row]:
        rows: list[Row] = []
        chosen = bench.right(part)
        goal = Untargeted(bench.subject.labels[chosen])
        clean = bench.subject.clean(chosen)
        for share, limited in threats:
            rng = bench.rng(chance, share, int(part[0]))
            adv = RandomEdits()(bench.victim, clean, goal, limited, rng=rng)
            rows += record(
                bench, "", chosen, adv, goal, limited, control=True, extra={"share": share}
            )
        return rows

    top, norm = (str(threats[-1][1]), norm_of(threats[-1][1])) if threats else ("", None)
    return [
        Entry(here, title, what, top, "input-specific", run, control=chance, cost=6, norm=norm),
        Entry(
            chance,
            f"{title}: random control",
            "As much as the budget allows, chosen at random.",
            top,
            "input-specific",
            run_control,
            is_control=True,
            cost=2,
            norm=norm,
        ),
    ]


def norm_of(threat: Threat) -> Norm | None:
    """The norm that a threat over intensities is measured in."""
    norms: dict[type, Norm] = {Linf: "linf", L2: "l2", L0: "l0"}
    return norms.get(type(threat))


def _figure(share: float, threat: Flip | Linf) -> str:
    """The budget in the name of a folder: percent of cells, or thousandths of the range."""
    return f"{100 * share:g}" if isinstance(threat, Flip) else f"{1000 * share:.4g}"
