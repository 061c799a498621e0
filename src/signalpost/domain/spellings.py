"""The names that other systems give to the parts of a signal."""

from collections.abc import Mapping
from typing import Any

from signalpost.domain.text import shown
from signalpost.errors import InvalidValue

SPELLINGS = {
    "pair": ("pair", "instrument", "symbol", "ticker"),
    "timeframe": ("timeframe", "tf", "interval", "granularity"),
    "signal_type": ("signal_type", "side", "action", "direction", "signal"),
    "entry_price": ("entry_price", "entry", "price", "close", "open_rate"),
    "timestamp": ("timestamp", "candle_time", "time", "date"),
    "stop_loss": ("stop_loss", "stoploss", "sl", "stop"),
    "take_profit": ("take_profit", "takeprofit", "tp", "tp1", "target"),
    "signal_id": ("signal_id", "id"),
    "strategy_name": ("strategy_name", "strategy"),
    "crossover_type": ("crossover_type", "crossover"),
    "status": ("status",),
    "current_price": ("current_price",),
    "price_places": ("price_places",),
    "fast_ma": ("fast_ma",),
    "slow_ma": ("slow_ma",),
    "atr_value": ("atr_value", "atr"),
    "atr_multiplier_sl": ("atr_multiplier_sl", "sl_mult"),
    "atr_multiplier_tp": ("atr_multiplier_tp", "tp_mult"),
    "risk_reward_ratio": ("risk_reward_ratio", "risk_reward", "rr"),
    "position_size": ("position_size",),
    "confidence_score": ("confidence_score", "confidence"),
    "notes": ("notes", "comment"),
    "created_at": ("created_at",),
    "updated_at": ("updated_at",),
    "known_at": ("known_at",),
    "valid_until": ("valid_until", "expires_at"),
}
"""What each field of a signal may be called, the first that is present being taken."""

REQUIRED = ("pair", "timeframe", "signal_type", "entry_price", "timestamp")


def signal_fields(data: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a signal found in `data`. Raises InvalidValue naming every required one that is absent."""
    if not hasattr(data, "items"):
        raise InvalidValue(f"the signal is {shown(data)}: give a mapping of names to values")
    given = {name.strip().lower(): value for name, value in data.items() if isinstance(name, str) and _is_given(value)}
    fields = {
        field: given[names_present[0]]
        for field, names in SPELLINGS.items()
        if (names_present := [name for name in names if name in given])
    }
    missing = [f"{field} (or {', '.join(SPELLINGS[field][1:])})" for field in REQUIRED if field not in fields]
    if missing:
        raise InvalidValue(f"the mapping has no {'; no '.join(missing)}: add what is missing")
    return fields


def _is_given(value: object) -> bool:
    return value is not None and not (isinstance(value, str) and not value.strip())
