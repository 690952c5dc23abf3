"""Put the report together: one offline HTML page from an audit folder and nothing else.

The page is a pure function of the folder. Everything in ``results.json`` is untrusted text: the
template escapes it, event data are JSON without angle brackets, and a content security policy
lets the browser run the one script that this module wrote (by its hash) and load nothing at all.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup

from spikeproof.report import embed, gallery, operations, palette, sections, words
from spikeproof.report.template import asset, filled, write_page
from spikeproof.report.terms import terms
from spikeproof.results.read import load
from spikeproof.results.records import Audit

FILE: Final = "report.html"
SCRIPTS: Final = ("scene.js", "viewer.js")
LAYERS: Final = (
    ("on", "Kept, on"),
    ("off", "Kept, off"),
    ("added", "Added"),
    ("removed", "Removed"),
    ("moved", "Moved"),
)


def build(folder: Path) -> Path:
    """Write ``report.html`` into an audit folder and give its path.

    Raises SpikeproofError if ``results.json`` is missing, damaged or of another schema; a missing
    recording only costs its picture, and the page says so.
    """
    folder = Path(folder)
    return write_page(folder / FILE, render_page(load(folder), folder))


def render_page(audit: Audit, folder: Path) -> str:
    """The page as text; recordings are read from ``folder``."""
    shots, lost = gallery.shots(folder, audit)
    patterns, more = gallery.patterns(folder, audit.attacks)
    main, say = words.shown(audit), terms(audit)
    done = [a for a in audit.attacks if a.measured and not a.is_control]
    script = "\n".join(asset(name) for name in SCRIPTS)
    content: dict[str, Any] = {
        "audit": audit,
        "kind": "robustness audit",
        "version": audit.spikeproof,
        "made_from": "results.json",
        "updated": audit.updated,
        "name": words.plain(audit.model.name),
        "subject": sections.subject(audit),
        "verdict": words.verdict(audit),
        "hero": next((s for s in shots if main and s.attack == main.id), next(iter(shots), None)),
        "cards": list(sections.cards(audit, main)),
        "notes": lost + more,
        "passed": [_inside(words.plain(c.title or c.name)) for c in audit.checks if c.ok],
        "doubtful": bool(audit.caveats or audit.checks or lost or more),
        "curves": list(sections.curves(audit, done)),
        "distributions": list(sections.distributions(done)),
        "overview": sections.overview(audit),
        "rows": sections.rows(audit),
        "shots": shots,
        "layers": LAYERS,
        "patterns": patterns,
        "targets": list(sections.targets(done)),
        "energies": list(sections.energies(done, say.one)),
        "inference": operations.section(audit),
        "say": say,
        "viewer": bool(shots) and audit.data.images is None,
        "facts": sections.facts(audit),
        "ensembles": sections.ensembles(audit),
        "timing": sections.timing(audit),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "viewer_data": embed.script_json(
            {"palette": palette.NAMES, "examples": [s.data for s in shots if s.data]}
        ),
    }
    content["sections"] = sections.present(content)
    return filled("audit.html", content)


def _inside(title: str) -> str:
    """A title in the middle of a sentence."""
    return title[:1].lower() + title[1:]
