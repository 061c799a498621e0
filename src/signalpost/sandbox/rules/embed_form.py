"""What may stand in embeds. The figures are those of Discord's docs, Embed Limits; texts are counted trimmed."""

from collections.abc import Callable, Iterator
from typing import Any

from signalpost.sandbox.rules import checks
from signalpost.sandbox.rules.checks import PICTURE, WEB, Path
from signalpost.sandbox.rules.refusal import Problem

MOST_EMBEDS = 10
MOST_FIELDS = 25
MOST_IN_ALL = 6000
TITLE, DESCRIPTION, FIELD_NAME, FIELD_VALUE, FOOTER, AUTHOR = 256, 4096, 256, 1024, 2048, 256
LARGEST_COLOR = 0xFFFFFF

Check = Callable[[Any, Path], Iterator[Problem]]


def embeds(value: Any, path: Path) -> Iterator[Problem]:
    """Everything that is wrong in a list of embeds."""
    wrong_list = list(checks.items(value, path, MOST_EMBEDS))
    yield from wrong_list
    if value is None or not isinstance(value, list):
        return
    found = [problem for index, each in enumerate(value) for problem in _embed(_there(each), (*path, index))]
    yield from found
    if not found and sum(map(length, value)) > MOST_IN_ALL:
        yield Problem(path, "MAX_EMBED_SIZE_EXCEEDED", f"Embed size exceeds maximum size of {MOST_IN_ALL}")


def length(embed: dict[str, Any]) -> int:
    """How many code points of an embed count towards the 6,000 of a message."""
    fields = embed.get("fields") or []
    footer, author = embed.get("footer") or {}, embed.get("author") or {}
    texts = [embed.get("title"), embed.get("description"), footer.get("text"), author.get("name")]
    texts += [field[part] for field in fields for part in ("name", "value")]
    return sum(len(each.strip()) for each in texts if each)


def _embed(value: Any, path: Path) -> Iterator[Problem]:
    yield from _parts(
        value,
        path,
        title=lambda value, path: checks.trimmed_text(value, path, TITLE),
        description=lambda value, path: checks.trimmed_text(value, path, DESCRIPTION),
        url=checks.url,
        color=lambda value, path: checks.whole_number(value, path, LARGEST_COLOR),
        timestamp=checks.timestamp,
        footer=_footer,
        author=_author,
        image=_picture,
        thumbnail=_picture,
        fields=_fields,
    )


def _footer(value: Any, path: Path) -> Iterator[Problem]:
    return _parts(value, path, text=lambda value, path: checks.trimmed_text(value, path, FOOTER), icon_url=_picture_url)


def _author(value: Any, path: Path) -> Iterator[Problem]:
    return _parts(
        value,
        path,
        name=lambda value, path: checks.trimmed_text(value, path, AUTHOR),
        url=lambda value, path: checks.url(value, path, WEB),
        icon_url=_picture_url,
    )


def _picture(value: Any, path: Path) -> Iterator[Problem]:
    return _parts(value, path, url=_picture_url)


def _picture_url(value: Any, path: Path) -> Iterator[Problem]:
    return checks.url(value, path, PICTURE)


def _fields(value: Any, path: Path) -> Iterator[Problem]:
    yield from checks.items(value, path, MOST_FIELDS)
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _parts(
                _there(each),
                (*path, index),
                name=lambda value, path: checks.required_text(value, path, FIELD_NAME),
                value=lambda value, path: checks.required_text(value, path, FIELD_VALUE),
                inline=checks.truth,
            )


def _there(item: Any) -> Any:
    """An item of a list, which may not be null: as a text it is refused like any other thing that is no object."""
    return "" if item is None else item


def _parts(value: Any, path: Path, /, **check_by_name: Check) -> Iterator[Problem]:
    """Each named part of an object, if there is one, by its check; what is not named is ignored, as Discord does."""
    yield from checks.table(value, path)
    if isinstance(value, dict):
        for name, check in check_by_name.items():
            yield from check(value.get(name), (*path, name))
