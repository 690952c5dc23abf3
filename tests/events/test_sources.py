from __future__ import annotations

import numpy as np
import pytest

from spikeproof.errors import InvalidRecording
from spikeproof.events import Events, load_data, write


def test_a_folder_is_loaded_with_its_settings(tmp_path):
    (tmp_path / "cat").mkdir()
    for k in range(4):
        write(tmp_path / "cat" / f"{k}.bin", Events([0], [0], [k], [1], 34, 34))
    data = load_data(tmp_path, holdout=1, seed=3, width=50, height=60)
    assert (len(data.learn), len(data.test)) == (3, 1)
    assert data.test.events(0).height == 60
    assert load_data(str(tmp_path), holdout=1, seed=3).test.names == data.test.names


def test_a_missing_folder_is_named():
    with pytest.raises(InvalidRecording, match="nowhere: does not exist"):
        load_data("nowhere")


def test_a_manifest_is_loaded_with_its_settings(tmp_path):
    for k in range(3):
        write(tmp_path / f"{k}.bin", Events([0], [0], [k], [1], 34, 34))
    lines = "\n".join(["path,label", *(f"{k}.bin,cat" for k in range(3))])
    (tmp_path / "set.CSV").write_text(lines)
    data = load_data(tmp_path / "set.CSV", holdout=1, seed=3, width=50)
    assert (len(data.learn), data.test.width, data.name) == (2, 50, "set.CSV")


def test_frames_are_told_from_events(tmp_path):
    (tmp_path / "cat").mkdir()
    for k in range(2):
        np.savez(tmp_path / "cat" / f"{k}.npz", frames=np.ones((3, 2, 4, 5)))
    data = load_data(tmp_path, bin_us=10)
    assert data.learn.events(0).t.max() == 25
    assert (data.test.width, data.test.height) == (5, 4)


def test_one_recording_is_no_set(tmp_path):
    write(tmp_path / "0.bin", Events([0], [0], [0], [1], 34, 34))
    with pytest.raises(InvalidRecording, match=r"0\.bin: is no folder; give the folder that holds"):
        load_data(tmp_path / "0.bin")
    (tmp_path / "0.csv").write_text("t,x,y,p\n1,2,3,1\n")
    with pytest.raises(
        InvalidRecording, match=r"0\.csv: has no column 'path' \(found: t, x, y, p\)"
    ):
        load_data(tmp_path / "0.csv")


def test_a_root_belongs_to_tonic(tmp_path):
    with pytest.raises(InvalidRecording, match="is only for tonic:NAME; give the folder itself"):
        load_data(tmp_path, root=tmp_path)
    with pytest.raises(InvalidRecording, match=r"^tonic:NMNIST: give the folder that holds tonic"):
        load_data("tonic:NMNIST")
