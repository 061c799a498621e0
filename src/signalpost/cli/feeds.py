"""`signalpost feeds`: tests the feeds of candles."""

from typing import Any, NamedTuple

import click

from signalpost.cli.loop import run
from signalpost.cli.options import Flags, Utf8Text, configured
from signalpost.cli.output import examples, json_option, plain_fault, say, say_json
from signalpost.config import Config, make_feeds
from signalpost.config.settings import FEEDS
from signalpost.domain.instant import iso
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import Fault, FeedFailed, InvalidConfiguration
from signalpost.secret import redacted
from signalpost.trading.feeds.bounded import BoundedFeed
from signalpost.trading.feeds.port import Feed, Fetched

_WITHIN = 30.0
"""Seconds for an answer."""
_DEFAULT = "[default: that of the first strategy that uses the feed]"


@examples("signalpost feeds test practice", "signalpost feeds test practice --pair EUR_USD --timeframe H4 --json")
@click.group()
def feeds() -> None:
    """Test the feeds of candles."""


class _Stream(NamedTuple):
    feed: str
    pair: Instrument
    timeframe: Timeframe


@examples(
    "signalpost feeds test practice",
    "signalpost feeds test practice --pair EUR_USD --timeframe H4",
    "signalpost feeds test practice --pair EUR_USD --timeframe H4 --json | jq -r .last_complete",
)
@feeds.command()
@click.argument("name", type=Utf8Text())
@click.option("--pair", type=Utf8Text(), help=f"The instrument, such as EUR_USD.  {_DEFAULT}")
@click.option("--timeframe", type=Utf8Text(), help=f"The length of a candle, such as H4.  {_DEFAULT}")
@configured
@json_option("Print one line of JSON.")
def test(name: str, pair: str | None, timeframe: str | None, flags: Flags, as_json: bool) -> None:
    """Fetch the newest candles of feed NAME once, and show how many there are and when the last one opened.

    Nothing is saved or sent. The exit code is 1 if the feed gives no candles.
    """
    config = flags.config()
    feed = _feed_of(config, name)
    stream = _stream_of(config, name, pair, timeframe)
    fetched, fault = run(_fetched(feed, stream))
    if as_json:
        say_json(_plain(stream, fetched, fault))
    else:
        _show(stream, fetched, fault)
    if fault is not None:
        raise SystemExit(1)


def _feed_of(config: Config, name: str) -> Feed:
    for each in config.feeds:
        if each.name == name:
            return make_feeds([each])[name]
    known = ", ".join(each.name for each in config.feeds)
    advice = f"use one of {known}" if known else f"no feed is configured: add a [{FEEDS}.NAME] to the settings file"
    raise InvalidConfiguration.of("feed", name, advice, code="unknown-word", limit=known)


def _stream_of(config: Config, name: str, pair: str | None, timeframe: str | None) -> _Stream:
    """The stream to fetch: as given, or that of the first strategy that uses the feed."""
    usual = next((each for each in config.strategies if each.feed == name), None)
    if usual is not None:
        return _Stream(name, Instrument(pair or usual.pair), Timeframe(timeframe or usual.timeframe))
    if pair is None or timeframe is None:
        raise click.UsageError("Give --pair and --timeframe: no strategy uses this feed.")
    return _Stream(name, Instrument(pair), Timeframe(timeframe))


async def _fetched(feed: Feed, stream: _Stream) -> tuple[Fetched, Fault | None]:
    bounded = BoundedFeed(feed, within=_WITHIN)
    try:
        fetched = await bounded.fetch(stream.pair, stream.timeframe)
    except FeedFailed as error:
        return Fetched(()), error.errors[0]
    finally:
        await bounded.close()
    if not fetched.candles:
        advice = "check the name of the pair, and that the market has traded"
        return fetched, Fault("no-candles", f"the feed has no closed candles of {stream.pair}: {advice}", "pair")
    return fetched, None


def _plain(stream: _Stream, fetched: Fetched, fault: Fault | None) -> dict[str, Any]:
    return {
        "ok": fault is None,
        "feed": stream.feed,
        "pair": stream.pair,
        "timeframe": stream.timeframe,
        "candles": len(fetched.candles),
        "last_complete": iso(fetched.candles[-1].time) if fetched.candles else None,
        "forming": None if fetched.forming is None else iso(fetched.forming),
        "error": None if fault is None else plain_fault(fault),
    }


def _show(stream: _Stream, fetched: Fetched, fault: Fault | None) -> None:
    which = f"{stream.feed}, {stream.pair} {stream.timeframe}"
    if fault is not None:
        say(f"{which}: {redacted(fault.text)}")
        return
    last = fetched.candles[-1]
    forming = "" if fetched.forming is None else f". The candle of {iso(fetched.forming)} is still forming"
    count = f"{len(fetched.candles)} candles"
    say(f"{which}: {count}. The last one opened at {iso(last.time)}, close {last.close}{forming}.")
