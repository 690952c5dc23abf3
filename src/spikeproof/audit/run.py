"""Running an audit from its first part to its report, or from wherever it was interrupted."""

from __future__ import annotations

import datetime
import functools
import math
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
from spikeproof.audit.clean import clean
from spikeproof.audit.entry import AuditContext, Entry, Row
from spikeproof.audit.settings import Settings
from spikeproof.audit.standard import standard
from spikeproof.audit.store import Store, write_json
from spikeproof.audit.surrogates import Choice, chosen, name_of, surrogate_of
from spikeproof.audit.tally import Tally, tally
from spikeproof.errors import InvalidModel
from spikeproof.inputs.subject import Subject
from spikeproof.results import FILE, Audit, as_json
from spikeproof.types import Model

_T = TypeVar("_T")
_CLEAN = 1.0  # cost of the clean recordings, as that of an entry


@dataclass(frozen=True)
class AuditProgress:
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
    progress: Callable[[AuditProgress], None] = lambda _: None,
) -> Audit:
    """Run the standard audit of ``subject``, or what is missing of it, into ``folder``.

    Every part is kept as soon as it is measured, and ``results.json`` is rewritten after each
    entry. Raises a :class:`SpikeproofError` for a folder that holds another audit or a model that
    cannot be attacked (no class right, no gradient).
    """
    store = Store(folder)
    identity = {
        "subject": subject.fingerprint(),
        "settings": {
            **settings.to_dict(),
            "shares": list(settings.shares),
            "universal_shares": list(settings.universal_shares),
            "eps": list(settings.eps),
            "norms": list(settings.norms),
        },
        "version": spikeproof.__version__,
        "created": _now(),
    }
    created = store.open(identity, fresh=fresh)["created"]
    at_once = settings.at_once(math.prod(subject.shape))
    parts = torch.split(torch.arange(len(subject)), at_once)
    entries = standard(subject, settings)
    total = _CLEAN + sum(e.cost for e in entries)
    done = 0.0

    def telling(what: str, cost: float) -> Callable[[float], None]:
        return lambda share: progress(AuditProgress(done + share * cost, total, what))

    unchanged = clean(subject, store, parts, settings.keep, telling("clean recordings", _CLEAN))
    if not bool((unchanged.predictions == subject.labels).any()):
        store.forget()  # nothing to keep, so that another try finds the folder free
        given = "--images" if subject.of_images else "--data, its binning"
        raise InvalidModel(
            f"the model classifies none of the {subject.noun} right, so there is nothing to attack;"
            f" check that {given} and the order of its classes are those of its training"
        )
    queries, surrogate = Queries(), _surrogate(subject, store, settings)
    predictions = unchanged.predictions
    bench = AuditContext(
        subject, settings, folder, predictions, lambda _: [], queries, surrogate=surrogate
    )

    def count(entry: Entry) -> Tally:
        shown = 2 * settings.examples  # leaves a choice
        return tally(entry, subject, store, parts, unchanged.numbers, shown)

    def save(complete: bool) -> Audit:
        results = assemble(
            subject,
            settings,
            store,
            list(tallies.values()),
            unchanged,
            {
                "created": created,
                "updated": _now(),
                "command": command,
                "complete": complete,
                "environment": environment(subject.model),
            },
        )
        write_json(folder / FILE, as_json(results))
        return results

    tallies = {entry.id: count(entry) for entry in entries}
    save(False)
    done += _CLEAN
    for entry in entries:
        tell = telling(entry.title, entry.cost)
        tell(0.0)
        if _run_entry(entry, bench, store, parts, tell):
            tallies[entry.id] = count(entry)
            save(False)
        done += entry.cost
    progress(AuditProgress(total, total, "results"))
    return save(True)


def _surrogate(subject: Subject, store: Store, settings: Settings) -> Choice:
    """The attacks' surrogate gradients; what was tried to choose it is kept."""
    kept = store.get("surrogate")
    if kept is None:
        surrogate, trials = surrogate_of(
            settings.surrogate,
            subject.search,
            subject.learn_cells,
            subject.learn_labels,
            pictures=subject.of_images,
        )
        kept = {"name": name_of(surrogate), "trials": trials}
        store.put("surrogate", kept)
    return chosen(kept["name"])


def _run_entry(
    entry: Entry,
    bench: AuditContext,
    store: Store,
    parts: tuple[Tensor, ...],
    tell: Callable[[float], None],
) -> bool:
    """Measure what is missing of an entry; whether anything was."""
    missing = [k for k in range(len(parts)) if f"{entry.id}.{k}" not in store]
    if missing and entry.prepare is not None and f"{entry.id}.prepare" not in store:
        _, spent = _timed(functools.partial(entry.prepare, bench), bench)
        store.put(f"{entry.id}.prepare", spent)
        tell(0.7)
    for k in missing:
        at_part = replace(bench, rows=functools.partial(_rows, store, k))
        rows, spent = _timed(functools.partial(entry.run, at_part, parts[k]), bench)
        store.put(f"{entry.id}.{k}", {**spent, "rows": rows})
        tell((k + 1) / len(parts))
    return bool(missing)


def _rows(store: Store, k: int, name: str) -> list[Row]:
    """What another entry found in part ``k``."""
    kept = store.get(f"{name}.{k}")
    return [] if kept is None else list(kept["rows"])


def _timed(run: Callable[[], _T], bench: AuditContext) -> tuple[_T, dict[str, Any]]:
    """What ``run`` gives, with the seconds and queries it took and what its stages did."""
    queries = bench.queries
    gradients, forwards, began = queries.gradients, queries.forwards, time.perf_counter()
    bench.did.clear()
    result = run()
    return result, {
        "seconds": time.perf_counter() - began,
        "gradients": queries.gradients - gradients,
        "forwards": queries.forwards - forwards,
        "stages": [asdict(did) for did in bench.did],
    }


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
