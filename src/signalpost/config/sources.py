"""The sources of settings, in their order: flags, environment, `.env`, settings file, default.

All sources are read, and the faults in all of them are reported together.
See docs/why/0021-settings-have-sources.md.
"""

import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from signalpost.config import parsers
from signalpost.config.files import mode_of, read_small, reason_to_distrust
from signalpost.config.parsers import Choice, Value, advice, shown_name, shown_path
from signalpost.config.setting import Setting
from signalpost.config.settings import (
    CARDS,
    CONFIG_FILE,
    DESTINATION_KEYS,
    DESTINATIONS,
    FEEDS,
    FILTERS,
    FOLLOW,
    ROLE_KEYS,
    ROLES,
    SETTINGS,
    SIGNALS,
    STRATEGY,
    TABLE_KEYS,
    TIER_KEYS,
    TIERS,
    WATCHDOGS,
    has_our_prefix,
)
from signalpost.errors import Fault, InvalidConfiguration

Parsed = TypeVar("Parsed")
Usual = TypeVar("Usual")
Table = Mapping[str, object]

FLAG, ENVIRONMENT, DOT_ENV, FILE, DEFAULT = "flag", "environment", ".env", "file", "default"

_PROXIES = frozenset({"HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"})
_NEWLINE = re.compile(r"\r\n|\n|\r")
_TOP_KEYS = (
    *(setting.key for setting in SETTINGS),
    *(SIGNALS, FILTERS, CARDS, DESTINATIONS, TIERS, FEEDS, FOLLOW, WATCHDOGS, STRATEGY),
)
_WORDS_BY_KIND = {bool: "true or false", int: "a number", float: "a decimal number", str: "text", list: "a list"}
_LARGEST = 10**9
_LONGEST_FILE = 1 << 20
_POSITION = re.compile(r"line \d+, column \d+")


class Place(NamedTuple):
    """Where a setting is: `text` for people, `field` for programs."""

    text: str
    field: str

    def __str__(self) -> str:
        return self.text


class Findings:
    """The faults in all sources, and the warnings, in the order in which they were found."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[str] = []

    def add(self, text: str, code: str, field: str | None = None, limit: str | None = None) -> None:
        """Add a fault; the text says where it is, what is wrong, and what to do."""
        self.faults.append(Fault(code, text, field, limit=limit))

    def checked(self, place: Place, parse: Callable[..., Parsed], *arguments: object) -> tuple[Parsed, ...]:
        """The result of `parse` in a tuple. If it raises InvalidConfiguration, adds the faults and returns ()."""
        try:
            return (parse(*arguments),)
        except InvalidConfiguration as error:
            self.faults += [each._replace(text=f"{place}: {each.text}", field=place.field) for each in error.errors]
            return ()


class Variables(NamedTuple):
    """One source of texts by variable."""

    origin: str
    texts: Mapping[str, str]
    path: Path | None = None
    """The file that they come from, if any."""
    line_by_variable: Mapping[str, int] = {}

    def text(self, variable: str) -> str:
        """The variable's text; empty if it is not set or blank."""
        return self.texts.get(variable, "").strip()

    def place(self, variable: str) -> Place:
        """Where the variable is."""
        if self.path is not None:
            return Place(f"{self.path}, line {self.line_by_variable[variable]}: {variable}", variable)
        return Place(f"{variable} (a flag)" if self.origin == FLAG else variable, variable)


class SettingsFile(NamedTuple):
    """The known settings of a TOML file."""

    path: Path
    settings: Table
    fixed: Mapping[str, Table] = {}
    """The tables with fixed names, by name."""
    named: Mapping[str, Mapping[str, Table]] = {}
    """The tables of destinations, tiers, roles and feeds, by kind and name.

    Tables of feeds are not checked for unknown settings, because each kind of feed has its own.
    """

    def place(self, *keys: str) -> Place:
        """Where a setting is."""
        field = ".".join(map(shown_name, keys))
        return Place(f"{shown_path(str(self.path))}: {field}", field)

    def table_of(self, setting: Setting[Any]) -> Table:
        """The table that a setting is in."""
        return self.fixed.get(setting.table, {}) if setting.table else self.settings

    def value(self, setting: Setting[Value]) -> Value:
        """The value of a setting that is in the file; a relative path starts at the file's folder."""
        value = parsed(setting, self.table_of(setting)[setting.key])
        return self.path.parent / value if isinstance(value, Path) else value


NO_FILE = SettingsFile(Path(), {})


