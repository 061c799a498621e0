"""The strategy contract finds every broken promise."""

from datetime import timedelta
from typing import Any

import pytest

from signalpost import Candle, Filtered, InvalidSnapshot, InvalidValue, OutOfOrder, Signal, SignalType, clock
from signalpost.domain.instant import iso
from signalpost.testing import strategy_contract as contract
from tests.contracts.made_candles import START, candle

CANDLES = [candle(START + index * timedelta(hours=4), 100, 101, 99, 100) for index in range(12)]


class EveryThird:
    """Buys at each third candle, and filters each fifth."""

    def __init__(self) -> None:
        self.times: list[str] = []

    def on_candle(self, candle: Candle) -> Any:
        if self.times and iso(candle.time) <= self.times[-1]:
            raise OutOfOrder("old")
        self.times.append(iso(candle.time))
        if len(self.times) % 5 == 0:
            return Filtered(SignalType.BUY, ("fifth",))
        return self.signal(candle) if len(self.times) % 3 == 0 else None

    def signal(self, candle: Candle, **other: Any) -> Signal:
        known = {"created_at": candle.time, "known_at": candle.time + timedelta(hours=4)}
        fields = {"pair": "EUR_USD", "timeframe": "H4", "signal_type": "BUY", "entry_price": candle.close}
        return Signal(**{**fields, "timestamp": candle.time, **known, **other})

    def snapshot(self) -> dict[str, Any]:
        return {"times": list(self.times)}

    def restore(self, saved: Any) -> None:
        times = saved.get("times") if isinstance(saved, dict) else None
        if not isinstance(times, list) or not all(isinstance(time, str) for time in times):
            raise InvalidSnapshot("damaged")
        self.times = list(times)


class Moody(EveryThird):
    made = 0

    def __init__(self) -> None:
        super().__init__()
        Moody.made += 1
        self.number = Moody.made

    def on_candle(self, candle: Candle) -> Any:
        return super().on_candle(candle) if self.number % 2 else None


class Numbered(EveryThird):
    """Its state contains which instance it is."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Numbered.made += 1
        self.number = Numbered.made

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "number": self.number}


class Shared(EveryThird):
    """Counts its instances, so that the fourth and later ones differ."""

    made = 0

    def __init__(self) -> None:
        super().__init__()
        Shared.made += 1
        self.is_late = Shared.made > 3

    def on_candle(self, candle: Candle) -> Any:
        answer = super().on_candle(candle)
        return None if self.is_late else answer


class Talkative(EveryThird):
    def on_candle(self, candle: Candle) -> Any:
        super().on_candle(candle)
        return "BUY"


class Forgetful(EveryThird):
    """Keeps a count outside its state."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_candle(self, candle: Candle) -> Any:
        super().on_candle(candle)
        self.count += 1
        return self.signal(candle) if self.count % 3 == 0 else None


class Careless(EveryThird):
    def restore(self, saved: Any) -> None:
        super().restore(saved)
        self.times = self.times[1:]


class Unspeakable(EveryThird):
    def snapshot(self) -> dict[str, Any]:
        return {"times": self.times, "now": START}


class Tupled(EveryThird):
    def snapshot(self) -> dict[str, Any]:
        return {"times": tuple(self.times)}


class Lending(EveryThird):
    def snapshot(self) -> dict[str, Any]:
        return {"times": self.times}


class Borrowing(EveryThird):
    def restore(self, saved: Any) -> None:
        super().restore(saved)
        self.times = saved["times"]


class Greedy(EveryThird):
    def on_candle(self, candle: Candle) -> Any:
        return None if self.times and iso(candle.time) <= self.times[-1] else super().on_candle(candle)


class Shaken(EveryThird):
    def on_candle(self, candle: Candle) -> Any:
        try:
            return super().on_candle(candle)
        except OutOfOrder:
            self.times.pop()
            raise


class Stumbling(EveryThird):
    """Rejects a price that is too fine after it has used the candle."""

    def on_candle(self, candle: Candle) -> Any:
        answer = super().on_candle(candle)
        if candle.high.as_tuple().exponent == -20:
            raise InvalidValue("too fine")
        return answer


class Trusting(EveryThird):
    def restore(self, saved: Any) -> None:
        self.times = list(saved["times"]) if isinstance(saved, dict) and "times" in saved else []


class Blunt(EveryThird):
    def restore(self, saved: Any) -> None:
        self.times = list(saved["times"])


class Torn(EveryThird):
    def restore(self, saved: Any) -> None:
        self.times = []
        super().restore(saved)


class Clocked(EveryThird):
    def signal(self, candle: Candle, **other: Any) -> Signal:
        return super().signal(candle, created_at=clock.now())


class Late(EveryThird):
    def signal(self, candle: Candle, **other: Any) -> Signal:
        return super().signal(candle, timestamp=candle.time + timedelta(hours=4))


class Early(EveryThird):
    def signal(self, candle: Candle, **other: Any) -> Signal:
        return super().signal(candle, known_at=candle.time)


class Nameless(EveryThird):
    def signal(self, candle: Candle, **other: Any) -> Signal:
        return super().signal(candle, signal_id="mine")


def test_a_sound_strategy_passes() -> None:
    contract.check_strategy(EveryThird, CANDLES)


BROKEN: dict[type[EveryThird], tuple[Any, type[Exception] | None, tuple[str, ...]]] = {
    Moody: (contract.check_determinism, None, ("None", "Signal")),
    Numbered: (contract.check_determinism, None, ()),
    Shared: (contract.check_prefix, None, ()),
    Talkative: (contract.check_determinism, None, ("Signal", "Filtered", "None")),
    Forgetful: (contract.check_restore, None, ()),
    Careless: (contract.check_restore, None, ()),
    Unspeakable: (contract.check_restore, TypeError, ()),
    Tupled: (contract.check_restore, None, ("JSON",)),
    Lending: (contract.check_ownership, None, ()),
    Borrowing: (contract.check_ownership, None, ()),
    Greedy: (contract.check_order, None, ()),
    Shaken: (contract.check_order, OutOfOrder, ()),
    Stumbling: (contract.check_fineness, InvalidValue, ()),
    Trusting: (contract.check_refusal, None, ()),
    Blunt: (contract.check_refusal, KeyError, ("KeyError", "InvalidSnapshot")),
    Torn: (contract.check_refusal, InvalidSnapshot, ()),
    Clocked: (contract.check_times, None, ("created_at", "1970-", "2970-", "updated_at")),
    Late: (contract.check_times, None, ("timestamp",)),
    Early: (contract.check_times, None, ("known_at",)),
    Nameless: (contract.check_times, None, ("mine",)),
}
"""For each broken strategy: the check that finds it, the strategy's exception, and facts in the text."""


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_promise_is_reported(broken: type[EveryThird]) -> None:
    check, behind, facts = BROKEN[broken]
    with pytest.raises(AssertionError) as raised:
        contract.check_strategy(broken, CANDLES)
    assert check.__name__ in [entry.name for entry in raised.traceback]
    assert type(raised.value.__context__) is (behind or type(None))
    assert [fact for fact in facts if fact not in str(raised.value)] == []


def test_too_few_candles_are_rejected() -> None:
    with pytest.raises(InvalidValue) as refused:
        contract.check_strategy(EveryThird, CANDLES[:1])
    facts = {"code": "out-of-range", "field": "candles", "value": "1", "limit": "2 or more"}
    assert refused.value.errors[0].facts() == facts
