"""Text that is not a symbol: unfilled templates, code, and words for a missing value.

Exchanges use `$`, `%`, `^`, `@`, `=` and brackets too, so the patterns match only the shapes of templates and code:
`$SPX`, `^GSPC`, `@ES`, `JPY=X` and `Jump 100 (1s) Index` are symbols.
"""

import re
from unicodedata import name

_NAMES = "(?:ticker|symbol|pair|instrument)"
_TEMPLATES = re.compile(
    r"\{.*\}|\{\{|\}\}"  # {{ticker}}, {pair}, ${PAIR}
    r"|%\w+%|%\(\w+\)|%\d|%(?-i:[sdrf])(?!\w)"  # %TICKER%, %(pair)s, %1, %s
    rf"|\$\(\w+\)|^\$\d+$|\${_NAMES}$"  # $(PAIR), $1, $PAIR
    r"|@@|^__[a-z][a-z_]*__$|^\*.*\*$"  # @@TICKER@@, __TICKER__, *SYMBOL*
    rf"|^\[{_NAMES}\]$"  # [TICKER]
    r"|^=\$?[a-z]{1,3}\$?\d+$|^=\w+\("  # =A1, =VLOOKUP(
    rf"|^syminfo\.|^_symbol$|^\w+\(\)$|^(?:str|string|repr|format|tostring|{_NAMES})\(",  # code
    re.DOTALL | re.IGNORECASE | re.ASCII,
)
_WORDS_FOR_NO_VALUE = frozenset({"none", "null", "undefined", "nan"})
"""Not in capitals: `NAN` is a ticker."""
_NO_VALUE = re.compile(r"n/a|#n/a|#[a-z]+(?:/0)?!", re.IGNORECASE | re.ASCII)
"""Marks of a missing value by people and spreadsheets: `N/A`, `#REF!`, `#DIV/0!`."""
_LATIN = ("LATIN ", "FULLWIDTH LATIN ")
_LOOKALIKES = ("CYRILLIC ", "GREEK ")
"""Scripts whose letters look like Latin ones."""


def is_template(text: str) -> bool:
    """True if `text` is a placeholder, or code that should have been replaced by a symbol."""
    return _TEMPLATES.search(text) is not None


def is_missing_value(text: str) -> bool:
    """True if `text` marks a missing value."""
    if _NO_VALUE.fullmatch(text):
        return True
    return not text.isupper() and text.lower() in _WORDS_FOR_NO_VALUE


def lookalike(text: str) -> str | None:
    """The first Cyrillic or Greek letter in a text that also has Latin letters; None if they are not mixed."""
    if text.isascii():
        return None
    names = [name(each, "") for each in text]
    if not any(each.startswith(_LATIN) for each in names):
        return None
    return next((letter for letter, called in zip(text, names, strict=True) if called.startswith(_LOOKALIKES)), None)
