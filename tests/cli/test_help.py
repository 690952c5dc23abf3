"""Help that a person can follow, and quickly."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.cli.conftest import call, succeed

import spikeproof

COMMANDS = ["audit", "train", "attack", "view", "report", "reproduce"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples(command):
    printed = succeed(command, "--help")
    assert "Example" in printed
    assert f"spikeproof {command} " in printed


def test_the_commands_are_listed():
    printed = succeed("--help")
    for command in COMMANDS:
        assert f" {command} " in printed


def test_without_arguments_there_is_help():
    assert "Commands" in call().output


def test_version():
    assert succeed("--version") == f"spikeproof {spikeproof.__version__}\n"


def test_help_does_not_load_pytorch():
    script = (
        "import sys\n"
        "from spikeproof.cli import app\n"
        "try:\n    app(['audit', '--help'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "slow = {'torch', 'numba', 'matplotlib', 'sklearn', 'numpy'} & sys.modules.keys()\n"
        "sys.exit(f'loaded {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
