"""The standard audit: which attacks run, each with its control, from cheapest to dearest.

Recordings are attacked by edits of their events, images by changes of their intensities.
"""

from __future__ import annotations

from spikeproof.attacks.learned.patch import FitPatch
from spikeproof.audit.entry import Entry
from spikeproof.audit.learned import patch, universal
from spikeproof.audit.per_recording import budgets, minimum
from spikeproof.audit.settings import Settings
from spikeproof.errors import InvalidThreat
from spikeproof.inputs.binned import BinnedRecordings
from spikeproof.inputs.subject import Subject
from spikeproof.threats import L0, L2, Flip, Linf, Patch, Retime, Universal


def standard(subject: Subject, settings: Settings) -> list[Entry]:
    """The entries of the standard audit of ``subject``.

    Raises :class:`InvalidThreat` for a quick audit of images.
    """
    if subject.of_images and settings.quick:
        raise InvalidThreat("for images there is no quick version; lower the steps instead")
    return _of_images(settings) if subject.of_images else _of_recordings(subject, settings)


def _of_images(settings: Settings) -> list[Entry]:
    """The smallest change in every norm; in the maximum norm also what given budgets are worth."""
    entries: list[Entry] = []
    if "linf" in settings.norms:
        entries += minimum(
            "linf-minimum",
            "Smallest change of all pixels",
            "Moves every intensity by as little as it can, for each image on its own.",
            Linf(),
        )
        entries += budgets(
            "linf",
            "Changes within a budget",
            "How many images fall when every intensity may be moved by so much.",
            "linf-minimum",
            tuple((eps, Linf(eps)) for eps in settings.eps),
        )
    if "l2" in settings.norms:
        entries += minimum(
            "l2-minimum",
            "Shortest change",
            "Changes intensities by a vector of the least Euclidean length.",
            L2(),
        )
    if "l0" in settings.norms:
        entries += minimum(
            "l0-minimum",
            "Fewest pixels",
            "Sets as few pixels as it can, each to anything.",
            L0(),
        )
    return entries


def _of_recordings(subject: Subject, settings: Settings) -> list[Entry]:
    """Fewest edits of each kind, budgets, universal patterns and patches."""
    learn = subject.learn_cells
    assert isinstance(learn, BinnedRecordings)
    mean_active = float(learn.active.float().mean())
    entries = [
        *minimum(
            "flip-minimum",
            "Fewest flips",
            "Adds and removes single events, as few as it can, for each recording on its own.",
            Flip(),
        ),
        *budgets(
            "flip",
            "Flips within a budget",
            "How many recordings fall when only so many events may be added or removed.",
            "flip-minimum",
            tuple((share, Flip(share)) for share in settings.shares),
        ),
        *minimum(
            "add-minimum",
            "Fewest additions",
            "Only adds events, as noise and reflections do.",
            Flip(remove=False),
        ),
        *minimum(
            "remove-minimum",
            "Fewest removals",
            "Only removes events, as dead pixels and filters do.",
            Flip(add=False),
        ),
    ]
    if not subject.grid.counts:  # moving events has a meaning for cells that are 0 or 1
        entries += minimum(
            "retime",
            "Fewest moves in time",
            "Only shifts events in time; every pixel keeps its number of events.",
            Retime(settings.max_shift),
        )
    for share in settings.universal_shares:
        threat = Universal(budget=int(share * mean_active))
        name, title = f"universal-{100 * share:g}", f"Universal pattern, +{100 * share:g} %"
        what = (
            "One pattern of added events, learned on other recordings, for all inputs; its size is"
            f" {100 * share:g} % of the mean number of active cells."
        )
        entries += universal(name, title, what, threat, settings)
    share = settings.universal_shares[0]
    budget = int(share * mean_active)
    entries += universal(
        "universal-both",
        f"Universal pattern, ±{100 * share:g} %",
        "One pattern that adds some events and removes others.",
        Universal(budget=budget, remove=True),
        settings,
    )
    bin_ms = subject.grid.window / subject.grid.bins / 1000
    entries += universal(
        "periodic",
        f"Periodic pattern, +{100 * share:g} %",
        f"A flicker that repeats every {settings.period * bin_ms:g} ms and starts at any time.",
        Universal(budget=budget, period=settings.period),
        settings,
    )
    h, w, size = subject.grid.height, subject.grid.width, settings.patch
    size = min(size, h, w)
    centre = ((h - size) // 2, (w - size) // 2)
    entries += patch(
        "patch-fixed",
        f"Patch {size}×{size}, known place",
        "A flickering region in the middle of the sensor, synchronised, that forces a class.",
        Patch(size, size, centre),
        FitPatch(settings.fit_steps, settings.patch_batch),
        subject,
        centre,
    )
    entries += patch(
        "patch-anywhere",
        f"Patch {size}×{size}, random place",
        "The same at unseen places, at random times and with polarities swapped at random.",
        Patch(size, size),
        FitPatch(settings.fit_steps, settings.patch_batch, free_time=True),
        subject,
        centre,
    )
    return entries
