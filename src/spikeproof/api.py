"""An audit in one call, as the command line makes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spikeproof import report
from spikeproof.audit.inputs import Holdout, subject_of
from spikeproof.audit.run import Progress, audit
from spikeproof.audit.settings import Settings
from spikeproof.events import Data, Grid
from spikeproof.results import Audit
from spikeproof.types import Model


def run_audit(
    model: str | Path | Model | None = None,
    data: str | Path | Data | None = None,
    *,
    out: str | Path,
    settings: Settings | None = None,
    grid: Grid | None = None,
    name: str = "",
    holdout: Holdout = None,
    split_seed: int | None = None,
    device: str = "auto",
    fresh: bool = False,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Audit:
    """Audit ``model`` on ``data`` and write results, recordings and report into ``out``.

    ``model`` is a checkpoint file, or any callable from ``[N, T, 2, H, W]`` to logits ``[N, K]``
    that PyTorch can differentiate, with tensors on the CPU; ``data`` is a folder of recordings.
    Without them the shipped network and the embedded digits are taken. ``grid`` says how
    recordings are binned for a callable, ``name`` what the report calls it. ``holdout`` and
    ``split_seed`` part a folder that has no split of its own, ``device`` is for checkpoints. An
    audit that was interrupted continues, unless ``fresh``.
    Raises :class:`SpikeproofError` with a message that says what to do.
    """
    settings, folder = settings or Settings(), Path(out)
    subject = subject_of(
        model,
        data,
        settings,
        grid=grid,
        name=name,
        holdout=holdout,
        split_seed=split_seed,
        device=device,
    )
    results = audit(subject, folder, settings, fresh=fresh, progress=progress)
    report.build(folder)
    return results
