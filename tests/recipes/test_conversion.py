from __future__ import annotations

import pytest
import torch

from spikeproof.images import ImageData, Images, load_images
from spikeproof.recipes import OPERATIONS, RECIPES, RecipeContext
from spikeproof.recipes.conversion import Curve


def fewer(n=300):
    """The digits, few of them."""
    data = load_images()
    learn, test = (Images(p.x[:n], p.labels[:n], p.classes) for p in (data.learn, data.test))
    return ImageData(data.name, learn, test, data.split)


def test_when_a_curve_settles():
    curve = Curve(torch.tensor([5.0, 9, 8, 9, 10]), 10)
    assert [curve.settles(least) for least in (5, 6, 9, 10, 11)] == [1, 2, 4, 5, None]
    assert curve.at(2).value == 0.9


@pytest.mark.parametrize("name", ["conversion", "null-class"])
def test_a_quick_run_on_digits(name):
    bench = RecipeContext(fewer(), quick=True)
    found = RECIPES[name].run(bench)
    assert all(claim.holds is None for claim in found.claims)
    assert any(table.columns[2:] == OPERATIONS for table in found.tables)
    for table in found.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    for chart in found.charts:
        for line in chart.series:
            assert len(line.x) == len(line.y) == len(line.low) == len(line.high)
            bounds = zip(line.low, line.y, line.high, strict=True)
            assert all(low <= y <= high for low, y, high in bounds)
    with torch.no_grad():
        for model in found.models.values():
            assert model(bench.data.test.x[:2]).shape == (2, model.n_classes)
    assert set(bench.seconds)


def test_images_of_other_things_are_brought_to_size_and_half_of_them_learned():
    data = fewer(200)
    upside_down = Images(data.test.x.flip(3), data.test.labels, data.test.classes)
    others = ImageData("flipped", upside_down, upside_down, "")
    found = RECIPES["null-class"].run(RecipeContext(data, quick=True, strange=others))
    costs, table = found.tables[:2]
    first_cells = [row[0] for row in table.rows]
    assert first_cells[-2:] == ["flipped", "flipped, the other half"]
    assert "half of the others seen" in " ".join(table.columns)
    assert len(costs.rows) == 6
    assert any("flipped taken for a digit" in claim.what for claim in found.claims)
