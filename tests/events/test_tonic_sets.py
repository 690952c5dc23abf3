"""Against real classes of Tonic that read real files from a folder laid out as they want it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from spikeproof.errors import InvalidRecording
from spikeproof.events import from_tonic, load_data, load_folder, load_tonic
from spikeproof.events.tonic_sets import SETS

DTYPE = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])


@pytest.fixture(scope="session")
def real(shared_data):
    """N-MNIST's recordings, to be stored in other data sets' layouts."""
    return load_folder(shared_data / "nmnist", width=34, height=34)


@pytest.fixture(scope="session")
def tonic():
    return pytest.importorskip("tonic")


@pytest.fixture
def no_network(monkeypatch, tonic):
    def refuse(*_, **__):
        raise AssertionError("tonic tried to download")

    monkeypatch.setattr("tonic.dataset.download_and_extract_archive", refuse)
    monkeypatch.setattr("tonic.download_utils.download_url", refuse)


@pytest.fixture
def poker(real, tmp_path, no_network):
    """POKERDVS as Tonic keeps it: 20 recordings a split, and the archives beside them."""
    top = tmp_path / "POKERDVS"
    for part, split in ((real.learn, "pips_train"), (real.test, "pips_test")):
        for i in range(20):
            place = top / split / ("cl", "he", "di", "sp")[i % 4]
            place.mkdir(parents=True, exist_ok=True)
            events = part.events(i)
            columns = [getattr(events, name)[:500].astype(int) for name in "txyp"]
            np.save(place / f"{i:02d}.npy", np.stack(columns, 1))
        (top / f"{split}.tar.gz").touch()
    return tmp_path


@pytest.fixture
def nmnist(shared_data, tmp_path, monkeypatch, tonic, no_network):
    """NMNIST with real files; Tonic's check wants 10,000 of them."""
    for part, labels in (("Train", "0123456789"), ("Test", "379")):
        for label in labels:
            place = tmp_path / "NMNIST" / part / label
            place.mkdir(parents=True)
            folder = shared_data / "nmnist" / "Train" / label
            for file in sorted(folder.iterdir())[:: 40 if part == "Train" else 60][1:]:
                (place / file.name).symlink_to(file)
    monkeypatch.setattr(tonic.datasets.NMNIST, "_check_exists", lambda self: True)
    return tmp_path


def test_a_set_with_a_split_loads_by_name(nmnist, tonic):
    data = load_data("tonic:NMNIST", root=nmnist)
    assert data.name == "tonic:NMNIST"
    assert data.split == "The data set's own split into training and test set."
    assert data.learn.classes == data.test.classes == tuple(tonic.datasets.NMNIST.classes)
    same = load_folder(nmnist / "NMNIST", width=34, height=34)
    for mine, other in ((data.learn, same.learn), (data.test, same.test)):
        assert mine.names == other.names
        assert len(mine) > 2
        assert [mine.classes[k][0] for k in mine.labels] == [other.classes[k] for k in other.labels]
        assert [mine.events(i) for i in range(len(mine))] == [
            other.events(i) for i in range(len(other))
        ]


def test_labels_come_without_reading_events(poker, tonic):
    data = load_tonic("POKERDVS", poker)
    assert (len(data.learn), len(data.test), data.learn.width) == (20, 20, 35)
    assert np.bincount(data.test.labels).tolist() == [5, 5, 5, 5]
    train = tonic.datasets.POKERDVS(save_to=str(poker), train=True)
    read = []
    train.transform = lambda events: read.append(1) or events
    from_tonic(train)
    assert read == [1]  # the first recording, to look at it
    # where labels are changed on the way, every recording is read
    train.target_transform = lambda label: ("red", "black")[label % 2]
    data = from_tonic(train, holdout=5)
    assert data.name == "POKERDVS"
    assert data.learn.classes == ("black", "red")
    assert len(read) == 1 + 1 + 20
    # the data set's names do not fit other numbers
    train.target_transform = lambda label: label // 2
    assert from_tonic(train).learn.classes == ("0", "1")
    train.target_transform = lambda label: label
    assert from_tonic(train).learn.classes == ("cl", "he", "di", "sp")


def test_a_set_without_a_split_is_parted(shared_data, tmp_path, monkeypatch, tonic, no_network):
    """NCALTECH101: labels are folders' names, and sensors of all sizes."""
    top = tmp_path / "NCALTECH101" / "Caltech101"
    for label, name in (("0", "pizza"), ("1", "ant")):
        (top / name).mkdir(parents=True)
        for file in sorted((shared_data / "nmnist" / "Train" / label).iterdir())[:4]:
            (top / name / file.name).symlink_to(file)
    with pytest.raises(
        InvalidRecording, match=r"^tonic:NCALTECH101: .*NCALTECH101: files are miss"
    ):
        load_tonic("NCALTECH101", tmp_path)
    monkeypatch.setattr(tonic.datasets.NCALTECH101, "_check_exists", lambda self: True)
    with pytest.raises(InvalidRecording, match="its sensor_size is None; give width and height"):
        load_data("tonic:NCALTECH101", root=tmp_path)
    data = load_data("tonic:NCALTECH101", root=tmp_path, width=240, height=180, holdout=2)
    assert data.learn.classes == ("ant", "pizza")
    assert len(data.learn) == 6
    for part in (data.learn, data.test):
        for i, name in enumerate(part.names):
            assert name.split("/")[1] == part.classes[part.labels[i]]
            events = part.events(i)
            assert (events.x.min(), events.y.min(), events.width) == (0, 0, 240)


