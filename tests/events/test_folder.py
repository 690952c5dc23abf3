from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, load_folder, write
from spikeproof.events.files import READABLE
from spikeproof.events.folder import listed


def make(folder, **labels):
    """Write ``labels[label]`` recordings; their only event's time tells them apart."""
    for label, count in labels.items():
        place = folder / label.removeprefix("n")
        place.mkdir(parents=True)
        for k in range(count):
            write(place / f"{k:03d}.bin", Events([0], [0], [k], [1], 34, 34))
    return folder


@pytest.fixture(scope="module")
def flat(tmp_path_factory):
    return make(tmp_path_factory.mktemp("flat"), n10=5, n2=6, n01=4)


def test_numeric_labels_sort_as_numbers_and_keep_their_names(flat):
    data = load_folder(flat)
    assert data.learn.classes == data.test.classes == ("01", "2", "10")
    assert data.name == flat.name
    for part in (data.learn, data.test):
        for name, label in zip(part.names, part.labels, strict=True):
            assert name.split("/")[0] == part.classes[label]
    assert (data.learn.width, data.learn.height) == (34, 34)


@given(st.integers(1, 14) | st.floats(0.04, 0.96), st.integers(0, 2**31))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_splits_are_disjoint_complete_and_repeatable(flat, holdout, seed):
    data = load_folder(flat, holdout=holdout, seed=seed)
    learn, test = set(data.learn.names), set(data.test.names)
    assert not learn & test
    assert len(learn | test) == 15
    assert len(test) == (holdout if isinstance(holdout, int) else round(15 * holdout))
    again = load_folder(flat, holdout=holdout, seed=seed)
    assert (again.learn.names, again.test.names) == (data.learn.names, data.test.names)
    assert f"{len(test)} of 15" in data.split
    assert f"seed {seed}" in data.split


def test_seeds_give_different_splits(flat):
    assert len({load_folder(flat, holdout=5, seed=seed).test.names for seed in range(5)}) == 5


@pytest.mark.parametrize("holdout", [0, 15, 16, -1, 1.0, 0.0, 0.01, float("nan"), float("inf")])
def test_impossible_holdouts(flat, holdout):
    with pytest.raises(InvalidRecording, match=rf"cannot hold out {holdout} of 15 recordings"):
        load_folder(flat, holdout=holdout)


def test_given_splits_are_kept(tmp_path):
    make(tmp_path / "TRAIN", cat=3, dog=2)
    make(tmp_path / "test", dog=1)
    data = load_folder(tmp_path, holdout=99)
    assert data.learn.classes == data.test.classes == ("cat", "dog")
    assert data.learn.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.test.labels.tolist() == [1]
    assert data.test.names == ("test/dog/000.bin",)
    assert "TRAIN/ and test/" in data.split


def test_one_split_alone_is_parted(tmp_path):
    make(tmp_path / "Train", cat=3, dog=3)
    data = load_folder(tmp_path, holdout=2)
    assert (len(data.learn), len(data.test)) == (4, 2)


def test_unknown_test_labels_are_refused(tmp_path):
    make(tmp_path / "Train", cat=1)
    make(tmp_path / "Test", cat=1, cow=1)
    with pytest.raises(InvalidRecording, match=r"Test: label 'cow' is not in Train/"):
        load_folder(tmp_path)


def test_links_between_splits_are_refused(tmp_path):
    make(tmp_path / "Train", cat=2)
    make(tmp_path / "Test", cat=1)
    os.symlink(tmp_path / "Train" / "cat" / "001.bin", tmp_path / "Test" / "cat" / "9.bin")
    with pytest.raises(InvalidRecording, match=r"9\.bin: is the same file as Train/cat/001\.bin"):
        load_folder(tmp_path)


def test_broken_links_are_named(tmp_path):
    make(tmp_path, cat=2)
    os.symlink(tmp_path / "nowhere", tmp_path / "cat" / "9.bin")
    with pytest.raises(InvalidRecording, match=r"9\.bin: cannot be read"):
        load_folder(tmp_path)


def test_hidden_and_foreign_files_are_passed_over(tmp_path):
    make(tmp_path, cat=2, dog=2)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "cat" / ".hidden.bin").write_bytes(b"12345")
    (tmp_path / "cat" / "notes.txt").write_text("x")
    (tmp_path / "cat" / "deeper.bin").mkdir()
    (tmp_path / "README").write_text("x")
    data = load_folder(tmp_path)
    assert len(data.learn) + len(data.test) == 4


