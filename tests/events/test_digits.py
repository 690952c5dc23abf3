from __future__ import annotations

import numpy as np
import pytest

from spikeproof.events import Grid, digits, load_data, load_digits_events


@pytest.fixture(scope="module")
def data():
    """The first 800 digits, filmed as the whole set is; filming all takes seconds."""
    pictures, labels = digits._pictures()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digits, "_pictures", lambda: (pictures[:800], labels[:800]))
        patch.setattr(digits, "N_TEST", 200)
        return load_digits_events(cache=False)


@pytest.fixture
def few(monkeypatch, tmp_path):
    """The same machinery with 20 digits, quick to film, in an empty cache."""
    pictures, labels = digits._pictures()
    monkeypatch.setattr(digits, "_pictures", lambda: (pictures[:20], labels[:20]))
    monkeypatch.setattr(digits, "N_TEST", 5)
    monkeypatch.setenv("SPIKEPROOF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def all_events(data):
    return [part.events(i) for part in (data.learn, data.test) for i in range(len(part))]


def test_sizes_and_split(monkeypatch):
    _, labels = digits._pictures()
    ones, offsets = np.ones(len(labels), np.uint8), np.arange(len(labels) + 1)
    film = digits.Packed(ones, ones, ones, ones, offsets, 34, 34), labels
    monkeypatch.setattr(digits, "_film", lambda: film)
    data = load_digits_events(cache=False)
    assert data.name == "digits"
    assert (len(data.learn), len(data.test)) == (1_397, 400)
    assert not set(data.learn.names) & set(data.test.names)
    assert data.learn.classes == tuple("0123456789")
    assert (data.learn.width, data.learn.height) == (34, 34)
    assert np.bincount(data.test.labels).min() >= 20
    assert "400 of 1797" in data.split


def test_statistics_are_like_those_of_saccade_recordings(data):
    sample = [data.test.events(i) for i in range(100)]
    lengths = [len(events) for events in sample]
    assert min(lengths) > 2_000
    assert max(lengths) < 4_700
    assert 0.45 < np.mean([events.p.mean() for events in sample]) < 0.55
    t = np.concatenate([events.t for events in sample])
    assert t.min() >= 0
    assert t.max() < 300_000
    # three bursts with rests between
    rate = np.bincount(t // 10_000, minlength=30)
    for middle, rest in ((5, 10), (15, 20), (25, 29)):
        assert rate[middle] > 5 * rate[rest]


def test_every_pixel_rests_after_an_event(data):
    events = data.learn.events(0)
    order = np.lexsort((events.t, events.y * 34 + events.x))
    same = np.diff((events.y * 34 + events.x)[order]) == 0
    assert np.diff(events.t[order])[same].min() >= digits.CAMERA.refractory


def test_classes_can_be_told_apart(data):
    grid = Grid(bins=1)
    n = 600
    learn = data.learn.grid_batch(grid, range(n)).reshape(n, -1).double().numpy()
    test = data.test.grid_batch(grid, range(200)).reshape(200, -1).double().numpy()
    distance = (learn**2).sum(1) - 2 * test @ learn.T
    guess = data.learn.labels[:n][distance.argmin(1)]
    assert (guess == data.test.labels[:200]).mean() > 0.8


def test_the_cache_holds_what_was_made(few):
    made, cached = load_digits_events(), load_digits_events()
    fresh = load_digits_events(cache=False)
    assert all_events(made) == all_events(cached) == all_events(fresh)
    assert len(list(few.iterdir())) == 1


def test_the_cache_is_used(few, monkeypatch):
    made = load_digits_events()
    monkeypatch.setattr(digits, "_film", lambda: pytest.fail("filmed again"))
    assert all_events(load_digits_events()) == all_events(made)
    assert all_events(load_data(None)) == all_events(load_data("digits")) == all_events(made)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "text", "other"])
def test_a_corrupt_cache_is_made_anew(few, damage):
    made = load_digits_events()
    (path,) = few.iterdir()
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes({
        "flip": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "cut": whole[:middle],
        "empty": b"",
        "text": b"hello",
        "other": whole[-200:],
    }[damage])  # fmt: skip
    assert all_events(load_digits_events()) == all_events(made)
    assert path.read_bytes() == whole


def test_an_unwritable_cache_does_no_harm(few, monkeypatch):
    blocker = few.parent / "file"
    blocker.touch()
    monkeypatch.setenv("SPIKEPROOF_CACHE", str(blocker))
    data = load_digits_events()
    assert (len(data.learn), len(data.test)) == (15, 5)


def test_without_cache_nothing_is_written(few):
    load_digits_events(cache=False)
    assert not few.exists()
