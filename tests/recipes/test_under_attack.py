from __future__ import annotations

from spikeproof.attacks import FGSM
from spikeproof.recipes.shares import right
from spikeproof.recipes.under_attack import standing, strongest

from .bright import Bright, flat


def test_what_stands_is_what_eps_does_not_move_over_the_limit():
    images = flat(0.2, 0.45, 0.55, 0.7)
    stood = [standing(Bright(0.5), images, FGSM(), eps, 0).k for eps in (0.01, 0.1, 0.25)]
    assert stood == [4, 2, 1]
    assert right(Bright(0.5), images).k == 4


def test_each_stronger_attack_leaves_no_more():
    images = flat(0.2, 0.45, 0.55, 0.7)
    found = strongest(Bright(0.5), images, 0.1, 0, steps=20)
    assert (found.pgd.k, found.auto.k, found.all.k) == (2, 2, 2)
    assert found.all.n == 4
    assert found.squares == 0


def test_where_gradients_are_hidden_squares_and_guides_tell():
    images = flat(0.2, 0.45, 0.55, 0.7)
    hidden = Bright(0.5, blind=True)
    found = strongest(hidden, images, 0.1, 0, steps=8, guides=[Bright(0.5)])
    assert found.pgd.k > 2
    assert found.auto.k <= found.pgd.k
    assert found.squares > 0
    assert found.all.k == 2
