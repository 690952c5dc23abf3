from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from spikeproof.adapters import Adapted, has_gradient
from spikeproof.adapters.eot import ExpectationOverTransformation
from spikeproof.adapters.examine import examine, require
from spikeproof.errors import InvalidModel
from spikeproof.models import build
from spikeproof.models.codes import Bernoulli, Encoded

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import snntorch
    from snntorch import spikegen
    from spikingjelly.activation_based import encoding, functional, layer, neuron

X = (torch.rand(8, 4, 2, 6, 6, generator=torch.Generator().manual_seed(0)) < 0.3).float()
LABELS = torch.arange(8) % 3


def network(line="4c3-fc3"):
    torch.manual_seed(0)
    return build(line, height=6, width=6).eval()


class Linear(nn.Module):
    """Sound: logits linear in the cells; ``change`` makes it unsound."""

    def __init__(self, change=None, out=3):
        super().__init__()
        torch.manual_seed(1)
        self.read, self.change = nn.Linear(288, out), change
        self.eval()

    def forward(self, x):
        y = self.change(x) if self.change else x
        return self.read(y.float().flatten(1))


class Jelly(nn.Module):
    """A SpikingJelly network over recordings, multi-step."""

    def __init__(self, *, reset=True, encoder=None):
        super().__init__()
        torch.manual_seed(2)
        self.reset, self.encoder = reset, encoder or nn.Identity()
        self.net = nn.Sequential(
            layer.Linear(72, 16, step_mode="m"), neuron.LIFNode(v_threshold=0.3, step_mode="m")
        )
        self.read = nn.Linear(16, 3)
        self.eval()

    def forward(self, x):
        if self.reset:
            functional.reset_net(self)
        y = self.encoder(x.flatten(2).transpose(0, 1))  # [T, N, F]
        return self.read(self.net(y)).mean(0)


