"""Random models: the mean of many draws, the same at every call.

Dropout left on, Poisson encoders or noisy synapses make a model random; an attack that follows
one draw follows its noise, and one verdict is luck. The cure is the expectation over
transformation (Athalye et al., ICML 2018): attack and judge the mean over ``draws`` runs,

    logits(x) = 1/D sum_d model(x, noise_d).

The mean is one of logits, not of probabilities. The read-out of a spiking network is a mean over
time of counts or currents; more draws are more time, which is how owners of such models make
them steadier. A softmax would let the most certain draw speak loudest, would depend on the scale
of the logits, and its gradient dies where the model is sure.

The draws of one recording run together, as a batch of its copies, and every recording gets the
same noise. So an answer depends on the recording and the seed alone, never on batch-mates, and a
written adversarial recording can be judged again by itself. Where all copies answer alike the
noise may belong to the call instead (noise on weights), and the draws are run one by one. A model
with both kinds of noise needs ``together=False``. The graphs of all ``draws`` are held for the
gradient; a :class:`~spikeproof.attacks.victim.Victim` takes fewer recordings at once in return.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from spikeproof.errors import InvalidModel
from spikeproof.types import Model

_ALIKE = 1e-5  # copies that differ by less, relative to the largest logit, had the same noise


class ExpectationOverTransformation(nn.Module):
    """Mean logits of ``draws`` runs of a random ``model``; pure, differentiable, ``[N, K]``."""

    def __init__(
        self, model: Model, draws: int = 16, seed: int = 0, *, together: bool = True
    ) -> None:
        super().__init__()
        if draws < 1:
            raise InvalidModel(f"a mean needs at least 1 draw, not {draws}")
        if seed < 0:
            raise InvalidModel(f"the seed of the draws must not be negative, not {seed}")
        self.model, self.draws, self.seed, self.together = model, draws, seed, together
        self.training = bool(getattr(model, "training", False))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, K]`` of recordings ``[N, T, P, H, W]``."""
        if not len(x):
            return self.model(x)
        return torch.cat([self._mean(one) for one in torch.split(x, 1)])

    def fresh(self, turn: int) -> ExpectationOverTransformation:
        """The same model with other noise, a new one for every ``turn`` from 0 on."""
        seed = _derived(self.seed, 1, turn)
        return ExpectationOverTransformation(self.model, self.draws, seed, together=self.together)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"draws={self.draws}, seed={self.seed}"

    def _mean(self, one: Tensor) -> Tensor:
        """Logits ``[1, K]`` of a single recording ``[1, T, P, H, W]``."""
        if self.together:
            copies = one.repeat(self.draws, *[1] * (one.dim() - 1))
            with repeatable(_derived(self.seed, 0, 0), self.model, one):
                logits = self.model(copies)
            if self.draws == 1 or not _alike(logits.detach()):
                return logits.mean(0, keepdim=True)
        draws = []
        for d in range(self.draws):
            with repeatable(_derived(self.seed, 0, d), self.model, one):
                draws.append(self.model(one.clone()))
        return torch.cat(draws).mean(0, keepdim=True)


@contextmanager
def repeatable(seed: int, model: Model, x: Tensor) -> Iterator[None]:
    """Global random numbers (torch, numpy, Python) from ``seed``; afterwards as if none was drawn.

    Of the accelerators, those where ``model`` or ``x`` lie are seeded.
    """
    weights = model.parameters() if isinstance(model, nn.Module) else ()
    places = {x.device, *(p.device for p in weights)}
    cuda = sorted(p.index or 0 for p in places if p.type == "cuda")
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 users' models use it
    with torch.random.fork_rng(devices=cuda):
        try:
            torch.default_generator.manual_seed(seed)
            for place in cuda:
                with torch.cuda.device(place):
                    torch.cuda.manual_seed(seed)
            random.seed(seed)
            np.random.seed(seed % 2**32)  # noqa: NPY002
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)  # noqa: NPY002


def _derived(*words: int) -> int:
    """A seed below 2^63 that mixes all ``words``."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _alike(logits: Tensor) -> bool:
    apart = (logits - logits[:1]).abs().max()
    return bool(apart <= _ALIKE * logits.abs().max())
