"""ReLU networks to map, and images to show them."""

from __future__ import annotations

import torch
from torch import nn


def images(n=6, channels=2, size=8, seed=0, dtype=torch.float64):
    rng = torch.Generator().manual_seed(seed)
    x = torch.rand(n, channels, size, size, generator=rng, dtype=dtype)
    return x * (torch.rand(x.shape, generator=rng) < 0.7)  # some pixels never spike


def norm(channels, kind=nn.BatchNorm2d):
    """Batch norm that has seen data, some of whose scales are negative."""
    made = kind(channels)
    nn.init.uniform_(made.weight, -1.5, 1.5)
    nn.init.normal_(made.bias)
    nn.init.normal_(made.running_mean, std=0.3)
    nn.init.uniform_(made.running_var, 0.5, 1.5)
    return made


def dense():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(128, 20), nn.ReLU(), nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 5)
    )


def vgg():
    """Two blocks of convolution, batch norm and max pooling, two dense layers."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), norm(6), nn.ReLU()),
        nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, bias=False), norm(6), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), norm(8), nn.ReLU(), nn.Dropout2d()),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 12),
        norm(12, nn.BatchNorm1d),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(12, 5),
    )


def plain_vgg():
    """As ``vgg``, without batch norm, so that parameters can be compared one to one."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(96, 12),
        nn.ReLU(),
        nn.Linear(12, 5),
    )


def norms_everywhere():
    """Batch norm on the pixels, after ReLUs, before and after pooling."""
    return nn.Sequential(
        norm(2),
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        norm(6),
        nn.MaxPool2d(3, stride=2, padding=1),
        norm(6),
        nn.Conv2d(6, 6, 3, padding=1, groups=2),
        nn.MaxPool2d(2),
        norm(6),
        nn.ReLU(),
        norm(6),
        nn.Flatten(),
        nn.Linear(24, 5),
    )


def averages():
    return nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(2, 6, 3, stride=2, padding="valid"),
        nn.ReLU(),
        norm(6),
        nn.AvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
        norm(5, nn.BatchNorm1d),
    )


def globally_averaged():
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)
    )


NETS = [dense, vgg, plain_vgg, norms_everywhere, averages, globally_averaged]


def made(build, seed=0):
    torch.manual_seed(seed)
    return build().double().eval()
