"""Cells of operations beside a recipe's accuracies."""

from __future__ import annotations

import torch
from torch import nn

from spikeproof.evaluate import proportion
from spikeproof.models import Bernoulli, Direct, Encoded, NeuronSpec, build
from spikeproof.models.ttfs import from_relu
from spikeproof.recipes import OPERATIONS, OPERATIONS_NOTE, answers, operations_row

HALF = torch.full((2, 1, 1, 1, 4), 0.5)


def network(spiking=True):
    made = build(
        "fc2-fc3", height=1, width=4, polarities=1, spiking=spiking, neuron=NeuronSpec("if")
    )
    for layer in made.layers:
        layer.weight.weight.data.fill_(0.5)  # each hidden neuron gets 1 in a step: it fires
        layer.weight.bias.data.zero_()
    made.layers[1].weight.bias.data[1] = 1.0
    return made.eval()


def test_a_cell_for_each_column():
    cells = operations_row(Encoded(Direct(3), network()), HALF)
    # 3 steps: 4 pixels x 2 are multiplied, 2 spikes x 3 are added; 24 and 18
    energy = (24 * 4.6 + 18 * 0.9) / 1e6
    dense = 3 * (4 * 2 + 2 * 3) * 4.6 / 1e6
    assert cells == ("3", "18", "24", "3 (1)", f"{energy:.3g}", f"{dense:.3g}")
    assert len(cells) == len(OPERATIONS)


def test_dashes_for_what_is_not_known():
    assert operations_row(network(spiking=False), HALF)[0] == "–"
    assert operations_row(lambda x: x.flatten(1), HALF) == ("–",) * len(OPERATIONS)
    assert operations_row(network(), HALF[:0]) == ("–",) * len(OPERATIONS)


def test_first_spikes_say_what_their_time_counts():
    relu = nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 3))
    spiking = from_relu(relu, HALF)
    cells = operations_row(spiking, HALF)
    assert cells[3] == f"{spiking.latency:.3g} windows ({spiking.latency:.3g})"
    assert cells[2] == "0"


def test_the_note_says_the_constants_and_what_is_left_out():
    for words in ("0.9 pJ", "4.6 pJ", "Horowitz", "without memory"):
        assert words in OPERATIONS_NOTE


def test_costs_stand_beside_what_is_right():
    right = {"a": proportion(97, 100), "b": proportion(1, 2)}
    noisy = Encoded(Bernoulli(3), network())
    table = answers({"a": network(), "b": noisy}, right, HALF)
    assert table.columns == ("network", "right", *OPERATIONS)
    assert table.rows[0] == ("a", "97.00 % [91.55, 98.97]", *operations_row(network(), HALF))
    assert table.note == OPERATIONS_NOTE
    before = torch.random.get_rng_state()
    assert answers({"b": noisy}, right, HALF).rows == table.rows[1:]
    assert torch.equal(torch.random.get_rng_state(), before)  # what comes after draws the same
