"""How models are found to be called, and what is said of those that cannot be."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.adapters import adapt
from spikeproof.errors import InvalidModel
from spikeproof.models import (
    FastSigmoid,
    build,
    using_surrogate,
)

from . import nets
from .adapted import gradient, made
from .nets import CLASSES, recordings


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("frames", "one call per time bin with [N, P, H, W]"),
        ("3-D", "time as depth [N, P, T, H, W]"),
        ("stacked", "frames as channels [N, T*P, H, W]"),
        ("gru samples first", "samples first [N, T, P, H, W], all steps in one call"),
        ("gru time first", "time first [T, N, P, H, W], all steps in one call"),
        ("own state", "one call per time bin with [N, P, H, W] and the state of the bin before"),
        (
            "one channel",
            "one call per time bin with [N, P, H, W], where P = 1: off and on events are added up",
        ),
        ("fully connected", "flattened frames [N, T, P*H*W], all steps in one call"),
    ],
)
def test_layouts_of_plain_models(name, layout):
    _, model = made("torch", name)
    assert layout in model.assumptions


def test_explicit_layout_and_readout_are_honoured():
    net, x = nets.build("torch", "frames"), recordings()
    frames = torch.stack([net(frame) for frame in x.unbind(1)], 1)
    chosen = {
        "sum": frames.sum(1),
        "last": frames[:, -1],
        "max": frames.amax(1),
        "mean": frames.mean(1),
    }
    for readout, logits in chosen.items():
        torch.testing.assert_close(adapt(net, x, readout=readout)(x), logits)
    summed = adapt(net, x, layout="summed")
    torch.testing.assert_close(summed(x), net(x.sum(1)))
    assert "frames added up [N, P, H, W]" in summed.assumptions
    merged = adapt(nets.build("torch", "one channel"), x, layout="summed/P1")
    assert any("added up" in a for a in merged.assumptions)


def test_other_layouts_that_would_work_are_named():
    _, model = made("torch", "frames")
    assert model.assumptions[-1] == (
        "layout step-NPHW was chosen by convention; summed would work too and answer differently"
        " (layout=... chooses)"
    )


def test_functions_and_our_own_networks_are_adapted_too():
    x = recordings()
    model = adapt(lambda x: x.sum((1, 3)).flatten(1)[:, :3], x)
    assert torch.equal(model(x), x.sum((1, 3)).flatten(1)[:, :3])
    assert model.assumptions[0] == "a Python function without state"
    assert model.neurons == ()

    network = build("4c3-fc4", height=nets.HEIGHT, width=nets.WIDTH).eval()
    ours = adapt(network, x)
    assert torch.equal(ours(x), network(x))
    own = gradient(ours, x)
    with using_surrogate(ours, FastSigmoid(0.5)):
        assert not torch.allclose(gradient(ours, x), own)
    assert adapt(ours, x) is ours


def test_random_models_are_said_to_be_random():
    class Noisy(nn.Module):
        def forward(self, x):
            return torch.randn(len(x), 3)

    assert "two calls with the same recordings answer differently" in (
        adapt(Noisy(), recordings()).assumptions
    )


def test_a_model_that_mixes_samples_is_refused():
    class Mixing(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3] + x[0].sum()

    with pytest.raises(InvalidModel, match=r"as NTPHW \(samples are not kept apart: their order"):
        adapt(Mixing(), recordings(), layout="NTPHW")


def refusal(model):
    with pytest.raises(InvalidModel) as caught:
        adapt(model, recordings())
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith("takes recordings [N, T, P, H, W] and answers logits [N, K]")
    return message


def test_if_nothing_fits_the_calls_that_came_nearest_are_told():
    sized = nn.Sequential(nn.Conv2d(10, 4, 3), nn.Flatten(), nn.Linear(999, 3))  # T*P = 10
    assert refusal(sized).startswith(
        "no way of calling the model fits recordings [N, T, P, H, W] = [3, 5, 2, 9, 7] (nearest"
        " came stacked: RuntimeError: mat1 and mat2 shapes cannot be multiplied (3x140 and 999x3));"
        " check that it is made for this sensor size and number of bins, say how"
    )
    binned = refusal(nn.Sequential(nn.Conv2d(16, 4, 3), nn.Flatten(), nn.Linear(5, 3)))
    assert "to have 16 channels, but got 10 channels instead" in binned
    assert refusal(nn.Linear(5, 3)).count("mat1 and mat2") == 1  # of many sizes one


def test_a_model_that_fails_however_it_is_called():
    message = refusal(Answers(lambda x: x.no_such_thing))
    assert "however it is called (AttributeError: 'Tensor' object has no attribute" in message
    assert len(message) < 400


class Answers(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda x: x, "answers float32 [3, 5, 2, 9, 7]"),
        (lambda x: x.flatten(1)[:, :1], "answers [3, 1], one class only"),
        (lambda x: x.flatten(1)[:, :4].long(), "answers int64 [3, 4]"),
        (lambda x: x.flatten(1)[:, :4] / 0, "answers NaN or infinite values"),
        (lambda x: "spikes", "TypeError: answers with str, not with a tensor"),
        (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_answers_that_are_no_logits(answer, reason):
    with pytest.raises(InvalidModel) as caught:
        adapt(Answers(answer), recordings(), layout="NTPHW")
    assert f"as NTPHW ({reason}); choose another layout" in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"framework": "bindsnet"}, "unknown framework 'bindsnet'; choose one of spikingjelly, "),
        ({"layout": "NHWC"}, "unknown layout 'NHWC'; choose one of NTPHW, TNPHW, "),
        ({"layout": "NTPHW/P1/P1"}, "unknown layout 'NTPHW/P1/P1'; "),
        ({"readout": "median"}, "unknown read-out 'median'; choose one of mean, sum, last, max"),
    ],
)
def test_unknown_names(wrong, message):
    with pytest.raises(InvalidModel) as caught:
        adapt(nets.build("torch", "frames"), recordings(), **wrong)
    assert str(caught.value).startswith(message)


def test_weights_that_are_not_finite_are_named():
    net = nets.build("torch", "frames")
    net[3].weight.data[1, 2] = torch.nan
    with pytest.raises(InvalidModel, match=r"^'3\.weight' holds NaN or infinite values; training"):
        adapt(net, recordings())
    with pytest.raises(InvalidModel, match=r"^'0\.weight' has no size yet; call the model once"):
        adapt(nn.Sequential(nn.LazyLinear(3)), recordings())


def test_samples_that_are_no_recordings():
    net = nets.build("torch", "frames")
    with pytest.raises(InvalidModel, match=r"^the sample is \[5, 2, 9, 7\]; give recordings"):
        adapt(net, recordings()[0])
    with pytest.raises(InvalidModel, match=r"^the sample is \[0, 5, 2, 9, 7\]; give recordings"):
        adapt(net, recordings()[:0])
    with pytest.raises(InvalidModel, match=r"^str is no model; give a module or a function$"):
        adapt("net.pt", recordings())


@pytest.mark.parametrize("t", [1, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_a_sample_of_any_size_will_do(n, t):
    net = nets.build("torch", "frames")
    assert adapt(net, recordings(n, t))(recordings(2, t)).shape == (2, CLASSES)
    net = nets.build("torch", "gru time first")
    model = adapt(net, recordings(n, t))
    x = recordings(4, 6)
    torch.testing.assert_close(model(x), net(x.transpose(0, 1)).mean(0))
