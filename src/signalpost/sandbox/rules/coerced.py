"""Converts numbers and booleans sent as text, as Discord does: `"16711680"`, `"true"`."""

import re
from typing import Any

_BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}")


def coerced(fields: dict[str, Any]) -> dict[str, Any]:
    """Convert the numbers and booleans of a message. Other texts stay as they are, and the checks reject them."""
    changed = _changed(fields, flags=_number, tts=_boolean, embeds=_embeds)
    assert isinstance(changed, dict)  # noqa: S101  # a dict stays a dict
    return changed


def _embeds(embeds: Any) -> Any:
    return [_changed(each, color=_number, fields=_fields) for each in embeds] if isinstance(embeds, list) else embeds


def _fields(fields: Any) -> Any:
    return [_changed(each, inline=_boolean) for each in fields] if isinstance(fields, list) else fields


def _changed(value: Any, **change_by_name: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return value | {name: change(value[name]) for name, change in change_by_name.items() if name in value}


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value


def _boolean(value: Any) -> Any:
    return _BOOLEANS.get(value, value) if isinstance(value, str) else value
