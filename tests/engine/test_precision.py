from __future__ import annotations

import torch

from spikeproof.engine.precision import bfloat16_is_faster


def test_a_process_has_one_answer():
    threads = torch.get_num_threads()
    answers = {bfloat16_is_faster() for _ in range(3)}
    assert len(answers) == 1
    assert torch.get_num_threads() == threads
    assert bfloat16_is_faster.cache_info().misses == 1
