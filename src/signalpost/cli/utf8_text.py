"""Text that a command is given, and that the store can hold."""

from typing import Any

import click


class Utf8Text(click.types.StringParamType):
    """Text that is UTF-8. Bytes that are not come in as surrogates, which SQLite neither finds nor keeps."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text that is given; click tells what is wrong with any other."""
        text = super().convert(value, param, ctx)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.fail(f"{text!r} is not UTF-8: give text in that encoding", param, ctx)
        return text
