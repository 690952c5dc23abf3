"""Where in a text something stands, and errors that point there.

The message itself stays one line. The line of the text, with carets under the place, goes along
as a note of the exception, which Python shows below the message and the command line prints.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikeproof.errors import InvalidModel

_SHOWN = 70  # characters on either side of the place


@dataclass(frozen=True)
class Place:
    """Characters ``start`` to ``end`` (excluded) of ``text``."""

    text: str
    start: int
    end: int

    @property
    def line(self) -> int:
        """Number of the line, from 1."""
        return self.text.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """Number of the character in its line, from 1."""
        return self.start - self._line_start + 1

    @property
    def shown(self) -> str:
        """The line with carets under the place."""
        first = self._line_start
        last = self.text.find("\n", self.start)
        last = len(self.text) if last < 0 else last
        left, right = max(first, self.start - _SHOWN), min(last, self.start + _SHOWN)
        before = "".join("\t" if c == "\t" else " " for c in self.text[left : self.start])
        carets = "^" * max(1, min(self.end, right) - self.start)
        return f"  {self.text[left:right]}\n  {before}{carets}"

    @property
    def _line_start(self) -> int:
        return self.text.rfind("\n", 0, self.start) + 1


def misfit(message: str, place: Place | None) -> InvalidModel:
    """An error about what stands at ``place``; without a place, only the message."""
    if place is None:
        return InvalidModel(f"architecture: {message}")
    where = f"line {place.line}, column {place.column}"
    error = InvalidModel(f"architecture, {where}: {message}")
    error.add_note(place.shown)
    return error