class Snn(nn.Module):
    """An snnTorch network whose membranes are never reset."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.fc, self.lif = nn.Linear(72, 3), snntorch.Leaky(beta=0.9, init_hidden=True)
        self.eval()

    def forward(self, x):
        return sum(self.lif(self.fc(x[:, t].flatten(1))) for t in range(x.shape[1]))


def failed(model, labels=None, x=X):
    return {c.name: c for c in examine(model, x, labels) if not c.ok}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(network(), id="ours"),
        pytest.param(Linear(), id="linear"),
        pytest.param(Jelly(), id="spikingjelly"),
        pytest.param(
            ExpectationOverTransformation(Jelly(encoder=encoding.PoissonEncoder()), 12),
            id="averaged",
        ),
        pytest.param(
            lambda x: x.flatten(1)[:, :3] + x.mean((1, 2, 3, 4)).unsqueeze(1), id="function"
        ),
    ],
)
def test_sound_models_pass(model):
    checks = examine(model, X)
    assert not any(c.level == "error" for c in checks), checks
    names = [c.name for c in checks]
    assert names[-5:] == ["memory", "randomness", "order", "alone", "gradient"]
    require(checks)
    assert names[0] == "weights"
    assert all(c.cure == "" for c in checks if c.ok)


@pytest.mark.parametrize("model", [Jelly(reset=False), Snn()], ids=["spikingjelly", "snntorch"])
def test_state_that_is_left_over(model):
    found = failed(model)["memory"]
    assert found.level == "error"
    assert "remembers earlier calls" in found.detail or "a later call fails" in found.detail
    assert found.cure.startswith("reset its neurons and encoders at the start of forward")
    with pytest.raises(InvalidModel, match=r"cannot be attacked as it is: .*reset its"):
        require(examine(model, X))


def test_an_encoder_that_keeps_its_first_recordings():
    first = encoding.LatencyEncoder(4, step_mode="m")
    model = Jelly(reset=False, encoder=first)
    model.net = nn.Identity()
    model.read = nn.Linear(72, 3).eval()
    found = failed(model)["memory"]
    assert found.detail == "other recordings get the answers of the first ones: it remembers them"


def test_randomness_is_reported_and_not_refused():
    model = Encoded(Bernoulli(3, rate=0.5), network())
    found = failed(model)
    assert found["randomness"].level == "warning"
    assert "average over draws with --draws 16" in found["randomness"].cure
    assert "memory" not in found
    require(examine(model, X))
    dropped = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(288, 3))
    found = failed(dropped)
    assert found["mode"].detail == "dropout '1' is in training mode"
    assert found["randomness"].level == found["mode"].level == "warning"
    assert not failed(dropped.eval())


def test_a_generator_of_its_own_cannot_be_told_from_memory():
    rng = torch.Generator().manual_seed(0)
    found = failed(Linear(lambda x: x * torch.rand(x.shape, generator=rng)))
    assert "or draws from a generator of its own" in found["memory"].detail


def test_batch_norm_in_training_mode_keeps_its_statistics():
    model = network("4c3-bn-fc3").train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = failed(model)
    assert found["mode"].level == "error"
    assert found["mode"].cure == "call model.eval() first"
    assert found["order"].ok if "order" in found else True
    assert found["alone"].level == "error"
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    held = Adapted(model, lambda x: model.eval()(x), framework="torch")
    assert not failed(held)  # the adapter sees to evaluation mode


def test_axes_that_are_mixed_up():
    def time_first(x):
        return x.flatten(2)[:, :, :3].cumsum(0).sum(1) + x.mean((1, 2, 3, 4)).unsqueeze(1)

    found = failed(time_first)
    assert found["order"].level == "error"
    assert "in another order" in found["order"].detail
    assert "[N, T, P, H, W]" in found["order"].cure
    squeezed = failed(lambda x: Linear()(x).squeeze())
    assert squeezed["alone"].detail == "it answers [3] to one recording, not [1, 3]"
    fixed = failed(lambda x: Linear()(x.reshape(8, 4, 2, 6, 6)))
    assert fixed["alone"].detail.startswith("it fails on one recording: RuntimeError: shape")


def test_few_recordings_that_differ_are_a_warning():
    sound = Linear()

    def tipped(x):
        y = sound(x)
        y[0] = y[0] + (0.01 if torch.equal(x[0], X[-1]) and len(x) > 1 else 0)
        return y

    assert failed(tipped)["order"].level == "warning"


def without_graph(x):
    with torch.no_grad():
        return Linear()(x)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(without_graph, id="no_grad"),
        pytest.param(Linear(lambda x: x.detach()), id="detached"),
        pytest.param(Linear(lambda x: x.int()), id="cast"),
        pytest.param(Linear(lambda x: (x > 0.5).float()), id="compared"),
        pytest.param(Linear(lambda x: torch.from_numpy(x.numpy().copy())), id="numpy"),
    ],
)
def test_models_without_gradient(model):
    found = failed(model)["gradient"]
    assert found.level == "warning"
    assert not has_gradient(model, X, LABELS)
    require(examine(model, X))  # they can be asked all the same
    assert found.detail == "it gives no gradient with respect to its input"
    assert "take torch.no_grad, detach, numpy and casts" in found.cure


def test_gradients_that_are_zero():
    found = failed(Linear(lambda x: x.round()))["gradient"]
    assert (found.level, found.detail) == (
        "warning",
        "the input gradient of all 8 recordings is zero",
    )
    assert "give its spikes a surrogate gradient" in found.cure
    assert not has_gradient(Linear(lambda x: x.round()), X, LABELS)
    half = failed(Linear(lambda x: torch.where(x[:, :1, :1, :1, :1] > 0, x, x.round())))["gradient"]
    assert half.level == "warning"
    assert has_gradient(Linear(), X, LABELS)
    assert "of 8 recordings is zero" in half.detail


def test_closed_encoders_are_said_to_be_opened():
    for model in (
        Jelly(encoder=encoding.PoissonEncoder(step_mode="m")),
        lambda x: Linear()(spikegen.rate(x, time_var_input=True)),
    ):
        checks = {c.name: c for c in examine(model, 0.9 * X)}
        assert checks["gradient"].ok
        assert checks["gradient"].detail == (
            "all recordings have an input gradient, once its encoder passes it straight through"
        )


def test_a_surrogate_that_gives_nothing():
    class Swappable(Linear):
        on = False

        def using_surrogate(self, surrogate):
            self.on = surrogate is not None
            return torch.enable_grad()

        def forward(self, x):
            return super().forward(x if self.on else x.round())

    checks = {c.name: c for c in examine(Swappable(), X)}
    assert checks["gradient"].detail.endswith("with the attack's surrogate only")


def test_gradients_that_are_not_finite():
    found = failed(lambda x: Linear()(x.abs().sqrt()))["gradient"]
    assert found.detail == "its input gradient is NaN or infinite"
    twice = failed(Linear(lambda x: x.mul_(2)))
    assert twice["input"].detail == "it changes its input in place"
    assert twice["gradient"].detail.startswith("its gradient fails: RuntimeError: a leaf Variable")


@pytest.mark.parametrize(
    ("model", "detail"),
    [
        (lambda x: (Linear()(x), 1), "it answers with a tuple, not with a tensor"),
        (lambda x: Linear()(x)[:, :1], "it answers [8, 1] where [8, K] with K > 1 is needed"),
        (lambda x: Linear()(x).argmax(1), "it answers [8] where [8, K] with K > 1 is needed"),
        (lambda x: Linear()(x).long(), "its answers are int64, not floats"),
        (lambda x: Linear()(x) / 0, "its answers are NaN or infinite"),
        (lambda x: Linear(out=2)(x), "label 2 is outside its 2 classes"),
    ],
)
def test_answers_that_are_none(model, detail):
    checks = examine(model, X, LABELS)
    assert checks[-1].name == "answer"
    assert checks[-1].detail == detail
    with pytest.raises(InvalidModel, match="cannot be attacked as it is"):
        require(checks)


def test_a_model_that_fails():
    (found,) = failed(nn.Linear(7, 3)).values()
    assert found.name == "runs"
    assert found.detail.startswith("it fails: RuntimeError: mat1 and mat2 shapes cannot be")


def test_weights_that_are_not_finite():
    model = Linear()
    model.read.bias.data[1] = torch.nan
    found = failed(model)
    assert found["weights"].detail == "read.bias holds NaN or infinite weights"
    with pytest.raises(InvalidModel) as caught:
        require(examine(model, X))
    assert str(caught.value) == (
        "the model cannot be attacked as it is: read.bias holds NaN or infinite weights; load"
        " weights from a training that did not diverge; also: its answers are NaN or infinite;"
        " check its weights and the scale of the input"
    )


def test_answers_that_say_nothing():
    found = failed(Linear(lambda x: 0 * x))
    assert found["spread"].detail == "all 8 recordings get the same logits"
    assert found["spread"].level == "error"
    counts = failed(lambda x: x.flatten(1)[:, 2:5] * 1.0)
    assert counts["ties"].level == "warning"
    assert "recordings have two best classes" in counts["ties"].detail
    sure = failed(lambda x: (100 * Linear()(x)).softmax(1))["confidence"]
    assert sure.cure == "return the logits before the softmax"
    assert "confidence" not in failed(lambda x: Linear()(x).softmax(1))


def test_labels_are_compared():
    model = Linear()
    right = model(X).argmax(1)
    assert "accuracy" not in failed(model, right)
    found = failed(model, (right + 1) % 3)["accuracy"]
    assert found.level == "warning"
    assert found.detail == "0 of 8 recordings are classified right"


def test_nothing_of_the_model_is_changed():
    model = network()
    flags = [p.requires_grad for p in model.parameters()]
    rng = torch.get_rng_state()
    given = X.clone()
    examine(model, given)
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(torch.get_rng_state(), rng)
    assert torch.equal(given, X)
    assert not model.training
