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
