"""What can go wrong is one line that names the culprit and the cure; the rest is a traceback."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.cli.conftest import EFFORT, TRAIN, call, stripe

from spikeproof.errors import InvalidModel
from spikeproof.events import write
from spikeproof.models import load_checkpoint, save_checkpoint
from spikeproof.models.checkpoint import read_tensors, write_tensors


class Bench:
    """A set to spoil and a network to spoil."""

    def __init__(self, folder: Path, data: Path, net: Path) -> None:
        self.folder, self.data = folder, data
        self.net = Path(shutil.copy(net, folder / "net.safetensors"))
        self.file = data / "1" / "04.bin"

    def audit(self, *more):
        given = ["--model", self.net, "--data", self.data, "--out", self.folder / "out"]
        # all recordings, so that the spoilt one is among them
        return ["audit", *given, *EFFORT, "--recordings", 99, "--holdout", 9, *more]

    def attack(self, *more):
        given = ["--model", self.net, "--data", self.data, "--out", self.folder / "out"]
        return ["attack", *given, "--threads", 1, *more]

    def train(self, *more):
        out = self.folder / "new.safetensors"
        return ["train", "--data", self.data, "--out", out, *TRAIN, *more]


@pytest.fixture
def bench(own_stripes, net, tmp_path):
    return Bench(tmp_path, own_stripes, net)


def truncated(bench):
    bench.file.write_bytes(bench.file.read_bytes()[:-2])
    return bench.audit(), ["1/04.bin", "cut short"]


def truncated_in_training(bench):
    return bench.train(), truncated(bench)[1]


def empty(bench):
    bench.file.write_bytes(b"")
    return bench.audit(), ["1/04.bin", "is empty", "record it again"]


def outside_the_sensor(bench):
    raw = bytearray(bench.file.read_bytes())
    raw[5] = 200
    bench.file.write_bytes(bytes(raw))
    return bench.audit(), ["1/04.bin", "event 1: x=200", "12x12 sensor", "width"]


def outside_the_window(bench):
    events = stripe(np.random.default_rng(0), 1)
    late = type(events)(events.x, events.y, events.t + 10**6, events.p, 12, 12)
    for file in (bench.data / "1").iterdir():
        write(file, late)
    return bench.audit(), ["1/0", "no event inside", "40000 µs"]


def outside_the_window_in_training(bench):
    outside_the_window(bench)
    return bench.train(), ["1/0", "no event in", "40000 µs", "--window"]


def outside_the_window_in_an_attack(bench):
    outside_the_window(bench)
    return bench.attack("--recordings", 9), ["1/0", "no event inside", "40000 µs"]


def nan_weights(bench):
    tensors, metadata = read_tensors(bench.net)
    next(iter(tensors.values())).view(-1)[0] = torch.nan
    write_tensors(bench.net, tensors, metadata)
    return bench.audit(), ["net.safetensors", "NaN", "lower --rate"]


def another_architecture(bench):
    tensors, metadata = read_tensors(bench.net)
    name = sorted(tensors)[-1]
    tensors[name] = torch.zeros(3, 7)
    write_tensors(bench.net, tensors, metadata)
    return bench.audit(), ["net.safetensors", "[3, 7]", "another architecture"]


def not_a_checkpoint(bench):
    bench.net.write_bytes(b"PK\x03\x04 something else")
    return bench.audit(), ["net.safetensors", "not a readable safetensors file"]


def no_grid(bench):
    checkpoint = load_checkpoint(bench.net)
    about = {k: v for k, v in checkpoint.about.items() if k != "grid"}
    save_checkpoint(bench.net, checkpoint.network, about)
    return bench.audit(), ["net.safetensors", "'grid'", "train again"]


def too_few_names(bench):
    checkpoint = load_checkpoint(bench.net)
    save_checkpoint(bench.net, checkpoint.network, {**checkpoint.about, "classes": ["0", "1"]})
    return bench.audit(), ["net.safetensors", "2 classes for 3 outputs"]


def no_model(bench):
    bench.net.unlink()
    return bench.audit(), ["net.safetensors", "no such file", "spikeproof train"]


def a_label_too_many(bench):
    shutil.copytree(bench.data / "1", bench.data / "3")
    return bench.audit(), ["stripes", "label '3'", "3 classes; choose one of 0, 1, 2"]


def a_label_too_many_in_training(bench):
    return bench.train("--arch", "fc2"), ["3 labels for the network's 2 outputs", "with fc3"]


def nothing_right(bench):
    checkpoint = load_checkpoint(bench.net)
    about = {**checkpoint.about, "classes": ["1", "2", "0"]}
    save_checkpoint(bench.net, checkpoint.network, about)
    return bench.audit(), ["none of the recordings right", "--data"]


def below_a_file(bench):
    out = bench.file / "audit"
    return bench.audit("--out", out), [str(out), "cannot be written", "choose another --out"]


def out_is_a_file(bench):
    return bench.audit("--out", bench.file), [str(bench.file), "is a file", "another --out"]


def train_below_a_file(bench):
    out = bench.file / "n.safetensors"
    return bench.train("--out", out), [str(bench.file), "cannot be written"]


def attack_below_a_file(bench):
    return bench.attack("--out", bench.file / "x"), [str(bench.file), "cannot be written"]


def no_data(bench):
    return bench.audit("--data", bench.folder / "nowhere"), ["nowhere", "does not exist"]


def empty_data(bench):
    (bench.folder / "void").mkdir()
    return bench.audit("--data", bench.folder / "void"), ["void", "no label folders"]


def impossible_holdout(bench):
    return bench.audit("--holdout", 30), ["stripes", "cannot hold out 30 of 30", "--holdout"]


def budget_above_the_grid(bench):
    said = ["flip budget 999999", "larger than the grid", "1152 cells", "lower it"]
    return bench.attack("--budget", 999999), said


def moves_above_the_grid(bench):
    command = bench.attack("--threat", "retime", "--budget", 999999)
    return command, ["999999", "larger than the grid"]


def budget_of_words(bench):
    return bench.attack("--budget", "many"), ["--budget 'many'", "4%"]


def share_above_one(bench):
    return bench.attack("--budget", "120%"), ["1.2", "share of the active cells"]


def budgets_of_cells(bench):
    return bench.audit("--budgets", "5,10"), ["--budgets '5,10'", "0.5%,1%"]


def unknown_target(bench):
    return bench.attack("--target", "cat"), ["'cat'", "choose one of 0, 1, 2"]


def unknown_label(bench):
    out = bench.folder / "out"
    command = ["attack", bench.file, "--label", "9", "--model", bench.net, "--out", out]
    return command, ["'9'", "choose one of 0, 1, 2"]


def a_file_without_label(bench):
    return ["attack", bench.file, "--out", bench.folder / "o"], ["--label"]


def patch_off_the_sensor(bench):
    command = bench.attack("--threat", "patch", "--size", 4, "--place", "10,0")
    return command, ["row 10", "leaves the sensor"]


def no_cuda(bench):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    return bench.audit("--device", "cuda"), ["no CUDA device", "--device cpu"]


def another_ending(bench):
    return bench.train("--out", bench.folder / "n.pt"), ["n.pt", ".safetensors"]


def unknown_architecture(bench):
    return bench.train("--arch", "resnet"), ["'resnet'", "small, vgg"]


def no_results(bench):
    return ["report", bench.folder], ["results.json", "spikeproof audit"]


def no_recording(bench):
    return ["view", bench.folder / "x.npz", "--out", bench.folder / "x.gif"], ["x.npz", "check"]


CASES = [
    outside_the_window_in_training, outside_the_window_in_an_attack,
    truncated, truncated_in_training, empty, outside_the_sensor, outside_the_window, nan_weights,
    another_architecture, not_a_checkpoint, no_grid, too_few_names, no_model, a_label_too_many,
    a_label_too_many_in_training, nothing_right, below_a_file, out_is_a_file, train_below_a_file,
    attack_below_a_file, no_data, empty_data, impossible_holdout, budget_above_the_grid,
    moves_above_the_grid, budget_of_words, share_above_one, budgets_of_cells, unknown_target,
    unknown_label, a_file_without_label, patch_off_the_sensor, no_cuda, another_ending,
    unknown_architecture, no_results, no_recording,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_one_line_names_the_culprit_and_the_cure(case, bench):
    command, parts = case(bench)
    result = call(*command)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    for part in parts:
        assert part in line


def test_an_architecture_that_does_not_fit_is_shown_with_its_place(bench):
    program = "conv _ 4 3 |> pool 2 |> dense 9 3"
    result = call(*bench.train("--arch", program))
    assert result.exit_code == 2
    said, line, carets = result.stderr.splitlines()
    assert said.startswith("error: architecture, line 1, column 31: dense 9 3 takes 9, but ")
    assert (line, carets) == (f"  {program}", " " * 32 + "^")


def test_an_unwritable_folder_is_found_before_anything_is_read(bench):
    bench.net.unlink()
    result = call(*bench.audit("--out", bench.file / "audit"))
    assert "cannot be written" in result.stderr


def test_a_failed_start_leaves_nothing(bench):
    call(*bench.audit("--data", bench.folder / "nowhere"))
    assert not (bench.folder / "out").exists()


def test_markup_in_names_is_only_text(bench):
    result = call(*bench.attack("--target", "[red]x[/red]"))
    assert "'[red]x[/red]'" in result.stderr


def test_names_on_two_lines_stay_on_one(bench):
    result = call(*bench.attack("--target", "two\nlines"))
    assert len(result.stderr.splitlines()) == 1


def test_debug_keeps_the_traceback(bench, monkeypatch):
    monkeypatch.setenv("SPIKEPROOF_DEBUG", "1")
    bench.net.unlink()
    with pytest.raises(InvalidModel, match="no such file"):
        call(*bench.audit())


def test_a_bug_keeps_its_traceback(bench, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("spikeproof.inputs.load.load_trained", broken)
    with pytest.raises(ZeroDivisionError):
        call(*bench.audit())


def test_a_full_disk_is_one_line(bench, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "audit/work/x.json")

    monkeypatch.setattr("spikeproof.audit.run.audit", full)
    result = call(*bench.audit())
    assert result.exit_code == 2
    assert "audit/work/x.json: No space left on device; make room" in result.stderr
