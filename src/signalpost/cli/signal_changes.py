"""The commands of `signalpost signals` that change a signal, with or without a running service."""

from collections.abc import Callable
from typing import Any

import click

from signalpost.cli.options import TargetText, Utf8Text
from signalpost.cli.output import examples, say
from signalpost.cli.publication import Submission, exit_code, print_answers, submit
from signalpost.cli.publish import delivery_options, fact_option
from signalpost.cli.store import only
from signalpost.delivery.outbox.book import BookEntry, FindTrades
from signalpost.domain.change import CancelOrder, Change, Close, Correct, Fill, Reopen, Update
from signalpost.domain.instrument import Instrument
from signalpost.domain.making import make
from signalpost.domain.spellings import FoundFields
from signalpost.domain.ticket import Ticket
from signalpost.domain.trade import TradeState
from signalpost.errors import InvalidValue
from signalpost.service.runtime import Runtime

_id_argument = click.argument("name", type=Utf8Text(), metavar="ID")
_version_option = click.option(
    "--if-version",
    type=click.IntRange(1),
    metavar="VERSION",
    help="Refuse the change if the signal has another version, because somebody else changed it.",
)
_ENDED = frozenset(state for state in TradeState if not state.is_live)
_OPTION_BY_FIELD = {
    "stop_loss": "stop",
    "close_part": "close",
    "targets": "target",
    "entry_price": "entry",
}


@examples(
    "signalpost signals update 1042 --target-hit 1 --stop be",
    'signalpost signals update EURUSD --stop 1.0855 --note "CPI at 12:30 UTC"',
    "signalpost signals update 3b4862 --close 50% --price 1.0871",
)
@click.command()
@_id_argument
@click.option("--target-hit", type=click.IntRange(1, 10), metavar="N", help="Target N was hit, and those before it.")
@fact_option("--stop", "stop_loss", metavar="PRICE|be", help="The new stop. `be` moves it to the entry: break even.")
@fact_option("--take-profit", metavar="PRICE", help="The new price of the next target.")
@fact_option("--close", "close_part", metavar="SHARE%", help="The part that was closed: a share of the initial size.")
@fact_option("--price", help="The price of --close, or of --target-hit if it differs from the target.")
@fact_option("--note", help="A line for the message.")
@_version_option
@delivery_options
def update(name: str, if_version: int | None, **options: Any) -> None:
    """Move the stop, report a target that was hit, close a part, or add a note; several at once if you like.

    The messages that show the signal are edited, and a short message reports the change. The same command again changes
    nothing, unless the signal has changed since.
    """
    facts = _popped(options, "target_hit", "stop_loss", "take_profit", "close_part", "price", "note")
    if not facts:
        raise click.UsageError("Give at least one of --target-hit, --stop, --take-profit, --close and --note.")
    _change(name, _made(Update, facts), if_version, options)


@examples("signalpost signals fill 1043 --price 154.848")
@click.command()
@_id_argument
@fact_option("--price", required=True, help="The price of the fill.")
@_version_option
@delivery_options
def fill(name: str, if_version: int | None, **options: Any) -> None:
    """Report that the entry was filled, and at which price. The result is computed from that price."""
    _change(name, Fill(price=options.pop("price")), if_version, options)


@examples(
    "signalpost signals close 1042 --price 1.0871",
    "signalpost signals close EURUSD --reason stop",
    "signalpost signals close --pair XAUUSD --price 2362.4",
)
@click.command()
@click.argument("name", type=Utf8Text(), metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="Close all open signals, with --reason stop or target.")
@fact_option("--pair", help="Close all open signals of this pair.")
@fact_option("--price", help="The price. Optional with --reason stop or target.")
@fact_option("--reason", help="target, stop, manual or reversed.  [default: manual]")
@_version_option
@delivery_options
def close(name: str | None, every: bool, pair: str | None, if_version: int | None, **options: Any) -> None:
    """Close the open part of a signal, and show its result.

    `manual` and `reversed` need the price. Without one, `stop` uses the current stop, and `target` the last target.
    Orders that are not filled cannot be closed: cancel them.
    """
    if (name is not None) + every + (pair is not None) != 1:
        raise click.UsageError("Give exactly one of ID, --all and --pair.")
    if name is None and if_version is not None:
        raise click.UsageError("--if-version needs an ID.")
    if every and options["price"] is not None:
        raise click.UsageError(
            "--all cannot have a price, because pairs differ. Use --pair, or --reason stop or target."
        )
    change = _made(Close, _popped(options, "price", "reason"))
    if name is not None:
        _change(name, change, if_version, options)
    else:
        _close_all(pair, change, options)


