r"""Restricted Boltzmann machines, and contrastive divergence.

Visible units :math:`v` and hidden units :math:`h`, all 0 or 1, have the energy

.. math:: E(v, h) = -a \cdot v - b \cdot h - h \cdot W v ,

so given the ones the others are independent, :math:`P(h_i = 1 | v) = \sigma(b_i + (W v)_i)`,
and of the hidden ones only their free energy is left:

.. math:: P(v) = e^{-F(v)} / Z, \qquad F(v) = -a \cdot v - \sum_i \log(1 + e^{b_i + (W v)_i}) .

The likelihood of data grows along what the data and the machine's own samples differ in,

.. math:: \partial \langle \log P \rangle / \partial W = \langle h v^T \rangle_\text{data}
          - \langle h v^T \rangle_\text{machine} ,

with :math:`P(h|v)` in the place of h. Contrastive divergence (Hinton, Neural Computation 14(8),
2002) samples the machine by a few steps of Gibbs sampling from the data; with persistent chains
(Tieleman, ICML 2008) each step goes on where the last one stopped. Intensities, and probabilities
of the machine below, are drawn anew each time they are shown, as a spiking network sees them. The
rule is local: a synapse needs its two ends, once while data is shown and once while it is dreamt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeproof.errors import InvalidModel


@dataclass(frozen=True)
class ContrastiveDivergence:
    """Settings: ``steps`` of Gibbs sampling, ``decay`` of weights, ``rate`` falling to a tenth."""

    epochs: int = 5
    batch: int = 20
    rate: float = 0.1
    momentum: float = 0.5
    decay: float = 2e-4
    steps: int = 1
    persistent: bool = False
    seed: int = 0


@dataclass(eq=False)
class RBM:
    """``weight`` ``[H, V]`` and the biases of ``visible`` ``[V]`` and ``hidden`` ``[H]`` units."""

    weight: Tensor
    visible: Tensor
    hidden: Tensor

    @classmethod
    def drawn(cls, visible: int, hidden: int, rng: Generator) -> RBM:
        """Small random weights and no biases."""
        weight = 0.01 * torch.randn(hidden, visible, generator=rng)
        return cls(weight, torch.zeros(visible), torch.zeros(hidden))

    def up(self, v: Tensor) -> Tensor:
        """Probabilities ``[N, H]`` of the hidden units."""
        return F.linear(v, self.weight, self.hidden).sigmoid()

    def down(self, h: Tensor) -> Tensor:
        """Probabilities ``[N, V]`` of the visible units."""
        return F.linear(h, self.weight.T, self.visible).sigmoid()

    def free_energy(self, v: Tensor) -> Tensor:
        """``F(v)`` ``[N]``."""
        return -v @ self.visible - F.softplus(F.linear(v, self.weight, self.hidden)).sum(1)


@dataclass(frozen=True, eq=False)
class Ascent:
    """A direction in which the likelihood grows, and where the ``chains`` ``[N, V]`` stopped."""

    weight: Tensor
    visible: Tensor
    hidden: Tensor
    chains: Tensor


def ascent(rbm: RBM, data: Tensor, steps: int, rng: Generator, chains: Tensor) -> Ascent:
    """The estimate from ``data`` ``[N, V]`` and ``steps`` of Gibbs sampling of ``chains``.

    ``chains`` ``[M, V]`` are the data itself in contrastive divergence. All are 0 or 1.
    """
    seen, dreamt = rbm.up(data), chains
    for _ in range(steps):
        h = torch.bernoulli(rbm.up(dreamt), generator=rng)
        dreamt = torch.bernoulli(rbm.down(h), generator=rng)
    told = rbm.up(dreamt)
    return Ascent(
        torch.addmm((seen.T / len(data)) @ data, told.T / len(dreamt), dreamt, alpha=-1),
        data.mean(0) - dreamt.mean(0),
        seen.mean(0) - told.mean(0),
        dreamt,
    )


def fit_rbm(hidden: int, data: Tensor, settings: ContrastiveDivergence) -> RBM:
    """A machine of ``data`` ``[N, V]``, values in [0, 1].

    Raises :class:`InvalidModel` for values outside, or if the weights stop being numbers.
    """
    if len(data) == 0 or float(data.min()) < 0 or float(data.max()) > 1:
        raise InvalidModel("a Boltzmann machine learns of values in [0, 1], at least one sample")
    rng = torch.Generator().manual_seed(settings.seed)
    rbm = RBM.drawn(data.shape[1], hidden, rng)
    rbm.visible = torch.logit(data.mean(0).clamp(0.01, 0.99))  # what it would learn first
    pace = [torch.zeros_like(p) for p in (rbm.weight, rbm.visible, rbm.hidden)]
    chains = torch.bernoulli(data[: settings.batch], generator=rng)
    for epoch in range(settings.epochs):
        rate = settings.rate * 0.1 ** (epoch / settings.epochs)
        momentum = settings.momentum if epoch < settings.epochs / 2 else 0.9
        for chosen in torch.split(torch.randperm(len(data), generator=rng), settings.batch):
            batch = torch.bernoulli(data[chosen], generator=rng)
            found = ascent(
                rbm, batch, settings.steps, rng, chains if settings.persistent else batch
            )
            chains = found.chains
            weight = found.weight.sub_(rbm.weight, alpha=settings.decay)
            up = (weight, found.visible, found.hidden)
            for p, moving, grow in zip(
                (rbm.weight, rbm.visible, rbm.hidden), pace, up, strict=True
            ):
                moving.lerp_(grow, 1 - momentum)
                p.add_(moving, alpha=rate)
    if not torch.isfinite(rbm.weight).all():
        raise InvalidModel("the Boltzmann machine's weights diverged; lower the rate")
    return rbm


def fit_stack(
    sizes: Sequence[int],
    data: Tensor,
    settings: ContrastiveDivergence,
    *,
    tell: Callable[[str], None] = lambda _: None,
) -> list[RBM]:
    """Machines one above the other, each of what the one below makes of ``data`` ``[N, V]``."""
    stack: list[RBM] = []
    for hidden in sizes:
        tell(f"Boltzmann machine {data.shape[1]}-{hidden}")
        stack.append(fit_rbm(hidden, data, settings))
        data = stack[-1].up(data)
    return stack
