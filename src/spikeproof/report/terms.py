"""What the report calls things: the words of events, and those of images.

Everything else on the page is the same for both. What an attack changes is measured in its own
unit, which its ``norm`` says (None: cells of recordings).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from spikeproof.results.records import AttackRecord, Audit


@dataclass(frozen=True)
class Terms:
    """``one`` sample and ``many``, and the sentences of the page that depend on them."""

    one: str
    many: str
    budget: str
    control: str
    table: str
    relative: str
    glossary: tuple[tuple[str, str], ...]


EVENTS: Final = Terms(
    one="recording",
    many="recordings",
    budget="The fewer changes an attack needs, the less robust the network. The grey line is the"
    " fair comparison: just as many changes, at random.",
    control="which makes as many changes without looking at the network",
    table="Changes",
    relative="of active cells",
    glossary=(
        (
            "Event",
            "A pixel of the camera saying, at one moment, that it got brighter (on) or darker"
            " (off).",
        ),
        (
            "Cell",
            "One pixel, polarity and time bin of the grid the network reads. It is active if it"
            " holds an event.",
        ),
        (
            "Change, or flip",
            "One cell that the attack switches on (an event added) or off (its events removed).",
        ),
        ("Control", "As many changes of the same kind, chosen without looking at the network."),
    ),
)
IMAGES: Final = Terms(
    one="image",
    many="images",
    budget="The smaller the change an attack needs, the less robust the network. The grey line is"
    " the fair comparison: just as large a change, at random.",
    control="which changes as much without looking at the network",
    table="Change",
    relative="of the pixels",
    glossary=(
        ("Intensity", "How bright a pixel is in one of its channels, from 0 to 1."),
        (
            "Size of a change",
            "In the norm of the attack: the largest move of an intensity (L∞), the root of the sum"
            " of all squared moves (L2), or the number of pixels that are not as they were (L0).",
        ),
        ("Control", "A change of the same size in the same norm, drawn at random."),
    ),
)
_UNITS: Final = {
    None: "changes it took",
    "linf": "largest change of an intensity",
    "l2": "length of the change",
    "l0": "pixels changed",
}


def terms(audit: Audit) -> Terms:
    """The words for what the network of this audit sees."""
    return EVENTS if audit.data.images is None else IMAGES


def unit(attack: AttackRecord) -> str:
    """What the changes of an attack are counted in, as the title of an axis."""
    return _UNITS.get(attack.norm, "size of the change")