def test_recordings_are_in_the_order_of_their_files(real):
    splits = set()
    for order in (range(12), reversed(range(12))):  # the disk's order differs between machines
        files = [f"/data/{k:02d}.bin" for k in order]
        numbers = [int(file[6:8]) for file in files]
        recordings = [(real.learn.events(k).structured(), k % 3) for k in numbers]
        data = from_tonic(_Listed(recordings, files), holdout=4, seed=9)
        splits.add(data.test.names)
        for part in (data.learn, data.test):
            for i, name in enumerate(part.names):
                assert part.labels[i] == int(name[:2]) % 3
                assert part.events(i) == real.learn.events(int(name[:2]))
    assert len(splits) == 1
    assert "4 of 12 recordings held out" in data.split


class _Listed(list):
    sensor_size = (34, 34, 2)

    def __init__(self, recordings, files=None, **attributes):
        super().__init__(recordings)
        self.data = files
        self.__dict__.update(attributes)


def one(x=1, t=(0, 5), p=1):
    array = np.zeros(2, DTYPE)
    array["x"], array["t"], array["p"] = x, t, p
    return array


def test_caches_are_looked_into(poker, tonic):
    train = tonic.datasets.POKERDVS(save_to=str(poker), train=True)
    cached = tonic.MemoryCachedDataset(train)
    data = from_tonic(cached, holdout=5)
    assert data.learn.classes == ("cl", "he", "di", "sp")
    assert data.name == "MemoryCachedDataset"
    assert data.learn.names[0].isdecimal()


@pytest.mark.parametrize(
    ("labels", "classes", "found", "numbers"),
    [
        ([1, 0], ["a", "b"], ("a", "b"), [1, 0]),
        ([np.int64(10), np.array(9)], None, ("9", "10"), [1, 0]),
        (["dog", "cat"], None, ("cat", "dog"), [1, 0]),
        (["dog", "cat"], ["dog", "cat", "cow"], ("dog", "cat", "cow"), [0, 1]),
        (["dog", "cat"], {"cat": 1, "dog": 0}, ("dog", "cat"), [0, 1]),
    ],
)
def test_labels_and_classes(labels, classes, found, numbers):
    dataset = _Listed([(one(), label) for label in labels], classes=classes)
    data = from_tonic(dataset, _Listed(list(dataset), classes=classes), name="toy")
    assert data.learn.classes == found
    assert data.learn.labels.tolist() == numbers


def test_what_is_no_labelled_set_of_events_is_named():
    def error(recordings, *more, **attributes):
        with pytest.raises(InvalidRecording) as caught:
            from_tonic(_Listed(recordings, **attributes), *more, name="toy")
        return str(caught.value)

    assert error([(np.zeros((16, 2, 34, 34)), 0)]) == (
        "toy: recording 0: is an array of shape (16, 2, 34, 34) without fields: frames, not "
        "events; make the data set without a transform to frames"
    )
    audio = np.zeros(2, [("t", int), ("x", int), ("p", int)])
    assert "toy: recording 0: field 'y' is missing (found: t, x, p)" in error([(audio, 0)])
    assert "toy: recording 0: event 0: x=99 is outside the 34x34" in error([(one(99), 0)])
    assert "toy: recording 1 has a label of type float" in error([(one(), 0), (one(), 0.5)])
    assert "toy: recording 0 has a label of type ndarray" in error([(one(), np.zeros(2))])
    assert "has label 2 and there are 2 classes" in error([(one(), 2)], classes=["a", "b"])
    assert "toy: holds no recordings" in error([])
    assert "toy: its sensor_size is None; give width and height" in error(
        [(one(), 0)], sensor_size=None
    )
    assert "cannot hold out 0.5 of 1 recordings" in error([(one(), 0)])
    test = _Listed([(one(), "cow")])
    assert "toy (test): recording 0 has label 'cow', which is none of the 1 classes" in error(
        [(one(), "cat")], test
    )
    with pytest.raises(InvalidRecording, match="learning and test set are one object"):
        from_tonic(test, test)
    different_sizes = _Listed([(one(99, p=-1), 0)] * 2, sensor_size=None)
    assert from_tonic(different_sizes, width=100, height=40).learn.events(0).p.tolist() == [0, 0]


def test_nothing_is_downloaded_unasked(tmp_path, no_network):
    with pytest.raises(InvalidRecording) as caught:
        load_data("tonic:NMNIST", root=tmp_path)
    assert str(caught.value) == (
        f"tonic:NMNIST (training set): {tmp_path / 'NMNIST'}: files are missing (tonic wants the "
        "archive beside what was unpacked); let it fetch them (--download, or download=True), or "
        "give the folder that holds one folder per label as data"
    )
    for name in SETS:
        with pytest.raises(InvalidRecording, match=rf"^tonic:{name}( \(training set\))?: .*"):
            load_tonic(name, tmp_path)
    with pytest.raises(AssertionError, match="tonic tried to download"):
        load_data("tonic:NMNIST", root=tmp_path, download=True)


def test_the_sets_are_tonics(tonic):
    assert set(SETS) <= set(tonic.datasets.__all__)


def test_unknown_names_are_answered_with_close_ones():
    with pytest.raises(InvalidRecording, match=r"tonic:nmist: is no set .*; use one of NMNIST, or"):
        load_tonic("nmist", ".")
    with pytest.raises(InvalidRecording, match=r"tonic:SHD: .*use one of ASLDVS, CIFAR10DVS"):
        load_tonic("SHD", ".")


def test_tonic_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic.datasets", None)
    with pytest.raises(InvalidRecording, match=r'pip install "spikeproof\[tonic\]"'):
        load_tonic("NMNIST", ".")
