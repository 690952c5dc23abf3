"""Running an audit from its first part to its report, or from wherever it was interrupted."""

from __future__ import annotations

import datetime
import functools
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

import spikeproof
from spikeproof.attacks.victim import Queries
from spikeproof.audit.assemble import assemble
from spikeproof.audit.entry import Bench, Entry, Row
from spikeproof.audit.settings import Settings
from spikeproof.audit.standard import standard
from spikeproof.audit.store import Store, write_json
from spikeproof.audit.subject import Subject
from spikeproof.audit.surrogates import name_of, surrogate_of
from spikeproof.errors import InvalidModel
from spikeproof.evaluate import answer, work
from spikeproof.events import write
from spikeproof.models import Surrogate, surrogate_named
from spikeproof.results import FILE, Audit
from spikeproof.types import Model

_T = TypeVar("_T")


@dataclass(frozen=True)
class Progress:
    """Told while an audit runs: ``done`` of ``total`` (rough seconds of work), and what is next."""

    done: float
    total: float
    doing: str


def audit(
    subject: Subject,
    folder: Path,
    settings: Settings,
    *,
    command: str = "",
    fresh: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Audit:
    """Run the standard audit of ``subject``, or what is missing of it, into ``folder``.

    Every part is kept as soon as it is measured, and ``results.json`` is rewritten after each
    entry. Raises a :class:`SpikeproofError` for a folder
    that holds another audit or a model that cannot be attacked (no class right, no gradient).
    """
    store = Store(folder)
    identity = {
        "subject": subject.fingerprint(),
        "settings": {
            **settings.to_dict(),
            "shares": list(settings.shares),
            "universal_shares": list(settings.universal_shares),
        },
        "version": spikeproof.__version__,
        "created": _now(),
    }
    created = store.open(identity, fresh=fresh)["created"]
    clean = _clean(subject, store, settings, folder)
    predictions = torch.tensor([r["prediction"] for r in clean["rows"]])
    if not bool((predictions == subject.labels).any()):
        store.forget()  # nothing to keep, so that another try finds the folder free
        raise InvalidModel(
            "the model classifies none of the recordings right, so there is nothing to attack;"
            " check that --data, its binning and the order of its classes are those of its training"
        )
    entries = standard(subject, settings)
    parts = torch.split(torch.arange(len(subject)), settings.part)
    queries = Queries()

    surrogate = _surrogate(subject, store, settings)
    bench = Bench(subject, settings, folder, predictions, lambda _: [], queries, surrogate)
    total = sum(e.cost for e in entries)
    done = 0.0

    def save(complete: bool) -> Audit:
        results = assemble(
            subject,
            settings,
            store,
            entries,
            len(parts),
            clean,
            {
                "created": created,
                "updated": _now(),
                "command": command,
                "complete": complete,
                "environment": environment(subject.model),
            },
        )
        write_json(folder / FILE, asdict(results))
        return results

    save(False)
    for entry in entries:

        def tell(share: float, before: float = done, entry: Entry = entry) -> None:
            progress(Progress(before + share * entry.cost, total, entry.title))

        tell(0.0)
        fresh_parts = _run_entry(entry, bench, store, parts, queries, tell)
        done += entry.cost
        if fresh_parts:
            save(False)
    progress(Progress(total, total, "results"))
    return save(True)


def _surrogate(subject: Subject, store: Store, settings: Settings) -> Surrogate | None:
    """The attacks' surrogate gradient; what was tried to choose it is kept."""
    kept = store.get("surrogate")
    if kept is None:
        surrogate, trials = surrogate_of(
            settings.surrogate, subject.search, subject.learn_cells, subject.learn_labels
        )
        kept = {"name": name_of(surrogate), "trials": trials}
        store.put("surrogate", kept)
    return None if kept["name"] == "own" else surrogate_named(kept["name"])


def _run_entry(
    entry: Entry,
    bench: Bench,
    store: Store,
    parts: tuple[Tensor, ...],
    queries: Queries,
    tell: Callable[[float], None],
) -> bool:
    """Measure what is missing of an entry; whether anything was."""
    missing = [k for k in range(len(parts)) if f"{entry.id}.{k}" not in store]
    if missing and entry.prepare is not None and f"{entry.id}.prepare" not in store:
        _, spent = _timed(functools.partial(entry.prepare, bench), queries)
        store.put(f"{entry.id}.prepare", spent)
        tell(0.7)
    for k in missing:
        at_part = replace(bench, rows=functools.partial(_rows, store, k))
        rows, spent = _timed(functools.partial(entry.run, at_part, parts[k]), queries)
        store.put(f"{entry.id}.{k}", {**spent, "rows": rows})
        tell((k + 1) / len(parts))
    return bool(missing)


def _rows(store: Store, k: int, name: str) -> list[Row]:
    """What another entry found in part ``k``."""
    kept = store.get(f"{name}.{k}")
    return [] if kept is None else list(kept["rows"])


def _timed(run: Callable[[], _T], queries: Queries) -> tuple[_T, dict[str, Any]]:
    """What ``run`` gives, with the seconds and queries it took."""
    gradients, forwards, began = queries.gradients, queries.forwards, time.perf_counter()
    result = run()
    return result, {
        "seconds": time.perf_counter() - began,
        "gradients": queries.gradients - gradients,
        "forwards": queries.forwards - forwards,
    }


def _clean(subject: Subject, store: Store, settings: Settings, folder: Path) -> dict[str, Any]:
    """The model on the unchanged recordings; these are also written into the audit's folder."""
    kept = store.get("clean")
    if kept is not None:
        return kept
    began = time.perf_counter()
    rows: list[Row] = []
    for part in torch.split(torch.arange(len(subject)), settings.part):
        x = subject.clean(part)
        logits = answer(subject.model, x)
        if bool((subject.labels >= logits.shape[1]).any()):
            raise InvalidModel(
                f"label {int(subject.labels.max())} is outside the model's {logits.shape[1]}"
                " classes; give data with the classes that the model was trained on"
            )
        effort = work(subject.model, x)
        active = (x > 0).flatten(1).sum(1)
        for j, i in enumerate(part.tolist()):
            events = subject.events(i)
            path = folder / "recordings" / "clean" / f"{int(subject.index[i])}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, events)
            row: Row = {
                "place": i,
                "prediction": int(logits[j].argmax()),
                "active": int(active[j]),
                "events": len(events),
            }
            if effort is not None:
                row |= effort.of(j)
            rows.append(row)
    value = {
        "rows": rows,
        "seconds": time.perf_counter() - began,
    }
    store.put("clean", value)
    return value


def environment(model: Model) -> dict[str, str]:
    """The versions and machine that a figure was made with."""
    weights = model.parameters() if isinstance(model, torch.nn.Module) else iter(())
    first = next(weights, None)
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "device": "cpu" if first is None else first.device.type,
        "threads": str(torch.get_num_threads()),
        "cpu": platform.processor() or platform.machine(),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
