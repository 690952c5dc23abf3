from __future__ import annotations

from torch import nn

from spikeproof.adapters.frameworks.recognise import contains, is_of

from .. import nets


def test_classes_and_those_derived_from_them_are_recognised():
    class Own(nn.Linear):
        pass

    assert is_of(Own(1, 1), "torch")
    assert not is_of(Own(1, 1), "torc")
    assert not is_of(Own(1, 1), "spikingjelly")


def test_layers_are_found_however_deep():
    assert contains(nn.Sequential(nn.Sequential(nets.sj_whole())), "spikingjelly")
    assert not contains(nets.sj_whole(), "snntorch")
    assert not contains(nets.torch_frames(), "spikingjelly")
