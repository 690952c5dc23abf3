"""A tiny sensor, a tiny set of recordings, and a network that tells them apart."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import spikeproof
from spikeproof.cli import app
from spikeproof.events import Events, write

SIDE, WINDOW, EACH = 12, 40_000, 10

TRAIN = [
    *("--width", SIDE, "--height", SIDE, "--bins", 4, "--window", WINDOW, "--arch", "4c3-p2-fc3"),
    *("--epochs", 8, "--batch", 4, "--rate", 0.02, "--no-augment", "--holdout", 9),
    *("--threads", 1),
]
EFFORT = [
    *("--recordings", 9, "--steps", 4, "--fit-steps", 2, "--patch", 4, "--budgets", "2%,20%"),
    *("--threads", 1),
]


def stripe(rng, label, n=60):
    """Events in one third of the sensor."""
    x = rng.integers(SIDE // 3 * label, SIDE // 3 * (label + 1), n)
    y, t = rng.integers(0, SIDE, n), np.sort(rng.integers(0, WINDOW, n))
    return Events(x, y, t, rng.integers(0, 2, n), SIDE, SIDE)


@pytest.fixture(scope="session")
def stripes(tmp_path_factory):
    """A folder of three classes; do not change it."""
    folder, rng = tmp_path_factory.mktemp("cli") / "stripes", np.random.default_rng(0)
    for label in range(3):
        (folder / str(label)).mkdir(parents=True)
        for i in range(EACH):
            write(folder / str(label) / f"{i:02d}.bin", stripe(rng, label))
    return folder


@pytest.fixture
def own_stripes(stripes, tmp_path):
    """A copy of the folder to spoil."""
    return Path(shutil.copytree(stripes, tmp_path / "stripes"))


def call(*args):
    """Run a command inside this process, leaving the number of threads as it was."""
    threads = torch.get_num_threads()
    try:
        return CliRunner().invoke(
            app, [str(a) for a in args], env={"COLUMNS": "100"}, catch_exceptions=False
        )
    finally:
        torch.set_num_threads(threads)


def succeed(*args):
    """Run a command that must succeed; what it printed."""
    result = call(*args)
    assert result.exit_code == 0, result.output
    return result.stdout


def start(*args):
    """Start a command as a process of its own, one that Ctrl-C reaches.

    A shell lets its background jobs ignore SIGINT, and whatever they start inherits that.
    """
    source = str(Path(spikeproof.__file__).parents[1])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "spikeproof", *map(str, args)],
            env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(path, process, seconds=60):
    """Wait until ``path`` is there; the process must still be running then."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{path} never appeared"
        time.sleep(0.005)


@pytest.fixture(scope="session")
def net(stripes, tmp_path_factory):
    """A checkpoint trained by the command."""
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    succeed("train", "--data", stripes, "--out", path, *TRAIN)
    return path


@pytest.fixture(scope="session")
def audited(stripes, net, tmp_path_factory):
    """The folder of an audit that ran through, and what the command printed."""
    folder = tmp_path_factory.mktemp("audited") / "audit"
    printed = succeed("audit", "--model", net, "--data", stripes, "--out", folder, *EFFORT)
    return folder, printed
