"""`signalpost publish`: queues and delivers one signal, alert, announcement, status report or analysis."""

from collections.abc import Callable
from functools import partial
from typing import Any

import click

from signalpost.cli.options import NumberRange, TargetText, configured
from signalpost.cli.output import examples, json_option
from signalpost.cli.publication import Publication, publish_and_print
from signalpost.cli.publish_facts import made
from signalpost.domain.notification import Payload
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier


class _Once(click.Option):
    """An option that may be given only once: click would silently keep the last of two values."""

    def __init__(self, names: list[str], **settings: Any) -> None:
        super().__init__(names, **(settings | {"multiple": True}))

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return its value, or None if it is not given."""
        values = super().process_value(ctx, value)
        if len(values) > 1:
            raise click.UsageError(f"{self.opts[0]} is given {len(values)} times: use it once", ctx)
        return values[0] if values else None


fact_option = partial(click.option, cls=_Once)


def delivery_options(command: Any) -> Any:
    """The options of each command that submits something and waits for its deliveries."""
    for option in (
        json_option("Print id, outcome, reason and deliveries as JSON."),
        configured,
        click.option("--no-wait", is_flag=True, help="Wait only until it is saved, not until it is delivered."),
        click.option(
            "--timeout",
            type=NumberRange(0, 86_400),
            default=30.0,
            show_default=True,
            help="Seconds to wait for the delivery.",
        ),
    ):
        command = option(command)
    return command


def _common(command: Any) -> Any:
    """The options of every kind."""
    context = click.option("--context", multiple=True, metavar="NAME=VALUE", help="A fact to show; can be repeated.")
    return context(delivery_options(command))


def _priority_option(usual: str) -> Callable[[Any], Any]:
    return fact_option("--priority", help=f"LOW, NORMAL, HIGH or URGENT.  [default: {usual}]")


@examples(
    "signalpost publish signal --pair EURUSD --timeframe H4 --side buy --entry 1.1634 --stop 1.1599 --target 1.1688",
    'signalpost publish alert --type feed --severity high --title "No candles since 10:00"',
    'signalpost publish announcement --title "Maintenance" --text "Sunday, 10:00 to 11:00 UTC"',
    'echo \'{"symbol": "EURUSD", "tf": "4h", "action": "buy", "price": 1.1634}\' | signalpost publish signal',
)
@click.group()
def publish() -> None:
    """Queue one notification, deliver it, and print the result.

    If a service runs on the data folder, the service delivers it, by its own configuration. The exit code is 0 if it
    was delivered or need not be (suppressed, superseded), and 1 if it was refused or is not delivered yet. If its tier
    is delayed beyond the timeout, the command prints when it will be sent, and exits with 0 at once. A repeat has the
    exit code of the first one. With --no-wait, 0 means that it is saved.
    """


@examples(
    "signalpost publish signal --pair EURUSD --timeframe H4 --side buy --entry 1.1634 --stop 1.1599 --tier premium",
    "signalpost publish signal --pair BTC/USDT --timeframe 5m --side short --entry 64000 --no-wait --json",
    "signalpost publish signal --pair EURUSD --side buy --entry 1.1634 --stop 1.1599 \\",
    "  --target 1.1688@50% --target 1.1720@50% --order limit --good-for 12h --tier premium --tier free",
    "signalpost publish signal < signal.json",
)
@publish.command()
@fact_option("--pair", help="EUR_USD, EUR/USD, EURUSD, BTC/USDT ...")
@fact_option("--timeframe", help="H4, D, 5m, 240 ...  [default: none]")
@fact_option("--side", help="BUY or SELL, long or short.")
@fact_option("--entry", help="The entry's price.")
@fact_option("--stop", help="The stop's price.")
@click.option(
    "--target",
    type=TargetText(),
    multiple=True,
    help="A target's price, and how much of the trade to close there. Repeat it for up to 10 targets.",
)
@fact_option("--order", help="limit or stop, if the entry is not reached yet.  [default: market]")
@fact_option(
    "--good-for",
    metavar="TIME",
    help="How long a limit or stop order is good, from the candle's close: 30m, 24h, 2d ...  "
    "[default: 24h or 6 timeframes, whichever is longer]",
)
@fact_option("--entry-zone", metavar="LOW-HIGH", help="The prices at which the trade can be entered.")
@fact_option("--leverage", help="The leverage to show, such as 5x.")
@fact_option("--risk", "risk_percent", metavar="PERCENT", help="The risk to show, in per cent of an account.")
@fact_option("--confidence", help="0 to 1.")
@fact_option("--strategy", help="The strategy's name.  [default: Manual]")
@fact_option("--time", help="The candle's open, ISO 8601 with its zone.  [default: now]")
@fact_option("--id", help="The signal's id.  [default: from strategy, pair, timeframe, side and candle]")
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    help="A tier that gets it: free, premium, admin or your own; can be repeated.  [default: free]",
)
@_priority_option("NORMAL; HIGH if the confidence is above 0.8, URGENT above 0.9")
@_common
def signal(tiers: tuple[str, ...], **options: Any) -> None:
    """Send a signal, from options or from JSON on standard input.

    In JSON, use the field names of `Signal`, or other usual names such as `symbol`, `tf`, `side` and `price`. To change
    or close the signal later, use `signalpost signals`. To add a tier, repeat the command with that tier and the same
    --id and --time.
    """
    _publish(Signal, options, ("pair", "side", "entry"), tiers)


@examples(
    'signalpost publish alert --type feed --severity high --title "No candles since 10:00"',
    'echo \'{"type": "disk", "severity": "critical", "title": "97 % full"}\' | signalpost publish alert',
)
@publish.command()
@fact_option("--type", help="database_connectivity, feed, ...")
@fact_option("--severity", help="critical, high, medium, low or info.")
@fact_option("--title", help="The alert in one line.")
@fact_option("--message", help="What failed, since when, and what to do.")
@fact_option("--source", help="What noticed it.")
@fact_option("--id", help="The alert's id.  [default: from type, time and content]")
@_priority_option("by severity, from LOW to URGENT")
@_common
def alert(**options: Any) -> None:
    """Send an alert, from options or from JSON on standard input.

    In JSON, use the field names of `Alert`. `type` and `id` work, too.
    """
    _publish(Alert, options, ("type", "severity", "title"))


@examples('signalpost publish announcement --title "Maintenance" --text "Sunday, 10:00 to 11:00 UTC"')
@publish.command()
@fact_option("--title", help="The announcement in one line.")
@fact_option("--text", help="The announcement.")
@fact_option("--id", help="Its id.  [default: from time and content]")
@_priority_option("NORMAL")
@_common
def announcement(**options: Any) -> None:
    """Send an announcement, from options or from JSON on standard input.

    It goes to the community. In JSON, use the field names of `Announcement`. `id` works, too.
    """
    _publish(Announcement, options, ("title", "text"))


@examples(
    "signalpost publish status --status operational",
    'signalpost publish status --status degraded --message "The feed is 20 s late" --context feed=oanda',
)
@publish.command()
@fact_option("--status", help="operational, degraded, down ...")
@fact_option("--message", help="More about it.")
@fact_option("--id", help="Its id.  [default: from time and content]")
@_priority_option("LOW")
@_common
def status(**options: Any) -> None:
    """Send a status report, from options or from JSON on standard input.

    In JSON, use the field names of `SystemStatus`. `id` works, too.
    """
    _publish(SystemStatus, options, ("status",))


@examples('signalpost publish analysis --title "Dollar" --text "Ranges until the Fed speaks." --pair EURUSD')
@publish.command()
@fact_option("--title", help="The analysis in a line.")
@fact_option("--text", help="The analysis.")
@fact_option("--pair", help="What it is about: EUR_USD, EUR/USD ...")
@fact_option("--id", help="Its id.  [default: from time and content]")
@_priority_option("NORMAL")
@_common
def analysis(**options: Any) -> None:
    """Send a market analysis, from options or from JSON on standard input.

    In JSON, use the field names of `MarketAnalysis`. `id` works, too.
    """
    _publish(MarketAnalysis, options, ("title", "text"))


def _publish(
    kind: type[Payload], options: dict[str, Any], required: tuple[str, ...], tiers: tuple[str, ...] = ()
) -> None:
    names = ("priority", "context", "timeout", "no_wait", "as_json", "flags")
    priority, context, timeout, no_wait, as_json, flags = (options.pop(name) for name in names)
    facts = dict(_fact(each) for each in context)
    each_tier = tuple(dict.fromkeys(map(UserTier, tiers)))
    publication = Publication(made(kind, options, required), priority, each_tier, facts)
    publish_and_print(flags.config(), publication, timeout=None if no_wait else timeout, as_json=as_json)


def _fact(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.UsageError(f"--context is {text!r}: give NAME=VALUE")
    return name, value
