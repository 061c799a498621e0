"""The table of figures, and the same as JSON."""

from collections.abc import Iterable
from typing import NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """One figure of ours in its unit, beside the floor or peer that ran in the same minutes."""

    bench: str
    ours: float
    unit: str
    beside: float | None = None
    ratio: float | None = None
    """Of ours to the one beside it; the median of the rounds' own ratios where there are several."""
    cpu_us: float | None = None
    """CPU microseconds for one piece of the work, all threads of the process together."""
    target: str = ""
    holds: bool | None = None
    """Whether the target is met; None without a target."""


def show(title: str, rows: Iterable[Row]) -> None:
    """Print the rows as a table."""
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("measured")
    for heading in ("ours", "beside", "ratio", "CPU"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("target")
    table.add_column("")
    for row in rows:
        verdict = {True: "[green]pass[/]", False: "[red]short[/]", None: ""}[row.holds]
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} x"
        cpu = shown(row.cpu_us, "µs")
        table.add_row(
            row.bench, shown(row.ours, row.unit), shown(row.beside, row.unit), ratio, cpu, row.target, verdict
        )
    screen = Console(highlight=False)
    screen.print(table, width=None if screen.is_terminal else 120)


def shown(figure: float | None, unit: str) -> str:
    """A figure for people: three digits, or all before the point."""
    if figure is None:
        return ""
    decimals = 0 if figure >= 100 else 1 if figure >= 10 else 2
    return f"{figure:,.{decimals}f}{'' if unit.startswith('/') else ' '}{unit}"
