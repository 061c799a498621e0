"""Strategy configurations in a TOML file: a `[[strategy]]` table for each, with shared settings at the top.

The bundled `data/strategies.toml` shows every setting.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from signalpost.errors import Fault, InvalidConfiguration, shown
from signalpost.trading.strategies.ma_unified_config import MAUnifiedConfig

SCHEMA = 1
NOT_NEEDED = ("poll_seconds", "data")
"""Settings of a table that the class of a strategy does not get: an old polling interval, and the candle file."""
_OF_ALL = frozenset(("schema", "strategy_name", "history_candles", "strategy"))


class ConfiguredStrategy(NamedTuple):
    """One strategy of a file."""

    config: MAUnifiedConfig
    data: str
    """Its candle file, relative to the folder of all candle files."""


def read_strategies(path: Path | str) -> tuple[ConfiguredStrategy, ...]:
    """Read the strategies of a TOML file.

    Raises InvalidConfiguration, with the file and its faults, for an unreadable file, for unknown, missing and
    invalid settings, and for two strategies with the same key.
    """
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise InvalidConfiguration(
            f"{name} cannot be read ({fault}): use a TOML file with strategies", code="not-readable"
        ) from fault
    return _strategies(text, name)


def bundled_strategies() -> tuple[ConfiguredStrategy, ...]:
    """The strategies bundled with signalpost."""
    file = files("signalpost") / "data" / "strategies.toml"
    return _strategies(file.read_text(encoding="utf-8"), file.name)


def _strategies(text: str, name: str) -> tuple[ConfiguredStrategy, ...]:
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as fault:
        raise InvalidConfiguration(f"{name} is not valid TOML: {fault}", code="not-readable") from fault
    found: list[ConfiguredStrategy] = []
    faults = list(_document_faults(document))
    if not faults:
        for number, table in enumerate(document["strategy"], start=1):
            try:
                found.append(_strategy(table, document))
            except InvalidConfiguration as error:
                faults += (fault._replace(text=f"strategy {number}: {fault.text}") for fault in error.errors)
        faults += repeated_keys(strategy.config.key for strategy in found)
    if faults:
        raise InvalidConfiguration.of_all(fault._replace(text=f"{name}: {fault.text}") for fault in faults)
    return tuple(found)


def config_of(table: Mapping[str, Any], config_class: type[Any]) -> Any:
    """The configuration of a strategy from its table.

    Raises InvalidConfiguration for unknown, missing and invalid settings.
    """
    missing = (Fault("missing", f"{name} is missing", name) for name in _required(config_class) if name not in table)
    if faults := [*_unknown(table, (*config_class.__struct_fields__, *NOT_NEEDED)), *missing]:
        raise InvalidConfiguration.of_all(faults)
    return config_class(**{name: value for name, value in table.items() if name not in NOT_NEEDED})


def repeated_keys(keys: Iterable[str]) -> list[Fault]:
    """A fault for each key that several strategies have."""
    return [
        Fault("conflict", f"{count} strategies have the key {key!r}", "key", shown(key))
        for key, count in Counter(keys).items()
        if count > 1
    ]


def _required(config_class: type[Any]) -> list[str]:
    return [field.name for field in msgspec.structs.fields(config_class) if field.required]


def _document_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    yield from _unknown(document, _OF_ALL)
    if (schema := document.get("schema", SCHEMA)) != SCHEMA:
        text = f"schema is {schema!r}: this version supports only {SCHEMA}"
        yield Fault("unknown-version", text, "schema", shown(schema), str(SCHEMA))
    tables = document.get("strategy")
    if not (isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)):
        yield Fault("missing", "there are no strategies: add a [[strategy]] table for each", "strategy")


def _strategy(table: Mapping[str, Any], document: Mapping[str, Any]) -> ConfiguredStrategy:
    shared = {"strategy_name": document["strategy_name"]} if "strategy_name" in document else {}
    config = config_of({**shared, **table}, MAUnifiedConfig)
    data = table.get("data", f"{config.pair}_{config.timeframe}.csv.gz")
    if not isinstance(data, str) or not data:
        raise InvalidConfiguration.of("data", data, "use the name of a candle file", code="not-text")
    return ConfiguredStrategy(config, data)


def _unknown(table: Mapping[str, Any], known: Iterable[str]) -> Iterator[Fault]:
    known = sorted(known)
    for name in table:
        if name not in known:
            nearest = next(iter(get_close_matches(name, known, n=1)), None)
            hint = f": did you mean {nearest!r}?" if nearest else ""
            yield Fault("unknown-field", f"{name!r} is not a setting{hint}", name, limit=nearest)
