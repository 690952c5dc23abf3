"""What each section of the page says: plain values for the template, from the results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from markupsafe import Markup

from spikeproof.report import charts, operations, words
from spikeproof.report.terms import terms
from spikeproof.results.records import (
    AttackRecord,
    Audit,
    GridRecord,
    ModelRecord,
    Pair,
    Size,
    StageStats,
    Summary,
    Trial,
)

Figure = dict[str, Markup]

_TOOK: Final = {
    None: "changes",
    "linf": "largest change of an intensity",
    "l2": "length of the change",
    "l0": "pixels",
}
_NORMS: Final[dict[str | None, str]] = {"linf": "L∞", "l2": "L2", "l0": "pixels"}
_HEADLINES: Final = {"universal": "One pattern for all", "patch": "A patch in the scene"}


def subject(audit: Audit) -> str:
    """One line: which network, on which data, when."""
    data, seen = audit.data, audit.data.images
    return " · ".join(
        words.plain(part, 80)
        for part in (
            audit.model.name,
            _kind(audit.model),
            f"{data.name}, {words.number(data.recordings)} {terms(audit).many}",
            f"{data.grid.bins} bins of {_bin(data.grid)}" if data.grid else "",
            _pixels(seen) if seen else "",
            audit.updated[:10],
        )
        if part
    )


def present(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Ids and titles of the sections that the page has."""
    names = (
        ("caveats", "Caveats", content["doubtful"]),
        ("budget", "Budget", content["curves"] or content["distributions"]),
        ("attacks", "Attacks", True),
        ("look", "Viewer" if content["viewer"] else "Examples", content["shots"]),
        ("patterns", "Patterns", content["patterns"] or content["targets"]),
        ("energy", "Energy", content["energies"] or content["inference"]),
        ("methods", "Methods", True),
    )
    return [(name, title) for name, title, there in names if there]


def cards(audit: Audit, main: AttackRecord | None) -> Iterable[dict[str, str]]:
    """The key figures: clean accuracy, the main attack, and the best of each family."""
    clean = audit.clean.accuracy
    if clean.n:
        note = f"{clean.k} of {clean.n}; 95\u00a0%\u00a0interval {words.interval(clean)}"
        yield _card("clean", "Right when left alone", words.percent(clean.value), note)
    if (cost := operations.card(audit)) is not None:
        yield _card("clean", "Energy, estimated", *cost)
    if main is None:
        return
    control = audit.attack(main.control)
    note = f"{main.title}; 95\u00a0%\u00a0interval {words.interval(main.success)}"
    yield _card("attack", "Fooled when attacked", words.percent(main.success.value), note)
    if main.size is not None and main.size.median is not None:
        note = f"median, of the range of an intensity; quartiles {_spread(main.size)}"
        if main.norm != "linf":
            note = f"median; quartiles {_spread(main.size)}"
        yield _card("attack", "Change it takes", words.number(main.size.median), note)
    if main.flips is not None and main.flips.median is not None:
        part = words.quartiles(main.relative, as_percent=True)
        note = f"median; quartiles {_spread(main.flips)}"
        if main.relative is not None:
            note += f"; {part.partition(' ')[0]} of the active cells"
        yield _card("attack", "Changes it takes", words.number(main.flips.median), note)
    if control is not None and control.measured:
        note = f"{control.title}; 95\u00a0%\u00a0interval {words.interval(control.success)}"
        yield _card("control", "Fooled by chance", words.percent(control.success.value), note)
    for family, title in _HEADLINES.items():
        rivals = [a for a in audit.attacks if a.measured and not a.is_control and a != main]
        best = max(
            (a for a in rivals if a.family == family),
            key=lambda a: a.success.value or 0.0,
            default=None,
        )
        if best is not None:
            note = words.card_note(best, audit.attack(best.control))
            yield _card("attack", title, words.percent(best.success.value), note)


def _spread(summary: Summary) -> str:
    """``22–77``: the quartiles alone."""
    return words.quartiles(summary).partition("[")[2].rstrip("]")


def _card(kind: str, title: str, value: str, note: str) -> dict[str, str]:
    return {"kind": kind, "title": title, "value": value, "note": note}


def pairs(audit: Audit) -> Iterable[tuple[AttackRecord, AttackRecord | None]]:
    """Every attack with its control, if that is in the audit."""
    for attack in audit.attacks:
        if not attack.is_control:
            yield attack, audit.attack(attack.control)


