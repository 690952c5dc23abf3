"""Each recipe in its quick version, by the command; some minutes, so only with -m recipes."""

from __future__ import annotations

import pytest
from tests.cli.conftest import succeed

from spikeproof.adapters import examine
from spikeproof.images import load_images
from spikeproof.models import load_checkpoint
from spikeproof.recipes import OPERATIONS, RECIPES
from spikeproof.results import load_reproduction


@pytest.mark.recipes
@pytest.mark.parametrize("name", RECIPES)
def test_the_quick_version_runs_and_what_it_leaves_is_whole(name, tmp_path):
    folder = tmp_path / name
    printed = succeed("reproduce", name, "--quick", "--out", folder)
    found = load_reproduction(folder)
    assert found.quick
    assert found.claims
    assert found.seconds
    assert any(set(OPERATIONS) <= set(table.columns) for table in found.tables)
    assert RECIPES[name].title in " ".join(printed.split())  # lines are wrapped
    assert (folder / "reproduction.html").stat().st_size > 10_000
    images = load_images().test
    for file in found.models:
        kept = load_checkpoint(folder / file)
        shape = tuple(kept.about["images"][side] for side in ("channels", "height", "width"))
        assert kept.network.input_shape == shape
        assert len(kept.about["classes"]) == kept.network.n_classes
        if shape == tuple(images.x.shape[2:]):
            checks = examine(kept.network, images.x[:40], images.labels[:40])
            assert [c for c in checks if not c.ok and c.level == "error"] == []
