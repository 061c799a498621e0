"""A TOML file of settings: what may stand in it, and what each value is as text."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from signalpost.config.faults import Faults
from signalpost.config.known import SETTINGS, Setting, Value
from signalpost.config.nearest import advice
from signalpost.config.small_file import read_small
from signalpost.config.spelling import shown_name, shown_path
from signalpost.errors import InvalidConfiguration

Table = Mapping[str, object]

DESTINATIONS, TIERS = "destinations", "tiers"
OF_A_DESTINATION = ("webhook", "webhook_file", "messages_a_minute")
OF_A_TIER = ("rank", "signals_to")

_TOP = (*(setting.key for setting in SETTINGS), DESTINATIONS, TIERS)
_WORDS_BY_KIND = {bool: "a switch", int: "a number", float: "a number with a point", str: "text", list: "a list"}
_LARGEST = 10**9
_LONGEST_FILE = 1 << 20
_PLACE = re.compile(r"line \d+, column \d+")


class SettingsFile(NamedTuple):
    """The settings of a file, those that are known and in their place."""

    path: Path
    settings: Table
    destinations: Mapping[str, Table]
    tiers: Mapping[str, Table]

    def place(self, *keys: str) -> str:
        """Where a setting stands, as a fault names it."""
        return f"{shown_path(str(self.path))}: {'.'.join(map(shown_name, keys))}"

    def value_of(self, setting: Setting[Value]) -> Value:
        """What the file says for a setting that stands in it; a path is taken from the file's folder."""
        value = setting.parse(text_of(self.settings[setting.key], setting.kind, setting.wanted))
        return self.path.parent / value if isinstance(value, Path) else value


NO_FILE = SettingsFile(Path(), {}, {}, {})


def text_of(value: object, kind: type, wanted: str) -> str:
    """The text that a variable would hold to say `value`. Raises InvalidConfiguration where it is no `kind`."""
    if type(value) is not kind:
        told = f"it is {_WORDS_BY_KIND.get(type(value), 'of another kind')}: give {wanted}"
        raise InvalidConfiguration(told, code="wrong-kind", limit=wanted)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise InvalidConfiguration(f"it is too large: give {wanted}", code="out-of-range", limit=wanted)
    if not (text := str(value).strip()):
        raise InvalidConfiguration(f"it is empty: give {wanted}, or leave the line out", code="missing", limit=wanted)
    return text


def read_settings_file(path: Path, faults: Faults) -> SettingsFile:
    """What stands in `path`; what is wrong with it is added to `faults`, and shows nothing of its values."""
    named = shown_path(str(path))
    try:
        top = _parsed(path)
    except InvalidConfiguration as fault:
        faults.add(f"{named}{fault}", "not-readable")
        top = {}
    _tell_unknown(top, _TOP, f"{named}: ", faults)
    tables = {
        kind: _tables(top.get(kind, {}), kind, keys, named, faults)
        for kind, keys in ((DESTINATIONS, OF_A_DESTINATION), (TIERS, OF_A_TIER))
    }
    return SettingsFile(path, top, tables[DESTINATIONS], tables[TIERS])


def _parsed(path: Path) -> Table:
    import tomllib  # loaded where there is such a file

    try:
        return tomllib.loads(read_small(path, _LONGEST_FILE).decode("utf-8-sig"))
    except OSError as fault:
        problem = f": it cannot be read ({fault.strerror}): --config or SIGNALPOST_CONFIG names it"
    except UnicodeDecodeError:
        problem = ": it is not UTF-8: save it as UTF-8"
    except (ValueError, RecursionError) as fault:  # whose text could quote what stands there
        found = _PLACE.search(str(fault))
        where = f", {found[0]}: it is no TOML from there on" if found else ": it is no TOML at its end"
        problem = f"{where}: look for a missing quote, or a name that stands twice"
    raise InvalidConfiguration(problem)  # out here, so that no error that holds the file is its context


def _tables(found: object, kind: str, keys: Iterable[str], named: str, faults: Faults) -> Mapping[str, Table]:
    if not isinstance(found, dict):
        faults.add(f"{named}: {kind}: it is not a table: give one [{kind}.NAME] for each", "invalid-setting", kind)
        return {}
    tables = {}
    for name, table in found.items():
        place = f"{named}: {kind}.{shown_name(name)}"
        if isinstance(table, dict):
            _tell_unknown(table, keys, f"{place}.", faults)
            tables[name] = table
        else:
            faults.add(
                f"{place}: it is not a table: write [{kind}.NAME], and its settings below", "invalid-setting", kind
            )
    return tables


def _tell_unknown(table: Table, known: Iterable[str], place: str, faults: Faults) -> None:
    for key in table:
        if key not in known:  # and one of the file itself, written at its end, belongs to the last table there
            told = "write it above the first [table]" if key in _TOP else advice(key, known)
            faults.add(f"{place}{shown_name(key)} is not known: {told}", "unknown-field", shown_name(key))
