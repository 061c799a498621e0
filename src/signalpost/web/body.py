"""Parses untrusted bodies: with exact numbers, and safe against hostile input."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any

from signalpost.domain.sent import as_sent
from signalpost.errors import Fault, InvalidValue, shown
from signalpost.ingest.templates import form_of, pairs_of, shown_text, with_placeholders_quoted
from signalpost.web.problem import Problem, not_understood

_LONGEST_INT = 18


def json_object(raw: bytes, *, is_filled_in: bool = False) -> dict[str, Any]:
    """Parse the JSON object in `raw`, with fractions as exact `Decimal`s.

    With `is_filled_in`, for a filled template, this is also accepted: a bare NaN or Infinity (read as null), a bare
    `{{placeholder}}` (read as text), and line breaks and tabs within text. Raises Problem 400 for anything else that is
    not JSON, for a repeated name, and for nesting that is too deep.
    """
    try:
        text = raw.decode("utf-8-sig")
        read = json.loads(
            with_placeholders_quoted(text) if is_filled_in else text,
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_absent if is_filled_in else _reject,
            strict=not is_filled_in,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError:
        raise _not_json("not-utf-8", "it is not UTF-8") from None
    except RecursionError:
        raise _not_json("nested-too-deep", "it is nested too deeply") from None
    except ValueError as fault:
        raise _not_json("not-readable", str(fault)) from None
    if not isinstance(read, dict):
        raise _not_json("not-an-object", "it is not a JSON object. Send an object with field names")
    return read


def names_and_values(raw: bytes, advice: str, *, is_form: bool = False) -> Mapping[str, Any]:
    """Parse a filled template: a JSON object, `name=value` text, or a form.

    Raises Problem 400 for invalid JSON, and 422 with `advice` for text that is none of these.
    """
    text = raw.decode(errors="replace").strip()
    if text.startswith(("{", "[", "\ufeff")) or not text:
        return json_object(raw, is_filled_in=True)
    try:
        pairs = form_of(text) if is_form and "=" in text and not re.search(r"\s", text) else pairs_of(text)
    except InvalidValue as error:
        raise not_understood(error.errors) from None
    if pairs is None:
        detail = f"cannot parse the body {shown_text(text)}. {advice}"
        raise not_understood([Fault("not-readable", detail, value=shown_text(text))])
    return pairs


def _not_json(code: str, why: str, field: str | None = None, value: str | None = None) -> Problem:
    detail = f"The body cannot be parsed: {why}."
    return Problem(HTTPStatus.BAD_REQUEST, detail, faults=[Fault(code, detail, field, value)])


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        names = (name for name, _ in pairs)
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _not_json("conflict", f"{shown(twice)} appears twice", as_sent(twice))
    return read


def _integer(text: str) -> int | Decimal | str:
    return int(text) if len(text) <= _LONGEST_INT else _number(text)


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # the exponent is too large for Decimal; the field's own check rejects the text
        return text


def _absent(_: str) -> None:
    return None


def _reject(constant: str) -> None:
    raise _not_json("not-a-number", f"{constant} is not valid JSON. Omit a field that has no value", value=constant)
