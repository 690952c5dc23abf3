from __future__ import annotations

import pytest

from spikeproof.audit.settings import PART_BYTES, Settings
from spikeproof.errors import InvalidThreat


def test_a_part_is_smaller_on_a_large_sensor():
    assert Settings().at_once(16 * 2 * 34 * 34) == 50
    assert Settings(part=7).at_once(16 * 2 * 34 * 34) == 7
    gen4 = 10 * 2 * 720 * 1280
    assert 1 <= Settings().at_once(gen4) < 50
    assert Settings().at_once(gen4) * gen4 * 4 <= PART_BYTES
    assert Settings().at_once(10**12) == 1


@pytest.mark.parametrize(
    "wrong", [{"learn": 0}, {"part": 0}, {"recordings": -1}, {"keep": -1}, {"shares": (2.0,)}]
)
def test_sizes_that_make_no_sense(wrong):
    with pytest.raises(InvalidThreat):
        Settings(**wrong)


def test_only_the_ensemble_has_a_quick_version():
    assert Settings(quick=True).to_dict()["quick"]
    with pytest.raises(InvalidThreat, match="one of the two"):
        Settings(quick=True, surrogate="arctan:4")


def test_files_of_no_recording_may_be_wanted():
    assert Settings(keep=0).to_dict()["keep"] == 0
