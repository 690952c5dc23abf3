"""What a recipe found is kept whole, and read back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from spikeproof.errors import SpikeproofError
from spikeproof.models import build, load_checkpoint
from spikeproof.recipes import RecipeContext, keep, recorded
from spikeproof.results import REPRODUCTION_FILE, load_reproduction

from .toy import TOY, data


@pytest.fixture
def kept(tmp_path):
    bench = RecipeContext(data(), quick=True, seed=3)
    found = TOY.run(bench)
    record = recorded(TOY, bench, found, command="spikeproof reproduce toy", version="1")
    keep(tmp_path / "out", record, found, bench.data)
    return bench, found, record, tmp_path / "out"


def test_claims_tables_and_times_come_back(kept):
    _, found, record, folder = kept
    read = load_reproduction(folder)
    assert read.claims == found.claims
    assert read.tables == found.tables
    assert read.models == ("net.safetensors",)
    assert (read.name, read.seed, read.quick) == ("toy", 3, True)
    assert read.seconds == record.seconds
    assert list(read.seconds) == ["making"]
    assert "30 to learn from, 30 to test on" in read.images


def test_points_that_are_no_numbers_are_left_out(kept):
    _, found, _, folder = kept
    up, flat = load_reproduction(folder).charts[0].series
    assert up == found.charts[0].series[0]
    assert flat.x == (1.0, 2.0)
    assert flat.y == (0.5, 0.5)


def test_a_network_comes_back_with_what_is_known_of_it(kept):
    bench, found, _, folder = kept
    checkpoint = load_checkpoint(folder / "net.safetensors")
    x, about = bench.data.test.x, checkpoint.about
    assert torch.equal(checkpoint.network(x), found.models["net"](x))
    assert about["images"] == {"channels": 1, "height": 6, "width": 6}
    assert about["classes"] == ["0", "1", "2"]
    right = int((checkpoint.network(x).argmax(1) == bench.data.test.labels).sum())
    assert (about["right"], about["of"], about["accuracy"]) == (right, 30, right / 30)
    assert (about["recipe"], about["data"], about["split"]) == ("toy", "toy", "Made twice.")


@pytest.mark.parametrize(
    ("n_classes", "names"),
    [(4, ["0", "1", "2", "none of these"]), (7, [*"0123456"])],
)
def test_networks_with_other_outputs_than_the_images_have_classes(n_classes, names, tmp_path):
    bench = RecipeContext(data())
    network = build(f"fc{n_classes}", height=6, width=6, polarities=1)
    found = replace(TOY.run(bench), models={"other": network})
    keep(tmp_path / "out", recorded(TOY, bench, found), found, bench.data)
    assert load_checkpoint(tmp_path / "out" / "other.safetensors").about["classes"] == names


def test_a_network_of_other_images_has_no_accuracy(tmp_path):
    bench = RecipeContext(data())
    network = build("fc2", height=1, width=2, polarities=1)
    found = replace(TOY.run(bench), models={"gate": network})
    keep(tmp_path / "out", recorded(TOY, bench, found), found, bench.data)
    about = load_checkpoint(tmp_path / "out" / "gate.safetensors").about
    assert about["images"] == {"channels": 1, "height": 1, "width": 2}
    assert "accuracy" not in about
    assert "data" not in about


def test_an_earlier_reproduction_is_replaced_and_other_files_stay(kept):
    bench, found, _, folder = kept
    (folder / "notes.txt").write_text("mine")
    fewer = replace(found, models={"other": found.models["net"]})
    keep(folder, recorded(TOY, bench, fewer), fewer, bench.data)
    assert sorted(p.name for p in folder.iterdir()) == [
        "notes.txt",
        "other.safetensors",
        REPRODUCTION_FILE,
    ]


def test_what_fails_while_writing_leaves_the_earlier_one(kept):
    bench, found, record, folder = kept
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep(folder, replace(record, seed=9), found, bench.data, stop)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["out"]


def spoilt(folder, change):
    path = folder / REPRODUCTION_FILE
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


def test_a_damaged_file_is_refused_by_the_place_of_the_damage(kept):
    folder = kept[-1]
    spoilt(folder, lambda told: told["claims"][1].update(figure="fast"))
    with pytest.raises(SpikeproofError, match=r"claims\[1\]\.figure should be float.*reproduce`"):
        load_reproduction(folder)


def test_a_line_of_uneven_length_is_refused(kept):
    folder = kept[-1]
    spoilt(folder, lambda told: told["charts"][0]["series"][0]["y"].pop())
    with pytest.raises(SpikeproofError, match="'up' in the chart 'Rising'"):
        load_reproduction(folder)


def test_no_file_and_another_schema_are_refused(kept, tmp_path):
    with pytest.raises(SpikeproofError, match="no such file; give the folder"):
        load_reproduction(tmp_path)
    folder = kept[-1]
    spoilt(folder, lambda told: told.update(schema="spikeproof/reproduction/9"))
    with pytest.raises(SpikeproofError, match=r"reads 'spikeproof/reproduction/1'"):
        load_reproduction(folder)


def test_the_embedded_digits_and_a_quick_failure_settle_nothing():
    assert RecipeContext(data("digits")).settled(True) is None
    assert RecipeContext(data("mnist")).settled(True) is True
    assert RecipeContext(data("mnist")).settled(False) is False
    assert RecipeContext(data("mnist"), quick=True).settled(True) is True
    assert RecipeContext(data("mnist"), quick=True).settled(False) is None
