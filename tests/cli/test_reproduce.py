"""``spikeproof reproduce``: what it prints and writes, what it refuses, how it stops."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.cli.conftest import call, succeed
from tests.recipes import toy

from spikeproof.models import load_checkpoint
from spikeproof.recipes import RECIPES
from spikeproof.results import load_reproduction
from spikeproof.results.reproduction import Table


@pytest.fixture(autouse=True)
def toys(monkeypatch, tmp_path):
    """Only toy recipes, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    for name in [*RECIPES]:
        monkeypatch.delitem(RECIPES, name)
    for recipe in (toy.TOY, toy.STRANGER):
        monkeypatch.setitem(RECIPES, recipe.name, recipe)


def flat(text):
    return " ".join(text.split())


def test_it_prints_the_claims_and_writes_a_folder(tmp_path, monkeypatch):
    line = ["spikeproof", "reproduce", "toy", "--quick", "--seed", "4"]
    monkeypatch.setattr(sys, "argv", line)
    printed = flat(succeed("reproduce", "toy", "--quick", "--seed", 4))
    assert "A toy & its claims" in printed
    assert "98.1 % 97.0 % (91.5–99.0 %) ≥ 90 % yes" in printed
    assert "12.5 ms ≤ 10 ms no" in printed
    assert "1 of 2 claims did not hold. 1 of 3 claims held, 1 did not" in printed
    assert "it is fast: slow <b>" in printed
    assert "0.5 (0.4–0.6)" in printed
    assert "digits: 1397 to learn from, 400 to test on; quick version, seed 4" in printed
    folder = tmp_path / "reproduction-toy"
    assert sorted(p.name for p in folder.iterdir()) == [
        "net.safetensors",
        "reproduction.html",
        "reproduction.json",
    ]
    before = (folder / "reproduction.html").read_bytes()
    assert "reproduction-toy/reproduction.html" in succeed("report", "reproduction-toy")
    assert (folder / "reproduction.html").read_bytes() == before
    found = load_reproduction(folder)
    assert found.command == " ".join(line)
    assert (found.quick, found.seed, found.threads >= 1) == (True, 4, True)
    assert load_checkpoint(folder / "net.safetensors").about["of"] == 400


def test_the_same_seed_gives_the_same_network(tmp_path):
    digests = []
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        succeed("reproduce", "toy", "--out", tmp_path / out, "--seed", seed)
        digests.append(load_checkpoint(tmp_path / out / "net.safetensors").network)
    a, b, c = ([p.tolist() for p in network.parameters()] for network in digests)
    assert a == b
    assert a != c


def test_a_table_too_wide_for_the_terminal_becomes_a_list(monkeypatch):
    row = ("a program", *(["0.5_(0.4–0.6)_of_all"] * 6))
    columns = ("program", *(f"column {k}" for k in range(6)))

    def run(bench):
        return replace(toy.run(bench), tables=(Table("Wide", columns, (row,)),))

    monkeypatch.setitem(RECIPES, "toy", replace(toy.TOY, run=run))
    lines = [line.split() for line in succeed("reproduce", "toy").splitlines()]
    assert ["a", "program"] in lines
    assert ["column", "3", "0.5_(0.4–0.6)_of_all"] in lines


def test_all_of_them(tmp_path):
    printed = succeed("reproduce", "--all", "--quick", "--out", tmp_path / "all")
    assert printed.count("A toy") == 1
    for name in ("toy", "stranger"):
        assert load_reproduction(tmp_path / "all" / name).quick
    assert "of other things: photos" in load_reproduction(tmp_path / "all" / "stranger").images


def test_the_list_names_what_they_need():
    printed = flat(succeed("reproduce", "--list"))
    assert "toy A toy & its claims" in printed
    assert "stranger What it has not seen --strange" in printed


def fails(*args):
    result = call("reproduce", *args)
    assert result.exit_code == 2
    return flat(result.stderr)


def test_what_is_refused(tmp_path):
    assert "give the name of one recipe" in fails()
    assert "exclude each other" in fails("toy", "--all")
    assert "no recipe 'tOy' (did you mean toy?); there are toy, stranger" in fails("tOy")
    assert "nowhere: no such file or folder" in fails("toy", "--data", "nowhere")
    (tmp_path / "file").touch()
    assert "is a file" in fails("toy", "--out", tmp_path / "file" / "below")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_images_of_other_things_are_asked_for_and_must_fit(tmp_path):
    rng = np.random.default_rng(0)
    for name, side in (("known", 6), ("strange", 6), ("large", 9)):
        x, y = rng.integers(0, 256, (20, side, side), dtype=np.uint8), np.arange(20) % 2
        np.savez(tmp_path / f"{name}.npz", images=x, labels=y)
    known = tmp_path / "known.npz"
    said = fails("stranger", "--data", known)
    assert "images of other things: give them with --strange" in said
    said = fails("--all", "--data", known, "--strange", tmp_path / "large.npz")
    assert "--strange has images of 1x9x9 and --data of 1x6x6" in said
    assert not list(tmp_path.glob("reproduction-*"))
    succeed("reproduce", "stranger", "--data", known, "--strange", tmp_path / "strange.npz")


def test_ctrl_c_says_what_is_there_and_leaves_nothing_half_written(monkeypatch, tmp_path):
    def stopped(bench):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setitem(RECIPES, "stranger", replace(toy.STRANGER, run=stopped))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    try:
        result = call("reproduce", "--all")
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.exit_code == 130
    assert "Stopped. Nothing of stranger was written. Finished before it: toy." in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["reproduction-toy"]
