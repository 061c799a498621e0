"""Reads JSON that anybody may have written: exact numbers, and nothing that breaks the reader."""

import json
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any

from signalpost.domain.spellings import as_sent
from signalpost.domain.text import shown
from signalpost.errors import Fault
from signalpost.ingest.templates import with_placeholders_quoted
from signalpost.web.problem import Problem

_LONGEST_INT = 18


def json_object(raw: bytes, *, is_filled_in: bool = False) -> dict[str, Any]:
    """The JSON object in `raw`, its fractions as exact `Decimal`s.

    One that `is_filled_in`, a template's, may also have a bare NaN or Infinity, which is read as null, a bare
    `{{placeholder}}`, which is read as text, and within text line ends and tabs: that is no JSON. Raises Problem 400
    for any other text, for a name that stands twice, and for nesting too deep to read.
    """
    try:
        text = raw.decode("utf-8-sig")
        read = json.loads(
            with_placeholders_quoted(text) if is_filled_in else text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_absent if is_filled_in else _refused,
            strict=not is_filled_in,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise _no_json("not-utf-8", "it is not UTF-8") from None
    except RecursionError:
        raise _no_json("nested-too-deep", "it is nested too deep") from None
    except ValueError as fault:
        raise _no_json("not-readable", str(fault)) from None
    if not isinstance(read, dict):
        raise _no_json("not-an-object", "it is not a JSON object: give one with the names of its fields")
    return read


def _no_json(code: str, why: str, field: str | None = None, value: str | None = None) -> Problem:
    detail = f"the body cannot be read: {why}"
    return Problem(HTTPStatus.BAD_REQUEST, detail, faults=[Fault(code, detail, field, value)])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = (name for name, _ in pairs)
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _no_json("conflict", f"it names {shown(twice)} twice", as_sent(twice))
    return read


def _integer(text: str) -> int | Decimal | str:
    return int(text) if len(text) <= _LONGEST_INT else _number(text)


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent that no Decimal can hold: the field's own check will refuse the text
        return text


def _absent(_: str) -> None:
    return None


def _refused(constant: str) -> None:
    raise _no_json("not-a-number", f"{constant} is no JSON: leave out what is not known", value=constant)
