from __future__ import annotations

import pytest
import torch

from spikeproof.adapters.layouts import LAYOUTS
from spikeproof.adapters.readout import first_tensor, read, says

N, T, K = 3, 5, 4
SERIES = torch.rand(N, T, K)


def reading_of(answer, layout="NTPHW", over_time="mean"):
    return read(answer, LAYOUTS[layout], N, T, over_time)


@pytest.mark.parametrize("over_time", ["mean", "sum", "last", "max"])
def test_all_orders_of_axes_give_the_same_logits(over_time):
    expected = {
        "mean": SERIES.mean(1),
        "sum": SERIES.sum(1),
        "last": SERIES[:, -1],
        "max": SERIES.amax(1),
    }[over_time]
    answers = [
        (SERIES, "NTPHW", "NTK"),
        (SERIES.transpose(0, 1), "TNPHW", "TNK"),
        (SERIES.transpose(0, 1), "step-NF", "TNK"),
        (SERIES.flatten(0, 1), "N*T", "MK"),
        (SERIES.transpose(0, 1)[..., None, None], "TNPHW", "TNK"),
        (list(SERIES.unbind(1)), "TNPHW", "TNK"),
        ((None, [SERIES]), "NTPHW", "NTK"),
        ({"aux": 0, "logits": SERIES}, "NTPHW", "NTK"),
        ({"aux": 0, "first": SERIES}, "NTPHW", "NTK"),
    ]
    for answer, layout, axes in answers:
        reading = reading_of(answer, layout, over_time)
        assert reading.axes == axes
        torch.testing.assert_close(reading(answer, N, T), expected)


def test_axes_are_remembered_where_sizes_do_not_tell():
    reading = reading_of(SERIES.transpose(0, 1), "TNPHW")
    square = torch.rand(2, 2, K)
    assert torch.equal(reading(square, 2, 2), square.mean(0))


def test_logits_are_taken_as_they_are():
    logits = torch.rand(N, K)
    assert torch.equal(reading_of(logits)(logits, N, T), logits)
    assert torch.equal(reading_of(logits[..., None, None])(logits[..., None, None], N, T), logits)


@pytest.mark.parametrize(
    ("answer", "layout", "reason"),
    [
        (torch.rand(T, K), "NTPHW", r"answers float32 \[5, 4\]"),
        (torch.rand(N * T, K), "NTPHW", r"answers float32 \[15, 4\]"),
        (torch.rand(N, T, K), "step-NF", r"answers float32 \[3, 5, 4\]"),
        (torch.rand(N, 1), "NTPHW", r"answers \[3, 1\], one class only"),
        (torch.full((N, K), torch.inf), "NTPHW", "answers NaN or infinite values"),
    ],
)
def test_answers_that_do_not_look_like_logits(answer, layout, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        reading_of(answer, layout)


def test_what_is_said():
    spikes = SERIES.round()
    assert says(reading_of(spikes), spikes, T) == (
        "logits are the mean over time of the output spikes"
    )
    pair = (SERIES, spikes)
    assert says(reading_of(pair, over_time="sum"), pair, T) == (
        "logits are the sum over time of the output values (the first tensor of what it answers)"
    )
    assert says(reading_of(SERIES, over_time="last"), SERIES, T) == (
        "logits are the output values of the last time step"
    )
    assert says(reading_of(SERIES[:, 0]), SERIES[:, 0], T) == (
        "logits are what the model answers, [N, K], as it is"
    )


def test_lists_that_are_no_time_series():
    pair = [torch.rand(N, K), torch.rand(N, K)]
    assert first_tensor(pair, T) is pair[0]
    with pytest.raises(TypeError, match=r"^answers with tuple, not with a tensor$"):
        first_tensor((None, "x"), T)
