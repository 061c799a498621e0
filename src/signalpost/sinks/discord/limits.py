"""Discord's limits on a message, inclusive, in code points after trimming.

https://docs.discord.com/developers/resources/message#embed-object-embed-limits (2026-08-06)
"""

from collections.abc import Mapping, Sequence
from typing import Any

CONTENT = 2000
EMBEDS = 10
TITLE = 256
DESCRIPTION = 4096
FIELDS = 25
FIELD_NAME = 256
FIELD_VALUE = 1024
FOOTER = 2048
SUM = 6000
"""Total over the titles, descriptions, fields and footers of all embeds of a message."""

SILENT = 1 << 12
"""The message flag that suppresses notifications."""


def size(embed: Mapping[str, Any]) -> int:
    """The code points of `embed` that count towards SUM."""
    fields: Sequence[Mapping[str, str]] = embed.get("fields", ())
    return (
        len(embed.get("title", ""))
        + len(embed.get("description", ""))
        + sum(len(field["name"]) + len(field["value"]) for field in fields)
        + len(embed["footer"]["text"] if "footer" in embed else "")
    )
