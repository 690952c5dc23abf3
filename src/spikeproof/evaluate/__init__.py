"""Measuring: the judge, intervals, and what inference costs."""

from spikeproof.evaluate.acceptance import Verdicts, threshold_for, verdicts
from spikeproof.evaluate.energy import Work, work
from spikeproof.evaluate.judge import Outcome, answer, judge
from spikeproof.evaluate.statistics import proportion, summary

__all__ = [
    "Outcome",
    "Verdicts",
    "Work",
    "answer",
    "judge",
    "proportion",
    "summary",
    "threshold_for",
    "verdicts",
    "work",
]
