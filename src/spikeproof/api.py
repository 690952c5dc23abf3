"""An audit in one call, as the command line makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from spikeproof import report
from spikeproof.audit.run import AuditProgress, audit
from spikeproof.audit.settings import Settings
from spikeproof.events import Data, Grid
from spikeproof.images import ImageData
from spikeproof.inputs.choice import AnyDataChoice, DataChoice, Holdout, ImageChoice, ModelChoice
from spikeproof.inputs.load import subject_of
from spikeproof.results import Audit
from spikeproof.types import Model


def run_audit(
    model: ModelChoice | str | Path | Model | None = None,
    data: AnyDataChoice | str | Path | Data | ImageData | None = None,
    *,
    out: str | Path,
    settings: Settings | None = None,
    grid: Grid | None = None,
    name: str = "",
    holdout: Holdout = None,
    split_seed: int | None = None,
    device: str = "auto",
    fresh: bool = False,
    progress: Callable[[AuditProgress], None] = lambda _: None,
) -> Audit:
    """Audit ``model`` on ``data`` and write results, recordings and report into ``out``.

    ``model`` is a checkpoint or NIR file, ``my_net.py:build``, a module of SpikingJelly, snnTorch,
    Norse, Sinabs or plain PyTorch, or any callable from ``[N, T, 2, H, W]`` to logits ``[N, K]``;
    a :class:`ModelChoice` says more of it. ``data`` is a folder of recordings, a manifest,
    ``tonic:NAME`` or loaded ``Data``; a :class:`DataChoice` says more. For a network that sees
    images it is ``ImageData`` or an :class:`ImageChoice`. Without them the shipped network and the
    embedded digits are taken. ``grid`` says how recordings are binned for a model that does not
    know, ``name`` what the report calls it. ``holdout`` and ``split_seed`` part data
    that have no split of their own. An audit that was interrupted continues, unless ``fresh``.
    Raises :class:`SpikeproofError` with a message that says what to do.
    """
    settings, folder = settings or Settings(), Path(out)
    if not isinstance(model, ModelChoice):
        model = ModelChoice(model, device=device)
    if name:
        model = replace(model, name=name)
    if grid is not None:
        model = replace(
            model, bins=grid.bins, window=grid.window, start=grid.start, counts=grid.counts
        )
    if isinstance(data, ImageData):
        data = ImageChoice(data, holdout=holdout, split_seed=split_seed)
    if not isinstance(data, DataChoice | ImageChoice):
        data = DataChoice(data, holdout=holdout, split_seed=split_seed)
    subject = subject_of(model, data, settings)
    results = audit(subject, folder, settings, fresh=fresh, progress=progress)
    report.build(folder)
    return results
