from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "ttfs.md"


def test_the_page_runs_as_it_stands(capsys):
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(compile(block, PAGE.name, "exec"), names)
    printed = capsys.readouterr().out
    apart = float(re.search(r"tensor\((\S+),", printed).group(1))
    assert apart == pytest.approx(0.0, abs=1e-12)
