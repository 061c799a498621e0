"""Looks a setting up, from the source that wins to the one that yields, and gathers what is wrong in any of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from signalpost.config.faults import Faults
from signalpost.config.known import Setting, Value
from signalpost.config.toml_file import DESTINATIONS, NO_FILE, TIERS, text_of
from signalpost.errors import InvalidConfiguration

Parsed = TypeVar("Parsed")

FLAG, ENVIRONMENT, DOT_ENV, FILE, DEFAULT = "flag", "environment", ".env", "file", "default"
DRY_RUN = "dry run"
"""Where a destination is from whose webhook is the sandbox's, whatever it would be else."""


class Variables(NamedTuple):
    """One source of texts by variable."""

    origin: str
    texts: Mapping[str, str]
    path: Path | None = None
    """The file that they are from, if any."""
    line_by_variable: Mapping[str, int] = {}

    def text(self, variable: str) -> str:
        """The variable's text; none where it is not set, or is blank, which is the same."""
        return self.texts.get(variable, "").strip()

    def place(self, variable: str) -> str:
        """Where a variable stands, as a fault names it."""
        if self.path is not None:
            return f"{self.path}, line {self.line_by_variable[variable]}: {variable}"
        return f"{variable} (a flag)" if self.origin == FLAG else variable


class Sources:
    """All sources of one configuration, with what was found wrong and notable, and where each setting came from."""

    def __init__(self, variables: Sequence[Variables]) -> None:
        self.variables = variables
        self.file = NO_FILE
        self.faults = Faults()
        self.notes: list[str] = []
        self.ignored: str | None = None
        """Which webhook for everything is set without effect, and why."""
        self.origin_by_key: dict[str, str] = {}

    def first(self, variable: str) -> tuple[Variables, str] | None:
        """The first source that sets a variable, and its text."""
        return next(((each, text) for each in self.variables if (text := each.text(variable))), None)

    def value(self, setting: Setting[Value]) -> Value:
        """What the first source that has the setting says; a fault in any of them is noted."""
        found = [
            (value, origin)
            for origin, place, parse in self._readings(setting)
            for value in self.checked(place, parse)  # of which there is one, or none
        ]
        value, self.origin_by_key[setting.key] = found[0] if found else (setting.default, DEFAULT)
        return value

    def _readings(self, setting: Setting[Value]) -> Iterator[tuple[str, str, Callable[[], Value]]]:
        for each in self.variables:
            if text := each.text(setting.variable):
                yield each.origin, each.place(setting.variable), partial(setting.parse, text)
        if setting.key in self.file.settings:
            yield FILE, self.file.place(setting.key), partial(self.file.value_of, setting)

    def of_table(self, kind: str, name: str, key: str, parse: Callable[[str], Parsed], wanted: str) -> Parsed | None:
        """A number in a table of the file; None where it is left out, or is wrong, which is noted."""
        table = self.table(kind, name)
        if key not in table:
            return None
        place = self.file.place(kind, name, key)
        return next(iter(self.checked(place, lambda: parse(text_of(table[key], int, wanted)))), None)

    def table(self, kind: str, name: str) -> Mapping[str, object]:
        """A table of the file; an empty one where it is not there."""
        return {DESTINATIONS: self.file.destinations, TIERS: self.file.tiers}[kind].get(name, {})

    def checked(self, place: str, parse: Callable[[], Parsed]) -> tuple[Parsed, ...]:
        """What `parse` makes, alone, or nothing where that is refused, which is noted."""
        try:
            return (parse(),)
        except InvalidConfiguration as fault:
            self.faults.add_all(place, fault)
            return ()
