"""What a phone's notification says about a new message.

It shows the content only: no embed, no formatting. Markup stays as it was sent, because Discord does not document what
its apps strip from it. Edits and silent messages notify nobody.
"""

import re
from typing import Any

from signalpost.sandbox.rules.message_form import SUPPRESS_NOTIFICATIONS

_NAMES = (
    (re.compile(r"<@!?(\d{1,20})>", re.ASCII), r"@user \1"),
    (re.compile(r"<@&(\d{1,20})>", re.ASCII), r"@role \1"),
    (re.compile(r"<#(\d{1,20})>", re.ASCII), r"#channel \1"),
    (re.compile(r"<a?(:\w{2,32}:)\d{1,20}>", re.ASCII), r"\1"),
)


def notification_of(message: dict[str, Any]) -> str | None:
    """The text shown for a new message, with mentions as names; None if the message is silent."""
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
