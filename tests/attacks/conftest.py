from __future__ import annotations

import pytest
import torch

from .toy import data, right, trained


@pytest.fixture(scope="session")
def victims():
    """A spiking network and a non-spiking one, with recordings that they get right and wrong."""
    made = {}
    for name, spiking in (("spiking", True), ("twin", False)):
        net = trained("4c3-bn-p2-fc3", spiking=spiking)
        cells, labels = data(60, seed=1, quiet=0.14, busy=0.27)
        x, y = right(net, cells, labels)
        with torch.no_grad():
            wrong = net(cells).argmax(1) != labels
        assert len(x) >= 20
        assert wrong.any()
        made[name] = net, x[:8], y[:8], cells[wrong], labels[wrong]
    return made
