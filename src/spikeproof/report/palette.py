"""The colours of the report: one list for charts, pictures, the viewer and films.

The strong hues are Okabe and Ito's (2008), which stay apart under every common colour blindness;
whatever the attack left alone is drawn in two quiet tones that differ in lightness as well.
"""

from __future__ import annotations

from typing import Final

PAPER: Final = "#fdfcf9"
INK: Final = "#1f2a36"
MUTED: Final = "#5d6874"
RULE: Final = "#e4e0d6"

ON: Final = "#3a4a5c"
OFF: Final = "#c9ac7c"
BOTH: Final = "#747f8c"  # a pixel as often on as off; the mean of the two would be mud
ADDED: Final = "#d55e00"
REMOVED: Final = "#0072b2"
MOVED: Final = "#009e73"

ATTACK: Final = ADDED
CONTROL: Final = "#8b95a1"
CLEAN: Final = ON

NAMES: Final = {
    "paper": PAPER,
    "ink": INK,
    "muted": MUTED,
    "rule": RULE,
    "on": ON,
    "off": OFF,
    "both": BOTH,
    "added": ADDED,
    "removed": REMOVED,
    "moved": MOVED,
    "brighter": ADDED,
    "darker": REMOVED,
    "attack": ATTACK,
    "control": CONTROL,
}
"""What the style sheet (as ``--name``) and the viewer call each colour."""


def rgb(colour: str) -> tuple[int, int, int]:
    """``#rrggbb`` as three numbers 0–255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
