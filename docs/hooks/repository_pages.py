"""Pages of the repository's root on the site, and links that leave ``docs/``.

Links are written so that they work where the files lie. On the site, a link to a root page that
the site has leads to that page; a link to another file outside ``docs/`` becomes its plain text.
Links to nothing are left as they are, for the strict build to reject.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# Files of the root, and the pages that show them; the README's place is taken by the start page.
ADDED = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
PAGES = {"README.md": "index.md", **ADDED}
# Fenced blocks and code spans come first: what looks like a link in them is none.
LINK = re.compile(
    r"(?P<code>^(?P<f>```+).*?^(?P=f)|`[^`\n]+`)|\[(?P<text>[^][]+)\]\((?P<to>[^)\s]+)\)",
    re.M | re.S,
)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages of the root."""
    from mkdocs.structure.files import File  # here, so that tests need no MkDocs for `rewritten`

    for source, page in ADDED.items():
        if (ROOT / source).exists():
            files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **kwargs: Any) -> str:
    """Rewrite the links that leave ``docs/``."""
    return rewritten(markdown, page.file.src_uri)


def rewritten(markdown: str, page: str) -> str:
    """The text of ``page``, a path below ``docs/``, with links that hold on the site."""
    sources = {shown: source for source, shown in ADDED.items()}
    folder = posixpath.dirname(sources.get(page, f"docs/{page}"))

    def link(found: re.Match[str]) -> str:
        if found["code"] or re.match(r"[a-z]+:|#|/", found["to"]):
            return found[0]
        path, mark, anchor = found["to"].partition("#")
        target = posixpath.normpath(posixpath.join(folder, path))
        if target in PAGES:
            target = f"docs/{PAGES[target]}"
        elif not target.startswith("docs/"):
            return found["text"] if (ROOT / target).exists() else found[0]
        to = posixpath.relpath(target, posixpath.dirname(f"docs/{page}"))
        return f"[{found['text']}]({to}{mark}{anchor})"

    return LINK.sub(link, markdown)
