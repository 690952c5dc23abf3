"""Reports: one offline page for an audit, films and pictures for a recording."""

from spikeproof.report.page import build
from spikeproof.report.video import render

__all__ = ["build", "render"]
