"""The spelling of numbers, times, names, lines and results in messages. Half rounds away from zero, exactly."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor

from signalpost.domain.asset_class import COIN_QUOTES, AssetClass
from signalpost.domain.context import Fact
from signalpost.domain.distance import PERCENT, Scale, scale_of
from signalpost.domain.exact import fixed, places_of, plain, product, ratio_text
from signalpost.domain.identity import short_id
from signalpost.domain.instrument import Instrument
from signalpost.domain.precision import places_for
from signalpost.domain.trade import WHOLE, Result, Trade, risk_of
from signalpost.sinks.discord.cards.view import CardLink, View
from signalpost.sinks.discord.escape import cut, escaped

HEADLINE = 36
"""The longest first line of a content: it is all that a phone's notification shows."""
DATA_LINE = 42
SMALL_LINE = 50
NOTE = 300
SHORTEST_NAME = 4
"""A name is not cut to fewer characters, because nobody would recognise it."""
DOT = " · "
_SMALL = "-# "
_DAY = timedelta(days=1)
_UNITS = (("d", _DAY), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))
_COMMAS_FROM = 10_000
_TAG = re.compile(r"<t:-?\d+:[a-zA-Z]>")
_TAG_SHOWN = "in 12 months"
_NOT_SHOWN = re.compile(r"\[([^\]]*)\]\([^)]*\)|\*\*|\A-# ")
_LONGEST_SYMBOL = 64
_PERPETUAL = re.compile(r"(?:\.P|[-_]?PERP|[-_]SWAP)$")
_SETTLED = re.compile(r"[^:]+/[^:]+:[^:-]+")
"""ccxt's perpetuals: `BTC/USDT:USDT`. For futures, a date follows."""
_SENTENCE = re.compile(r"(.+?[.!?])(?:\s+|$)")
_QUOTES = (*COIN_QUOTES, "USD", "EUR", "GBP", "JPY", "TRY")


def unsigned(number: Decimal | Fraction, places: int) -> str:
    """The size of `number` with `places` decimals, without a sign."""
    return signed(number, places).lstrip("+-")


def signed(number: Decimal | Fraction, places: int) -> str:
    """`number` with `places` decimals and its sign; zero has none."""
    return ratio_text(*number.as_integer_ratio(), places)


def share_text(share: Decimal | Fraction) -> str:
    """A share in per cent, with decimals only if it has some: `50%`, `33.33%`."""
    return f"{unsigned(share, 0 if Fraction(share).denominator == 1 else 2)}%"


def count_text(number: int) -> str:
    """`number`, with commas from 10,000 up."""
    return f"{number:,}" if abs(number) >= _COMMAS_FROM else str(number)


def duration_text(length: timedelta) -> str:
    """The two largest units of `length`: `1 d 6 h`, `45 min`, `<1 min`."""
    parts, rest = [], max(length, timedelta(0))
    for name, unit in _UNITS:
        number, rest = divmod(rest, unit)
        parts.append((number, name))
    largest = next((at for at, (number, _) in enumerate(parts) if number), None)
    if largest is None:
        return "<1 min"
    return " ".join(f"{number} {name}" for number, name in parts[largest : largest + 2] if number)


def tag(instant: datetime, style: str) -> str:
    """`instant` as Discord shows it in each reader's time zone: `t` time, `d` date, `R` relative."""
    return f"<t:{floor(instant.timestamp())}:{style}>"


def day_and_time(instant: datetime) -> str:
    """`instant` as date and time."""
    return f"{tag(instant, 'd')} {tag(instant, 't')}"


def until_text(until: datetime, start: datetime) -> str:
    """The end of a wait that began at `start`; beyond a day as date and time, because `in 2 days` is too coarse."""
    if until - start > _DAY:
        return day_and_time(until)
    return f"{tag(until, 't')}, {tag(until, 'R')}"


def since_text(start: datetime) -> str:
    """`since` with the time of `start` and how long ago that is."""
    return f"since {tag(start, 't')}, {tag(start, 'R')}"


@lru_cache(maxsize=512)
def ticket_symbol(pair: Instrument) -> str:
    """The symbol as trading programs spell it: `EURUSD`, `BTC/USDT`, others as quoted."""
    name = plain_name(pair)
    return escaped(name.replace("/", "") if pair.is_currency_pair else name, 2 * _LONGEST_SYMBOL)


