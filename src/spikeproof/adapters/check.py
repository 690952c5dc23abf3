"""What was asked of a model before any attack, and what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]

_TITLES = {  # of what is in order, and of what is not
    "runs": ("It can be called", "It fails when called"),
    "weights": ("Weights are finite", "Weights are not finite"),
    "mode": ("In evaluation mode", "In training mode"),
    "answer": ("It answers logits", "It answers no logits"),
    "input": ("Input left alone", "Input is changed"),
    "spread": ("Answers differ", "All answers are the same"),
    "ties": ("No ties", "Ties between classes"),
    "confidence": ("Not saturated", "Saturated probabilities"),
    "accuracy": ("Labels fit", "No label fits"),
    "memory": ("No memory of calls", "Earlier calls matter"),
    "randomness": ("Not random", "Answers are random"),
    "order": ("Order does not matter", "Order in the batch matters"),
    "alone": ("Batch-mates do not matter", "Batch-mates matter"),
    "gradient": ("Gradient is there", "Gradient is lacking"),
}


@dataclass(frozen=True)
class Check:
    """One question and what was measured. ``cure`` says what to change; empty where ``ok``.

    ``name`` is its id, ``title`` is for readers.
    """

    name: str
    ok: bool
    level: Level
    detail: str
    cure: str = ""

    @property
    def title(self) -> str:
        """What came out, in a few words."""
        fine, failed = _TITLES.get(self.name, (self.name, self.name))
        return fine if self.ok else failed

    @property
    def says(self) -> str:
        """What was measured and, if that is not in order, the cure."""
        return f"{self.detail}; {self.cure}" if self.cure else self.detail
