"""Discord's limits on a message, inclusive, in code points after trimming.

https://docs.discord.com/developers/resources/message#embed-object-embed-limits (2026-08-06)
"""

from collections.abc import Mapping
from typing import Any

CONTENT = 2000
EMBEDS = 10
DESCRIPTION = 4096
SUM = 6000
"""Total over the titles, descriptions and footers of all embeds of a message."""

SILENT = 1 << 12
"""The message flag that suppresses notifications."""


def size(embed: Mapping[str, Any]) -> int:
    """The code points of `embed`, which has no fields, that count towards SUM."""
    return len(embed.get("title", "")) + len(embed.get("description", "")) + len(embed["footer"]["text"])
