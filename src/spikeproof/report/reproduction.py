"""The page of a reproduction: claims, charts and tables, in the look of the audit's report.

A pure function of ``reproduction.json``. The page is one file, loads nothing and runs no script.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from spikeproof.report import claims, words
from spikeproof.report.lines import drawn
from spikeproof.report.template import filled, write_page
from spikeproof.results.read import load_reproduction
from spikeproof.results.reproduction import Chart, Claim, Reproduction, Table

PAGE: Final = "reproduction.html"


def build_reproduction(folder: Path) -> Path:
    """Write ``reproduction.html`` into a folder that has a ``reproduction.json``; give its path.

    Raises SpikeproofError if that is missing, damaged or of another schema.
    """
    folder = Path(folder)
    return write_page(folder / PAGE, render_reproduction(load_reproduction(folder)))


def render_reproduction(found: Reproduction) -> str:
    """The page as text."""
    charts = [c for c in found.charts if any(line.x for line in c.series)]
    said = [("claims", "Claims", True), ("charts", "Charts", charts)]
    said += [("tables", "Tables", found.tables), ("methods", "Methods", True)]
    content: dict[str, Any] = {
        "found": found,
        "kind": "reproduction",
        "name": found.title,
        "version": found.version,
        "made_from": "reproduction.json",
        "updated": "",
        "verdict": claims.verdict(found),
        "subject": _subject(found),
        "claims": [_row(claim) for claim in found.claims],
        "open": any(claim.holds is None for claim in found.claims),
        "notes": [c for c in found.claims if c.why],
        "tables": [_table(table) for table in found.tables],
        "charts": [_figure(c, f"chart-{k}") for k, c in enumerate(charts)],
        "facts": _facts(found),
        "timing": _timing(found.seconds or {}),
        "sections": [(name, title) for name, title, there in said if there],
    }
    return filled("reproduction.html", content)


def _subject(found: Reproduction) -> str:
    """One line: which system, on which images."""
    effort = "quick version" if found.quick else "full version"
    parts = (words.plain(found.title, 90), words.plain(found.images, 120), effort)
    return " · ".join(part for part in parts if part)


def _row(claim: Claim) -> dict[str, str]:
    of = f"{claim.ours.k} of {claim.ours.n}" if claim.ours is not None and claim.ours.n else ""
    return {
        "what": claim.what,
        "published": claim.published or words.DASH,
        "ours": claims.ours(claim),
        "of": of,
        "aim": claim.aim or words.DASH,
        "held": claims.held(claim),
    }


def _table(found: Table) -> dict[str, Any]:
    """A table whose ranges no line may break; cells beyond the columns have no name."""
    names = (*found.columns, *[""] * max((len(row) for row in found.rows), default=0))
    rows = [
        [(name, cell.replace("–", words.TO)) for name, cell in zip(names, row, strict=False)]
        for row in found.rows
    ]
    return {"title": found.title, "columns": found.columns, "rows": rows, "note": found.note}


def _figure(found: Chart, name: str) -> dict[str, Markup]:
    bands = any(line.low and line.high for line in found.series)
    text = "Shaded bands are 95\u00a0% intervals." if bands else ""
    caption = Markup("<b>{}.</b> {}").format(found.title.rstrip("."), text)
    return {"svg": drawn(found, name), "caption": caption}


def _facts(found: Reproduction) -> list[tuple[str, str]]:
    facts = [
        ("System", found.title),
        ("Source", found.source),
        ("Images", found.images),
        ("Version", "quick" if found.quick else "full"),
        ("Seed", str(found.seed)),
        ("Threads", str(found.threads) if found.threads else ""),
        ("spikeproof", found.version),
    ]
    return [(key, value) for key, value in facts if value]


def _timing(seconds: dict[str, float]) -> list[dict[str, str]]:
    """Parts with the width of their bar in percent."""
    longest = max(seconds.values(), default=0.0) or 1.0
    return [
        {
            "stage": words.plain(part),
            "time": words.duration(took),
            "width": f"{100 * took / longest:.1f}",
        }
        for part, took in seconds.items()
    ]