def rows(audit: Audit) -> list[dict[str, Any]]:
    """The table: each attack followed by its control, then controls that nothing refers to."""
    beside = [a for pair in pairs(audit) for a in pair if a]
    named = {a.id for a in beside}
    return [row(a) for a in (*beside, *(a for a in audit.attacks if a.id not in named))]


def row(attack: AttackRecord) -> dict[str, Any]:
    """One line of the table."""
    right = attack.success
    return {
        "kind": "control" if attack.is_control else "attack",
        "title": words.plain(attack.title),
        "pending": not attack.measured,
        "success": words.percent(right.value),
        "of": f"{right.k} of {right.n}",
        "interval": words.interval(right),
        "flips": words.quartiles(attack.flips or attack.moved or attack.size),
        "norm": _NORMS.get(attack.norm, ""),
        "relative": words.percent(attack.relative.median if attack.relative else None),
        "invalid": words.number(attack.invalid),
        "time": words.duration(attack.seconds),
    }


def ensembles(audit: Audit) -> list[dict[str, Any]]:
    """What each stage did, for attacks that are ensembles; stages that had nothing to do last."""
    return [
        {
            "title": words.plain(attack.title),
            "stages": [_stage(s) for s in attack.stages if s.attempted],
            "idle": ", ".join(words.plain(s.name) for s in attack.stages if not s.attempted),
        }
        for attack in audit.attacks
        if attack.stages
    ]


def _stage(did: StageStats) -> dict[str, str]:
    return {
        "name": words.plain(did.name),
        "kind": words.plain(did.kind),
        "fooled": f"{did.succeeded} of {did.attempted}",
        "first": words.number(did.first_successes),
        "cheaper": words.number(did.improved),
        "edits": words.DASH if did.mean_cost is None else words.number(did.mean_cost),
        "queries": f"{words.number(did.gradients)} + {words.number(did.forwards)}",
        "time": words.duration(did.seconds),
    }


def overview(audit: Audit) -> Markup | None:
    """Success of all attacks that have run."""
    measured = [(a, c) for a, c in pairs(audit) if a.measured]
    return charts.overview(measured, terms(audit).many) if measured else None


def curves(audit: Audit, done: list[AttackRecord]) -> Iterable[Figure]:
    """One figure for the attacks that share a control, since they share its budget."""
    groups: dict[str, list[AttackRecord]] = {}
    for attack in done:
        if any(p.at is not None for p in attack.curve):
            groups.setdefault(attack.control or attack.id, []).append(attack)
    for group in groups.values():
        for k in range(0, len(group), charts.MAX_LINES):
            attacks = group[k : k + charts.MAX_LINES]
            yield _figure(
                charts.curve(attacks, audit.clean.accuracy),
                " and ".join(words.plain(a.title) for a in attacks),
                f"Share of all {terms(audit).many} still read right when at most so many changes"
                " are allowed."
                if audit.data.images is None
                else "Share of all images still read right when every intensity may move by so"
                " much.",
            )


def distributions(done: list[AttackRecord]) -> Iterable[Figure]:
    """How many changes each recording needed, for the attacks that make as few as they can."""
    for attack in done:
        if attack.family != "input-specific" or attack.curve:
            continue
        costs = charts.fooled_costs(attack)
        if len(set(costs)) < 2:
            continue
        one, many = ("recording", "Recordings") if attack.norm is None else ("image", "Images")
        unit = f"Each dot is {'an' if attack.norm else 'a'} {one}"
        unit = unit if len(costs) <= charts.DOTS else many
        rest = attack.success.n - attack.success.k
        held = f" {words.number(rest)} more could not be fooled." if rest > 0 else ""
        what = _TOOK.get(attack.norm, "change")
        text = f"{unit} by the {what} it took to fool the network.{held}"
        yield _figure(charts.distribution(attack), words.plain(attack.title), text)


def targets(done: list[AttackRecord]) -> Iterable[Figure]:
    """Success of each attack by the class it aims at."""
    for attack in done:
        if attack.per_target:
            text = "How often it forces each class; hollow dots are its control."
            yield _figure(charts.targets(attack), words.plain(attack.title), text)


