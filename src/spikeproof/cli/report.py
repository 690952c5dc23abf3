"""``spikeproof report``: write an audit's page again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spikeproof.cli.common import guarded, out

EXAMPLES = "[b]Example[/b]\n\nspikeproof report audit"


@guarded
def command(
    folder: Annotated[Path, typer.Argument(help="Folder that `spikeproof audit` wrote.")],
) -> None:
    """Write an audit's report again."""
    from rich.text import Text

    from spikeproof.report import build

    out.print(Text(str(build(folder))), soft_wrap=True)
