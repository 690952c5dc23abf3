from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "temporal-penalty.md"


def test_the_page_runs_as_it_stands(capsys):
    names: dict[str, object] = {}
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    exec(compile(block, PAGE.name, "exec"), names)
    first, spikes = capsys.readouterr().out.splitlines()
    assert 0 < float(re.search(r"tensor\((\S+),", first).group(1)) < 2
    assert spikes.startswith("(1.0, ")
