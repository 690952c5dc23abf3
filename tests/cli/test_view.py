"""Films and pictures by the command."""

from __future__ import annotations

import os

import pytest
from PIL import Image
from tests.cli.conftest import SIDE, call, succeed

SENSOR = ["--width", SIDE, "--height", SIDE]


@pytest.mark.parametrize(("ending", "head"), [("gif", b"GIF8"), ("png", b"\x89PNG")])
def test_one_recording(ending, head, stripes, tmp_path):
    out = tmp_path / "new" / f"x.{ending}"
    assert succeed("view", stripes / "0" / "00.bin", "--out", out, *SENSOR).strip() == str(out)
    assert out.read_bytes().startswith(head)


def test_two_recordings_are_wider_than_one(stripes, tmp_path):
    one, two = stripes / "0" / "00.bin", stripes / "0" / "01.bin"
    succeed("view", one, "--out", tmp_path / "1.gif", *SENSOR)
    succeed("view", one, two, "--moved", "--out", tmp_path / "2.gif", *SENSOR)
    with Image.open(tmp_path / "1.gif") as a, Image.open(tmp_path / "2.gif") as b:
        assert b.width > 2 * a.width


def test_by_default_the_film_is_put_here(stripes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    succeed("view", stripes / "0" / "00.bin", *SENSOR)
    assert os.listdir(tmp_path) == ["00.gif"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "x.tiff"], "ends in .gif or .mp4 or .png"),
        (["--fps", 0, "--out", "x.gif"], "greater than or equal to 1"),
        (["--slow", -1, "--out", "x.gif"], "--slow -1 is impossible; give a positive number"),
    ],
)
def test_what_cannot_be_drawn(options, said, stripes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("view", stripes / "0" / "00.bin", *SENSOR, *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert os.listdir(tmp_path) == []
