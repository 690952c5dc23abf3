from __future__ import annotations

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
