"""Turns Discord's answer into a receipt or evidence, by status, error code and sender.

    2xx                                     a receipt
    2xx, body cut off or an HTML page       Unconfirmed, as if unanswered: it was almost certainly shown
    1xx, 408, 5xx                           Unconfirmed
    the two rows above, for an edit         Unavailable: repeating an edit does no harm
    3xx                                     Unavailable: Discord does not redirect, so another server answered
    any, code 130000 (overloaded)           Unavailable
    429                                     Throttled
    4xx, a code of a slower limit           Throttled, minutes; code 30046 concerns only edits
    403 that is not JSON, code 40333        Throttled, the host: Cloudflare blocks
    404 code 10015, 401 code 50027          Rejected, is_gone
    404 code 10008 for an edit              CardLost: the message is gone, or the webhook was moved
    code 160005 for an edit                 CardLost: the thread is locked
    code 50083 for an edit                  Unavailable: the thread is archived, until something is posted to it
    any other 4xx                           Rejected

Sources: Discord's code list (2026-08-06) and client libraries.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from signalpost.secret import redacted
from signalpost.sinks.evidence import Loss, Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.http_answer import HttpAnswer, rate_facts
from signalpost.sinks.port import Answer

DESTINATION, EDITS, HOST = "destination", "edits", "host"
EXECUTE, EDIT, WEBHOOK = "execute", "edit", "webhook"
"""The kinds of request, whose limits may differ."""

BLOCKED_FOR = 600.0
"""Seconds to wait if Cloudflare blocks this IP without a wait time."""
SLOWED_FOR = 120.0
"""Seconds to wait for a slower limit without a wait time."""
THROTTLED_FOR = 5.0
"""Seconds to wait for a 429 without a wait time."""

_GONE = frozenset({(404, 10015), (401, 50027)})
_OVERLOADED = 130000
_CLOUDFLARE_BLOCKS = 40333
_OLD_EDITS = 30046
_SLOWER_LIMITS = frozenset({20016, 20022, 20028, 20029, _OLD_EDITS})
_UNKNOWN_MESSAGE = (404, 10008)
_ARCHIVED, _LOCKED = 50083, 160005
_FIRST_SNOWFLAKE = datetime(2015, 1, 1, tzinfo=UTC)
_SNOWFLAKE = re.compile(r"\d{17,20}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-~]{1,100}")
_MAKE_ANOTHER = "create a new one in the channel (Integrations, Webhooks, New Webhook)"
_NO_MESSAGES = {
    2: f"its webhook follows another channel and accepts no messages: {_MAKE_ANOTHER}",
    3: f"its webhook belongs to an application and accepts no messages from signalpost: {_MAKE_ANOTHER}",
}
"""Keyed by the webhook's type; the usual type is 1."""
_MOST_PATHS = 5
_LONGEST_TEXT = 200


def receipt_of(answer: HttpAnswer, identity: str, route: str = EXECUTE) -> Receipt:
    """Read the receipt from the answer to a message or an edit. Raises evidence if there is none."""
    if not 200 <= answer.status < 300:
        refuse(answer, identity, route=route)
    if answer.is_html or not answer.is_whole:
        # Without a status it counts as no answer: a message that got a 200 should not be shown again.
        raise _in_doubt(route)(f"{answer.status}, with an unreadable body")
    message_id = _message_id(answer)
    came_at = sent_at(message_id) if route == EXECUTE else None  # an edited message keeps the id of its first version
    return Receipt(message_id, came_at, rate_facts(answer, identity, route), place(answer, "channel_id"))


def loss_of(answer: HttpAnswer) -> Loss | None:
    """Why the message can never be edited again; None if the answer to the edit gives no such reason.

    DELETED may also mean that the webhook was moved to another channel.
    """
    code = answer.whole_number("code")
    if (answer.status, code) == _UNKNOWN_MESSAGE:
        return Loss.DELETED
    return Loss.LOCKED if code == _LOCKED else None


def is_archived(answer: HttpAnswer) -> bool:
    """True if the thread of an edited message is archived. It may also be locked, which Discord does not say."""
    return answer.status == 400 and answer.whole_number("code") == _ARCHIVED


def probe_answer(answer: HttpAnswer, identity: str, *, thread: bool) -> Answer:
    """Read the answer to a probe. Another server's answer may lack every field.

    With `thread`, messages show in the thread and not in the webhook's channel.
    """
    kind = answer.whole_number("type") if answer.status == 200 else None
    return Answer(
        rate_facts(answer, identity, WEBHOOK),
        None if thread else place(answer, "channel_id"),
        place(answer, "guild_id"),
        _NO_MESSAGES.get(kind) if kind is not None else None,
        answer.status,
    )


def place(answer: HttpAnswer, name: str) -> str | None:
    """The id of a channel or guild in an answer; None if it is missing or invalid."""
    text = answer.text(name)
    return text if text is not None and _MESSAGE_ID.fullmatch(text) else None


