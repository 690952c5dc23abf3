"""Find data by what the user typed: nothing, ``digits``, or a folder."""

from __future__ import annotations

from pathlib import Path

from spikeproof.events.digits import load_digits_events
from spikeproof.events.folder import load_folder
from spikeproof.events.recordings import Data


def load_data(
    spec: str | Path | None,
    *,
    holdout: int | float = 0.5,
    seed: int = 0,
    width: int | None = None,
    height: int | None = None,
) -> Data:
    """Load the embedded digits (``None`` or ``"digits"``) or a folder of recordings.

    The other arguments are those of ``load_folder``; the digits have a fixed split and size and
    do not use them. Raises ``InvalidRecording`` as ``load_folder`` does.
    """
    if spec is None or spec == "digits":
        return load_digits_events()
    return load_folder(spec, holdout=holdout, seed=seed, width=width, height=height)
