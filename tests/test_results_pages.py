"""The tables of docs/results are those of the CSV files beside them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PAGES = sorted(RESULTS.glob("*.md"))
MARKED = re.compile(r"<!-- table: (\S+) -->\n.*?<!-- end -->", re.S)


def test_the_tables_are_up_to_date():
    command = [sys.executable, str(ROOT / "scripts" / "make_result_tables.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0


def test_every_csv_file_is_used():
    used = {name for page in PAGES for name in MARKED.findall(page.read_text(encoding="utf-8"))}
    assert used == {f"data/{file.name}" for file in (RESULTS / "data").glob("*.csv")}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_table_has_a_csv_file(page):
    outside = MARKED.sub("", page.read_text(encoding="utf-8"))
    assert not re.search(r"^\|", outside, re.M)
    assert "<!-- table" not in outside


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_every_page_is_linked_from_the_first(page):
    assert page.name == "index.md" or f"({page.name}" in (RESULTS / "index.md").read_text("utf-8")
