"""Tries a destination's webhook once: asks for it, which shows nothing, or sends one message marked as a test."""

from asyncio import get_running_loop
from collections.abc import Awaitable, Sequence
from typing import NamedTuple

from signalpost.config import DestinationConfig, variable_of
from signalpost.domain.announcement import Announcement
from signalpost.errors import Evidence
from signalpost.secret import redacted
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.outcome import refuse
from signalpost.sinks.discord.service import USER_AGENT, DiscordService
from signalpost.sinks.evidence import Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.wire import Connections, exchange

SECONDS_TO_ANSWER = 10.0
_KINDS = {1: "incoming webhook", 2: "channel follower", 3: "application's webhook"}
_LONGEST = 80


class Trial(NamedTuple):
    """What came of one try."""

    destination: str
    works: bool
    told: str
    """What came, in words: never a token."""
    took: float
    """Seconds."""
    advice: str | None = None
    """What to do where it does not work."""


async def look_at_all(destinations: Sequence[DestinationConfig]) -> list[Trial]:
    """Ask for each webhook, one after the other; nothing is shown in any channel."""
    connections = Connections(USER_AGENT, connect_timeout=5.0, total_timeout=SECONDS_TO_ANSWER)
    try:
        return [await _tried(each.name, _look(connections, each.address)) for each in destinations]
    finally:
        await connections.close()


async def send_to_all(destinations: Sequence[DestinationConfig]) -> list[Trial]:
    """Send each one message, silently and in one attempt, without the outbox."""
    async with DiscordService({each.name: each.webhook for each in destinations}) as discord:
        return [await _tried(each.name, _send(discord, each.name)) for each in destinations]


def advice_on(evidence: Evidence, destination: str) -> str:
    """What a person can do after such an end of a try."""
    variable = variable_of(destination)
    match evidence:
        case Rejected(status=404, is_gone=True):
            return (
                f"the webhook was deleted: make another (channel settings, Integrations, Webhooks), and set {variable}"
            )
        case Rejected(status=401, is_gone=True):
            return (
                f"its token is wrong: copy the URL again (channel settings, Integrations, Webhooks), and set {variable}"
            )
        case Rejected():
            return f"this is refused for good: see whether {variable} is the URL of a webhook, whole and unchanged"
        case Throttled(scope="host", retry_after=seconds):
            return f"all requests from this machine are refused for now: try again in {seconds:.0f} s, and send less"
        case Throttled(retry_after=seconds):
            return f"too many requests were made: try again in {max(seconds, 1):.0f} s; a service waits by itself"
        case Unconfirmed():
            return "it may have been shown: look into the channel, then at https://discordstatus.com"
        case Unavailable(status=None):
            return "nothing answers there: see whether the network, a firewall, or the sandbox's port is the reason"
        case _:
            return "try again later; a proxy between here and there may be the reason, too"


async def _tried(destination: str, work: Awaitable[str]) -> Trial:
    began = get_running_loop().time()
    try:
        told = await work
    except Evidence as evidence:
        took = get_running_loop().time() - began
        return Trial(destination, False, redacted(str(evidence)), took, advice_on(evidence, destination))
    return Trial(destination, True, told, get_running_loop().time() - began)


async def _look(connections: Connections, address: WebhookAddress) -> str:
    answer = await exchange(connections, "GET", address.get_url)
    if answer.status >= 500:
        raise Unavailable(f"{answer.status} to a question", status=answer.status)
    if not 200 <= answer.status < 300:
        refuse(answer, address.identity, route="webhook")
    name, channel, guild = (_line(answer.text(field)) for field in ("name", "channel_id", "guild_id"))
    if channel is None:
        raise Unavailable(f"{answer.status}, but not the answer of a webhook", status=answer.status)
    kind = _KINDS.get(answer.whole_number("type") or 0, "webhook")
    server = "" if guild is None else f" of server {guild}"
    return redacted(f"{kind} {name!r} to channel {channel}{server}")


async def _send(discord: DiscordService, destination: str) -> str:
    test = Announcement(
        title="Test of signalpost",
        text=f"A person tests whether {destination} works. Nothing happened, and there is nothing to do.",
    )
    receipt = await discord.send_announcement(test, priority="LOW", destination=destination)
    return f"shown, as message {receipt.message_id}" if receipt.message_id else "taken; the answer told no message id"


def _line(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST])
