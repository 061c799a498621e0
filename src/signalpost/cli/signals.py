"""`signalpost signals`: lists, shows and exports the signals of the book, and changes them."""

import csv
import json
from io import StringIO
from pathlib import Path

import click

from signalpost.cli.options import Flags, NonEmptyPath, Utf8Text, configured
from signalpost.cli.output import clean, examples, json_option, say, say_as_it_is, say_json
from signalpost.cli.recap import recap
from signalpost.cli.signal_changes import CHANGES
from signalpost.cli.store import Store
from signalpost.cli.tables import console
from signalpost.cli.trade_lines import COLUMNS, link_of, page, row_of, trades_table
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.delivery.trade_object import described
from signalpost.domain.instrument import Instrument
from signalpost.domain.trade import TradeState
from signalpost.domain.words import member
from signalpost.errors import InvalidValue


@examples(
    "signalpost signals list --live",
    "signalpost signals show 1042",
    "signalpost signals update 1042 --target-hit 1 --stop be",
    "signalpost signals close EURUSD --price 1.0871",
    "signalpost signals export --csv -o record.csv",
    "signalpost signals recap --week 48",
)
@click.group()
def signals() -> None:
    """Show published signals, and change them. The messages that show them are edited.

    ID is a signal's id, the short id at the bottom of its message, its number (1042 or '#1042'), or its pair if exactly
    one signal of that pair is live.
    """


for each in (*CHANGES, recap):
    signals.add_command(each)


@examples(
    "signalpost signals list --live",
    "signalpost signals list --pair EURUSD --state closed",
    "signalpost signals list --limit 100 --json | jq -r '[.number, .state, .result.r] | @tsv'",
)
@signals.command("list")
@click.option("--live", is_flag=True, help="Only signals that are pending or open.")
@click.option(
    "--state",
    "states",
    multiple=True,
    help="Only this state: pending, open, closed, cancelled or expired; can be repeated.",
)
@click.option("--pair", help="Only this pair: EUR_USD, EUR/USD, EURUSD ...")
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many to show at most."
)
@configured
@json_option("Print one line of JSON for each signal.")
def list_(live: bool, states: tuple[str, ...], pair: str | None, limit: int, flags: Flags, as_json: bool) -> None:
    """List signals, newest first, without those of replays."""
    wanted = {member(TradeState, state, "--state") for state in states} or {*TradeState}
    symbol = None if pair is None else Instrument(pair).symbol
    is_filtered = bool(states) or symbol is not None
    with Store(flags.config()) as store:
        found = store.trades(FindTrades(only_live=live, limit=None if is_filtered else limit))
        now = store.now
    entries = [
        entry for entry in found if entry.trade.state in wanted and symbol in {None, entry.trade.signal.pair.symbol}
    ][:limit]
    if as_json:
        say_json(*map(described, entries))
    elif entries:
        console().print(trades_table(entries, now))
    else:
        say("No signal matches these options." if live or is_filtered else "There are no signals yet.")


@examples(
    "signalpost signals show 1042",
    "signalpost signals show EURUSD",
    "signalpost signals show 3b4862 --json | jq .result",
)
@signals.command()
@click.argument("name", type=Utf8Text(), metavar="ID")
@configured
@json_option("Print the signal as JSON.")
def show(name: str, flags: Flags, as_json: bool) -> None:
    """Show everything about one signal: levels, fill, parts, result, messages, corrections and withdrawn ends."""
    with Store(flags.config()) as store:
        entry = store.trade(name)
        now = store.now
    if as_json:
        say_json(described(entry))
    else:
        say(*page(entry, now))


@examples(
    "signalpost signals export --csv -o record.csv",
    "signalpost signals export --json | jq 'select(.state == \"closed\") | .result.r'",
)
@signals.command()
@click.option("--csv", "as_csv", is_flag=True, help="One row for each signal.  [default]")
@click.option(
    "-o", "--output", type=NonEmptyPath(path_type=Path), help="The file to write.  [default: standard output]"
)
@configured
@json_option("One line of JSON for each signal instead.")
def export(as_csv: bool, output: Path | None, flags: Flags, as_json: bool) -> None:
    """Write the record of all signals, oldest first: levels, fills, results, and links to the messages that show them.

    Losses, cancelled and expired orders and live signals are all included. A message has no link
    if its server and channel are unknown, as for messages that an older version sent.
    """
    if as_csv and as_json:
        raise click.UsageError("Give --csv or --json, not both.")
    with Store(flags.config()) as store:
        entries = store.trades(FindTrades())[::-1]
    text = _json_lines(entries) if as_json else _csv(entries)
    if output is None:
        say_as_it_is(text)
    else:
        _write(output, text)


def _json_lines(entries: tuple[BookEntry, ...]) -> str:
    lines = ({**described(entry), "links": [link for link in map(link_of, entry.cards) if link]} for entry in entries)
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def _csv(entries: tuple[BookEntry, ...]) -> str:
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([clean(cell) for cell in row_of(entry)] for entry in entries)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as fault:
        problem = f"{path}: cannot write it ({fault.strerror}). Use another file."
        raise InvalidValue(problem, code="not-writable", field="--output", value=str(path)) from fault
