from __future__ import annotations

import numpy as np
import pytest
from tests.cli.conftest import call, stripe, succeed

from spikeproof.events import Events, read, write


@pytest.fixture
def recording(tmp_path):
    events = stripe(np.random.default_rng(0), 1)
    write(tmp_path / "a.npz", events)
    return tmp_path / "a.npz", events


@pytest.mark.parametrize("ending", ["aedat4", "raw", "dat", "h5", "csv"])
def test_to_another_format_and_nothing_is_lost(recording, ending):
    path, events = recording
    new = path.with_suffix(f".{ending}")
    assert f"{len(events)} events, 12x12 pixels" in succeed("convert", path, new)
    assert read(new) == events


def test_a_piece_of_a_recording(recording, tmp_path):
    path, events = recording
    succeed("convert", path, tmp_path / "b.npz", "--from", 10_000, "--to", 20_000)
    inside = (events.t >= 10_000) & (events.t < 20_000)
    assert read(tmp_path / "b.npz").t.tolist() == events.t[inside].tolist()
    late = call("convert", path, tmp_path / "c.npz", "--from", 10**9)
    assert late.exit_code == 2
    assert "has no event there; its times are" in late.output


def test_damage_is_refused_or_repaired_and_said(recording, tmp_path):
    _, events = recording
    write(tmp_path / "a.dat", events)
    data = (tmp_path / "a.dat").read_bytes()
    (tmp_path / "cut.dat").write_bytes(data[:-3])
    refused = call("convert", tmp_path / "cut.dat", tmp_path / "b.npz")
    assert refused.exit_code == 2
    assert "--repair" in refused.output
    assert not (tmp_path / "b.npz").exists()
    mended = call("convert", tmp_path / "cut.dat", tmp_path / "b.npz", "--repair")
    assert mended.exit_code == 0
    assert "cut.dat" in mended.stderr
    assert len(read(tmp_path / "b.npz")) == len(events) - 1


def test_nothing_is_overwritten(recording):
    path, events = recording
    result = call("convert", path, path)
    assert result.exit_code == 2
    assert "is there already" in result.output
    assert read(path) == events


def test_a_format_that_cannot_hold_it_is_refused(tmp_path):
    write(tmp_path / "wide.npz", Events([300], [2], [5], [1], 640, 480))
    result = call("convert", tmp_path / "wide.npz", tmp_path / "wide.bin")
    assert result.exit_code == 2
    assert "does not fit .bin" in result.output


def test_the_folder_is_made(recording, tmp_path):
    path, events = recording
    succeed("convert", path, tmp_path / "new" / "deep" / "b.h5")
    assert read(tmp_path / "new" / "deep" / "b.h5") == events


def test_times_since_1970_fit_a_raw_file_once_they_are_aligned(tmp_path):
    late = Events([1, 2], [3, 4], [1_605_537_493_718_345, 1_605_537_493_718_400], [0, 1], 12, 12)
    write(tmp_path / "a.aedat4", late)
    assert call("convert", tmp_path / "a.aedat4", tmp_path / "a.raw").exit_code == 2
    succeed("convert", tmp_path / "a.aedat4", tmp_path / "a.raw", "--align", "first")
    assert read(tmp_path / "a.raw") == Events(late.x, late.y, [0, 55], late.p, 12, 12)


def test_a_format_without_the_sensors_size_is_said(recording):
    path, _ = recording
    result = call("convert", path, path.with_suffix(".npy"))
    assert result.exit_code == 0
    assert "does not hold the sensor's size; read it with --width 12 --height 12" in result.stderr


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("b.aedat", [], "b.aedat: ending '.aedat' is only read; use one of .aedat4, .bin"),
        ("b.h5", ["--from", 5, "--to", 5], "--from 5 is not before --to 5; correct them"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_read(name, options, said, tmp_path):
    result = call("convert", tmp_path / "nowhere.raw", tmp_path / name, *options)
    assert result.exit_code == 2
    assert said in result.stderr
