"""Pages from templates: everything that is filled in is untrusted text, and is escaped."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from spikeproof.errors import SpikeproofError
from spikeproof.report import palette


def asset(name: str) -> str:
    """The text of a file in ``assets``."""
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def filled(name: str, content: dict[str, Any]) -> str:
    """The template in ``assets`` with its ``content``; what it asks for must be there.

    Colours and styles, which all pages share, are added.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    look = {"palette": palette.NAMES, "style": Markup(asset("style.css"))}
    return environment.get_template(name).render({**look, **content})


def write_page(path: Path, html: str) -> Path:
    """Write a page whole or not at all; raises SpikeproofError if it cannot be written."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        draft.write_text(html, encoding="utf-8")
        os.replace(draft, path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SpikeproofError(f"{path}: cannot be written ({error.strerror})") from None
    return path
