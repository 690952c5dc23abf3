from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spikeproof.errors import InvalidRecording
from spikeproof.events import Camera

# a perfect sensor with no floor to speak of: log intensity is what it sees
IDEAL = Camera(on=0.3, off=0.3, mismatch=0.0, refractory=0, noise=0.0, floor=1e-6)
TIMES = np.arange(0, 10_001, 1_000)


def ramp(change, n=1, height=2, width=3):
    """Log intensity changes by ``change`` over the film, everywhere and evenly."""

    def frame(k):
        return np.full((n, height, width), np.exp(change * k / 10), np.float32)

    return frame


@pytest.mark.parametrize(("change", "polarity"), [(3.0, 1), (-3.0, 0)])
def test_a_threshold_is_an_event(change, polarity):
    packed = IDEAL.record(ramp(change), TIMES, np.random.default_rng(0))
    events = packed(0)
    assert (events.p == polarity).all()  # on means brighter
    counts = np.bincount(events.y * 3 + events.x, minlength=6)
    assert np.isin(counts, (9, 10, 11)).all()  # 3.0 / 0.3, give or take where memory began
    pixel = events.t[(events.x == 1) & (events.y == 1)]
    np.testing.assert_allclose(np.diff(pixel), 1_000, atol=2)  # 0.3 of 3.0 is 1 of 10 ms


def test_many_crossings_fit_into_one_step():
    packed = IDEAL.record(ramp(30.0), [0, 10_000], np.random.default_rng(0))
    assert len(packed(0)) == 0 or np.diff(packed(0).t).min() >= 0
    steep = IDEAL.record(lambda k: np.full((1, 1, 1), [1, 20][k], "f4"), [0, 10_000],
                         np.random.default_rng(0))(0)  # fmt: skip
    assert len(steep) in (9, 10, 11)  # log 20 is 3.0
    np.testing.assert_allclose(np.diff(steep.t), 1_000, atol=5)


def test_an_unchanging_scene_is_silent_but_for_noise():
    assert len(IDEAL.record(ramp(0.0), TIMES, np.random.default_rng(0))(0)) == 0
    noisy = replace(IDEAL, noise=1_000.0)
    events = noisy.record(ramp(0.0, n=1, height=20, width=30), TIMES, np.random.default_rng(0))(0)
    expected = 1_000 * 0.01 * 2 * 600
    assert abs(len(events) - expected) < 5 * expected**0.5
    assert abs(events.p.mean() - 0.5) < 0.03
    assert len(np.unique(events.y.astype(int) * 30 + events.x)) == 600


def test_the_refractory_time_holds_for_all_events():
    camera = replace(IDEAL, noise=500.0, refractory=1_500)
    packed = camera.record(ramp(6.0, n=3), TIMES, np.random.default_rng(0))
    free = replace(camera, refractory=0).record(ramp(6.0, n=3), TIMES, np.random.default_rng(0))
    assert len(packed.x) < len(free.x)
    gaps = []
    for i in range(3):
        events = packed(i)
        for pixel in range(6):
            gaps.extend(np.diff(events.t[events.y * 3 + events.x == pixel]))
    assert min(gaps) >= 1_500


def test_same_seed_same_events():
    def record(seed):
        camera = Camera(noise=50.0)
        return camera.record(ramp(3.0, n=4), TIMES, np.random.default_rng(seed))

    first, again, other = record(1), record(1), record(2)
    assert [first(i) for i in range(4)] == [again(i) for i in range(4)]
    assert first(0) != other(0)


def test_times_stay_inside_the_film():
    camera = Camera(noise=200.0)
    events = camera.record(ramp(5.0), TIMES + 7_000, np.random.default_rng(0))(0)
    assert events.t.min() >= 7_000
    assert events.t.max() < 17_000


def test_mismatch_belongs_to_the_sensor():
    camera = Camera(mismatch=0.1)
    on, off = camera.thresholds(50, 60)
    assert on.shape == off.shape == (50, 60)
    assert abs(on.std() - 0.1) < 0.01
    assert (on >= camera.on / 10).all()
    assert (camera.thresholds(50, 60)[0] == on).all()
    assert (replace(camera, seed=1).thresholds(50, 60)[0] != on).any()


def test_a_full_buffer_loses_nothing(monkeypatch):
    whole = IDEAL.record(ramp(6.0, n=2), TIMES, np.random.default_rng(0))
    monkeypatch.setattr("spikeproof.events.camera._BUFFER", 7)
    pieces = IDEAL.record(ramp(6.0, n=2), TIMES, np.random.default_rng(0))
    assert len(whole.x) > 7
    assert [pieces(i) for i in range(2)] == [whole(i) for i in range(2)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"on": 0.0}, "thresholds and floor must be positive"),
        ({"floor": -1.0}, "thresholds and floor must be positive"),
        ({"noise": -1.0}, "must be 0 or more"),
        ({"refractory": -1}, "must be 0 or more"),
    ],
)
def test_impossible_cameras_are_refused(settings, message):
    with pytest.raises(InvalidRecording, match=message):
        Camera(**settings)


def test_impossible_films_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidRecording, match="two or more frames at increasing times"):
        IDEAL.record(ramp(1.0), [0], rng)
    with pytest.raises(InvalidRecording, match="two or more frames at increasing times"):
        IDEAL.record(ramp(1.0), [0, 0], rng)
    for value in (-1.0, np.nan, np.inf):
        with pytest.raises(InvalidRecording, match="frame 0 of a film must be"):
            IDEAL.record(lambda k, value=value: np.full((1, 2, 2), value), [0, 1], rng)
    with pytest.raises(InvalidRecording, match="frame 0 of a film must be"):
        IDEAL.record(lambda k: np.ones((2, 2)), [0, 1], rng)
