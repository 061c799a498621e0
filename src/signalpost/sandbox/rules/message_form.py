"""Checks new and edited messages; limits from Discord's docs (Execute Webhook, Edit Webhook Message, Embed Limits).

Texts of embeds are counted after trimming.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from signalpost.sandbox.rules import checks
from signalpost.sandbox.rules.checks import PICTURE, Path
from signalpost.sandbox.rules.exchange import Problem
from signalpost.sandbox.rules.form import MOST_FILES

LONGEST_CONTENT = 2000
LONGEST_USERNAME = 80
MOST_COMPONENTS = 40
MOST_MENTIONS = 100
SUPPRESS_EMBEDS = 1 << 2
SUPPRESS_NOTIFICATIONS = 1 << 12
COMPONENTS_V2 = 1 << 15
_NEW_MESSAGE_FLAGS = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | COMPONENTS_V2
_EDIT_FLAGS = SUPPRESS_EMBEDS | COMPONENTS_V2
_LARGEST_FLAGS = (1 << 53) - 1
_RESERVED_NAMES = re.compile(r"clyde|discord", re.IGNORECASE)
_MENTION_TYPES = ("users", "roles", "everyone")


def check_new_message(fields: dict[str, Any]) -> list[Problem]:
    """Check the form of a new message."""
    return [
        *_shared_fields(fields, _NEW_MESSAGE_FLAGS),
        *_username(fields.get("username"), ("username",)),
        *checks.url(fields.get("avatar_url"), ("avatar_url",)),
        *checks.boolean(fields.get("tts"), ("tts",)),
    ]


def check_edit(fields: dict[str, Any]) -> list[Problem]:
    """Check the form of an edit; fields not valid in an edit are ignored."""
    return list(_shared_fields(fields, _EDIT_FLAGS))


def check_webhook_name(name: Any) -> list[Problem]:
    """Check an optional new name for a webhook."""
    return list(_username(name.strip() if isinstance(name, str) else name, ("name",)))


def _shared_fields(fields: dict[str, Any], flags: int) -> Iterator[Problem]:
    yield from checks.text(fields.get("content"), ("content",), LONGEST_CONTENT)
    yield from embeds(fields.get("embeds"), ("embeds",))
    yield from checks.list_of(fields.get("components"), ("components",), MOST_COMPONENTS)
    yield from checks.list_of(fields.get("attachments"), ("attachments",), MOST_FILES)
    yield from _allowed_mentions(fields.get("allowed_mentions"), ("allowed_mentions",))
    wrong_flags = list(_flags(fields.get("flags"), ("flags",), flags))
    yield from wrong_flags
    if not wrong_flags:
        yield from check_components_v2(fields)


def check_components_v2(fields: dict[str, Any]) -> Iterator[Problem]:
    """Check that a message with components v2, new or after an edit, has nothing else."""
    if (fields.get("flags") or 0) & COMPONENTS_V2:
        for name in ("content", "embeds", "poll"):
            if fields.get(name):
                code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
                yield Problem((name,), code, "The field cannot be used when using MessageFlags.IS_COMPONENTS_V2")


def _flags(value: Any, path: Path, allowed: int) -> Iterator[Problem]:
    problems = list(checks.whole_number(value, path, _LARGEST_FLAGS))
    yield from problems
    if not problems and value and value & ~allowed:
        yield Problem(path, "BASE_TYPE_CHOICES", "This flag cannot be set here.")


def _username(value: Any, path: Path) -> Iterator[Problem]:
    problems = list(checks.text(value, path, LONGEST_USERNAME, least=1))
    yield from problems
    if not problems and value and (other := _RESERVED_NAMES.search(value)):
        yield Problem(path, "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{other[0].lower()}"')


def _allowed_mentions(value: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield from checks.json_object(value, path)
        return
    parse = value.get("parse")
    yield from checks.list_of(parse, (*path, "parse"), len(_MENTION_TYPES))
    for index, each in enumerate(parse if isinstance(parse, list) else ()):
        if each not in _MENTION_TYPES:
            yield Problem((*path, "parse", index), "BASE_TYPE_CHOICES", f"Value must be one of {_MENTION_TYPES}.")
    for kind in ("users", "roles"):
        listed = value.get(kind)
        yield from checks.list_of(listed, (*path, kind), MOST_MENTIONS)
        for index, each in enumerate(listed if isinstance(listed, list) else ()):
            yield from checks.snowflake(each, (*path, kind, index))
        if listed and isinstance(parse, list) and kind in parse:
            message = f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.'
            yield Problem(path, "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)


MOST_EMBEDS = 10
MOST_FIELDS = 25
MOST_IN_ALL = 6000
TITLE, DESCRIPTION, FIELD_NAME, FIELD_VALUE, FOOTER, AUTHOR = 256, 4096, 256, 1024, 2048, 256
LARGEST_COLOR = 0xFFFFFF

Check = Callable[[Any, Path], Iterator[Problem]]


def embeds(value: Any, path: Path) -> Iterator[Problem]:
    """Check a list of embeds."""
    wrong_list = list(checks.list_of(value, path, MOST_EMBEDS))
    yield from wrong_list
    if value is None or not isinstance(value, list):
        return
    found = [problem for index, each in enumerate(value) for problem in _parts(_non_null(each), (*path, index), _EMBED)]
    yield from found
    if not found and sum(map(length, value)) > MOST_IN_ALL:
        yield Problem(path, "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {MOST_IN_ALL}")


def length(embed: dict[str, Any]) -> int:
    """The number of code points of an embed that count towards a message's limit of 6,000."""
    fields = embed.get("fields") or []
    footer, author = embed.get("footer") or {}, embed.get("author") or {}
    texts = [embed.get("title"), embed.get("description"), footer.get("text"), author.get("name")]
    texts += [field[part] for field in fields for part in ("name", "value")]
    return sum(len(each.strip()) for each in texts if each)


