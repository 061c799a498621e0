"""Builds messages as Discord stores and returns them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote
from zlib import crc32

from signalpost.sandbox.rules.exchange import Moment
from signalpost.sandbox.rules.form import MOST_FILES, File, Form
from signalpost.sandbox.rules.mentions import Pings, pings_of
from signalpost.sandbox.rules.message_form import COMPONENTS_V2, SUPPRESS_NOTIFICATIONS
from signalpost.sandbox.rules.snowflake import snowflake

_TEXTS = ("title", "description")
_INNER_TEXT = {"footer": "text", "author": "name"}
_URLS = ("url", "icon_url")
_KEPT_FLAGS = SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
"""Flags that an edit cannot remove."""
_URL_LASTS = 24 * 3600
"""Seconds until the URL of an attachment expires."""


_CONTENTS = 256
"""Different files that arrive in the same millisecond almost always have different ids."""


class Shown(NamedTuple):
    """A message, its pings, and the content of its new files by id."""

    message: dict[str, Any]
    pings: Pings = Pings()
    files: Mapping[str, bytes] = {}

    @property
    def is_silent(self) -> bool:
        """True if it triggers no notification."""
        return bool(self.message["flags"] & SUPPRESS_NOTIFICATIONS)

    @property
    def is_empty(self) -> bool:
        """True if the message has nothing to show."""
        return not any(self.message.get(part) for part in ("content", "embeds", "components", "attachments", "poll"))


def new_message(form: Form, *, id: str, channel_id: str, webhook_id: str, name: str, now: Moment) -> Shown:
    """Build a message from `form`, already checked."""
    fields = form.fields
    content = (fields.get("content") or "").strip()
    pings = pings_of(content, fields.get("allowed_mentions"))
    message = {
        "type": 0,
        "id": id,
        "channel_id": channel_id,
        "webhook_id": webhook_id,
        "timestamp": timestamp(now.at),
        "edited_timestamp": None,
        "content": content,
        "embeds": shown_embeds(fields.get("embeds")),
        "components": fields.get("components") or [],
        "attachments": _attachments(form, channel_id, now),
        "author": {
            "id": webhook_id,
            "username": fields.get("username") or name,
            "avatar": None,
            "discriminator": "0000",
            "public_flags": 0,
            "flags": 0,
            "bot": True,
            "global_name": None,
        },
        "mentions": [_user(user) for user in pings.users],
        "mention_roles": list(pings.roles),
        "mention_everyone": bool(pings.everyone),
        "pinned": False,
        "tts": bool(fields.get("tts")),
        "flags": fields.get("flags") or 0,
    }
    if fields.get("poll"):
        message["poll"] = fields["poll"]
    return Shown(message, pings, _contents(form, now))


def edited_message(message: dict[str, Any], form: Form, now: Moment) -> Shown:
    """Apply the edit in `form`, already checked, to `message`.

    Fields that the edit omits stay; its mentions are found again. An edit pings nobody.
    """
    fields = form.fields
    changed = {**message, "edited_timestamp": timestamp(now.at), "attachments": _remaining(message, form, now)}
    if "content" in fields:
        changed["content"] = (fields["content"] or "").strip()
    if "embeds" in fields:
        changed["embeds"] = shown_embeds(fields["embeds"])
    if "components" in fields:
        changed["components"] = fields["components"] or []
    if fields.get("flags") is not None:
        changed["flags"] = fields["flags"] | message["flags"] & _KEPT_FLAGS
    mentioned = pings_of(changed["content"], fields.get("allowed_mentions"))
    changed["mentions"] = [_user(user) for user in mentioned.users]
    changed["mention_roles"] = list(mentioned.roles)
    changed["mention_everyone"] = bool(mentioned.everyone)
    return Shown(changed, files=_contents(form, now))


def _contents(form: Form, now: Moment) -> dict[str, bytes]:
    """The content of each file by its id."""
    return {_file_id(file, n, now): file.content for n, file in enumerate(form.files)}


def _file_id(file: File, n: int, now: Moment) -> str:
    return snowflake(now.at, n + MOST_FILES * (crc32(file.content) % _CONTENTS))


def _remaining(message: dict[str, Any], form: Form, now: Moment) -> list[dict[str, Any]]:
    """The attachments after an edit: those it lists, with new descriptions, or all if it lists none; then new files."""
    listed = form.fields.get("attachments")
    added = _attachments(form, message["channel_id"], now)
    if listed is None:
        return [*message["attachments"], *added]
    listed_by_id = {str(each.get("id")): each for each in listed if isinstance(each, dict)}
    kept = [
        {**each, **_description_of(listed_by_id[each["id"]])}
        for each in message["attachments"]
        if each["id"] in listed_by_id
    ]
    return [*kept, *(file for n, file in enumerate(added) if str(n) in listed_by_id)]


def _description_of(listed: dict[str, Any]) -> dict[str, Any]:
    return {"description": listed["description"]} if isinstance(listed.get("description"), str) else {}


def shown_embeds(embeds: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Convert embeds to the form Discord shows: trimmed, without empty parts, of type `rich`."""
    return [shown for shown in map(_shown_embed, embeds or []) if shown.keys() - {"type", "color", "timestamp", "url"}]


