"""Measuring: the judge, intervals, and what inference costs."""

from spikeproof.evaluate.acceptance import Verdicts, threshold_for, verdicts
from spikeproof.evaluate.judge import Outcome, answer, judge
from spikeproof.evaluate.operations import (
    COSTS,
    FLOAT32,
    Costs,
    activity,
    recorded,
)
from spikeproof.evaluate.statistics import proportion, summary

__all__ = [
    "COSTS",
    "FLOAT32",
    "Costs",
    "Outcome",
    "Verdicts",
    "activity",
    "answer",
    "judge",
    "proportion",
    "recorded",
    "summary",
    "threshold_for",
    "verdicts",
]
