"""Converts values to text that can be saved, logged and sent."""

from signalpost.errors import InvalidValue

LONGEST_ID = 200
_LONGEST_SHOWN = 60
_DEPTH = 5
"""How many levels of nested lists and objects an error shows."""


def text_of(value: object, name: str) -> str:
    """`value` with lone surrogates (they cannot be encoded) replaced by U+FFFD. Raises InvalidValue if not a string."""
    if not isinstance(value, str):
        raise InvalidValue(f"{name} is {shown(value)}: use text", code="not-text", field=name, value=shown(value))
    if type(value) is str and value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def required_text(value: object, name: str) -> str:
    """`value` as text. Raises InvalidValue if it is blank."""
    text = text_of(value, name)
    if not text.strip():
        raise InvalidValue(f"{name} is empty: enter some text", code="missing", field=name)
    return text


def id_of(value: object, name: str) -> str:
    """`value` as an identifier: trimmed, not empty, one line, at most 200 characters. Raises InvalidValue otherwise."""
    text = required_text(value, name).strip()
    if len(text) > LONGEST_ID or not text.isprintable():
        raise InvalidValue(
            f"{name} is {shown(text)}: use one line of at most {LONGEST_ID} printable characters, or omit it",
            code="too-long" if len(text) > LONGEST_ID else "not-printable",
            field=name,
            value=shown(text),
            limit=str(LONGEST_ID),
        )
    return text


def as_text(value: object) -> str:
    """`value` as text. If the conversion raises, a placeholder with the type."""
    try:
        return _plain(value, _DEPTH) if isinstance(value, list | tuple | dict) else str(value)
    except Exception:  # noqa: BLE001  # the text is for an error message, which a broken __str__ must not replace
        return f"<unprintable {type(value).__name__}>"


def shown(value: object) -> str:
    """`value` as an error quotes it: strings in quotes, at most 60 characters."""
    text = repr(value) if isinstance(value, str) else as_text(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _plain(value: object, depth: int) -> str:
    """Format lists, tuples and dicts with plain elements: `[1.17, 1.18]`, not `[Decimal('1.17'), ...]`."""
    if isinstance(value, str):
        return repr(value)
    if not isinstance(value, list | tuple | dict):
        return str(value)
    if depth == 0:
        return "..."
    if isinstance(value, dict):
        pairs = (f"{_plain(name, 0)}: {_plain(each, depth - 1)}" for name, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(_plain(each, depth - 1) for each in value)}]"
