"""Operations and energy in words."""

from __future__ import annotations

import pytest

from spikeproof.report.operations import joules, latency, line
from spikeproof.results.figures import Estimate, Operations, Summary


def one(value):
    return Summary(1, value, value, value, value, value, value)


@pytest.mark.parametrize(
    ("nanojoules", "said"),
    [(None, "–"), (0.0, "0 pJ"), (0.0042, "4.2 pJ"), (340, "340 nJ"), (12_300, "12.3 µJ"),
     (5e6, "5 mJ")],
)  # fmt: skip
def test_joules(nanojoules, said):
    assert joules(nanojoules).replace("\u202f", " ") == said


def test_one_line_of_spiking_and_other_networks():
    estimate = Estimate("float", "paper", 0.9, 4.6, one(1500.0), 9000.0)
    operations = Operations(
        neurons=5, steps=16, spikes_per_neuron=one(0.25), acs=one(900), macs=one(0),
        dense_macs=5000, decided=one(7), estimates=(estimate,),
    )  # fmt: skip
    spiking, dense = (
        line(operations, kind).replace("\u202f", " ") for kind in ("spiking", "non-spiking")
    )
    assert (
        spiking == "0.25 spikes per neuron, 900 additions; 16 steps, decided after 7; about 1.5 µJ"
    )
    assert dense == "5 000 multiplications; 16 steps, decided after 7; about 9 µJ"


def test_latency_in_another_unit():
    assert latency(Operations(steps=3.5, unit="windows", decided=one(3.5))) == "3.5 windows"
    assert latency(Operations(steps=4)) == "4 steps"