@lru_cache(maxsize=512)
def name_of(pair: Instrument) -> str:
    """The name as people read it: `EUR/USD`, `BTC/USDT`, others as quoted."""
    return escaped(plain_name(pair), 2 * _LONGEST_SYMBOL)


@lru_cache(maxsize=512)
def is_perpetual(pair: Instrument) -> bool:
    """True for a contract that never expires."""
    is_settled = _SETTLED.fullmatch(pair.symbol) is not None and ":" not in pair
    return pair.asset_class is AssetClass.CRYPTO and (is_settled or _PERPETUAL.search(pair.symbol) is not None)


def plain_name(pair: Instrument) -> str:
    """The name as people read it, not escaped for Markdown."""
    if pair.is_currency_pair:
        return pair.replace("_", "/")
    if pair.asset_class is not AssetClass.CRYPTO:
        return str.__str__(pair)
    name = _PERPETUAL.sub("", str.__str__(pair))
    if "_" in name:
        return name.replace("_", "/", 1)
    if not name.isalnum():  # a spread or ratio of several symbols
        return name
    quote = next((each for each in _QUOTES if name.endswith(each) and len(name) - len(each) > 1), "")
    return f"{name.removesuffix(quote)}/{quote}" if quote else name


def small(text: str) -> list[str]:
    """`text` in small grey letters, line by line."""
    return [_SMALL + line for line in text.split("\n") if line.strip()]


def packed(facts: Iterable[str], most: int, separator: str = DOT) -> list[str]:
    """`facts` on as few lines as possible of at most `most` visible characters; a fact is never broken."""
    lines: list[str] = []
    for fact in facts:
        if lines and visible_length(lines[-1] + separator + fact) <= most:
            lines[-1] += separator + fact
        else:
            lines.append(fact)
    return lines


def small_facts(facts: Iterable[str], separator: str = DOT) -> list[str]:
    """`facts` on small lines."""
    return small("\n".join(packed(facts, SMALL_LINE, separator)))


def visible_length(line: str) -> int:
    """The approximate length of `line` in Discord: a link shows only its text, and a time at most twelve letters."""
    return len(_NOT_SHOWN.sub(_label, _TAG.sub(_TAG_SHOWN, line)))


def _label(found: re.Match[str]) -> str:
    return found[1] or ""


def headline(before: str, name: str, after: str = "", most: int = HEADLINE) -> str:
    """One line of at most `most` characters; only `name` is cut."""
    room = max(2, most - len(before) - len(after))
    return f"{before}{cut(name, room)}{after}"


def one_line(text: str) -> str:
    """`text` with spaces instead of line breaks."""
    return " ".join(text.split())


def number_text(trade: Trade, view: View) -> str:
    """The trade's number, as every message names it: `#1042`; the short id if it has none."""
    return f"#{trade.number or short_id(trade.signal.signal_id, view.run)}"


def card_text(link: CardLink) -> str:
    """`Card #1045`, as a link if there is one."""
    label = f"Card #{link.number}"
    return label if link.message is None else f"[{label}]({link.message.url})"


def fact_text(name: str, value: Fact) -> str:
    """A fact as a small line shows it, escaped: `spread 0.8`."""
    shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else "-" if value is None else str(value)
    return escaped(f"{name.replace('_', ' ')} {shown}", SMALL_LINE)


def context_texts(view: View) -> list[str]:
    """The facts that the caller of a notification added to it."""
    return [fact_text(name, value) for name, value in view.context.items()]


def first_sentence(text: str, *, keeps_end: bool = False) -> tuple[str, str]:
    """The first line or sentence of `text`, and the rest. Its full stop stays only if `keeps_end`."""
    line, _, more = text.partition("\n")
    found = _SENTENCE.match(line)
    first, rest = (line, "") if found is None else (found[1], line[found.end() :])
    rest = "\n".join(filter(None, (rest.strip(), more.strip())))
    return (first if keeps_end else first.removesuffix(".")), rest


def prefixed(word: str, text: str, view: View) -> str:
    """A headline of `word` and `text`, either of which may be empty, on one line and cut to its limit."""
    words = DOT.join(filter(None, (word, one_line(text))))
    return cut(f"{replay_mark(view)}{words}", HEADLINE)


def whole_title(title: str, shown: str) -> list[str]:
    """`title` in bold, if there was no room for it in the headline `shown`."""
    return [f"**{one_line(title)}**"] if shown.endswith("…") and title not in shown else []