class Sources:
    """All sources of one configuration, the faults found in them, and the source of each setting."""

    def __init__(self, flags: Mapping[str, str], environment: Mapping[str, str], dot_env: Path | None) -> None:
        self.findings = Findings()
        self.variables = [Variables(FLAG, flags), Variables(ENVIRONMENT, environment)]
        if dot_env is not None:
            self.variables.append(read_dot_env(dot_env, environment, self.findings))
        self.file = self._settings_file()
        self.origin_by_key: dict[str, str] = {}

    def _settings_file(self) -> SettingsFile:
        named = next((each for each in self.variables if each.text(CONFIG_FILE)), None)
        if named is not None:
            for path in self.findings.checked(named.place(CONFIG_FILE), parsers.path, named.text(CONFIG_FILE)):
                return read_settings_file(path, self.findings)
        return NO_FILE

    def value(self, setting: Setting[Value]) -> Value:
        """The value from the first source that has it. The other sources are checked, too."""
        found: list[tuple[Value, str]] = []
        for source in self.variables:
            if setting.variable and (text := source.text(setting.variable)):
                values = self.findings.checked(source.place(setting.variable), setting.parser.parse, text)
                found += [(value, source.origin) for value in values]
        if setting.key in self.file.table_of(setting):
            values = self.findings.checked(self.file.place(*setting.name.split(".")), self.file.value, setting)
            found += [(value, FILE) for value in values]
        value, self.origin_by_key[setting.name] = found[0] if found else (setting.default, DEFAULT)
        return value

    def table_value(self, kind: str, name: str, setting: Setting[Value], usual: Usual) -> Value | Usual:
        """The value of a setting in a table of the file; `usual` if it is not set or invalid."""
        table = self.table(kind, name)
        if setting.key not in table:
            return usual
        place = self.file.place(kind, name, setting.key)
        return next(iter(self.findings.checked(place, parsed, setting, table[setting.key])), usual)

    def table_words(self, kind: str, name: str, key: str, words: type[Choice], none: str) -> frozenset[Choice]:
        """The words in a list in a table of the file; `none` is the meaning of an empty list, for an error."""
        listed = self.table(kind, name).get(key, [])
        if isinstance(listed, list) and all(each in tuple(words) for each in listed):
            return frozenset(map(words, listed))
        place, known = self.file.place(kind, name, key), ", ".join(words)
        self.findings.add(f"{place}: use a list of {known}; {none}", "unknown-word", place.field, known)
        return frozenset()

    def tables(self, kind: str) -> Mapping[str, Table]:
        """The tables of a kind in the file, by name."""
        return self.file.named.get(kind, {})

    def table(self, kind: str, name: str) -> Table:
        """A table of the file; empty if the file does not have it."""
        return self.tables(kind).get(name, {})


def parsed(setting: Setting[Value], value: object) -> Value:
    """The value of a setting in a file. Raises InvalidConfiguration."""
    return setting.parser.parse(text_of(value, setting.kind, setting.wanted))


def text_of(value: object, kind: type, wanted: str) -> str:
    """The text of a value in a file, as a variable would have it. Raises InvalidConfiguration if it is not a `kind`."""
    if type(value) is not kind and not (kind is float and type(value) is int):
        named = _WORDS_BY_KIND.get(type(value), "of another type")
        raise InvalidConfiguration(f"the value is {named}: use {wanted}", code="wrong-kind", limit=wanted)
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise InvalidConfiguration(
            f"the number is too large (the limit is {_LARGEST}): use {wanted}", code="out-of-range", limit=wanted
        )
    if not (text := str(value).strip()):
        raise InvalidConfiguration(
            f"the value is empty: use {wanted}, or remove the line", code="missing", limit=wanted
        )
    return text


def read_dot_env(path: Path, environment: Collection[str], findings: Findings) -> Variables:
    """Our variables in the file `path`, if there is one.

    A fault has the number of the line, never its text. `environment` has the names of the variables that are set.
    """
    texts: dict[str, str] = {}
    lines: dict[str, int] = {}
    distrust = None
    try:
        if stat.S_ISREG(mode_of(path)):
            with path.open("rb") as file:
                text = file.read().decode("utf-8-sig")
                distrust = reason_to_distrust(path.lstat(), os.fstat(file.fileno()))
            texts, lines = _parse_dot_env(path, text, environment, findings)
        elif os.path.lexists(path) and not (path / "pyvenv.cfg").is_file():  # a virtual environment may be named .env
            findings.add(f"{path}: this is not a readable file: remove it, or put a file in its place", "not-readable")
    except OSError as fault:  # also if the folder cannot be entered: its `.env` could set the data folder
        advice = "let this process read it, or run it in another folder"
        findings.add(f"{path}: the file cannot be read ({fault.strerror}): {advice}", "not-readable")
    except UnicodeDecodeError:
        findings.add(f"{path}: the file is not UTF-8: save it as UTF-8", "not-readable")
    if distrust is not None and texts:  # without our variables, its permissions do not matter
        findings.add(f"{path}: {distrust}, or set its variables in the environment", "not-trusted")
    return Variables(DOT_ENV, texts, path, lines)


