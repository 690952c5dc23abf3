"""The site shows what the pages mean: tables as tables, links and docstrings that fit it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import markdown
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def stray_rows(text: str) -> list[str]:
    """Rows of pipes that did not become part of a table; code is left out."""
    page = markdown.markdown(text, extensions=["tables", "fenced_code"])
    for element in ("table", "pre", "code"):
        page = re.sub(rf"<{element}\b.*?</{element}>", "…", page, flags=re.S)
    lines = [re.sub(r"<[^>]+>", "", line).strip() for line in page.splitlines()]
    return [line for line in lines if line.startswith("|")]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_row_of_pipes_is_in_a_table(page):
    assert stray_rows(page.read_text(encoding="utf-8")) == []


TABLE = "| threat | cost |\n|---|---|\n| `Flip` | cells |\n"


@pytest.mark.parametrize(
    "broken",
    [
        TABLE + "\n| `Linf` | change |\n",  # a blank line inside
        "| threat | cost |\n| `Flip` | cells |\n",  # no rule below the head
        "Threats:\n" + TABLE,  # no blank line before
    ],
)
def test_rows_outside_of_tables_are_found(broken):
    assert stray_rows(broken)


def test_tables_and_pipes_in_code_are_left_alone():
    assert stray_rows(TABLE) == []
    assert stray_rows(f"```\n{TABLE}\n| `Linf` | change |\n```\n") == []


def hook(name: str) -> ModuleType:
    """A module of ``docs/hooks/``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (":class:`Events`", "`Events`"),
        (":func:`~spikeproof.events.read`", "`read`"),
        (":meth:`the check <Threat.check>`", "`the check`"),
        ("as follows::\n\n    x = 1", "as follows:\n\n    x = 1"),
        ("with\n\n.. math::\n    y = 2 x\n\nso", "with\n\n    y = 2 x\n\nso"),
        ("with\n\n.. math:: y = 2 x\n\nso", "with\n\n    y = 2 x\n\nso"),
        ("``flips``", "``flips``"),
    ],
)
def test_roles_become_code(written, shown):
    pytest.importorskip("griffe")
    assert hook("docstring_roles").as_markdown(written) == shown


@pytest.mark.parametrize(
    ("page", "written", "shown"),
    [
        ("models.md", "[it](attacks.md#threats)", "[it](attacks.md#threats)"),
        ("models.md", "[it](../README.md)", "[it](index.md)"),
        ("tutorials/nir.md", "[it](../../CHANGELOG.md)", "[it](../changelog.md)"),
        ("models.md", "[`peers`](../benchmarks/peers.py)", "`peers`"),
        ("models.md", "[it](../nothing.md)", "[it](../nothing.md)"),
        ("contributing.md", "[it](docs/models.md)", "[it](models.md)"),
        ("models.md", "`[it](../README.md)`", "`[it](../README.md)`"),
        ("models.md", "[it](https://example.org)", "[it](https://example.org)"),
    ],
)
def test_links_that_leave_the_documentation(page, written, shown):
    assert hook("repository_pages").rewritten(written, page) == shown