def test_bad_layouts_are_named(tmp_path):
    def error(path):
        with pytest.raises(InvalidRecording) as caught:
            load_folder(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "does not exist" in error(tmp_path / "none")
    assert "has no label folders" in error(tmp_path)
    make(tmp_path, cat=0)
    assert "no recordings of a known ending (found: no files at all)" in error(tmp_path)
    (tmp_path / "cat" / "a.mp4").touch()
    assert f"(found: .mp4); convert them to one of {listed(READABLE)}" in error(tmp_path)
    assert listed({".raw", ".evt3.raw", ".bin", ".tar.gz"}) == ".bin, .raw, .tar.gz"
    make(tmp_path, dog=2)
    assert f"{tmp_path / 'cat'}: has no recordings" in error(tmp_path)
    shutil.rmtree(tmp_path / "cat")
    (tmp_path / "train").mkdir()
    (tmp_path / "Train").mkdir(exist_ok=True)
    assert "has both Train/ and train/" in error(tmp_path)
    assert error(tmp_path / "dog" / "000.bin") == (
        f"{tmp_path / 'dog' / '000.bin'}: is no folder; give the folder that holds one folder per "
        "label, or a manifest (.csv, .parquet) that lists recordings and labels"
    )


def test_the_folder_above_the_splits_is_answered(tmp_path):
    make(tmp_path / "events_np" / "train", cat=2)
    make(tmp_path / "events_np" / "test", cat=2)
    with pytest.raises(InvalidRecording) as caught:
        load_folder(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: events_np/ holds a training or test split; give that folder"
    )


def test_tables_are_recordings_only_among_their_like(tmp_path):
    for k in range(2):
        (tmp_path / "cat").mkdir(exist_ok=True)
        (tmp_path / "cat" / f"{k}.csv").write_text("t,x,y,p\n0,1,2,1\n")
    data = load_folder(tmp_path, width=4, height=4)
    assert data.learn.events(0) == Events([1], [2], [0], [1], 4, 4)
    make(tmp_path, dog=2)
    told: list[str] = []
    with pytest.raises(InvalidRecording, match="cat: has no recordings"):
        load_folder(tmp_path, told=told.append)
    assert "passed over 2 .csv" in told.pop()
    make(tmp_path / "more", cat=2)
    (tmp_path / "more" / "cat" / "labels.csv").write_text("a,b\n")
    assert len(load_folder(tmp_path / "more", told=told.append).test) == 1
    assert told == [
        f"{tmp_path / 'more'}: passed over 1 .csv beside recordings of other formats; if they are "
        "recordings too, convert them (spikeproof convert)"
    ]


def test_spikingjellys_events_load_with_a_size(tmp_path, shared_data):
    whole = load_folder(shared_data / "nmnist", holdout=2)
    for part, split in ((whole.test, "train"), (whole.test, "test")):
        for i in range(2):
            events = part.events(i)
            place = tmp_path / split / "3"
            place.mkdir(parents=True, exist_ok=True)
            # as spikingjelly.datasets.utils writes them
            columns = {name: getattr(events, name) for name in "txyp"}
            np.savez_compressed(place / f"{i}.npz", **columns)
    data = load_folder(tmp_path, width=34, height=34)
    assert [data.test.events(i) for i in range(2)] == [whole.test.events(i) for i in range(2)]
    with pytest.raises(InvalidRecording, match=r"0\.npz: .*--width and --height"):
        load_folder(tmp_path)


def test_repair_is_passed_to_the_reader(tmp_path):
    make(tmp_path, cat=2)
    damaged = tmp_path / "cat" / "000.bin"
    damaged.write_bytes(damaged.read_bytes() + b"12")
    with pytest.raises(InvalidRecording, match=r"000\.bin: .*--repair"):
        load_folder(tmp_path)
    heard: list[str] = []
    data = load_folder(tmp_path, repair=True, told=heard.append)
    assert len(data.learn) + len(data.test) == 2
    assert len(heard) == 1
    assert heard[0].startswith(f"{damaged}: ")


def test_the_sensor_is_given_or_that_of_the_first(tmp_path):
    make(tmp_path, cat=2)
    write(tmp_path / "cat" / "100.npz", Events([0], [0], [0], [0], 20, 10))
    everything = load_folder(tmp_path, holdout=1, width=40, height=50)
    assert everything.learn.events(0).width == 40
    mixed = load_folder(tmp_path, holdout=1)
    sizes = []
    for part in (mixed.learn, mixed.test):
        for i, name in enumerate(part.names):
            if name.endswith(".npz"):
                with pytest.raises(InvalidRecording, match="is 20x10 pixels and the set is 34x34"):
                    part.events(i)
            else:
                sizes.append(part.events(i).width)
    assert sizes == [34, 34]


def test_real_recordings(shared_data):
    data = load_folder(shared_data / "nmnist", holdout=300, seed=0)
    assert (len(data.learn), len(data.test)) == (700, 300)
    assert data.learn.classes == tuple("0123456789")
    counts = np.bincount(data.learn.labels) + np.bincount(data.test.labels)
    assert counts.tolist() == [97, 116, 99, 93, 105, 92, 94, 117, 87, 100]
