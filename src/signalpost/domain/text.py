"""Text that any store, log and message can hold."""

from signalpost.errors import InvalidValue

LONGEST_ID = 200


def text_of(value: object, name: str) -> str:
    """`value`, which must be text, with lone surrogates (which no encoding can carry) replaced by U+FFFD."""
    if not isinstance(value, str):
        raise InvalidValue(f"{name} is a {type(value).__name__}: give text")
    if type(value) is str and value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def required_text(value: object, name: str) -> str:
    """`value` as text with something in it."""
    text = text_of(value, name)
    if not text.strip():
        raise InvalidValue(f"{name} is empty: give it a text")
    return text


def id_of(value: object, name: str) -> str:
    """`value` as an identifier: trimmed, not empty, one line, at most 200 characters."""
    text = required_text(value, name).strip()
    if len(text) > LONGEST_ID or not text.isprintable():
        raise InvalidValue(
            f"{name} is {text[:40]!r}: give one line of at most {LONGEST_ID} printable characters, or leave it out"
        )
    return text
