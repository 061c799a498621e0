from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings

from signalpost import Candle, Signal
from signalpost.testing.strategy_contract import check_strategy
from signalpost.trading.strategies import STRATEGIES
from tests.contracts.made_candles import candles as made_candles
from tests.contracts.samples import QUICK, SAMPLES, strategy
from tests.size import size

Real = Callable[[str], Sequence[Candle]]

samples = [(name, config) for name in STRATEGIES for config in SAMPLES[name]]
quick = [(name, config) for name in STRATEGIES for config in QUICK[name]]


def test_every_strategy_has_samples_for_its_tests() -> None:
    assert SAMPLES.keys() == QUICK.keys() == STRATEGIES.keys()


@pytest.mark.parametrize(("name", "config"), samples)
def test_it_keeps_its_promises_on_real_candles(name: str, config: Any, real: Real) -> None:
    make, candles = partial(strategy, name, config), real(config.pair)[:600]
    replayed = make()
    signals = [answer for candle in candles if isinstance(answer := replayed.on_candle(candle), Signal)]
    assert len(signals) >= 3, "silence proves little"
    check_strategy(make, candles)


@pytest.mark.parametrize(("name", "config"), quick)
@settings(print_blob=True, max_examples=size(15, 30))
@given(candles=made_candles())
def test_it_keeps_its_promises_on_ties_flat_candles_and_gaps(name: str, config: Any, candles: list[Candle]) -> None:
    check_strategy(partial(strategy, name, config), candles)
