"""Reports: one offline page for an audit or a reproduction, films and pictures for a recording."""

from spikeproof.report.page import build
from spikeproof.report.reproduction import build_reproduction
from spikeproof.report.video import render

__all__ = ["build", "build_reproduction", "render"]
