"""Models as their owners wrote them, through the command line."""

from __future__ import annotations

import json

import pytest
import torch
from tests.cli.conftest import EFFORT, SIDE, WINDOW, call, succeed

from spikeproof.results import load

FILE = f"""
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

def build():
    torch.manual_seed(1)
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1), neuron.LIFNode(tau=2.0), layer.AvgPool2d(2),
        layer.Flatten(), layer.Linear(4 * {SIDE // 2} * {SIDE // 2}, 3),
    )
    functional.set_step_mode(net, "m")
    return net

class Random(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = build()

    def forward(self, x):
        functional.reset_net(self.net)
        return self.net(torch.bernoulli(0.9 * x).transpose(0, 1)).mean(0)

class Steep(nn.Module):
    def forward(self, x):
        return x.sqrt().sum((1, 2, 3)).unflatten(1, (3, -1)).sum(2)

class Frozen(nn.Module):
    def forward(self, x):
        with torch.no_grad():
            return x.sum((1, 2, 3)).unflatten(1, (3, -1)).sum(2)
"""
BINS = ("--bins", 4, "--window", WINDOW, "--width", SIDE, "--height", SIDE)


@pytest.fixture(scope="module")
def own(tmp_path_factory, stripes):
    """A SpikingJelly network in a file of its own, trained on the stripes, with its weights."""
    from spikingjelly.activation_based import functional

    from spikeproof.adapters.source import load_source
    from spikeproof.events import Grid, load_data

    folder = tmp_path_factory.mktemp("own")
    (folder / "my_net.py").write_text(FILE)
    net = load_source(f"{folder / 'my_net.py'}:build")
    learn = load_data(stripes, holdout=9, width=SIDE, height=SIDE).learn
    x = learn.grid_batch(Grid(4, WINDOW, SIDE, SIDE), range(len(learn))).float()
    y = torch.from_numpy(learn.labels.copy())
    optimiser = torch.optim.Adam(net.parameters(), 0.02)
    for _ in range(30):
        functional.reset_net(net)
        loss = torch.nn.functional.cross_entropy(net(x.transpose(0, 1)).mean(0), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    functional.reset_net(net)
    torch.save(net.state_dict(), folder / "w.pt")
    return folder


def options(own):
    return ("--model", f"{own / 'my_net.py'}:build", "--weights", own / "w.pt", *BINS)


def test_check_says_how_a_model_is_called(own, stripes):
    result = call("check", *options(own), "--data", stripes, "--holdout", 9)
    assert result.exit_code == 0, result.output
    assert "SpikingJelly" in result.stdout
    assert "4 bins of 10 ms, 12x12 pixels, 0/1" in result.stdout
    assert "✓" in result.stdout
    assert "running" in result.stderr  # a user's file is run, and that is said


def test_check_fails_where_an_audit_would(own, stripes, tmp_path):
    steep = ("--model", f"{own / 'my_net.py'}:Steep", *BINS, "--data", stripes, "--holdout", 9)
    result = call("check", *steep)
    assert result.exit_code == 1
    assert "input gradient is NaN" in result.stdout
    refused = call("audit", *steep, "--out", tmp_path / "a")
    assert refused.exit_code == 2
    assert "input gradient is NaN" in refused.stderr


def test_a_model_without_gradient_goes_through_audit_and_attack(own, stripes, tmp_path):
    frozen = ("--model", f"{own / 'my_net.py'}:Frozen", *BINS, "--data", stripes, "--holdout", 9)
    assert "it gives no gradient" in succeed("check", *frozen)
    succeed("audit", *frozen, "--out", tmp_path / "audit", *EFFORT)
    audit = load(tmp_path / "audit")
    assert audit.complete
    assert any("trained to imitate it" in said for said in audit.model.assumptions)
    assert "Gradient is lacking" in [doubt.title for doubt in audit.caveats]
    assert audit.attack("flip-minimum").success.value == 1.0
    printed = succeed("attack", *frozen, "--recordings", 3, "--out", tmp_path / "adv")
    assert "3 of 3 fooled" in printed


def test_a_foreign_model_goes_through_the_audit(own, stripes, tmp_path):
    folder = tmp_path / "audit"
    printed = succeed(
        "audit", *options(own), "--data", stripes, "--holdout", 9, "--out", folder, *EFFORT
    )
    audit = load(folder)
    assert audit.complete
    assert audit.model.framework == "spikingjelly"
    assert any("reset" in said for said in audit.model.assumptions)
    assert all(check.ok for check in audit.checks)
    assert audit.attack("flip-minimum").success.value == 1.0
    assert audit.clean.spikes is not None
    assert audit.clean.operations.neurons == 4 * SIDE * SIDE
    assert audit.clean.operations.decided is None
    assert "Each takes" in printed
    assert "time first" in printed
    assert "my_net: Sequential, SpikingJelly network" in printed
    assert audit.model.file == "my_net.py:build with w.pt"
    assert {c.name: c.title for c in audit.checks}["alone"] == "Batch-mates do not matter"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Examined before the attacks" in page
    assert "batch-mates do not matter" in page
    assert "· time first [T, N, P, H, W], all steps in one call\n·" in page
    assert json.loads((folder / "results.json").read_text())["model"]["surrogate"] == "ensemble"


def test_the_surrogate_is_chosen_by_trial(own, stripes, tmp_path):
    folder = tmp_path / "audit"
    effort = [*EFFORT, "--surrogate", "auto"]
    succeed("audit", *options(own), "--data", stripes, "--holdout", 9, "--out", folder, *effort)
    audit = load(folder)
    assert {t.surrogate for t in audit.trials} >= {"own", "arctan:4"}
    assert audit.model.surrogate in {t.surrogate for t in audit.trials}


def test_a_random_model_is_averaged_in_attack_and_verdict(own, stripes, tmp_path):
    state = torch.load(own / "w.pt", weights_only=True)
    torch.save({f"net.{name}": value for name, value in state.items()}, tmp_path / "r.pt")
    model = ("--model", f"{own / 'my_net.py'}:Random", "--weights", tmp_path / "r.pt", *BINS)
    data = ("--data", stripes, "--holdout", 9)
    assert "--draws 16" in succeed("check", *model, *data)
    folder = tmp_path / "audit"
    succeed("audit", *model, *data, "--draws", 4, "--out", folder, *EFFORT, "--recordings", 4)
    audit = load(folder)
    assert audit.complete
    assert "logits are averaged over 4 random draws" in audit.model.assumptions
    flips = audit.attack("flip-minimum")
    assert flips.success.k >= flips.success.n - 1 > 0
    assert flips.gradients % 4 == 0  # each draw is a question


def test_attack_writes_other_formats(own, stripes, tmp_path):
    folder = tmp_path / "adv"
    effort = ("--recordings", 3, "--steps", 8, "--format", "aedat4")
    data = ("--data", stripes, "--holdout", 9)
    succeed("attack", *options(own), *data, *effort, "--out", folder)
    assert len(list(folder.rglob("*.aedat4"))) >= 2
    wrong = call("attack", *options(own), *data, "--format", "gif", "--out", tmp_path / "b")
    assert wrong.exit_code == 2
    assert "cannot be written; choose one of" in wrong.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--model", "w.pt"), "holds weights and no network; give both"),
        (("--model", "my_net.py"), "say which function or class gives the model: my_net.py:NAME"),
        (("--model", "net.onnx"), "net.onnx: is no model; give a .safetensors file"),
        (("--model", "none.py:build"), "none.py: no such file"),
        (("--model", "net.nir"), "net.nir"),
        (("--model", "net.nir", "--weights", "w.pt"), "net.nir: has its own weights; leave out"),
        (("--model", "net.nir", "--readout", "last"), "net.nir: a NIR graph says itself how it is"),
        (("--weights", "w.pt"), "the shipped network knows its weights"),
        (("--draws", 4, "--layout", "TNPHW"), "is called; leave out --layout, or say with --model"),
        (("--draws", 4), "is called; leave out --draws, or say with --model"),
    ],
)
def test_models_that_are_none(args, message, stripes):
    result = call("check", *args, "--data", stripes, "--holdout", 9, *BINS)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_outputs_must_have_names(own, stripes):
    data = ("--data", stripes, "--holdout", 9)
    result = call("check", *options(own), *data, "--classes", "0,1")
    assert "--classes names 2 classes and the model has 3 outputs" in result.stderr
    turned = succeed("check", *options(own), *data, "--classes", "2,1,0")
    assert "2, 1, 0" in turned
    twice = call("check", *options(own), *data, "--classes", "0,0,1")
    assert "give each name once" in twice.stderr
