"""Measuring: the judge, intervals, and what inference costs."""

from spikeproof.evaluate.energy import Work, work
from spikeproof.evaluate.judge import Outcome, answer, judge
from spikeproof.evaluate.statistics import proportion, summary

__all__ = ["Outcome", "Work", "answer", "judge", "proportion", "summary", "work"]