def _parse_dot_env(
    path: Path, text: str, environment: Collection[str], findings: Findings
) -> tuple[dict[str, str], dict[str, int]]:
    # Loaded only if there is such a file. `dotenv_values` alone would silently skip lines that it cannot read.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    lines: dict[str, int] = {}
    readable, proxies = [], []
    for binding in parse_stream(StringIO(text)):
        start = binding.original.string
        line = binding.original.line + len(_NEWLINE.findall(start[: len(start) - len(start.lstrip())]))
        if binding.error:
            findings.add(f"{path}, line {line}: this is not VARIABLE=value: look for a missing quote", "not-readable")
            continue
        readable.append(start)
        key = binding.key
        if key and key.upper() in _PROXIES and binding.value and key not in environment:
            # Its value may contain a password.
            proxies.append(f"{path}, line {line}: {key} is not read from this file: export it in the environment")
        if key is None or not has_our_prefix(key):
            continue
        if binding.value is None:
            findings.add(f"{path}, line {line}: {key} has no value: write {key}=value", "missing", key)
        if key in lines:
            findings.notes.append(f"{path}: {key} is set in line {lines[key]} and in line {line}: the last one is used")
        lines[key] = line
    values = dotenv_values(stream=StringIO("".join(readable)))
    texts = {key: value for key, value in values.items() if value is not None and has_our_prefix(key)}
    if texts:  # otherwise the file belongs to another program
        findings.notes.extend(proxies)
    return texts, lines


def read_settings_file(path: Path, findings: Findings) -> SettingsFile:
    """The settings in the TOML file `path`. A fault shows no value."""
    named = shown_path(str(path))
    try:
        top = _parse_toml(path)
    except InvalidConfiguration as fault:
        findings.add(f"{named}{fault}", "not-readable")
        top = {}
    add_unknown(top, _TOP_KEYS, f"{named}: ", findings)
    fixed = _fixed_tables(top, named, findings)
    kinds = (
        (DESTINATIONS, top.get(DESTINATIONS, {}), DESTINATION_KEYS),
        (TIERS, top.get(TIERS, {}), TIER_KEYS),
        (ROLES, fixed[CARDS].get("roles", {}), ROLE_KEYS),
        (FEEDS, top.get(FEEDS, {}), None),
    )
    return SettingsFile(
        path, top, fixed, {kind: _tables(found, kind, keys, named, findings) for kind, found, keys in kinds}
    )


def _parse_toml(path: Path) -> Table:
    import tomllib  # loaded only if there is such a file

    try:
        return tomllib.loads(read_small(path, _LONGEST_FILE).decode("utf-8-sig"))
    except OSError as fault:
        problem = f": the file cannot be read ({fault.strerror}): check --config or SIGNALPOST_CONFIG"
    except UnicodeDecodeError:
        problem = ": the file is not UTF-8: save it as UTF-8"
    except (ValueError, RecursionError) as fault:  # its text could quote the file
        found = _POSITION.search(str(fault))
        where = f", {found[0]}: this is not valid TOML" if found else ": the end is not valid TOML"
        problem = f"{where}: look for a missing quote, or a name that is set twice"
    # Raised outside `except`, because an error that quotes the file must not be the context of this one.
    raise InvalidConfiguration(problem)


def _fixed_tables(top: Table, named: str, findings: Findings) -> Mapping[str, Table]:
    tables: dict[str, Table] = {}
    for name, keys in TABLE_KEYS.items():
        outer, _, key = name.rpartition(".")
        found = (tables[outer] if outer else top).get(key, {})
        if isinstance(found, dict):
            add_unknown(found, keys, f"{named}: {name}.", findings)
            tables[name] = found
        else:
            advice = f"write [{name}], and its settings below"
            findings.add(f"{named}: {name}: this is not a table: {advice}", "invalid-setting", name)
            tables[name] = {}
    return tables


def _tables(
    found: object, kind: str, keys: Iterable[str] | None, named: str, findings: Findings
) -> Mapping[str, Table]:
    if not isinstance(found, dict):
        findings.add(
            f"{named}: {kind}: this is not a table: write a [{kind}.NAME] for each one", "invalid-setting", kind
        )
        return {}
    tables = {}
    for name, table in found.items():
        place = f"{named}: {kind}.{shown_name(name)}"
        if isinstance(table, dict):
            if keys is not None:
                add_unknown(table, keys, f"{place}.", findings)
            tables[name] = table
        else:
            advice = f"write [{kind}.NAME], and its settings below"
            findings.add(f"{place}: this is not a table: {advice}", "invalid-setting", kind)
    return tables


def add_unknown(table: Table, known: Iterable[str], place: str, findings: Findings) -> None:
    """Add a fault for each key of the table that is not known; `place` is where the table is."""
    for key in table:
        if key not in known:
            # A setting at the end of a file belongs to the last table.
            hint = "move it above the first [table]" if key in _TOP_KEYS else advice(key, known)
            text = f"{place}{shown_name(key)} is unknown: {hint}"
            findings.add(text, "unknown-field", shown_name(key), ", ".join(known))
