"""Shows a Discord message in a terminal: its text, and each embed beside a bar in its colour."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.text import Text

from signalpost.cli.output import clean
from signalpost.cli.time_format import format_duration

_FENCE = "```"
_SMALL = "-# "
_INLINE = re.compile(
    r"\*\*(?P<bold>.+?)\*\*|\[(?P<label>[^\[\]]+)\]\([^)]+\)|<t:(?P<seconds>-?\d+):(?P<style>[a-zA-Z])>"
    r"|<@&(?P<role>\d+)>|\\(?P<literal>[^\w\s])"
)
_FORMATS = {"t": "%H:%M", "d": "%Y-%m-%d"}


def message_lines(body: dict[str, Any], now: datetime) -> Iterator[Text]:
    """The lines of a message's body, as a reader sees them at `now`."""
    if name := body.get("username"):
        yield Text(clean(name), style="bold underline")
    for line in body.get("content", "").splitlines():
        yield _styled(line, now)
    for embed in body.get("embeds", ()):
        bar = Text("┃ ", style=f"#{embed['color']:06x}")
        for line in _embed_lines(embed, now):
            yield Text.assemble(bar, line)


def _embed_lines(embed: dict[str, Any], now: datetime) -> Iterator[Text]:
    if title := embed.get("title"):
        yield Text(clean(title), style="bold")
    is_code = False
    for line in embed.get("description", "").splitlines():
        if line.startswith(_FENCE):
            is_code = not is_code
        elif is_code:
            yield Text(clean(line))
        elif line.startswith(_SMALL):
            yield _styled(line.removeprefix(_SMALL), now, "dim")
        else:
            yield _styled(line, now)
    at = datetime.fromisoformat(embed["timestamp"])
    yield Text(clean(f"{embed['footer']['text']} · {at:%Y-%m-%d %H:%M} UTC"), style="dim")


def _styled(line: str, now: datetime, style: str = "") -> Text:
    """A line with Discord's bold words, links, times and roles."""
    made, end = Text(style=style), 0
    for found in _INLINE.finditer(line):
        made.append(clean(line[end : found.start()]))
        made.append_text(_inline(found, now))
        end = found.end()
    return made.append(clean(line[end:]))


def _inline(found: re.Match[str], now: datetime) -> Text:
    match found.lastgroup:
        case "bold":
            return _styled(found["bold"], now, "bold")
        case "label":
            return Text(clean(found["label"]), style="underline")
        case "style":
            return Text(_time(datetime.fromtimestamp(int(found["seconds"]), UTC), found["style"], now))
        case "role":
            return Text(f"@role {found['role']}", style="reverse")
        case _:
            return Text(clean(found["literal"]))


def _time(at: datetime, style: str, now: datetime) -> str:
    if style == "R":
        distance = format_duration(at - now)
        return f"in {distance}" if at > now else f"{distance} ago"
    return f"{at:{_FORMATS.get(style, '%Y-%m-%d %H:%M')}}" + ("" if style == "d" else " UTC")
