"""P8 in simulated time: whatever fails, strategies make the signals of a batch computation, and each is shown once."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from signalpost.domain.change import CloseReason
from signalpost.domain.trade import End
from simulation.candles import WEEK
from simulation.check_signals import fate_of, findings
from simulation.reader import card_in
from simulation.recorder import Answered
from simulation.run import Run, simulate
from tests.simulation.process import simulation
from tests.size import size

CALM = 13
"""A seed whose requests all succeed."""

Tampering = Callable[[Run], Run]


def test_no_seed_loses_repeats_or_changes_a_signal() -> None:
    ran = simulation("--strategies", "--stop", "--seeds", str(size(1, 40)), "--hours", str(size(72, int(WEEK))))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_seed_gives_the_same_run_in_any_process() -> None:
    options = ("--strategies", "--seed", "3", "--hours", str(size(4, 12)))
    assert len({simulation(*options, hash_seed=each).stdout for each in "12"}) == 1


@cache
def _clean() -> Run:
    run = simulate(CALM, 30, has_strategies=True)
    assert list(findings(run)) == []
    return run


def _lose_a_signal(run: Run) -> Run:
    return run._replace(trades=run.trades[1:])


def _make_a_signal_twice(run: Run) -> Run:
    return run._replace(trades=(*run.trades, run.trades[0]))


def _make_another_one(run: Run) -> Run:
    first = run.trades[0]
    other = first.trade.signal.but(signal_id="x", timestamp=run.trades[-1].trade.signal.timestamp.replace(minute=7))
    return run._replace(trades=(*run.trades, first._replace(trade=first.trade.but(signal=other))))


def _change_a_price(run: Run) -> Run:
    first, *rest = run.trades
    stop = first.trade.signal.stop_loss
    assert stop is not None
    signal = first.trade.signal.but(stop_loss=stop + Decimal("0.000001"))
    return run._replace(trades=(first._replace(trade=first.trade.but(signal=signal)), *rest))


def _post_nothing(run: Run) -> Run:
    first, *rest = (each for each in run.trades if fate_of(each) == "posted")
    end = next(each.trade.end for each in run.trades if fate_of(each) == "too-old")
    trade = first.trade.but(end=end, flags=("unpublished",))
    return run._replace(trades=(first._replace(trade=trade), *rest))


def _skip_a_candle(run: Run) -> Run:
    series = run.series[0]
    skipped = [each for each in series.candles if not each.is_out_of_order][-5].candle.time
    run.recorder.of_streams[:] = [
        each._replace(candles=tuple(candle for candle in each.candles if candle.time != skipped))
        if isinstance(each, Answered) and each.stream == series.config.stream
        else each
        for each in run.recorder.of_streams
    ]
    return run


def _hide_a_card(run: Run) -> Run:
    kept = run.discord.guild._messages
    channel = next(name for name, messages in kept.items() if messages)
    del kept[channel][next(iter(kept[channel]))]
    return run


def _show_a_card_twice(run: Run) -> Run:
    kept = run.discord.guild._messages
    channel = next(name for name, messages in kept.items() if messages)
    shown, message = next(iter(kept[channel].items()))
    kept[channel]["9"] = {**message, "id": "9"}
    request = next(each for each in run.recorder.requests if each.message_id == shown)
    run.recorder.requests.append(replace(request, message_id="9"))
    return run


def _end_at_another_time(run: Run) -> Run:
    place, entry, end = next((at, each, each.trade.end) for at, each in enumerate(run.trades) if each.trade.fill)
    later = End(run.trades[0].trade.opened_at, CloseReason.STOP) if end is None else None
    entry = entry._replace(trade=entry.trade.but(end=later))
    return run._replace(trades=(*run.trades[:place], entry, *run.trades[place + 1 :]))


def _show_an_older_state(run: Run) -> Run:
    ended = {each.trade.number for each in run.trades if each.trade.fill and each.trade.end}
    shown = (each for messages in run.discord.guild._messages.values() for each in messages.values())
    cards = (each for each in shown if (card := card_in(each["embeds"][0])) and card.number in ended)
    next(cards)["embeds"][0]["title"] = "▲ BUY EUR/USD · 4h"
    return run


def _leave_open(run: Run) -> Run:
    run.recorder.left_open.append(("x", 1, "signals-free"))
    return run


TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "a signal is lost": (_lose_a_signal, "not made"),
    "a signal is made twice": (_make_a_signal_twice, "twice in the book"),
    "a signal has no cross": (_make_another_one, "without a cross"),
    "a price differs": (_change_a_price, "other prices"),
    "a signal is not posted": (_post_nothing, "is too-old"),
    "a candle is skipped": (_skip_a_candle, "skipped"),
    "a card is not shown": (_hide_a_card, "does not show"),
    "a card is shown twice": (_show_a_card_twice, "twice"),
    "a trade ends at another time": (_end_at_another_time, "ADR 33"),
    "a card does not show the end": (_show_an_older_state, "its state is"),
    "a delivery stays open": (_leave_open, "still open"),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_broken_promise_is_found(name: str) -> None:
    tamper, expected = TAMPERINGS[name]
    clean = _clean()
    shared = clean.recorder.clocks, clean.recorder.order  # which nobody tampers with
    broken = tamper(deepcopy(clean, {id(each): each for each in shared}))
    assert [each for each in findings(broken) if expected in each]
