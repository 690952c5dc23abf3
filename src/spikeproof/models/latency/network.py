r"""A network of first spikes whose hidden neurons race, made to be learned by local rules.

A pixel of intensity :math:`x` spikes once, at :math:`t_j = 1 - x_j`: the brighter the earlier. A
spike starts a constant current :math:`w_{ij} \ge 0` into each hidden neuron, which has no leak,

.. math:: v_i(t) = \sum_j w_{ij} \, (t - t_j)_+ ,

and spikes once, when it reaches its threshold :math:`\theta_i`. After the :math:`k`-th spike, at
:math:`T`, or at :math:`T = 1`, when the last pixel has had its chance, inhibition ends the race.
Hidden spikes start constant currents in the same way, :math:`u_{ci}` into output :math:`c`, whose
membrane at the end is the logit:

.. math:: y_c = b_c + \sum_i u_{ci} \, (T - t_i)_+ .

So of thousands of neurons only the first :math:`k` speak, and what they say is how far they were
ahead. The rank of the first spikes as a code is due to Thorpe et al. (Neural Networks 14, 2001),
competing latencies that learn to Masquelier & Thorpe (PLoS Comput. Biol. 3(2), 2007); the race that
ends after k spikes and is read like another layer is ours.

Times are exact (:mod:`~spikeproof.models.latency.kernels`), and so is the gradient, almost
everywhere: where :math:`S_i` are the inputs before neuron :math:`i`,

.. math:: \partial t_i / \partial t_j = w_{ij} \big/ \sum_{l \in S_i} w_{il}
          \quad \text{for } j \in S_i, \text{ else } 0 .

A pixel that spikes after the race is over has no effect, and no gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spikeproof.errors import InvalidModel
from spikeproof.models.activity import Activity, Ledger
from spikeproof.models.codes import as_if
from spikeproof.models.kernels import share_threads
from spikeproof.models.latency import kernels
from spikeproof.models.serializable import SerializableNetwork


class LatencyNetwork(SerializableNetwork):
    """Maps images ``[N, 1, C, H, W]`` in [0, 1] to logits ``[N, K]``.

    ``hidden`` neurons, of which the first ``winners`` are read. ``weight`` is ``[H, F]``,
    ``threshold`` ``[H]``, ``readout`` ``[K, H]``, ``bias`` ``[K]``. A new network has random
    weights from torch's global generator and knows nothing;
    :func:`~spikeproof.training.local_rules.learn_locally` teaches it. Its hidden weights get no
    gradient.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], n_classes: int, *, hidden: int, winners: int
    ) -> None:
        super().__init__()
        if not 0 < winners <= hidden:
            raise InvalidModel(f"of {hidden} neurons {winners} cannot win; use 1 to {hidden}")
        self.input_shape, self.n_classes, self.winners = tuple(input_shape), n_classes, winners
        self.description = {
            "kind": "latency",
            "input": list(input_shape),
            "classes": n_classes,
            "hidden": hidden,
            "winners": winners,
        }
        features = input_shape[0] * input_shape[1] * input_shape[2]
        weight = nn.functional.normalize(torch.rand(hidden, features), dim=1)
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.threshold = nn.Parameter(torch.ones(hidden), requires_grad=False)
        self.readout = nn.Parameter(torch.zeros(n_classes, hidden))
        self.bias = nn.Parameter(torch.zeros(n_classes))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]``; intensities beyond [0, 1] count as 0 or 1.

        Raises :class:`InvalidModel` for images of another size.
        """
        times, who = self.first_spikes(x)
        lead = times[:, -1:] - times  # [N, k]
        return torch.einsum("nk,nkc->nc", lead, self.readout.T[who]) + self.bias

    def first_spikes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Times ``[N, k]`` of the first spikes, 1 for none, and whose they are ``[N, k]``."""
        if x.dim() != 5 or x.shape[1] != 1 or tuple(x.shape[2:]) != self.input_shape:
            c, h, w = self.input_shape
            raise InvalidModel(f"this network takes images [N, 1, {c}, {h}, {w}], not {[*x.shape]}")
        x = as_if(x.detach().clamp(0, 1), x).flatten(1).to(self.weight)
        found: tuple[Tensor, Tensor] = _FirstSpikes.apply(  # type: ignore[no-untyped-call]
            x, self.weight, self.threshold, self.winners
        )
        return found

    @torch.no_grad()
    def activity(self, x: Tensor) -> Activity:
        """Operations up to the end of the race, where it is decided; 1 is the pixels' window.

        Pixels that would spike later, and hidden neurons that lose, spike nowhere.
        """
        times, who = self.first_spikes(x)
        end, counted = times[:, -1], Ledger(len(x))
        pixels = 1 - x.flatten(1).to(times).clamp(0, 1) < end.unsqueeze(1)
        hidden = times.new_zeros(len(x), len(self.weight))
        hidden.scatter_add_(1, who, (times < 1).to(times))
        counted.receives(pixels, times.new_tensor(len(self.weight)))
        counted.fires(hidden)
        counted.receives(hidden, times.new_tensor(self.n_classes))
        return counted.activity(1.0, decided=end, unit="windows")

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"hidden={len(self.weight)}, winners={self.winners}"


def from_description(described: Mapping[str, Any]) -> LatencyNetwork:
    """The network that a checkpoint describes."""
    channels, height, width = described["input"]
    return LatencyNetwork(
        (channels, height, width),
        described["classes"],
        hidden=described["hidden"],
        winners=described["winners"],
    )


class _FirstSpikes(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, threshold: Tensor, winners: int
    ) -> tuple[Tensor, Tensor]:
        place, dtype = x.device, weight.dtype
        x, columns = x.detach().cpu().contiguous(), weight.detach().cpu().T.contiguous()
        who = torch.zeros(len(x), winners, dtype=torch.long)
        when = torch.ones(len(x), winners, dtype=dtype)
        slope = torch.zeros(len(x), winners, dtype=dtype)
        share_threads()
        kernels.first_spikes(
            x.numpy(),
            columns.numpy(),
            threshold.detach().cpu().numpy(),
            who.numpy(),
            when.numpy(),
            slope.numpy(),
        )
        ctx.save_for_backward(x, columns, who, when, slope)
        ctx.place = place
        when, who = when.to(place, copy=True), who.to(place, copy=True)
        ctx.mark_non_differentiable(who)
        return when, who

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, columns, who, when, slope = (saved.numpy() for saved in ctx.saved_tensors)
        out = torch.zeros(x.shape, dtype=ctx.saved_tensors[0].dtype)
        share_threads()
        kernels.backward(
            grad.detach().cpu().contiguous().numpy(), x, columns, who, when, slope, out.numpy()
        )
        return out.to(ctx.place), None, None, None
