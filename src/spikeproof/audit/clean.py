"""The model on the unchanged samples, part by part, with which every audit begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikeproof.audit.columns import Columns, columns
from spikeproof.audit.store import Store
from spikeproof.errors import InvalidModel
from spikeproof.evaluate import activity, answer
from spikeproof.inputs.subject import Subject
from spikeproof.models.activity import Activity
from spikeproof.types import Labels

_WORK = ("spikes", "acs", "macs", "dense_macs", "decided")  # per recording
_SAME = ("neurons", "updates", "steps", "unit", "uncounted")  # of all recordings
_NUMBERS = ("prediction", "active", "events", "synops", *_WORK)


@dataclass(frozen=True, eq=False)
class CleanAnswers:
    """What the model says of each audited sample, and what is known of it; columns ``[N]``.

    ``network`` is what of its operations is the same for all samples, if they were counted.
    """

    numbers: Columns
    seconds: float
    network: dict[str, Any] | None = None

    @property
    def predictions(self) -> Labels:
        """Class of each sample, ``[N]``."""
        return torch.from_numpy(self.numbers["prediction"].astype(np.int64))

    def column(self, name: str) -> NDArray[np.float64]:
        """Figures of all samples; none if nothing could be measured."""
        return self.numbers.get(name, np.zeros(0))

    @property
    def activity(self) -> Activity | None:
        """The operations of the model on all recordings, if they were counted."""
        if self.network is None:
            return None
        figures = {name: self._tensor(name, whole=name != "decided") for name in _WORK}
        shared = {**self.network, "uncounted": tuple(self.network["uncounted"])}
        return Activity(**figures, **shared)  # type: ignore[arg-type]

    def _tensor(self, name: str, *, whole: bool) -> Tensor | None:
        if name not in self.numbers:
            return None
        found = torch.from_numpy(self.numbers[name])
        return found.long() if whole else found


def clean(
    subject: Subject,
    store: Store,
    parts: tuple[Tensor, ...],
    keep: int | None,
    tell: Callable[[float], None] = lambda _: None,
) -> CleanAnswers:
    """Measure what is missing, and write ``keep`` of the samples into the audit's folder.

    Raises :class:`InvalidModel` for labels that the model has no output for.
    """
    for k, part in enumerate(parts):
        if f"clean.{k}" not in store:
            if k:  # what is wrong with a model shows in the first part, before any other word
                tell(k / len(parts))
            store.put(f"clean.{k}", _measured(subject, part, store.folder, keep))
    seconds: list[float] = []
    network: dict[str, Any] | None = None

    def rows() -> Iterator[list[dict[str, Any]]]:
        nonlocal network
        for part in store.parts("clean", len(parts)):
            seconds.append(part["seconds"])
            network = part.get("network")
            yield part["rows"]

    numbers = columns(rows(), _NUMBERS)
    return CleanAnswers(numbers, sum(seconds), network)


def _measured(subject: Subject, part: Tensor, folder: Path, keep: int | None) -> dict[str, Any]:
    began = time.perf_counter()
    x = subject.clean(part)
    logits = answer(subject.model, x)
    if bool((subject.labels >= logits.shape[1]).any()):
        raise InvalidModel(
            f"label {int(subject.labels.max())} is outside the model's {logits.shape[1]}"
            " classes; give data with the classes that the model was trained on"
        )
    effort = activity(subject.model, x)
    rows = []
    for j, i in enumerate(part.tolist()):
        if subject.spread(i, keep):
            path = folder / "recordings" / "clean" / f"{int(subject.index[i])}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            subject.cells.save(i, path)
        rows.append(
            {
                "place": i,
                "prediction": int(logits[j].argmax()),
                **subject.cells.figures(i),
                **(_figures(effort, j) if effort is not None else {}),
            }
        )
    network = None if effort is None else {name: getattr(effort, name) for name in _SAME}
    return {"rows": rows, "network": network, "seconds": time.perf_counter() - began}


def _figures(effort: Activity, j: int) -> dict[str, float]:
    columns = {name: getattr(effort, name) for name in ("synops", *_WORK)}
    return {name: float(column[j]) for name, column in columns.items() if column is not None}
