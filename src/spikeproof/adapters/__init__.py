"""Adapters: models as their owners wrote them, seen as pure functions of binned recordings."""

from spikeproof.adapters.adapted import Adapted, Framework, Layout

__all__ = ["Adapted", "Framework", "Layout"]
