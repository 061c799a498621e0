"""Texts in the place of a symbol that are none: templates that were not filled in, code, and words for nothing.

Exchanges use `$`, `%`, `^`, `@`, `=` and brackets too, so only the shapes of templates and code are taken for them:
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
_WORDS_FOR_NOTHING = frozenset({"none", "null", "undefined", "nan"})
"""In small letters only: `NAN` is a ticker."""
_NO_VALUE = re.compile(r"n/a|#n/a|#[a-z]+(?:/0)?!", re.IGNORECASE | re.ASCII)
"""What a person or a spreadsheet writes where there is no value: `N/A`, `#REF!`, `#DIV/0!`."""
_LATIN = ("LATIN ", "FULLWIDTH LATIN ")
_LOOKALIKES = ("CYRILLIC ", "GREEK ")
"""Scripts whose letters look like Latin ones."""


def is_template(text: str) -> bool:
    """Whether `text` is a placeholder or code that a program should have replaced by a symbol."""
    return _TEMPLATES.search(text) is not None


def is_no_value(text: str) -> bool:
    """Whether `text` says that there is no symbol."""
    if _NO_VALUE.fullmatch(text):
        return True
    return not text.isupper() and text.lower() in _WORDS_FOR_NOTHING


def lookalike(text: str) -> str | None:
    """The first Cyrillic or Greek letter in a text that has Latin letters, too; None if they are not mixed."""
    if text.isascii():
        return None
    names = [name(each, "") for each in text]
    if not any(each.startswith(_LATIN) for each in names):
        return None
    return next((letter for letter, called in zip(text, names, strict=True) if called.startswith(_LOOKALIKES)), None)
