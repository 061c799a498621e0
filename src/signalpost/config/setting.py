"""One row of the table of settings."""

from typing import Generic, NamedTuple

from signalpost.config.parsers import Parser, Value


class Setting(NamedTuple, Generic[Value]):
    """One setting."""

    key: str
    """Its name in a settings file."""
    variable: str
    """Its environment variable; empty for a setting of a table."""
    default: Value
    parser: Parser[Value]
    description: str = ""
    """For the example file and the page of names."""
    table: str = ""
    """The table that it is in, if that has a fixed name; empty for the top of the file."""

    @property
    def name(self) -> str:
        """Its name in a settings file, with that of its table: `cards.username`."""
        return f"{self.table}.{self.key}" if self.table else self.key

    @property
    def kind(self) -> type:
        """Its type in a settings file: bool, int, float or str."""
        return type(self.parser.show(self.default))

    @property
    def wanted(self) -> str:
        """The valid values in a settings file, for an error."""
        shown = self.parser.show(self.default)
        in_quotes = f'text in quotes, such as "{shown}"' if shown else f"text in quotes: {self.parser.wanted}"
        return {bool: "true or false", int: self.parser.wanted, float: self.parser.wanted}.get(self.kind, in_quotes)
