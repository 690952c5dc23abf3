"""Small nets as their owners would write them, one table per framework.

All take binned recordings of P = 2, 9 x 7 pixels, in the axis order of their framework, and know
4 classes. A framework that is not installed has an empty table.
"""

from __future__ import annotations

import importlib
import importlib.util

import torch
from torch import nn

HEIGHT, WIDTH, CLASSES = 9, 7, 4
GAIN = {"spikingjelly": 8.0, "norse": 8.0, "sinabs": 12.0}
CELLS = 2 * HEIGHT * WIDTH
INSTALLED = [
    name
    for name in ("spikingjelly", "snntorch", "norse", "sinabs")
    if importlib.util.find_spec(name) is not None
]


def recordings(n=3, t=5, seed=0, density=0.3):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(n, t, 2, HEIGHT, WIDTH, generator=rng) < density).float()


def lively(net, gain):
    """Weights large enough that neurons fire."""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Conv2d | nn.Linear | nn.Conv3d):
                m.weight.mul_(gain)
    return net.eval()


def build(framework, name):
    torch.manual_seed(1)
    return lively(NETS[framework][name](), GAIN.get(framework, 4.0))


# --- SpikingJelly ---------------------------------------------------------------------------


def sj():
    from spikingjelly.activation_based import functional, layer, neuron

    return functional, layer, neuron


def sj_conv(mode, make=None):
    functional, layer, neuron = sj()
    make = make or neuron.LIFNode
    net = nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=1, bias=False),
        layer.BatchNorm2d(4),
        make(),
        layer.MaxPool2d(2),
        nn.Sequential(layer.Flatten(), nn.Sequential(layer.Linear(4 * 4 * 3, CLASSES), make())),
    )
    functional.set_step_mode(net, mode)
    return net


def sj_whole():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = sj_conv("m")

        def forward(self, x):
            return self.body(x).mean(0)

    return Whole()


def sj_samples_first():
    class SamplesFirst(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = sj_conv("m")

        def forward(self, x):
            return self.body(x.transpose(0, 1)).mean(0)

    return SamplesFirst()


def sj_own_loop():
    class OwnLoop(nn.Module):
        """Calls its single-step layers over [N, T, ...] itself and counts spikes."""

        def __init__(self):
            super().__init__()
            self.body = sj_conv("s")

        def forward(self, x):
            return sum(self.body(x[:, t]) for t in range(x.shape[1]))

    return OwnLoop()


def sj_mixed():
    functional, layer, neuron = sj()

    class Mixed(nn.Module):
        """All steps through the convolution, then step by step."""

        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(layer.Conv2d(2, 4, 3), neuron.IFNode())
            functional.set_step_mode(self.first, "m")
            self.second = nn.Sequential(nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES))
            self.fire = neuron.LIFNode(step_mode="s")

        def forward(self, x):
            return torch.stack([self.fire(self.second(y)) for y in self.first(x)])

    return Mixed()


def sj_membrane():
    functional, layer, neuron = sj()
    net = nn.Sequential(
        layer.Flatten(), layer.Linear(CELLS, 16), neuron.IFNode(), layer.Linear(16, CLASSES)
    )
    functional.set_step_mode(net, "m")
    return nn.Sequential(net, neuron.NonSpikingLIFNode(decode="mean-mem"))


# --- snnTorch -------------------------------------------------------------------------------


def snn_hidden():
    import snntorch as snn

    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        snn.Leaky(beta=0.8, init_hidden=True),
        nn.Sequential(nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES)),
        snn.Leaky(beta=0.8, init_hidden=True, output=True),
    )


