"""The table of figures."""

from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """One figure with its target. `holds` is None if there is no target."""

    name: str
    figure: str
    bound: str
    holds: bool | None


def show(title: str, rows: Iterable[Row]) -> None:
    """Print the rows as a table."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("measured")
    table.add_column("figure", justify="right")
    table.add_column("target")
    table.add_column("")
    for row in rows:
        verdict = {True: "[green]pass[/]", False: "[red]short[/]", None: ""}[row.holds]
        table.add_row(row.name, row.figure, row.bound, verdict)
    screen = Console(highlight=False)
    screen.print(table, width=None if screen.is_terminal else 100)
