"""Parses Slack's webhook format, which Discord accepts at `/slack`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from signalpost.sandbox.rules.exchange import HttpRequest, Refusal
from signalpost.sandbox.rules.form import Form, form_of

_LINK = re.compile(r"<(https?://[^|>\s]+)(?:\|([^>]+))?>")
_COLOURS = {"good": 0x2EB886, "warning": 0xDAA038, "danger": 0xA30200}
_HEX = re.compile(r"#?([0-9a-f]{6})", re.IGNORECASE)


def slack_form_of(request: HttpRequest) -> Form:
    """Convert the Slack body of `request` to Discord's form. Raises Refusal if it is not a valid form."""
    form = form_of(request)
    fields = form.fields
    if isinstance(payload := fields.get("payload"), str):  # Slack's format when it is not JSON
        try:
            fields = msgspec.json.decode(payload, type=dict[str, Any])
        except (msgspec.MsgspecError, RecursionError):
            raise Refusal(400, 50109, "The request body contains invalid JSON.") from None
    made = {
        "content": _linked(fields.get("text")),
        "username": fields.get("username"),
        "avatar_url": fields.get("icon_url"),
        "embeds": _embeds(fields.get("attachments")),
    }
    return Form({name: value for name, value in made.items() if value is not None}, form.files)


def _embeds(attachments: Any) -> Any:
    if not isinstance(attachments, list):
        return attachments
    return [_embed(each) if isinstance(each, dict) else each for each in attachments]


def _embed(attachment: Mapping[str, Any]) -> dict[str, Any]:
    texts = [_linked(attachment[name]) for name in ("pretext", "text") if attachment.get(name)]
    description = "\n".join(texts) if all(isinstance(each, str) for each in texts) else texts[-1]
    made = {
        "title": attachment.get("title"),
        "url": attachment.get("title_link"),
        "description": description or None,
        "color": _colour(attachment.get("color")),
        "timestamp": _time(attachment.get("ts")),
        "author": _some(attachment, name="author_name", url="author_link", icon_url="author_icon"),
        "footer": _some(attachment, text="footer", icon_url="footer_icon"),
        "image": _some(attachment, url="image_url"),
        "thumbnail": _some(attachment, url="thumb_url"),
        "fields": _fields(attachment.get("fields")),
    }
    return {name: value for name, value in made.items() if value is not None}


def _fields(fields: Any) -> Any:
    if not isinstance(fields, list):
        return fields
    return [
        {"name": each.get("title"), "value": _linked(each.get("value")), "inline": bool(each.get("short"))}
        if isinstance(each, dict)
        else each
        for each in fields
    ]


def _some(attachment: Mapping[str, Any], **name_by_part: str) -> dict[str, Any] | None:
    found = {part: attachment[name] for part, name in name_by_part.items() if attachment.get(name)}
    return found or None


def _linked(text: Any) -> Any:
    """Convert Slack's links, `<https://e.x|label>`, to Discord's."""
    if not isinstance(text, str):
        return text
    return _LINK.sub(lambda found: f"[{found[2]}]({found[1]})" if found[2] else found[1], text)


def _colour(colour: Any) -> int | None:
    if not isinstance(colour, str):
        return None
    found = _HEX.fullmatch(colour)
    return int(found[1], 16) if found else _COLOURS.get(colour)


def _time(seconds: Any) -> str | None:
    try:
        return datetime.fromtimestamp(float(seconds), UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