def refuse(answer: HttpAnswer, identity: str, *, route: str) -> NoReturn:
    """Raise the evidence for an answer other than 2xx."""
    status, code, summary = answer.status, answer.whole_number("code"), _summary(answer)
    rate = None if _is_of_another_limit(answer) else rate_facts(answer, identity, route)
    if code == _OVERLOADED or 300 <= status < 400:
        raise Unavailable(summary, status=status, code=code, rate=rate)
    if status < 400 or status == 408 or status >= 500:
        raise _in_doubt(route)(summary, status=status, code=code, rate=rate)
    if route == EDIT and is_archived(answer):
        raise Unavailable(summary, status=status, code=code, rate=rate)
    if (wait := _wait(answer, code, route)) is not None:
        seconds, scope = wait
        raise Throttled(
            summary,
            retry_after=seconds,
            scope=scope,
            status=status,
            code=code,
            rate=rate,
            is_ban=is_ban(answer),
            is_shared=answer.headers.get("X-RateLimit-Scope") == "shared",
        )
    raise Rejected(summary, status=status, code=code, rate=rate, is_gone=is_gone(answer))


def is_gone(answer: HttpAnswer) -> bool:
    """True if the webhook is deleted or its token wrong; send nothing more to it."""
    return (answer.status, answer.whole_number("code")) in _GONE


def is_ban(answer: HttpAnswer) -> bool:
    """True if Cloudflare blocks all requests from this IP."""
    return answer.whole_number("code") == _CLOUDFLARE_BLOCKS or _is_block(answer)


def sent_at(message_id: str) -> datetime | None:
    """The creation time in a Discord id, by Discord's clock; None for any other id."""
    if not _SNOWFLAKE.fullmatch(message_id):
        return None
    return _FIRST_SNOWFLAKE + timedelta(milliseconds=int(message_id) >> 22)


def _in_doubt(route: str) -> type[Unconfirmed | Unavailable]:
    """The evidence if nobody knows whether the request took effect."""
    return Unavailable if route == EDIT else Unconfirmed


def _wait(answer: HttpAnswer, code: int | None, route: str) -> tuple[float, str] | None:
    """The seconds to wait, and the scope that must wait; None if waiting does not help."""
    if answer.status != 429 and code not in _SLOWER_LIMITS and not is_ban(answer):
        return None
    # A wait of 0 is no wait time: a sender that believed it would repeat the request at once, for as long as it fails.
    waits = [each for each in (answer.header_seconds("Retry-After"), answer.seconds("retry_after")) if each]
    if is_ban(answer):
        return max(waits, default=BLOCKED_FOR), HOST
    if answer.status == 429 and _is_global(answer):
        return max(waits, default=THROTTLED_FOR), HOST
    scope = EDITS if route == EDIT and code == _OLD_EDITS else DESTINATION
    return max(waits, default=SLOWED_FOR if code in _SLOWER_LIMITS else THROTTLED_FOR), scope


def _is_block(answer: HttpAnswer) -> bool:
    """True if the answer is Cloudflare's own, because it blocks this IP."""
    if answer.status == 403:
        return not answer.fields and (answer.is_html or not _is_discords_own(answer))
    return answer.status == 429 and answer.seconds("retry_after") is None and not _is_discords_own(answer)


def _is_discords_own(answer: HttpAnswer) -> bool:
    headers = answer.headers
    return "Via" in headers or "X-RateLimit-Limit" in headers or "X-RateLimit-Scope" in headers


def _is_global(answer: HttpAnswer) -> bool:
    return (
        answer.fields.get("global") is True
        or answer.headers.get("X-RateLimit-Global", "").lower() == "true"
        or answer.headers.get("X-RateLimit-Scope") == "global"
    )


def _is_of_another_limit(answer: HttpAnswer) -> bool:
    """True if a 429 comes from a limit that its headers do not describe, such as the channel's."""
    if answer.status != 429:
        return False
    return answer.headers.get("X-RateLimit-Scope") == "shared" or answer.headers.get("X-RateLimit-Remaining") != "0"


def _message_id(answer: HttpAnswer) -> str:
    given = answer.text("id") or answer.whole_number("id")
    text = "" if given is None else str(given)
    return text if _MESSAGE_ID.fullmatch(text) else ""


def _summary(answer: HttpAnswer) -> str:
    """Describe the answer in one line, without values of the message or URLs."""
    parts = [str(answer.status)]
    if (code := answer.whole_number("code")) is not None:
        parts.append(f"code {code}")
    if (text := answer.text("message")) is not None:
        parts.append(_line(text))
    elif answer.is_html:
        parts.append("a web page instead of an API answer")
    return ", ".join(parts + _wrong_fields(answer.fields.get("errors")))


def _wrong_fields(errors: object) -> list[str]:
    """The paths and codes of form errors, without their messages, which may quote values."""
    found: list[str] = []
    waiting: list[tuple[str, object]] = [("", errors)]
    while waiting and len(found) < _MOST_PATHS:
        path, node = waiting.pop()
        if isinstance(node, dict):
            waiting.extend((f"{path}.{name}" if path else name, below) for name, below in reversed(node.items()))
        elif isinstance(node, list) and path.rpartition(".")[2] == "_errors":
            where = path.removesuffix("_errors").rstrip(".") or "the message"
            found += [_line(redacted(f"{where}: {each.get('code')}")) for each in node if isinstance(each, dict)]
    return found[:_MOST_PATHS]


def _line(text: str) -> str:
    """Shorten a text from the answer, already masked, to one printable line."""
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST_TEXT]).strip()
