"""Reads text that can be saved, logged and sent."""

from signalpost.errors import InvalidValue

LONGEST_ID = 200


def text_of(value: object, name: str) -> str:
    """`value` with lone surrogates (they cannot be encoded) replaced by U+FFFD. Raises InvalidValue if not a string."""
    if not isinstance(value, str):
        raise InvalidValue.of(name, value, "use text", code="not-text")
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
        raise InvalidValue.of(
            name,
            text,
            f"use one line of at most {LONGEST_ID} printable characters, or omit it",
            code="too-long" if len(text) > LONGEST_ID else "not-printable",
            limit=str(LONGEST_ID),
        )
    return text
