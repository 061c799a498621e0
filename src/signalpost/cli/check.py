"""`signalpost check`: shows the configuration, the source of each setting, and what is wrong with it."""

from typing import Any

import click
from rich.table import Table
from rich.text import Text

from signalpost.cli.check_result import CheckResult
from signalpost.cli.configuration import Flags, configured
from signalpost.cli.output import clean, json_option, say, say_as_it_is, say_json
from signalpost.cli.tables import console, table
from signalpost.config.settings import example as example_file
from signalpost.errors import InvalidConfiguration


@click.command(
    epilog="""
    \b
    Examples:
      signalpost check
      signalpost check --example > signalpost.toml
      signalpost check --config signalpost.toml --json
    """,
)
@configured
@json_option("Print the result as JSON.")
@click.option("--example", is_flag=True, help="Print an example settings file with all defaults instead.")
def check(flags: Flags, *, as_json: bool, example: bool) -> None:
    """Show the configuration of a service: each setting and its source, destinations, tiers and warnings.

    Nothing is started, sent or created, and no webhook is shown. All errors are reported together. The exit code is 2
    if there are any, else 0.
    """
    if example:
        say_as_it_is(example_file())
        return
    result = CheckResult.of(flags)
    if as_json:
        say_json(result.as_plain())
    elif result.configuration:
        _show(result.as_plain())
    if result.faults:
        if not as_json:
            raise InvalidConfiguration.of_all(result.faults)
        raise SystemExit(2)


def _show(plain: dict[str, Any]) -> None:
    screen = console()
    screen.print(_settings("Settings", plain["settings"]))
    changed = {name: each for name, each in plain["cards"].items() if each["from"] != "default"}
    if changed:
        screen.print(_settings("Messages, as far as changed", changed))
    if plain["destinations"]:
        limits = ("per minute", "burst", "channel")
        made = table("Destinations", "destination", "host", "webhook", *limits, "from", right=limits, wraps="from")
        for each in plain["destinations"]:
            paces = (each["messages_a_minute"], each["burst"], each["channel"])
            made.add_row(
                each["name"],
                each["host"],
                each["webhook_id"] or "-",
                *(str(pace or "-") for pace in paces),
                each["from"],
            )
        screen.print(made)
    made = table("Routes", "kind", "rank", "destinations", right=("rank",), wraps="destinations")
    for each in plain["routes"]:
        to = ", ".join(name if name in each["sent"] else f"{name} (no webhook)" for name in each["to"])
        made.add_row(each["what"], "" if each["rank"] is None else str(each["rank"]), to)
    screen.print(made)
    if plain["file"] is not None:
        say(f"settings file: {plain['file']}")
    say(f"data folder: {plain['settings']['home']['value']}: {plain['data_folder']['state']}")
    for warning in plain["warnings"]:
        screen.print(Text.assemble(("warning:", "yellow"), " ", clean(warning)), soft_wrap=True)


def _settings(title: str, settings: dict[str, dict[str, Any]]) -> Table:
    made = table(title, "setting", "value", "from", "variable", wraps="value")
    for key, each in settings.items():
        value = each["value"]
        text = str(value).lower() if isinstance(value, bool) else str(value)  # as in a settings file
        made.add_row(key, text, each["from"], each["variable"])
    return made
