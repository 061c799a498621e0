"""Made candles that lead to a signal."""

from decimal import Decimal

from signalpost.domain.candle import Candle
from signalpost.domain.signal import Signal


def candles_until(signal: Signal, count: int = 100) -> tuple[Candle, ...]:
    """Candles around the entry of a signal, the last of them its own."""
    assert signal.timeframe is not None
    step, unit = signal.timeframe.duration, signal.entry_price / 1000
    prices = [signal.entry_price + unit * ((at * 7) % 11 - 5) for at in range(count)]
    return tuple(
        Candle(
            time=signal.timestamp - step * (count - 1 - at),
            open=price,
            high=price + unit * 3,
            low=price - unit * 3,
            close=price + unit * Decimal(at % 3 - 1),
        )
        for at, price in enumerate(prices)
    )
