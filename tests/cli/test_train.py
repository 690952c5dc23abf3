"""Training by the command: what the file remembers, and resuming."""

from __future__ import annotations

import signal

import pytest
import torch
from tests.cli.conftest import SIDE, TRAIN, WINDOW, call, start, succeed, wait_for

from spikeproof.cli.train import SurrogateName
from spikeproof.models import SURROGATES, load_checkpoint


def test_the_checkpoint_says_how_it_was_made(net):
    checkpoint = load_checkpoint(net)
    about = checkpoint.about
    assert about["name"] == "net"
    assert about["data"] == "stripes"
    assert (about["holdout"], about["split_seed"], about["seed"]) == (9, 0, 0)
    assert about["split"].startswith("9 of 30 recordings held out")
    assert about["grid"] == {
        "bins": 4, "window": WINDOW, "height": SIDE, "width": SIDE, "counts": False, "start": 0,
    }  # fmt: skip
    assert about["classes"] == ["0", "1", "2"]
    assert about["accuracy"] == about["right"] / about["of"] == 1.0
    assert (about["architecture"], about["kind"]) == ("4c3-p2-fc3", "spiking")
    assert about["parameters"] == checkpoint.network.n_parameters
    assert about["epochs"] == 8
    assert not net.with_name("net.safetensors.train").exists()


def test_accuracy_is_printed_with_its_interval(stripes, tmp_path):
    printed = succeed("train", "--data", stripes, "--out", tmp_path / "n.safetensors", *TRAIN,
                      "--twin", "--epochs", 2)  # fmt: skip
    assert "Test accuracy" in printed
    assert "multiplications; 4 steps" in printed  # all of them, as it is the twin
    assert "of 9 recordings" in printed
    about = load_checkpoint(tmp_path / "n.safetensors").about
    assert about["kind"] == "non-spiking"


def test_neuron_options_reach_the_network(stripes, tmp_path):
    out = tmp_path / "n.safetensors"
    succeed("train", "--data", stripes, "--out", out, *TRAIN, "--epochs", 1, "--neuron", "plif",
            "--tau", 3, "--reset", "soft", "--surrogate", "fast-sigmoid")  # fmt: skip
    neuron = load_checkpoint(out).network.description["neuron"]
    assert (neuron["kind"], neuron["tau"], neuron["reset"]) == ("plif", 3.0, "soft")
    assert neuron["surrogate"]["name"] == "fast-sigmoid"


def test_every_surrogate_can_be_chosen():
    assert [s.value for s in SurrogateName] == list(SURROGATES)


def test_the_zoo_adapts_to_the_classes(stripes, tmp_path):
    out = tmp_path / "n.safetensors"
    succeed("train", "--data", stripes, "--out", out, *TRAIN, "--epochs", 1, "--arch", "small")
    assert load_checkpoint(out).network.n_classes == 3


LONG = [*TRAIN, "--epochs", 40]


@pytest.fixture(scope="module")
def whole(stripes, tmp_path_factory):
    """A network trained without a stop."""
    path = tmp_path_factory.mktemp("whole") / "n.safetensors"
    succeed("train", "--data", stripes, *LONG, "--out", path)
    return path


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_training_continues_to_the_same_network(how, whole, stripes, tmp_path):
    command = ["train", "--data", stripes, *LONG, "--out"]
    killed = tmp_path / "n.safetensors"
    process = start(*command, killed)
    state = killed.with_name("n.safetensors.train")
    wait_for(state, process)
    process.send_signal(how)
    _, said = process.communicate(timeout=30)
    assert state.exists()
    assert not killed.exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command continues it" in said.splitlines()[-1]
    again = call(*command, killed)
    assert again.exit_code == 0
    assert "epoch 1:" not in again.stderr
    assert killed.read_bytes() == whole.read_bytes()


def test_a_finished_network_is_not_trained_over(stripes, net, tmp_path):
    out = tmp_path / "net.safetensors"
    out.write_bytes(net.read_bytes())
    result = call("train", "--data", stripes, "--out", out, *TRAIN)
    assert result.exit_code == 2
    assert "--fresh" in result.stderr
    assert out.read_bytes() == net.read_bytes()
    succeed("train", "--data", stripes, "--out", out, *TRAIN, "--fresh", "--seed", 1)
    assert load_checkpoint(out).about["seed"] == 1


def test_the_same_seed_gives_the_same_file(stripes, net, tmp_path):
    torch.rand(3)  # the global generator must not matter
    succeed("train", "--data", stripes, "--out", tmp_path / "net.safetensors", *TRAIN)
    assert (tmp_path / "net.safetensors").read_bytes() == net.read_bytes()


def test_adversarial_training_is_another_network_and_says_so(stripes, net, tmp_path):
    out = tmp_path / "net.safetensors"
    succeed("train", "--data", stripes, "--out", out, *TRAIN, "--adversarial", "10%")
    about = load_checkpoint(out).about
    assert "at most 10 % of the active cells" in about["adversarial"]
    assert load_checkpoint(net).about["adversarial"] is None
    hardened, plain = load_checkpoint(out).network, load_checkpoint(net).network
    assert not torch.equal(hardened.layers[0].weight.weight, plain.layers[0].weight.weight)


@pytest.mark.parametrize("budget", ["much", "200%", "-3"])
def test_budgets_of_adversarial_training_are_checked(budget, stripes, tmp_path):
    out = tmp_path / "net.safetensors"
    result = call("train", "--data", stripes, "--out", out, *TRAIN, f"--adversarial={budget}")
    assert result.exit_code == 2
    assert not out.exists()
    assert "budget" in result.stderr or "--adversarial" in result.stderr