@examples('signalpost signals cancel 1046 --reason "NFP in 10 minutes"')
@click.command()
@_id_argument
@fact_option("--reason", help="Why, for the readers.")
@_version_option
@delivery_options
def cancel(name: str, if_version: int | None, **options: Any) -> None:
    """Cancel an order that is not filled yet."""
    _change(name, _made(CancelOrder, _popped(options, "reason")), if_version, options)


@examples("signalpost signals correct 1042 --stop 1.0779")
@click.command()
@_id_argument
@fact_option("--entry", "entry_price", help="The right entry.")
@fact_option("--stop", "stop_loss", help="The right stop.")
@click.option(
    "--target",
    "targets",
    type=TargetText(),
    multiple=True,
    help="The right targets: all of them, each with its own --target.",
)
@_version_option
@delivery_options
def correct(name: str, if_version: int | None, **options: Any) -> None:
    """Correct a typo in a signal, as long as nothing else in it has changed. The message shows the correction."""
    facts = _popped(options, "entry_price", "stop_loss", "targets")
    if not facts:
        raise click.UsageError("Give at least one of --entry, --stop and --target.")
    _change(name, _made(Correct, facts), if_version, options)


@examples("signalpost signals reopen 1042")
@click.command()
@_id_argument
@_version_option
@delivery_options
def reopen(name: str, if_version: int | None, **options: Any) -> None:
    """Reopen a signal that was ended by mistake. The message says so, and the record keeps the withdrawn end."""
    _change(name, Reopen(), if_version, options)


CHANGES = (update, fill, close, cancel, correct, reopen)


def _popped(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Remove the options with these names from `options`, and return those that were given."""
    found = {name: options.pop(name) for name in names}
    return {name: value for name, value in found.items() if value not in (None, ())}


def _made(kind: Callable[..., Change], facts: dict[str, Any]) -> Change:
    """A change from options, with faults under the options' names."""
    return make(kind, FoundFields(facts, {**dict(zip(facts, facts, strict=True)), **_OPTION_BY_FIELD}, (), ()), {}, {})


def _change(name: str, change: Change, if_version: int | None, options: dict[str, Any]) -> None:
    """Change the signal that `name` finds, and print the result."""

    async def submission(runtime: Runtime) -> list[Ticket]:
        found = await runtime.started.engine.intake.find(FindTrades(name=name))
        entry = only(name, found or await _ended_by(runtime, name, change))
        return [await _amended(runtime, entry, change, if_version)]

    _submit(submission, options)


def _close_all(pair: str | None, change: Change, options: dict[str, Any]) -> None:
    """Close all open trades, or those of a pair, and print a result for each. Pending orders are only counted."""
    symbol = None if pair is None else Instrument(pair).symbol
    live: list[BookEntry] = []

    async def submission(runtime: Runtime) -> list[Ticket]:
        found = await runtime.started.engine.intake.find(FindTrades(only_live=True))
        live.extend(entry for entry in found if symbol in {None, entry.trade.signal.pair.symbol})
        meant = [entry for entry in live[::-1] if entry.trade.state is TradeState.OPEN]
        if not live and pair is not None:
            meant = repeated = await _ended_by(runtime, pair, change)
            live.extend(repeated)
        return [await _amended(runtime, entry, change) for entry in meant]

    _submit(submission, options)
    if pending := [f"#{trade.number}" for trade, *_ in live if trade.state is TradeState.PENDING]:
        say(f"not closed, because not filled: {', '.join(pending)}. `signalpost signals cancel` cancels one", err=True)
    elif not live:
        say("No signal is open.", err=True)


async def _ended_by(runtime: Runtime, pair: str, change: Change) -> list[BookEntry]:
    """The last signal of a pair that ended, if this change ended it: a repeat is a duplicate."""
    try:
        wanted = FindTrades(pair=Instrument(pair), states=_ENDED)
    except InvalidValue:  # not a pair
        return []
    ended = sorted(await runtime.started.engine.intake.find(wanted), key=lambda entry: entry.trade.changed_at)
    return [entry for entry in ended[-1:] if entry.trade.last_change == change]


async def _amended(runtime: Runtime, entry: BookEntry, change: Change, if_version: int | None = None) -> Ticket:
    name = entry.trade.signal.signal_id
    ticket = await runtime.started.engine.intake.amend(name, change, if_version=if_version, hold=False)
    return ticket._replace(signal_id=name)


def _submit(submission: Submission, options: dict[str, Any]) -> None:
    """Submit changes, wait for their deliveries, and print the results. Raises SystemExit if one was refused."""
    timeout = None if options["no_wait"] else options["timeout"]
    answers = submit(options["flags"].config(), submission, timeout)
    print_answers(answers, waited=timeout is not None, as_json=options["as_json"])
    if code := max((exit_code(each.ticket) for each in answers), default=0):
        raise SystemExit(code)
