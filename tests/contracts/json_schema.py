"""As much of JSON Schema as Discord's own description uses: enough to say whether Discord's schema takes a body."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

SCHEMAS: dict[str, Any] = json.loads((Path(__file__).parent / "discord_schema" / "schemas.json").read_text("utf-8"))

_IS_OF_TYPE = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_BOUNDS = {
    "maxLength": lambda value, bound: not isinstance(value, str) or len(value) <= bound,
    "minLength": lambda value, bound: not isinstance(value, str) or len(value) >= bound,
    "maxItems": lambda value, bound: not isinstance(value, list) or len(value) <= bound,
    "minItems": lambda value, bound: not isinstance(value, list) or len(value) >= bound,
    "maximum": lambda value, bound: not isinstance(value, int | float) or value <= bound,
    "minimum": lambda value, bound: not isinstance(value, int | float) or value >= bound,
    "enum": lambda value, known: value in known,
    "const": lambda value, known: value == known,
    "uniqueItems": lambda value, _: not isinstance(value, list) or len(set(map(json.dumps, value))) == len(value),
    "pattern": lambda value, pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
}
_SAYS_NOTHING = {"title", "description"}


def faults(value: Any, name: str) -> list[str]:
    """The violations of that schema in `value`."""
    return list(_faults(value, SCHEMAS["components"]["schemas"][name], name))


def _faults(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    for word, rule in schema.items():
        if word in _BOUNDS:
            if not _BOUNDS[word](value, rule):
                yield f"{at}: {word} {rule}"
        elif word not in _SAYS_NOTHING:
            yield from _RULES[word](value, rule, schema, at)


def _type(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    kinds = rule if isinstance(rule, list) else [rule]
    if not any(_IS_OF_TYPE[kind](value) for kind in kinds):
        yield f"{at}: not of type {rule}"


def _properties(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    for name in rule.keys() & (value.keys() if isinstance(value, dict) else set()):
        yield from _faults(value[name], rule[name], f"{at}.{name}")


def _additional(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else set()
    for name in others:
        if rule is False:
            yield f"{at}.{name}: not known"
        elif isinstance(rule, dict):
            yield from _faults(value[name], rule, f"{at}.{name}")


def _required(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    yield from (f"{at}.{name}: missing" for name in rule if isinstance(value, dict) and name not in value)


def _items(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    for number, each in enumerate(value if isinstance(value, list) else []):
        yield from _faults(each, rule, f"{at}.{number}")


def _reference(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    yield from _faults(value, SCHEMAS["components"]["schemas"][rule.rpartition("/")[2]], at)


def _one_of(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    found = [list(_faults(value, each, at)) for each in rule]
    if all(found):
        yield min(found, key=len)[0]


def _all_of(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    for each in rule:
        yield from _faults(value, each, at)


def _format(value: Any, rule: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    if isinstance(value, str) and rule == "date-time":
        try:
            aware = datetime.fromisoformat(value).utcoffset() is not None
        except ValueError:
            aware = False
        if not aware:
            yield f"{at}: no date-time"


_RULES = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "items": _items,
    "$ref": _reference,
    "oneOf": _one_of,
    "allOf": _all_of,
    "format": _format,
}