def snn_own_loop():
    from snntorch import utils

    class OwnLoop(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = snn_hidden()

        def forward(self, x):
            utils.reset(self.body)
            return torch.stack([self.body(frame)[0] for frame in x]).sum(0)

    return OwnLoop()


def snn_explicit():
    import snntorch as snn

    class Explicit(nn.Module):
        """Loops over time itself, as in the tutorials, and answers (spk_rec, mem_rec)."""

        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(CELLS, 16), nn.Linear(16, CLASSES)
            self.lif1 = snn.Leaky(beta=0.7)
            self.lif2 = snn.Leaky(beta=0.7, reset_mechanism="zero")

        def forward(self, x):
            mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
            spikes, membranes = [], []
            for frame in x:
                spk1, mem1 = self.lif1(self.fc1(frame.flatten(1)), mem1)
                spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
                spikes.append(spk2)
                membranes.append(mem2)
            return torch.stack(spikes), torch.stack(membranes)

    return Explicit()


def snn_chain(make):
    return lambda: nn.Sequential(nn.Flatten(), nn.Linear(CELLS, CLASSES), make())


def snn_neuron(name, **settings):
    def make():
        import snntorch as snn

        return getattr(snn, name)(init_hidden=True, **settings)

    return snn_chain(make)


def snn_conv_lstm():
    import snntorch as snn

    return nn.Sequential(
        snn.SConv2dLSTM(2, 3, 3, max_pool=2, init_hidden=True, threshold=0.1),
        nn.Flatten(),
        nn.Linear(3 * 4 * 3, CLASSES),
        snn.Leaky(beta=0.5, init_hidden=True),
    )


# --- Norse ----------------------------------------------------------------------------------


def norse_lifted():
    import norse.torch as norse

    return norse.SequentialState(
        norse.Lift(nn.Conv2d(2, 4, 3)),
        norse.LIF(),
        nn.Flatten(2),
        norse.SequentialState(nn.Linear(4 * 7 * 5, CLASSES), norse.LI()),
    )


def norse_cells():
    import norse.torch as norse

    return norse.SequentialState(
        nn.Conv2d(2, 4, 3),
        norse.LIFCell(),
        nn.Flatten(),
        nn.Linear(4 * 7 * 5, CLASSES),
        norse.LICell(),
    )


def norse_recurrent():
    import norse.torch as norse

    return norse.SequentialState(norse.LIFRecurrent(CELLS, 12), nn.Linear(12, CLASSES))


def norse_neuron(name, method=None):
    def make():
        import norse.torch as norse

        cell = getattr(norse, name)
        cell = cell() if method is None else cell(norse.LIFParameters(method=method, alpha=1.0))
        return norse.SequentialState(
            nn.Flatten(), nn.Linear(CELLS, 16), cell, nn.Linear(16, CLASSES), norse.LICell()
        )

    return make


# --- Sinabs ---------------------------------------------------------------------------------


def sinabs_repeated():
    import sinabs.layers as sl

    return nn.Sequential(
        sl.Repeat(nn.Conv2d(2, 4, 3)),
        sl.LIF(tau_mem=5.0),
        nn.Flatten(2),
        nn.Sequential(nn.Linear(4 * 7 * 5, CLASSES), sl.IAF()),
    )


def sinabs_squeezed(**fixed):
    import sinabs.layers as sl
    from sinabs.activation import SingleSpike

    return nn.Sequential(
        nn.Conv2d(2, 4, 3),
        sl.IAFSqueeze(**fixed),
        nn.Flatten(),
        nn.Sequential(nn.Linear(4 * 7 * 5, CLASSES), sl.IAFSqueeze(spike_fn=SingleSpike, **fixed)),
    )


def sinabs_unflattened():
    import sinabs.layers as sl

    return nn.Sequential(
        sl.FlattenTime(),
        nn.Conv2d(2, 4, 3),
        sl.UnflattenTime(batch_size=16),
        sl.ALIF(tau_mem=5.0, tau_adapt=5.0),
        nn.Flatten(2),
        nn.Linear(4 * 7 * 5, CLASSES),
        sl.ExpLeak(tau_mem=5.0),
    )


def sinabs_network():
    import sinabs.from_torch

    ann = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES), nn.ReLU()
    )
    return sinabs.from_torch.from_model(ann, input_shape=(2, HEIGHT, WIDTH), batch_size=7)


# --- plain PyTorch --------------------------------------------------------------------------


def torch_frames():
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES))


def torch_conv3d():
    return nn.Sequential(
        nn.Conv3d(2, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, CLASSES)
    )


def torch_stacked():
    return nn.Sequential(
        nn.Conv2d(10, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES)
    )


class Recurrent(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.batch_first = batch_first
        self.gru = nn.GRU(CELLS, 6, batch_first=batch_first)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x):
        y, _ = self.gru(x.flatten(2))
        return self.fc(y)


class Reservoir(nn.Module):
    """A user's own spiking cell: no framework, state passed around."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(CELLS, CLASSES)

    def forward(self, x, v=None):
        v = self.fc(x.flatten(1)) + (0.0 if v is None else 0.9 * v)
        return v.tanh(), v


def torch_one_channel():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 7 * 5, CLASSES))


def torch_fully_connected():
    return nn.Sequential(nn.Linear(CELLS, 8), nn.ReLU(), nn.Linear(8, CLASSES))


NETS = {
    "spikingjelly": {
        "single step": lambda: sj_conv("s"),
        "multi step": lambda: sj_conv("m"),
        "mean inside": sj_whole,
        "samples first": sj_samples_first,
        "own loop": sj_own_loop,
        "mixed": sj_mixed,
        "membrane": sj_membrane,
    },
    "snntorch": {
        "hidden": snn_hidden,
        "explicit": snn_explicit,
        "own loop": snn_own_loop,
        "synaptic": snn_neuron("Synaptic", alpha=0.6, beta=0.7),
        "alpha": snn_neuron("Alpha", alpha=0.8, beta=0.6, threshold=0.2),
        "lapicque": snn_neuron("Lapicque", beta=0.7),
        "rleaky": snn_neuron("RLeaky", beta=0.7, linear_features=CLASSES),
        "rsynaptic": snn_neuron("RSynaptic", alpha=0.6, beta=0.7, linear_features=CLASSES),
        "slstm": snn_neuron("SLSTM", input_size=CLASSES, hidden_size=CLASSES, threshold=0.1),
        "conv lstm": snn_conv_lstm,
    },
    "norse": {
        "lifted": norse_lifted,
        "cells": norse_cells,
        "recurrent": norse_recurrent,
        "refractory": norse_neuron("LIFRefracCell"),
        "iaf": norse_neuron("IAFCell"),
        "box": norse_neuron("LIFBoxCell"),
        "adaptive": norse_neuron("LIFAdExCell"),
        "heaviside": norse_neuron("LIFCell", "heaviside"),
        "tanh": norse_neuron("LIFCell", "tanh"),
    },
    "sinabs": {
        "repeated": sinabs_repeated,
        "squeezed": lambda: sinabs_squeezed(batch_size=16),
        "squeezed steps": lambda: sinabs_squeezed(num_timesteps=40),
        "unflattened": sinabs_unflattened,
        "network": sinabs_network,
    },
    "torch": {
        "frames": torch_frames,
        "3-D": torch_conv3d,
        "stacked": torch_stacked,
        "gru samples first": lambda: Recurrent(batch_first=True),
        "gru time first": lambda: Recurrent(batch_first=False),
        "own state": Reservoir,
        "one channel": torch_one_channel,
        "fully connected": torch_fully_connected,
    },
}
PAIRS = [(f, name) for f, nets in NETS.items() if f in (*INSTALLED, "torch") for name in nets]
SPIKING = [(f, name) for f, name in PAIRS if f != "torch"]
