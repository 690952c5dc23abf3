"""Reading of option values, and progress where there is no terminal."""

from __future__ import annotations

import pytest

from spikeproof.cli.common import check_folder, number, pixels_of, progress, shares_of
from spikeproof.errors import InvalidThreat, SpikeproofError


@pytest.mark.parametrize(
    ("text", "value"),
    [("80", 80), ("4%", 0.04), ("4 %", 0.04), ("0.5%", 0.005), ("0.04", 0.04), ("-3", -3)],
)
def test_numbers_and_shares(text, value):
    found = number(text, "--budget")
    assert found == pytest.approx(value)
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "x", "4%%", "1,5", "%"])
def test_what_is_no_number(text):
    with pytest.raises(InvalidThreat, match="--budget"):
        number(text, "--budget")


def test_shares_are_sorted_and_single():
    assert shares_of("2%, 0.5%,2%,") == (0.005, 0.02)


@pytest.mark.parametrize("text", ["", "3", "1%,3", ","])
def test_cells_are_no_shares(text):
    with pytest.raises(InvalidThreat):
        shares_of(text)


def test_pixels():
    assert pixels_of("8x12", "--size", "x") == (8, 12)
    assert pixels_of("8", "--size", "x") == (8, 8)
    assert pixels_of("3, 4", "--place", ",") == (3, 4)
    for wrong in ("8", "3,4,5", "a,b", "-1,2"):
        with pytest.raises(InvalidThreat, match="--place"):
            pixels_of(wrong, "--place", ",")


def test_checking_a_folder_makes_none(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(SpikeproofError, match="is a file"):
        check_folder(tmp_path / "file" / "below")


def test_progress_without_a_terminal(capsys):
    with progress() as tell:
        tell("thinking")  # of unknown length: not worth a line in a log
        tell("first")
        for done in range(4):
            tell("first" if done < 2 else "second", done, 4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(maxsplit=2)[2] for line in lines] == ["0 %  first", "50 %  second"]
