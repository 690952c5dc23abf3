"""The tables of docs/results, written from the CSV files beside them.

    python scripts/make_result_tables.py            # rewrite the tables in the pages
    python scripts/make_result_tables.py --check    # exit 1 if a page is out of date

A table lies between ``<!-- table: data/NAME.csv -->`` and ``<!-- end -->``. The first row of the
CSV file is the header; cells hold Markdown. A page may only contain tables between such markers.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from pathlib import Path

PAGES = Path(__file__).resolve().parent.parent / "docs" / "results"
MARKED = re.compile(r"(<!-- table: (\S+) -->\n)(.*?)(<!-- end -->)", re.S)


def table(file: Path) -> str:
    """A CSV file as a Markdown table."""
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError(f"{file}: rows have different numbers of cells")
    lines = [line(rows[0]), "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *map(line, rows[1:])]) + "\n"


def line(cells: list[str]) -> str:
    """One row of a Markdown table."""
    return "|" + "|".join(f" {cell} " if cell else " " for cell in cells) + "|"


def render(page: Path) -> str:
    """The text of a page with every table written anew from its CSV file."""

    def fill(found: re.Match[str]) -> str:
        return found[1] + table(page.parent / found[2]) + found[4]

    return MARKED.sub(fill, page.read_text(encoding="utf-8"))


def main() -> int:
    """Write the tables, or check them; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if out of date")
    check = parser.parse_args().check
    stale = False
    for page in sorted(PAGES.glob("*.md")):
        text = render(page)
        if text == page.read_text(encoding="utf-8"):
            continue
        stale = True
        print(f"{page.name}: {'out of date' if check else 'written'}")
        if not check:
            page.write_text(text, encoding="utf-8")
    return int(check and stale)


if __name__ == "__main__":
    sys.exit(main())
