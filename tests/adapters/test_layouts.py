from __future__ import annotations

import pytest
import torch

from spikeproof.adapters.layouts import LAYOUTS, first_of, layout_named, one_polarity, stacked

from .nets import recordings

SHAPES = {  # what the model sees of [N, T, P, H, W] = [3, 5, 2, 9, 7]
    "NTPHW": (3, 5, 2, 9, 7),
    "TNPHW": (5, 3, 2, 9, 7),
    "NPTHW": (3, 2, 5, 9, 7),
    "NTF": (3, 5, 126),
    "TNF": (5, 3, 126),
    "step-NPHW": (3, 2, 9, 7),
    "step-NF": (3, 126),
    "step-NPHW+state": (3, 2, 9, 7),
    "step-NF+state": (3, 126),
    "stacked": (3, 10, 9, 7),
    "summed": (3, 2, 9, 7),
    "summed-NF": (3, 126),
    "N*T": (15, 2, 9, 7),
}


def test_every_layout_is_listed_here():
    assert set(SHAPES) == set(LAYOUTS)


@pytest.mark.parametrize("name", SHAPES)
def test_what_a_model_sees(name):
    seen = []

    def model(x, state=0):
        seen.append((tuple(x.shape), state))
        return (x, state + 1) if name.endswith("+state") else x

    layout, x = LAYOUTS[name], recordings()
    answer = layout.call(model, x)
    assert {shape for shape, _ in seen} == {SHAPES[name]}
    assert len(seen) == (5 if layout.by_step else 1)
    if layout.by_step:
        assert answer.shape == (5, *SHAPES[name])
        assert torch.equal(answer.flatten(2), x.transpose(0, 1).flatten(2))
    if name.endswith("+state"):
        assert [state for _, state in seen] == [0, 1, 2, 3, 4]


def test_one_polarity_adds_up():
    x = recordings()
    assert torch.equal(one_polarity(LAYOUTS["NTPHW"]).call(lambda x: x, x)[:, :, 0], x.sum(2))
    assert layout_named("summed/P1").call(lambda x: x, x).shape == (3, 1, 9, 7)


def test_stateful_steps_need_a_state():
    with pytest.raises(TypeError, match=r"^it does not answer \(output, state\)$"):
        LAYOUTS["step-NF+state"].call(lambda x: x, recordings())


def test_answers_are_stacked_by_their_first_tensor():
    a, b = torch.zeros(2), torch.ones(2)
    assert torch.equal(stacked([a, b]), torch.stack([a, b]))
    assert torch.equal(stacked([(None, a, 1), (None, b, 2)])[0], torch.stack([a, b]))
    with pytest.raises(TypeError, match=r"^it answers with NoneType, not with a tensor$"):
        stacked([None])


def test_the_order_is_a_choice_and_leaves_none_out():
    order = [layout.name for layout in first_of("TNF", "summed")]
    assert order[:3] == ["TNF", "summed", "NTPHW"]
    assert len(set(order)) == len(order) == len(LAYOUTS) - 1  # N*T needs layers that ask for it
