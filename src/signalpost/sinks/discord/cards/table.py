"""The table of a trade's levels, in a code block: label, price, distance and R."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from signalpost.domain.change import CloseReason
from signalpost.domain.distance import Scale, scale_of
from signalpost.domain.tier import Hidden
from signalpost.domain.trade import Part, Trade, TradeState, risk_of
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.cards.wording import gain_text, price_text, r_text
from signalpost.sinks.discord.escape import cut

MOST_TARGETS = 8
_MOST_PARTS = 4
_FENCE = "```"
_HIT = "hit"
_WIDEST, _WIDEST_WITH_LONG_PRICES = 26, 28
_USUAL_PRICE = 7
_COLUMNS = ((5, "%-{}s"), (0, " %{}s"), (6, " %{}s"), (5, " %{}s"))
"""The minimum width of each column, which keeps it in place when the message is edited, and its format."""
_LONGEST_TIER = 18


class _Row(NamedTuple):
    label: str
    price: str
    distance: str = ""
    r: str = ""


def table(trade: Trade, view: View, most_targets: int = MOST_TARGETS) -> list[str]:
    """The lines of the table, with at most `most_targets` targets.

    If the table is too wide, the distance column is dropped, then R. A level that was hit is marked. A level that
    `view` hides is replaced by the name of the tier that sees it.
    """
    scale = scale_of(trade.signal.pair, trade.entry)
    risk = risk_of(trade)
    rows = [_Row("Entry", price_text(trade, trade.entry)), *_levels(trade, view, most_targets, scale, risk)]
    if trade.parts and not view.hides_levels(trade):
        rows += _parts(trade, scale, risk)
    return [_FENCE, *_drawn(rows, scale.unit), _FENCE]


def more_targets(trade: Trade, view: View, most_targets: int = MOST_TARGETS) -> list[str]:
    """A line that counts the targets beyond `most_targets`, if there are some to show."""
    more = len(trade.targets) - most_targets
    if more <= 0 or view.hides(Hidden.TARGETS, trade):
        return []
    return [f"+{more} more target{'' if more == 1 else 's'}"]


def exit_part(trade: Trade) -> Part | None:
    """The part whose close ended `trade`; None if it is open, or a target or the end of following ended it."""
    if trade.state is not TradeState.CLOSED or not trade.parts or trade.open_share > 0:
        return None
    last = trade.parts[-1]
    return None if last.target is not None else last


def _levels(trade: Trade, view: View, most_targets: int, scale: Scale, risk: Decimal | None) -> Iterator[_Row]:
    hides_stop = view.hides(Hidden.STOP, trade)
    risk = None if hides_stop else risk
    if trade.stop is not None and hides_stop:
        yield _Row("SL", cut(view.full_tier, _LONGEST_TIER))
    elif trade.stop is not None:
        yield _row("SL", trade, trade.stop, scale, risk, is_hit=trade.end_reason is CloseReason.STOP)
    if trade.targets and view.hides(Hidden.TARGETS, trade):
        yield _Row(
            "TP1" if len(trade.targets) == 1 else f"TP1-{len(trade.targets)}", cut(view.full_tier, _LONGEST_TIER)
        )
        return
    for number, target in enumerate(trade.targets[:most_targets], 1):
        yield _row(f"TP{number}", trade, target.price, scale, risk, is_hit=number <= trade.hits)


def _parts(trade: Trade, scale: Scale, risk: Decimal | None) -> Iterator[_Row]:
    """The parts that were not closed at a level, and the exit if it was not at one."""
    last = exit_part(trade)
    others = [part for part in trade.parts if part is not last and not _is_at_target(trade, part)]
    if len(others) > _MOST_PARTS:
        yield _Row("Part", f"+{len(others) - _MOST_PARTS} more")
    for part in others[-_MOST_PARTS:]:
        yield _row("Part", trade, part.price, scale, risk)
    is_at_stop = trade.end is not None and trade.end.reason is CloseReason.STOP and trade.end.price == trade.stop
    if last is not None and not is_at_stop:
        yield _row("Exit", trade, last.price, scale, risk)


def _is_at_target(trade: Trade, part: Part) -> bool:
    return part.target is not None and trade.targets[part.target - 1].price == part.price


def _row(label: str, trade: Trade, price: Decimal, scale: Scale, risk: Decimal | None, *, is_hit: bool = False) -> _Row:
    gain = trade.gain(price)
    distance = _HIT if is_hit else gain_text(gain, scale)
    return _Row(label, price_text(trade, price), distance, "" if risk is None else r_text(gain, risk))


def _drawn(rows: Sequence[_Row], unit: str) -> list[str]:
    _, prices, distances, rs = zip(*rows, strict=True)
    if not any(distances):
        return _without_head(rows)
    head = _Row("", "price", unit, "R" if any(rs) else "")
    widest = _WIDEST_WITH_LONG_PRICES if max(map(len, prices)) > _USUAL_PRICE else _WIDEST
    for lines in map(_aligned, _ever_narrower([head, *rows])):
        if max(map(len, lines)) <= widest:
            break
    return lines


def _ever_narrower(rows: Sequence[_Row]) -> Iterator[Sequence[_Row]]:
    """All columns; without the distance; without R; prices alone. The mark of a hit level is dropped last."""
    yield rows
    rows = [row._replace(distance="", r=_HIT if row.distance == _HIT else row.r) for row in rows]
    yield rows
    rows = [row._replace(r=_HIT if row.r == _HIT else "") for row in rows]
    yield rows
    yield [row._replace(r="") for row in rows]


def _without_head(rows: Sequence[_Row]) -> list[str]:
    """Prices alone, two spaces away from their labels."""
    if len(rows) == 1:
        return [f"{rows[0].label} {rows[0].price}"]
    label, price = (max(len(row[column]) for row in rows) for column in (0, 1))
    return [f"{row.label:<{label}}  {row.price:>{price}}" for row in rows]


def _aligned(rows: Sequence[_Row]) -> list[str]:
    line = "".join(
        column.format(max(least, *map(len, texts))) if any(texts) else "%.0s"
        for texts, (least, column) in zip(zip(*rows, strict=True), _COLUMNS, strict=True)
    )
    return [(line % row).rstrip() for row in rows]
