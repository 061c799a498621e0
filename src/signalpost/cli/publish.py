"""`signalpost publish`: one signal or alert, taken in and delivered."""

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

if TYPE_CHECKING:
    from signalpost.domain.delivery import Delivery
    from signalpost.domain.notification import Payload
    from signalpost.domain.ticket import Ticket


def _common(command: Any) -> Any:
    """The options of every kind."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print id, outcome, reason and deliveries as JSON."),
        click.option("--timeout", default=30.0, show_default=True, help="Seconds to wait for the delivery."),
        click.option("--context", multiple=True, metavar="NAME=VALUE", help="A fact to show; can be repeated."),
        click.option("--priority", help="LOW, NORMAL, HIGH or URGENT.  [default: from confidence or severity]"),
    ):
        command = option(command)
    return command


_DONE = ("delivered", "suppressed", "superseded")
"""States with which a person who published may be content."""


class _How(NamedTuple):
    """What the options of every kind say."""

    priority: str | None
    context: tuple[str, ...]
    timeout: float
    as_json: bool


@click.group(
    short_help="Send one signal or alert.",
    epilog="""
    \b
    Examples:
      signalpost publish signal --pair EURUSD --timeframe H4 --side buy --entry 1.1634 --stop 1.1599 --target 1.1688
      signalpost publish alert --type feed --severity high --title "No candles since 10:00"
      echo '{"symbol": "EURUSD", "tf": "4h", "action": "buy", "price": 1.1634}' | signalpost publish signal
    """,
)
def publish() -> None:
    """Take one notification in, deliver it with the environment's configuration, and say what became of it.

    The exit code is 0 where it was delivered (or was accepted before), 1 where it was refused or is not delivered yet.
    """


@publish.command()
@click.option("--pair", help="EUR_USD, EUR/USD, EURUSD, BTC/USDT ...")
@click.option("--timeframe", help="H4, D, 5m, 240 ...")
@click.option("--side", help="BUY or SELL, long or short.")
@click.option("--entry", help="The entry's price.")
@click.option("--stop", help="The stop's price.")
@click.option("--target", help="The target's price.")
@click.option("--confidence", help="0 to 1.")
@click.option("--time", help="The candle's open, ISO 8601 with its zone.  [default: now]")
@click.option("--id", help="The signal's id.  [default: from strategy, pair, timeframe, side and candle]")
@click.option("--tier", help="For whom: free, premium, admin.  [default: free]")
@_common
def signal(tier: str | None, **options: Any) -> None:
    """Send a signal: from options, or from JSON on standard input with the usual names."""
    from signalpost import clock
    from signalpost.domain.instant import iso
    from signalpost.domain.signal import Signal

    how, facts = _read(options)
    facts.setdefault("time", iso(clock.now().replace(microsecond=0)))
    _publish(Signal.from_mapping(facts), tier, how)


@publish.command()
@click.option("--type", "alert_type", help="database_connectivity, feed, ...")
@click.option("--severity", help="critical, high, medium, low or info.")
@click.option("--title")
@click.option("--message")
@click.option("--source", help="What noticed it.")
@_common
def alert(**options: Any) -> None:
    """Send an alert: from options, or from JSON on standard input."""
    from signalpost.domain.alert import Alert
    from signalpost.errors import InvalidValue

    how, facts = _read(options)
    try:
        made = Alert(**facts)
    except TypeError as fault:  # a field that is missing or not known
        raise InvalidValue(f"the alert cannot be made: {fault}") from fault
    _publish(made, None, how)


def _read(options: dict[str, Any]) -> tuple[_How, dict[str, Any]]:
    """How to publish, and the facts of what is published."""
    how = _How(*(options.pop(name) for name in _How._fields))
    return how, {name: value for name, value in options.items() if value is not None} or _from_stdin()


def _from_stdin() -> dict[str, Any]:
    from signalpost.errors import InvalidValue

    if sys.stdin.isatty():
        raise click.UsageError("give it by options, or as JSON on standard input")
    try:
        facts = json.load(sys.stdin)
    except ValueError as fault:
        raise InvalidValue(f"standard input is no JSON: {fault}") from fault
    if not isinstance(facts, dict):
        raise InvalidValue("standard input is no JSON object: give one with the names of its fields")
    return facts


def _publish(payload: "Payload", tier: str | None, how: _How) -> None:
    import logging

    from signalpost.cli.logs import write_logs
    from signalpost.cli.loop import run

    write_logs(logging.WARNING)
    ticket, deliveries = run(_deliver(payload, tier, how, dict(_fact(each) for each in how.context)))
    if how.as_json:
        click.echo(json.dumps(_as_plain(ticket, deliveries)))
    else:
        click.echo(f"{ticket.outcome}{' ' if ticket.id else ''}{ticket.id}{_because(ticket.reason)}")
        for delivery in deliveries:
            click.echo(f"  {delivery.id.destination}: {delivery.state}{_because(delivery.reason)}")
    if not ticket or any(delivery.state not in _DONE for delivery in deliveries):
        raise SystemExit(1)


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _fact(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--context is {text!r}: give NAME=VALUE")
    return name, value


async def _deliver(
    payload: "Payload", tier: str | None, how: _How, context: dict[str, str]
) -> "tuple[Ticket, list[Delivery]]":
    from signalpost.service import AsyncNotificationService

    service = AsyncNotificationService()
    await service.start()
    try:
        ticket = await service.queue_notification(payload, how.priority, tier, context)
        await service.drain(how.timeout)
        return ticket, await service.deliveries(ticket.id)
    finally:
        await service.stop(0)


def _as_plain(ticket: "Ticket", deliveries: "list[Delivery]") -> dict[str, Any]:
    return {
        "id": ticket.id,
        "outcome": ticket.outcome,
        "reason": ticket.reason,
        "deliveries": [
            {
                "destination": delivery.id.destination,
                "state": delivery.state,
                "attempts": delivery.attempts,
                "reason": delivery.reason,
                "message_id": delivery.message_id,
            }
            for delivery in deliveries
        ],
    }
