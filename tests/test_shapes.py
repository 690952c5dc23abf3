from __future__ import annotations

import pytest
import torch
from jaxtyping import TypeCheckError

from spikeproof.goals import Untargeted
from spikeproof.threats import Flip


def test_wrong_shapes_and_types_are_noticed_while_testing():
    cells = torch.zeros(2, 3, 2, 4, 4)
    for wrong in (cells[0], cells.long(), cells[:1]):
        with pytest.raises(TypeCheckError):
            Flip().cost(cells, wrong)
    with pytest.raises(TypeCheckError):
        Untargeted(torch.zeros(3))