def _fields(value: Any, path: Path) -> Iterator[Problem]:
    yield from checks.list_of(value, path, MOST_FIELDS)
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _parts(_non_null(each), (*path, index), _FIELD)


def _non_null(item: Any) -> Any:
    """Replace null, which a list may not contain, with a text, which the check for an object rejects."""
    return "" if item is None else item


def _parts(value: Any, path: Path, check_by_name: Mapping[str, Check]) -> Iterator[Problem]:
    """Check the named parts of an optional object. Like Discord, ignore unknown parts."""
    yield from checks.json_object(value, path)
    if isinstance(value, dict):
        for name, check in check_by_name.items():
            part = value.get(name)
            if part is not None or name in _REQUIRED:
                yield from check(part, (*path, name))


_picture_url = partial(checks.url, schemes=PICTURE)
_picture = partial(_parts, check_by_name={"url": _picture_url})
_FIELD: Mapping[str, Check] = {
    "name": partial(checks.required_text, most=FIELD_NAME),
    "value": partial(checks.required_text, most=FIELD_VALUE),
    "inline": checks.boolean,
}
_REQUIRED = frozenset({"name", "value"})
"""Required in a field. An author's `name` is optional: its check accepts null."""
_FOOTER: Mapping[str, Check] = {"text": partial(checks.trimmed_text, most=FOOTER), "icon_url": _picture_url}
_AUTHOR: Mapping[str, Check] = {
    "name": partial(checks.trimmed_text, most=AUTHOR),
    "url": checks.url,
    "icon_url": _picture_url,
}
_EMBED: Mapping[str, Check] = {
    "title": partial(checks.trimmed_text, most=TITLE),
    "description": partial(checks.trimmed_text, most=DESCRIPTION),
    "url": checks.url,
    "color": partial(checks.whole_number, most=LARGEST_COLOR),
    "timestamp": checks.timestamp,
    "footer": partial(_parts, check_by_name=_FOOTER),
    "author": partial(_parts, check_by_name=_AUTHOR),
    "image": _picture,
    "thumbnail": _picture,
    "fields": _fields,
}
