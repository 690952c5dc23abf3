"""Entries that attack each recording on its own, with their random controls."""

from __future__ import annotations

import torch
from torch import Tensor

from spikeproof.attacks.noise import RandomEdits
from spikeproof.audit.entry import Bench, Entry, Row, record
from spikeproof.audit.settings import Settings
from spikeproof.goals import Mislead
from spikeproof.threats import Flip, Retime, Threat

_NEAR = 1.1  # times the budget; of 37 tries up to 1.25 times, 1 to 8 % of the cells, none succeeded


def minimum(name: str, title: str, what: str, threat: Threat, settings: Settings) -> list[Entry]:
    """Fewest edits per recording; the control makes as many edits of the same kind at random."""
    retime = isinstance(threat, Retime)

    def run(bench: Bench, part: Tensor) -> list[Row]:
        chosen = bench.right(part)
        goal = Mislead(bench.subject.labels[chosen])
        clean = bench.subject.clean(chosen)
        adv = bench.evaluate("minimum", clean, goal, threat, bench.rng(name))
        return record(bench, name, chosen, adv, goal, threat, retime=retime)

    def run_control(bench: Bench, part: Tensor) -> list[Row]:
        chosen = bench.right(part)
        cost = {r["place"]: r["flips"] for r in bench.rows(name)}
        count = torch.tensor([cost[i] for i in chosen.tolist()], dtype=torch.long)
        goal = Mislead(bench.subject.labels[chosen])
        rng = bench.rng(name, "control", int(part[0]))
        clean = bench.subject.clean(chosen)
        adv = RandomEdits(count)(bench.victim, clean, goal, threat, rng=rng)
        return record(bench, f"{name}-random", chosen, adv, goal, threat, control=True)

    control = f"{name}-random"
    return [
        Entry(name, title, what, str(threat), "input-specific", run, control=control, cost=25),
        Entry(
            control,
            f"{title}: random control",
            "The same number of edits for each recording, chosen at random.",
            str(threat),
            "input-specific",
            run_control,
            is_control=True,
            cost=0.4,
        ),
    ]


def budgets(threat: Flip, settings: Settings) -> list[Entry]:
    """Success at given budgets, after the fewest flips are known.

    A recording that fewer flips fool is fooled at the budget; one that needed far more counts as
    standing; those in between, and those never fooled, are attacked at exactly the budget.
    """

    def run(bench: Bench, part: Tensor) -> list[Row]:
        rows: list[Row] = []
        known = {r["place"]: r for r in bench.rows("flip-minimum")}
        for share in settings.shares:
            limited = threat.at(share)
            chosen = bench.right(part)
            limit = limited.limit(bench.subject.clean(chosen))
            near = []
            for i, most in zip(chosen.tolist(), limit.tolist(), strict=True):
                row = known[i]
                if row["success"] and row["flips"] <= most:
                    rows.append({**row, "share": share})
                elif row["success"] and row["flips"] > _NEAR * most:
                    stands = {"prediction": row["clean"], "success": False, "recording": None}
                    rows.append({**row, **stands, "share": share})
                else:
                    near.append(i)
            if near:
                left = torch.tensor(near)
                goal = Mislead(bench.subject.labels[left])
                clean = bench.subject.clean(left)
                adv = bench.evaluate("budget", clean, goal, limited, bench.rng("flip-budget"))
                where, extra = f"flip-budget/{100 * share:g}", {"share": share}
                rows += record(bench, where, left, adv, goal, limited, extra=extra)
        return rows

    def run_control(bench: Bench, part: Tensor) -> list[Row]:
        rows: list[Row] = []
        chosen = bench.right(part)
        goal = Mislead(bench.subject.labels[chosen])
        clean = bench.subject.clean(chosen)
        for share in settings.shares:
            limited = threat.at(share)
            rng = bench.rng("flip-budget-random", share, int(part[0]))
            adv = RandomEdits()(bench.victim, clean, goal, limited, rng=rng)
            rows += record(
                bench, "", chosen, adv, goal, limited, control=True, extra={"share": share}
            )
        return rows

    top = f"{threat.at(settings.shares[-1])}" if settings.shares else str(threat)
    return [
        Entry(
            "flip-budget",
            "Flips within a budget",
            "How many recordings fall when only so many events may be added or removed.",
            top,
            "input-specific",
            run,
            control="flip-budget-random",
            cost=6,
        ),
        Entry(
            "flip-budget-random",
            "Flips within a budget: random control",
            "As many flips as the budget allows, chosen at random.",
            top,
            "input-specific",
            run_control,
            is_control=True,
            cost=2,
        ),
    ]
