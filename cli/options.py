"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path,
    typer.Option("--data", envvar="MASH_DATA", help="Folder of the local system's data.", show_default=True),
]
