"""What an answer of Discord means, by its status, its error code, and who answered: a receipt, or evidence.

    2xx                                     a receipt
    2xx, the body broke off, or is a page   Unconfirmed, as if unanswered: it was almost surely shown
    1xx, 408, 5xx                           Unconfirmed
    3xx                                     Unavailable: Discord does not redirect, so something else answered
    any, code 130000 (overloaded)           Unavailable
    429                                     Throttled
    4xx, a code of a slower limit           Throttled, minutes
    403 that is no JSON, code 40333         Throttled, the host: Cloudflare blocks
    404 code 10015, 401 code 50027          Rejected, is_gone
    any other 4xx                           Rejected

Sources: Discord's code list (2026-08-06), and what client libraries make of it.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from signalpost.secret import redacted
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.http_answer import HttpAnswer, rate_facts
from signalpost.sinks.port import Answer

DESTINATION, HOST = "destination", "host"

BLOCKED_FOR = 600.0
"""Seconds to wait where Cloudflare blocks this IP and does not say how long."""
SLOWED_FOR = 120.0
"""Seconds to wait where a slower limit is met that does not say how long."""
THROTTLED_FOR = 5.0
"""Seconds to wait where a 429 does not say how long."""

_GONE = frozenset({(404, 10015), (401, 50027)})
_OVERLOADED = 130000
_CLOUDFLARE_BLOCKS = 40333
_SLOWER_LIMITS = frozenset({20016, 20022, 20028, 20029, 30046})
_FIRST_SNOWFLAKE = datetime(2015, 1, 1, tzinfo=UTC)
_SNOWFLAKE = re.compile(r"\d{17,20}", re.ASCII)
_MESSAGE_ID = re.compile(r"[!-~]{1,100}")
_MAKE_ANOTHER = "make one of the channel's own (Integrations, Webhooks, New Webhook)"
_NO_MESSAGES = {
    2: f"its webhook follows another channel and takes no messages: {_MAKE_ANOTHER}",
    3: f"its webhook belongs to an application and takes no messages of ours: {_MAKE_ANOTHER}",
}
"""By a webhook's type; the usual one is 1."""
_MOST_PATHS = 5
_LONGEST_TEXT = 200


def receipt_of(answer: HttpAnswer, identity: str) -> Receipt:
    """The receipt that the answer to a message is. Raises the evidence that it is otherwise."""
    if not 200 <= answer.status < 300:
        refuse(answer, identity, route="execute")
    if answer.is_html or not answer.is_whole:
        # No status: it counts as no answer, because a message that was answered with 200 is not to be shown again.
        raise Unconfirmed(f"{answer.status}, and then an answer that cannot be read")
    message_id = _message_id(answer)
    rate = rate_facts(answer, identity, "execute")
    return Receipt(message_id, sent_at(message_id), rate, place(answer, "channel_id"))


def seen(answer: HttpAnswer, identity: str, *, thread: bool) -> Answer:
    """What an answer to the question for a webhook tells, if it is one to that question: a foreign server's may not be.

    Where the messages go to a thread, they show there and not in the webhook's own channel.
    """
    kind = answer.whole_number("type") if answer.status == 200 else None
    return Answer(
        rate_facts(answer, identity, "webhook"),
        None if thread else place(answer, "channel_id"),
        place(answer, "guild_id"),
        _NO_MESSAGES.get(kind) if kind is not None else None,
        answer.status,
    )


def place(answer: HttpAnswer, name: str) -> str | None:
    """The id of a channel or a guild that an answer names; None where it names none that can be one."""
    text = answer.text(name)
    return text if text is not None and _MESSAGE_ID.fullmatch(text) else None


def refuse(answer: HttpAnswer, identity: str, *, route: str) -> NoReturn:
    """Raise the evidence that an answer other than 2xx is."""
    status, code, told = answer.status, answer.whole_number("code"), _told(answer)
    rate = None if _is_of_another_limit(answer) else rate_facts(answer, identity, route)
    if code == _OVERLOADED or 300 <= status < 400:
        raise Unavailable(told, status=status, code=code, rate=rate)
    if status < 400 or status == 408 or status >= 500:
        raise Unconfirmed(told, status=status, code=code, rate=rate)
    if (wait := _wait(answer, code)) is not None:
        seconds, scope = wait
        raise Throttled(
            told,
            retry_after=seconds,
            scope=scope,
            status=status,
            code=code,
            rate=rate,
            is_ban=is_ban(answer),
            is_shared=answer.headers.get("X-RateLimit-Scope") == "shared",
        )
    raise Rejected(told, status=status, code=code, rate=rate, is_gone=is_gone(answer))


def is_gone(answer: HttpAnswer) -> bool:
    """Whether the webhook is deleted or its token wrong: it must not be asked again."""
    return (answer.status, answer.whole_number("code")) in _GONE


def is_ban(answer: HttpAnswer) -> bool:
    """Whether Cloudflare blocks this IP: then nothing that it asks of this host is answered."""
    return answer.whole_number("code") == _CLOUDFLARE_BLOCKS or _is_block(answer)


def sent_at(message_id: str) -> datetime | None:
    """When Discord made this id, by its own clock; None where it is no id of Discord's."""
    if not _SNOWFLAKE.fullmatch(message_id):
        return None
    return _FIRST_SNOWFLAKE + timedelta(milliseconds=int(message_id) >> 22)


def _wait(answer: HttpAnswer, code: int | None) -> tuple[float, str] | None:
    """How long who has to wait; None where waiting does not help."""
    if answer.status != 429 and code not in _SLOWER_LIMITS and not is_ban(answer):
        return None
    told = [each for each in (answer.header_seconds("Retry-After"), answer.seconds("retry_after")) if each is not None]
    if is_ban(answer):
        return max(told, default=BLOCKED_FOR), HOST
    if answer.status == 429 and _is_global(answer):
        return max(told, default=THROTTLED_FOR), HOST
    return max(told, default=SLOWED_FOR if code in _SLOWER_LIMITS else THROTTLED_FOR), DESTINATION


def _is_block(answer: HttpAnswer) -> bool:
    """Whether Cloudflare answered by itself, because it blocks this IP."""
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
    """Whether a 429 is about a limit that its rate headers do not describe, as that of the channel."""
    if answer.status != 429:
        return False
    return answer.headers.get("X-RateLimit-Scope") == "shared" or answer.headers.get("X-RateLimit-Remaining") != "0"


def _message_id(answer: HttpAnswer) -> str:
    given = answer.text("id") or answer.fields.get("id")
    text = str(given) if isinstance(given, str | int) else ""
    return text if _MESSAGE_ID.fullmatch(text) else ""


def _told(answer: HttpAnswer) -> str:
    """The answer in one line: never a value of the message, never a URL."""
    parts = [str(answer.status)]
    if (code := answer.whole_number("code")) is not None:
        parts.append(f"code {code}")
    if (text := answer.text("message")) is not None:
        parts.append(_line(text))
    elif answer.is_html:
        parts.append("a page, not an answer of the API")
    return ", ".join(parts + _wrong_fields(answer.fields.get("errors")))


def _wrong_fields(errors: object) -> list[str]:
    """The paths of a form's errors and their codes. Their messages may quote the value, and are left out."""
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
    """A text of the far end, masked already, short and in one line."""
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST_TEXT]).strip()
