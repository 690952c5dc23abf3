r"""Gradient rules: how a gradient passes a neuron layer, where it is not a bump at each spike.

A surrogate (:mod:`spikeproof.models.surrogate`) replaces the derivative of one spike and leaves the
rest of back-propagation through time as it is. A rule replaces all of it. It sees the gradient
:math:`g_t` of the spikes, the input current :math:`I_t` and the membrane :math:`u_t` of all time
bins, and says what the gradient of the current is. Spikes do not depend on it. Both rules are
attacks' views of a network as rates:

* :class:`RateGradient` -- Bu, Ding, Hao & Yu, CVPR 2023 (rate gradient approximation, RGA).
* :class:`HybridGradient` -- Hao, Bu, Shi, Huang, Yu & Huang, ICLR 2024 (HART).

They need neurons that are ours, which see all bins at once; the neurons of frameworks and of
networks with loops are computed bin by bin and take bumps only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from spikeproof.errors import InvalidModel

Constant: TypeAlias = Tensor | float
_FULL = 2.0  # mean current, in thresholds, at which a neuron fires in every bin


@dataclass(frozen=True)
class RateGradient:
    r"""A neuron is the rate at which it fires under its mean current :math:`\bar I`.

    A leaky neuron of decay :math:`\lambda` and threshold :math:`\theta` is silent under a constant
    current below :math:`(1-\lambda)\,\theta`. The rate is taken to rise with slope ``below``
    (:math:`\gamma`) up to there, and straight from there to 1 at :math:`2\theta`:

    .. math::
        \partial L/\partial I_t = g_t\, r'(\bar I), \qquad \theta\, r' = \begin{cases}
            \gamma & 0 \le \bar I < (1-\lambda)\,\theta \\
            (1 - \gamma (1-\lambda)) / (1+\lambda) & (1-\lambda)\,\theta \le \bar I \le 2\theta \\
            0 & \text{else} \end{cases}

    The paper has hard reset and a threshold of 1; the same line is used for all resets.
    """

    below: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.below < 1:
            raise InvalidModel(f"the slope below of a rate is from 0 to 1, not {self.below}")

    def backward(
        self, grad: Tensor, current: Tensor, u: Tensor, decay: Constant, threshold: Constant
    ) -> Tensor:
        """Gradient of the current; all ``[N, T, F]``, constants broadcast to ``[F]``."""
        mean = current.mean(1, keepdim=True) / threshold
        onset = 1 - decay
        rising = (1 - self.below * onset) / (_FULL - onset)
        fires, fits = (mean >= onset).to(grad), ((mean >= 0) & (mean <= _FULL)).to(grad)
        slope = fires * rising + (1 - fires) * self.below
        return grad * (fits * slope / threshold)


@dataclass(frozen=True)
class HybridGradient:
    r"""Rates and times at once: each bin has its bump, and the bins share what they get.

    The membrane of earlier bins is a constant, the bump is a triangle of area 1, and its
    ``width`` (:math:`\gamma`) weighs time (narrow) against rate (wide):

    .. math::
        \partial L/\partial I_t = \frac1T \sum_s g_s\, h(u_s - \theta), \qquad
        h(u) = \max(0, \gamma - |u|) / \gamma^2
    """

    width: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.width < math.inf:
            raise InvalidModel(f"width of a surrogate must be positive, not {self.width}")

    def backward(
        self, grad: Tensor, current: Tensor, u: Tensor, decay: Constant, threshold: Constant
    ) -> Tensor:
        """Gradient of the current; all ``[N, T, F]``, constants broadcast to ``[F]``."""
        bump = (self.width - (u - threshold).abs()).clamp_(min=0.0).div_(self.width**2)
        return (grad * bump).mean(1, keepdim=True).expand_as(grad).contiguous()