def replay_mark(view: View) -> str:
    """The beginning of every content and title of a replay."""
    return f"REPLAY{DOT}" if view.is_replay else ""


_PLACES = 2
"""Of R and of per cent."""
_PLACES_OF_A_METAL = 2
_HUNDREDTH = Decimal("0.01")


def price_text(trade: Trade, price: Decimal) -> str:
    """`price` with the decimals of the instrument."""
    pair, most = trade.signal.pair, trade.signal.price_places
    if pair.asset_class is AssetClass.METAL and pair.quoted_pip is None:
        most = min(most, _places_of_a_metal(trade, price))
    return fixed(price, places_for(price, most))


def _places_of_a_metal(trade: Trade, price: Decimal) -> int:
    """Metals are quoted with two decimals or three. They get two, or as many as the trade's own prices have."""
    prices = (trade.signal.entry_price, trade.entry, trade.stop, trade.first_stop, price)
    given = [*prices, *(each.price for each in trade.targets), *(each.price for each in trade.parts)]
    return max(_PLACES_OF_A_METAL, *(places_of(plain(each)) for each in given if each is not None))


def gain_text(gain: Decimal, scale: Scale) -> str:
    """A gain, given as a price difference, on `scale`, without the unit."""
    return ratio_text(gain, scale.size, scale.places)


def r_text(gain: Decimal, risk: Decimal) -> str:
    """A gain, given as a price difference, in R, without the letter."""
    return ratio_text(gain, risk, _PLACES)


def moved_text(trade: Trade, price: Decimal) -> str:
    """How far the price has come from the entry, in R, or in the unit of `trade` if it has no R: `+0.53R`."""
    gain = trade.gain(price)
    if (risk := risk_of(trade)) is not None:
        return f"{r_text(gain, risk)}R"
    return _distance_text(gain, scale_of(trade.signal.pair, trade.entry))


def risk_text(trade: Trade) -> str:
    """The risk in the unit of `trade` and in per cent: `1R = 66.0 pips (0.61%)`; empty without an initial stop."""
    risk = risk_of(trade)
    if risk is None:
        return ""
    scale = scale_of(trade.signal.pair, trade.entry)
    text = f"1R = {_distance_text(risk, scale).lstrip('+')}"
    if scale.unit == PERCENT or trade.entry <= 0:
        return text
    return f"{text} ({ratio_text(risk, product(trade.entry, _HUNDREDTH), _PLACES).lstrip('+')}%)"


def slippage_text(trade: Trade) -> str:
    """How much better or worse the fill is than the planned entry; empty if it is equal or unknown."""
    plan = trade.signal.entry_price
    gain = trade.gain(plan)  # the plan is worse than the fill if it would gain
    if gain == 0:
        return ""
    size = _distance_text(gain.copy_abs(), scale_of(trade.signal.pair, plan)).lstrip("+")
    return f"{size} {'worse' if gain < 0 else 'better'}"


def gained(result: Result) -> str:
    """The gain of the closed parts in R, or in the unit of the trade if it has no R."""
    r = result.exact_r
    return _gained_distance(result) if r is None else f"{signed(r, _PLACES)}R"


def gains(result: Result) -> list[str]:
    """The gain of the closed parts, most important first: in R, in the unit of the trade and in per cent."""
    found = [gained(result), _gained_distance(result)]
    if (percent := result.percent) is not None:
        found.append(f"{signed(percent, _PLACES)}%")
    return list(dict.fromkeys(found))  # the unit of a stock is per cent


def at_risk(trade: Trade) -> str:
    """The result of the open part if the stop is hit, in R: at risk or locked in; empty without a stop or R."""
    risk = risk_of(trade)
    if trade.stop is None or risk is None:
        return ""
    gain, (part, whole) = trade.gain(trade.stop), (trade.open_share / WHOLE).as_integer_ratio()
    r = ratio_text(product(gain, Decimal(part)), product(risk, Decimal(whole)), _PLACES)
    return f"{r}R locked in" if gain > 0 else f"{r.lstrip('+-')}R at risk"


def _gained_distance(result: Result) -> str:
    distance = result.distance
    return _with_unit(signed(distance.amount, distance.places), distance.unit)


def _distance_text(gain: Decimal, scale: Scale) -> str:
    return _with_unit(gain_text(gain, scale), scale.unit)


def _with_unit(amount: str, unit: str) -> str:
    return f"{amount}{'' if unit == PERCENT else ' '}{unit}"
