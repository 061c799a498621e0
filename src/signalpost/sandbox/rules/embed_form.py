"""Checks embeds against the limits in Discord's docs (Embed Limits). Texts are counted after trimming."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from signalpost.sandbox.rules import checks
from signalpost.sandbox.rules.checks import PICTURE, Path
from signalpost.sandbox.rules.refusal import Problem

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