def energies(done: list[AttackRecord], one: str) -> Iterable[Figure]:
    """Spikes and synaptic operations per ``one``, for the attacks that measured them."""
    for name, title in (("spikes", "spikes"), ("synops", "synaptic operations")):
        rows: list[tuple[str, Pair]] = []
        for attack in done:
            pair: Pair | None = getattr(attack.energy, name, None)
            if pair is not None and pair.clean.n and pair.attacked.n:
                rows.append((words.plain(attack.title, 44), pair))
        if rows:
            text = words.change(rows[0][0], rows[0][1].clean, rows[0][1].attacked)
            yield _figure(
                charts.energy(title, rows, one), f"{title.capitalize()} per {one}", f"{text}."
            )


def facts(audit: Audit) -> list[tuple[str, list[tuple[str, str]]]]:
    """Network, recordings and run, as titled lists; empty entries are left out."""
    model, data, say = audit.model, audit.data, terms(audit)
    network = [
        ("Name", model.name),
        ("Architecture", model.architecture),
        ("Kind", _kind(model)),
        ("Assumed", "\n".join(f"· {words.plain(said, 240)}" for said in model.assumptions)),
        ("Gradient", _gradient(model.surrogate)),
        ("Surrogates tried", "; ".join(_trial(t) for t in audit.trials)),
        ("Trained on", model.trained_on or words.DASH),
        ("File", model.file),
        ("SHA-256", model.sha256),
    ]
    recordings = [
        ("Data", f"{data.name}{f', {data.split}' if data.split else ''}"),
        ("Audited", f"{words.number(data.recordings)} {say.many}"),
        ("Learned from", f"{words.number(data.learn_recordings)} other {say.many}"),
        ("Classes", ", ".join(words.plain(c, 24) for c in data.classes)),
    ]
    if data.images is not None:
        recordings[2:2] = [("Size", _pixels(data.images))]
    if (grid := data.grid) is not None:
        recordings += [
            (
                "Grid",
                f"{grid.bins} bins × 2 polarities × {grid.height} × {grid.width} pixels",
            ),
            ("Window", f"{words.number(grid.window_us / 1000)} ms, {_bin(grid)} a bin"),
            ("Active cells", words.quartiles(data.active_cells)),
            ("Events", words.quartiles(data.events)),
        ]
    run = [("Seed", str(audit.seed)), ("spikeproof", audit.spikeproof)]
    run += [
        ("CPU" if k == "cpu" else k.capitalize(), v or words.DASH)
        for k, v in audit.environment.items()
    ]
    run += [("Started", audit.created), ("Updated", audit.updated)]
    titles = (("Network", network), (say.many.capitalize(), recordings), ("Run", run))
    return [(title, [(k, v) for k, v in entries if v]) for title, entries in titles]


def timing(audit: Audit) -> list[dict[str, str]]:
    """Stages with the width of their bar in percent."""
    longest = max((s.seconds for s in audit.timing), default=0.0) or 1.0
    return [
        {
            "stage": words.plain(s.stage),
            "time": words.duration(s.seconds),
            "width": f"{100 * s.seconds / longest:.1f}",
        }
        for s in audit.timing
    ]


def _kind(model: ModelRecord) -> str:
    """``SpikingJelly network, 28,000 parameters``."""
    known = f", {words.number(model.parameters)} parameters" if model.parameters else ""
    return f"{model.kind} network{known}"


def _gradient(surrogate: str) -> str:
    if surrogate == "ensemble":
        return "several surrogates, by an ensemble of attacks"
    if surrogate in ("", "own"):
        return "the model's own in attacks" if surrogate else ""
    return f"surrogate {surrogate} in attacks"


def _trial(trial: Trial) -> str:
    """``arctan:4 fools 12 of 12 with 31 edits``."""
    fooled = f"{trial.surrogate} fools {trial.fooled.k} of {trial.fooled.n}"
    return fooled if trial.edits is None else f"{fooled} with {words.number(trial.edits)} edits"


def _figure(svg: Markup, title: str, text: str) -> Figure:
    return {"svg": svg, "caption": Markup("<b>{}.</b> {}").format(title, text)}


def _pixels(size: Size) -> str:
    """``28 × 28 pixels``, with the channels where there are several."""
    channels = f" × {size.channels} channels" if size.channels > 1 else ""
    return f"{size.height} × {size.width} pixels{channels}"


def _bin(grid: GridRecord) -> str:
    return f"{words.number(grid.window_us / max(grid.bins, 1) / 1000)} ms"
