"""What the engine promises beside equality: new weights, old buffers, the same bits, a way out."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from spikeproof.adapters import ExpectationOverTransformation
from spikeproof.engine import Buffers, Engine, engine_for
from spikeproof.errors import InvalidModel
from spikeproof.models import ArcTan, NeuronSpec, twin
from spikeproof.models.circuit import Circuit
from spikeproof.models.swap import using_surrogate

from .nets import assert_same, by_autograd, cells, circuit, conv, curved, network, neurons


def small():
    return network("4c3-bn-p2-6c3-p2-fc3")


def similarity(a, b):
    return torch.cosine_similarity(a.flatten(1), b.flatten(1))


def test_bfloat16_rounds_gradients_only():
    net, x = network("8c3-bn-p2-16c3-bn-p2-fc9-fc3"), cells()
    logits, gradient = Engine(net, "bfloat16").gradient(x, curved)
    expected, by_hand = by_autograd(net, x, curved)
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-6)
    assert (similarity(gradient, by_hand) > 0.999).all()
    assert not torch.equal(gradient, Engine(net, "float32").gradient(x, curved)[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("strict", [False, True])
def test_potentials_at_the_very_threshold_keep_their_side(precision, strict):
    """A hair above, a hair below and just there: who fired decides what comes back in time."""
    hair = 2.0**-23
    levels = torch.tensor([1.0, 1.0 - hair, 1.0 + hair, 1e-30, -1.0, 0.0])
    first = nn.Linear(6, 6, bias=False)
    first.weight = nn.Parameter(torch.diag(levels))
    layers = [first, neurons(decay=0.5, threshold=1.0, strict=strict), nn.Linear(6, 6, bias=False)]
    layers[2].weight = nn.Parameter(torch.eye(6))
    net = circuit(*layers, input_shape=(6,))
    x = torch.zeros(1, 3, 1, 1, 6)
    x[:, 0] = 1.0
    engine = Engine(net, precision)
    fired = engine(x)[0] > 0
    assert fired.tolist() == [not strict, False, True, False, False, False]
    logits, gradient = engine.gradient(x, lambda logits, _: logits.sum(1))
    expected, by_hand = by_autograd(net, x, lambda logits, _: logits.sum(1))
    assert torch.equal(logits, expected)
    # What a later bin's gradient finds of a membrane that was wiped is nothing.
    torch.testing.assert_close(gradient, by_hand, rtol=2e-2, atol=1e-30)


def test_buffers_hold_batches_of_any_size():
    net, buffers = small(), Buffers()
    wide = network("6c5-p3-fc4", height=12, width=11)
    for n, bins in ((3, 6), (20, 4), (1, 2), (40, 6), (3, 6)):
        x = cells(n, bins, seed=n)
        logits, gradient = Engine(net, "float32", buffers).gradient(x, curved)
        fresh = Engine(net, "float32").gradient(x, curved)
        assert torch.equal(logits, fresh[0])
        assert torch.equal(gradient, fresh[1])
        y = cells(n, bins, 12, 11, seed=n)
        assert torch.equal(Engine(wide, "float32", buffers)(y), Engine(wide, "float32")(y))
    assert torch.equal(gradient, fresh[1])  # and no answer lies in them


def test_batch_mates_do_not_matter():
    net, x = small(), cells(20)
    logits, gradient = Engine(net, "float32").gradient(x, lambda logits, _: logits[:, 1])
    for i in (0, 17):
        alone = Engine(net, "float32").gradient(x[i : i + 1], lambda logits, _: logits[:, 1])
        torch.testing.assert_close(alone[0], logits[i : i + 1], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(alone[1], gradient[i : i + 1], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", None])
def test_the_same_bits_twice(precision):
    net, x = small(), cells(20)
    before = x.clone()
    first, second = (engine_for(net, precision).gradient(x, curved) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert torch.equal(x, before)


def test_threads_do_not_change_logits():
    net, x, count = small(), cells(9), torch.get_num_threads()
    answers = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            answers.append(Engine(net, "float32")(x))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(count)
    torch.testing.assert_close(answers[0], answers[1], rtol=1e-6, atol=1e-7)


def test_weights_that_change_are_seen():
    net, x = small(), cells()
    engine = engine_for(net, "float32")
    assert_same(engine, net, x)
    with torch.no_grad():
        net.layers[0].weight.weight.mul_(1.5)
    assert_same(engine, net, x)
    net.layers[0].norm.bias.data += 0.1  # leaves no version behind
    assert_same(engine, net, x)
    net.layers[2].weight.weight = nn.Parameter(net.layers[2].weight.weight.detach() * 2)
    assert_same(engine, net, x)
    for layer in net.modules():
        if hasattr(layer, "surrogate"):
            layer.surrogate = ArcTan(7.0)
    assert_same(engine, net, x)


def test_weights_get_no_gradients():
    net, x = small(), cells()
    engine_for(net).gradient(x, curved)
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


def branched():
    nodes = {"a": conv(2, 2, padding=1), "b": conv(2, 2, padding=1, seed=1), "c": neurons()}
    nodes |= {"i": nn.Identity(), "f": nn.Flatten(), "l": nn.Linear(144, 3)}
    edges = [("i", "a"), ("i", "b"), ("a", "c"), ("b", "c"), ("c", "f"), ("f", "l")]
    return Circuit(nodes, edges, input_shape=(2, 9, 8)).eval()


def hooked():
    net = small()
    net.register_forward_hook(lambda *_: None)
    return net


@pytest.mark.parametrize(
    "make",
    [
        lambda: small().train(),
        lambda: small().double(),
        lambda: small().bfloat16(),
        lambda: small().to("meta"),
        lambda: twin(small()),
        lambda: ExpectationOverTransformation(small(), 2),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(864, 3)).eval(),
        lambda: lambda x: x,
        lambda: circuit(conv(2, 4), nn.ReLU(), nn.Flatten(), nn.Linear(168, 3)),
        lambda: circuit(conv(2, 4), neurons(), nn.Linear(6, 3)),  # one of the space's rows
        branched,
        hooked,
        lambda: network("conv 2 4 3 |> pool 2 |> (dense _ 6 (-) dense _ 4) |> dense 10 3"),
    ],
)
def test_what_it_does_not_know_has_no_engine(make):
    assert engine_for(make()) is None


def test_one_layer_in_training_mode_is_enough():
    net = network("4c3-drop20-fc3")
    assert engine_for(net) is not None
    net.layers[1].train()
    assert engine_for(net) is None


def test_it_says_what_it_takes():
    engine = engine_for(small())
    assert engine.takes(cells())
    assert not engine.takes(cells(height=8))
    assert not engine.takes(cells().double())
    assert not engine.takes(cells()[0])
    vectors = circuit(nn.Linear(144, 6), neurons(), nn.Linear(6, 3), input_shape=(144,))
    assert engine_for(vectors).takes(cells())


def test_a_loss_without_gradient_is_refused():
    net = small()
    with pytest.raises(InvalidModel, match="no gradient with respect to the logits"):
        engine_for(net).gradient(cells(), lambda logits, _: logits.detach()[:, 0])
    with pytest.raises(RuntimeError, match="mine"):
        engine_for(net).gradient(cells(), mine, ArcTan(9.0))
    assert ArcTan(9.0) not in [m.surrogate for m in net.modules() if hasattr(m, "surrogate")]


def mine(logits, chosen):
    raise RuntimeError("mine")


def test_graphs_in_a_line_have_one(tmp_path):
    pytest.importorskip("nir")
    from spikeproof.adapters import load_nir, save_nir

    net = network("4c3-p2-fc3", neuron=NeuronSpec(threshold=0.4))
    save_nir(tmp_path / "net.nir", net)
    model = load_nir(tmp_path / "net.nir")
    engine = engine_for(model, "float32")
    logits, gradient = engine.gradient(cells(), curved, ArcTan(3.0))
    with using_surrogate(model, ArcTan(3.0)):
        expected, by_hand = by_autograd(model, cells(), curved)
    torch.testing.assert_close(logits, expected)
    assert (gradient - by_hand).abs().max() <= 1e-5 * by_hand.abs().max()
