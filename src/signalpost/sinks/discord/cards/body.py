"""The parts that all messages share: the body, its mentions, and an embed with a footer."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from signalpost.domain.instant import iso
from signalpost.sinks.discord import limits
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.wording import DOT, one_line
from signalpost.sinks.discord.escape import cleaned, cut

_LONGEST_FOOTER = 27


def mention(role: str | None) -> str:
    """A ping of `role`; empty for None."""
    return "" if role is None else f"<@&{role}>"


def post(
    look: Look,
    content: Iterable[str],
    embeds: Sequence[dict[str, Any]] = (),
    *,
    role: str | None = None,
    attachments: Sequence[dict[str, Any]] | None = None,
    is_silent: bool = False,
) -> dict[str, Any]:
    """The body of a new message, which may ping only `role`. The caller puts the ping itself into `content`."""
    body = _body("\n".join(filter(None, content)), embeds, role, attachments)
    if is_silent:
        body["flags"] = limits.SILENT
    if look.username is not None:
        body["username"] = look.username
    if look.avatar_url is not None:
        body["avatar_url"] = look.avatar_url
    return body


def edit(
    content: str | None, embeds: Sequence[dict[str, Any]], attachments: Sequence[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The body of an edit, which pings nobody; None leaves the content, or the files, as they are."""
    return _body(content, embeds, None, attachments)


def digest_of(body: dict[str, Any], before: str | None = None) -> str:
    """A digest of what a message shows after a post with `body`, or after an edit of a message with digest `before`.

    An edit without content leaves the content. The digest begins with + if the message may have content; no edit adds
    content.
    """
    has_content = body["content"] != "" if "content" in body else before is None or before.startswith("+")
    shown = msgspec.json.encode([body.get("embeds"), None])  # files are as the embeds name them
    return f"{'+' if has_content else '-'}{hashlib.blake2b(shown, digest_size=12).hexdigest()}"


def embed(lines: Iterable[str], colour: int, at: datetime, footer: str, title: str = "") -> dict[str, Any]:
    """An embed with a description of `lines`, and `at` next to its footer."""
    made: dict[str, Any] = {"title": title} if title else {}
    if description := cut("\n".join(lines), limits.DESCRIPTION):
        made["description"] = description
    return made | {"color": colour, "timestamp": iso(at), "footer": {"text": footer}}


def footer(look: Look, name: str, identity: str = "", marks: Sequence[str] = ()) -> str:
    """A footer of `name`, `identity`, `marks` and the operator's own text.

    If that is too long, the identity is left out, or else the operator's text, or else all but `name` and one mark.
    """
    own = [one_line(cleaned(look.footer, _LONGEST_FOOTER))] if look.footer.strip() else []
    ids = [identity] if identity else []
    for parts in ([name, *ids, *marks, *own], [name, *marks, *own], [name, *ids, *marks]):
        if len(text := DOT.join(parts)) <= _LONGEST_FOOTER:
            return text
    return DOT.join((name, *marks[:1]))  # a replay also says so in its title


def _body(
    content: str | None,
    embeds: Sequence[dict[str, Any]],
    role: str | None,
    attachments: Sequence[dict[str, Any]] | None,
) -> dict[str, Any]:
    body: dict[str, Any] = {} if content is None else {"content": content}
    if embeds:
        body["embeds"] = list(embeds)
    body["allowed_mentions"] = {"parse": []} if role is None else {"parse": [], "roles": [role]}
    if attachments is not None:
        body["attachments"] = list(attachments)
    return body