def _shown_embed(embed: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": "rich"}
    shown |= {name: text for name in _TEXTS if (text := (embed.get(name) or "").strip())}
    shown |= {name: embed[name] for name in ("url", "color") if embed.get(name) is not None}
    if embed.get("timestamp"):
        shown["timestamp"] = timestamp(datetime.fromisoformat(embed["timestamp"]))
    for name, text_name in _INNER_TEXT.items():
        inner = embed.get(name) or {}
        if text := (inner.get(text_name) or "").strip():
            shown[name] = {text_name: text, **{url: inner[url] for url in _URLS if inner.get(url)}}
    pictures = {name: (embed.get(name) or {}).get("url") for name in ("image", "thumbnail")}
    shown |= {name: {"url": url} for name, url in pictures.items() if url}
    if embed.get("fields"):
        shown["fields"] = [
            {"name": field["name"].strip(), "value": field["value"].strip(), "inline": bool(field.get("inline"))}
            for field in embed["fields"]
        ]
    return shown


def timestamp(at: datetime) -> str:
    """Format `at` as Discord does; a time without a zone is UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _attachments(form: Form, channel_id: str, now: Moment) -> list[dict[str, Any]]:
    return [_attachment(file, n, _description(form, n), channel_id, now) for n, file in enumerate(form.files)]


def _description(form: Form, n: int) -> str | None:
    listed = form.fields.get("attachments")
    named = [each for each in listed or () if isinstance(each, dict) and str(each.get("id")) == str(n)]
    return named[0].get("description") if named else None


def _attachment(file: File, n: int, description: str | None, channel_id: str, now: Moment) -> dict[str, Any]:
    own = _file_id(file, n, now)
    place = f"attachments/{channel_id}/{own}/{quote(file.filename)}"
    expires = int(now.at.timestamp()) + _URL_LASTS
    signed = f"ex={expires:x}&is={expires - _URL_LASTS:x}&hm={'0' * 64}"
    made: dict[str, Any] = {
        "id": own,
        "filename": file.filename,
        "size": len(file.content),
        "url": f"https://cdn.discordapp.com/{place}?{signed}&",
        "proxy_url": f"https://media.discordapp.net/{place}?{signed}&",
    }
    if file.type is not None:
        made["content_type"] = file.type
    return made | _description_of({"description": description})


def _user(id: str) -> dict[str, Any]:
    return {"id": id, "username": f"user {id}", "discriminator": "0", "avatar": None, "bot": False}


_NAMES = (
    (re.compile(r"<@!?(\d{1,20})>", re.ASCII), r"@user \1"),
    (re.compile(r"<@&(\d{1,20})>", re.ASCII), r"@role \1"),
    (re.compile(r"<#(\d{1,20})>", re.ASCII), r"#channel \1"),
    (re.compile(r"<a?(:\w{2,32}:)\d{1,20}>", re.ASCII), r"\1"),
)


def notification_of(message: dict[str, Any]) -> str | None:
    """The text that a phone shows for a new message, with mentions as names; None if the message is silent.

    It is the content only: no embed, no formatting. Markup stays as it was sent, because Discord does not document
    what its apps strip from it.
    """
    if message["flags"] & SUPPRESS_NOTIFICATIONS:
        return None
    text: str = message["content"]
    for mention, name in _NAMES:
        text = mention.sub(name, text)
    return text


def headline_of(message: dict[str, Any]) -> str:
    """A message in one line: the first line of its content, or else the title of its first embed."""
    content: str = message["content"]
    titles = [embed["title"] for embed in message["embeds"] if "title" in embed]
    return content.partition("\n")[0] or next(iter(titles), "")
