"""``spikeproof report``: write the page of an audit or a reproduction again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikeproof.cli.common import guarded, out

EXAMPLES = "[b]Example[/b]\n\nspikeproof report audit"


@guarded
def command(
    folder: Annotated[
        Path, typer.Argument(help="Folder that `spikeproof audit` or `reproduce` wrote.")
    ],
) -> None:
    """Write the page of an audit or a reproduction again."""
    from rich.text import Text

    from spikeproof.report import build, build_reproduction
    from spikeproof.results import REPRODUCTION_FILE

    made = build_reproduction if (folder / REPRODUCTION_FILE).exists() else build
    out.print(Text(str(made(folder))), soft_wrap=True)
