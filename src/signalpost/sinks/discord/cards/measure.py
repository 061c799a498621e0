"""The prices, distances, R and results of a trade as text."""

from decimal import Decimal
from fractions import Fraction

from signalpost.domain.asset_class import AssetClass
from signalpost.domain.distance import PERCENT, Distance, distance_of
from signalpost.domain.exact import fixed, places_of, plain, product, quotient
from signalpost.domain.precision import places_for
from signalpost.domain.result import Result, r_of, risk_of
from signalpost.domain.trade import WHOLE, Trade
from signalpost.sinks.discord.cards.wording import signed, unsigned

_PLACES = 2
"""Of R and of per cent."""
_PLACES_OF_A_METAL = 2
_HUNDREDTH = Decimal("0.01")


def price_text(trade: Trade, price: Decimal) -> str:
    """`price` with the decimals of the instrument.

    Metals are quoted with two decimals or three. They get two, or as many as the trade's own prices have.
    """
    most = trade.signal.price_places
    pair = trade.signal.pair
    if pair.asset_class is AssetClass.METAL and pair.quoted_pip is None:
        prices = (trade.signal.entry_price, trade.entry, trade.stop, trade.first_stop, price)
        given = [*prices, *(each.price for each in trade.targets), *(each.price for each in trade.parts)]
        finest = max(places_of(plain(each)) for each in given if each is not None)
        most = min(most, max(_PLACES_OF_A_METAL, finest))
    return fixed(price, places_for(price, most))


def unit_of(trade: Trade) -> str:
    """The unit of the distances of `trade`."""
    return _distance(trade, Decimal(0)).unit


def distance_text(trade: Trade, price: Decimal) -> str:
    """The gain at `price` in the unit of `trade`, without the unit."""
    distance = _distance(trade, trade.gain(price))
    return signed(distance.amount, distance.places)


def r_text(trade: Trade, price: Decimal) -> str:
    """The gain at `price` in R, without the R; empty without an initial stop."""
    r = r_of(trade, price)
    return "" if r is None else signed(r, _PLACES)


def risk_text(trade: Trade) -> str:
    """The risk in the unit of `trade` and in per cent: `1R = 66.0 pips (0.61%)`; empty without an initial stop."""
    risk = risk_of(trade)
    if risk is None:
        return ""
    distance = _distance(trade, risk)
    if distance.unit == PERCENT or trade.entry <= 0:
        return f"1R = {_size(distance)}"
    return f"1R = {_size(distance)} ({unsigned(quotient(risk, product(trade.entry, _HUNDREDTH)), _PLACES)}%)"


def slippage_text(trade: Trade) -> str:
    """How much better or worse the fill is than the planned entry; empty if it is equal or unknown."""
    plan = trade.signal.entry_price
    gain = trade.gain(plan)  # the plan is worse than the fill if it would gain
    if gain == 0:
        return ""
    return f"{_size(distance_of(trade.signal.pair, gain.copy_abs(), plan))} {'worse' if gain < 0 else 'better'}"


def gained(trade: Trade) -> str:
    """The gain of the closed parts in R, or in the unit of `trade` if it has no R."""
    r = Result(trade).r
    return _gained_distance(trade) if r is None else f"{signed(r, _PLACES)}R"


def gains(trade: Trade) -> list[str]:
    """The gain of the closed parts, most important first: in R, in the unit of `trade` and in per cent."""
    percent, found = Result(trade).percent, [gained(trade), _gained_distance(trade)]
    if percent is not None:
        found.append(f"{signed(percent, _PLACES)}%")
    return list(dict.fromkeys(found))  # the unit of a stock is per cent


def at_risk(trade: Trade) -> str:
    """The result of the open part if the stop is hit, in R: at risk or locked in; empty without a stop or R."""
    r = None if trade.stop is None else r_of(trade, trade.stop)
    if r is None:
        return ""
    open_r = Fraction(r) * trade.open_share / WHOLE
    return f"{signed(open_r, _PLACES)}R locked in" if open_r > 0 else f"{unsigned(open_r, _PLACES)}R at risk"


def _gained_distance(trade: Trade) -> str:
    distance = Result(trade).distance
    return _with_unit(signed(distance.amount, distance.places), distance)


def _distance(trade: Trade, gain: Decimal) -> Distance:
    return distance_of(trade.signal.pair, gain, trade.entry)


def _size(distance: Distance) -> str:
    return _with_unit(unsigned(distance.amount, distance.places), distance)


def _with_unit(amount: str, distance: Distance) -> str:
    return f"{amount}{'' if distance.unit == PERCENT else ' '}{distance.unit}"
