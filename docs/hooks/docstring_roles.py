"""Docstrings are written in reST; the site is Markdown. Roles become code spans."""

from __future__ import annotations

import re
from typing import Any

import griffe

# `:class:`~package.Name`` shows as `Name`, `:func:`text <target>`` as `text`, as Sphinx does.
ROLE = re.compile(r":(?:py:)?(?:attr|class|const|data|exc|func|math|meth|mod|obj):`([^`]+)`")


def as_markdown(text: str) -> str:
    """A docstring with its reST roles and blocks in Markdown."""
    text = ROLE.sub(lambda role: f"`{_shown(role[1])}`", text)
    # Formulas of their own are shown as they are written, as indented blocks.
    text = re.sub(r"^\.\. math::[ \t]*\n(?:[ \t]*\n)?", "", text, flags=re.M)
    text = re.sub(r"^\.\. math::[ \t]*(?=\S)", "    ", text, flags=re.M)
    # A paragraph that ends with "::" announces an indented block, which Markdown knows without.
    return re.sub(r"::(?=[ \t]*\n[ \t]*\n[ \t]+)", ":", text)


def _shown(target: str) -> str:
    target = re.sub(r"\s+", " ", target)  # roles may be broken over two lines
    titled = re.fullmatch(r"(.+?) <[\w.~!]+>", target)
    if titled:
        return titled[1]
    if target.startswith("~"):
        return target.rpartition(".")[2].lstrip("~")
    return target.lstrip("!")


class DocstringRoles(griffe.Extension):
    """Applies :func:`as_markdown` to every docstring that is loaded."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called once for each module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)
