from __future__ import annotations

import pytest
import torch

from spikeproof.errors import InvalidModel
from spikeproof.models import ZOO, build, zoo_line


@pytest.mark.parametrize("name", ZOO)
@pytest.mark.parametrize("classes", [2, 10, 11])
def test_the_read_out_follows_the_classes(name, classes):
    line = zoo_line(name, classes)
    assert line.endswith(f" |> dense _ {classes}")
    network = build(line, height=34, width=34).eval()
    assert network.n_classes == classes
    with torch.no_grad():
        assert network(torch.zeros(1, 2, 2, 34, 34)).shape == (1, classes)


@pytest.mark.parametrize(("name", "parameters"), [("small", 25_994), ("vgg", 403_018)])
def test_number_of_parameters(name, parameters):
    assert zoo_line(name, 10) == ZOO[name]
    assert build(ZOO[name], height=34, width=34).n_parameters == parameters


def test_unknown_names_and_impossible_class_numbers_are_refused():
    with pytest.raises(InvalidModel, match="no network 'resnet' in the zoo; choose one of small"):
        zoo_line("resnet", 10)
    with pytest.raises(InvalidModel, match="at least 2 classes, not 1"):
        zoo_line("small", 1)
