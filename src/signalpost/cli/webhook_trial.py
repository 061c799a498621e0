"""Tests a webhook with one request: reads it, which shows nothing, or sends a message marked as a test."""

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from signalpost.cli.output import say, say_json
from signalpost.config import DestinationConfig, variable_of
from signalpost.domain.reports import Announcement
from signalpost.errors import Evidence
from signalpost.secret import redacted
from signalpost.sinks.discord.address import WebhookAddress
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.outcome import receipt_of, refuse
from signalpost.sinks.discord.service import USER_AGENT, DiscordService
from signalpost.sinks.evidence import Receipt, Rejected, Throttled, Unavailable, Unconfirmed
from signalpost.sinks.wire import Connections, exchange

SECONDS_TO_ANSWER = 10.0
_KINDS = {1: "incoming webhook", 2: "channel follower", 3: "application's webhook"}
_LONGEST = 80


class Trial(NamedTuple):
    """The result of one test."""

    destination: str
    works: bool
    told: str
    """The answer in words, without the token."""
    took: float
    """Seconds."""
    advice: str | None = None
    """What to do if it does not work."""


async def look_at_all(destinations: Sequence[DestinationConfig]) -> list[Trial]:
    """Read each webhook, one after the other; nothing is shown in a channel."""
    async with _connections() as connections:
        return [await _test(each.name, _look(connections, each.address)) for each in destinations]


async def send_to_all(destinations: Sequence[DestinationConfig], look: Look) -> list[Trial]:
    """Send one silent message to each, in one attempt and without the outbox."""
    async with DiscordService({each.name: each.webhook for each in destinations}, look=look) as discord:
        return [await _test(each.name, _send(discord, each.name)) for each in destinations]


async def send_body(destination: DestinationConfig, body: Mapping[str, Any]) -> Trial:
    """Send the body of one message, in one attempt and without the outbox."""
    async with _connections() as connections:
        return await _test(destination.name, _post(connections, destination.address, body))


@asynccontextmanager
async def _connections() -> AsyncIterator[Connections]:
    connections = Connections(USER_AGENT, connect_timeout=5.0, total_timeout=SECONDS_TO_ANSWER)
    try:
        yield connections
    finally:
        await connections.close()


def say_trial(trial: Trial, *, as_json: bool) -> None:
    """Print the result of a test."""
    if as_json:
        say_json(trial._asdict())
        return
    say(f"{trial.destination}: {'' if trial.works else 'FAILS: '}{trial.told}; {trial.took:.3f} s")
    if trial.advice:
        say(f"  do: {trial.advice}")


def advice_on(evidence: Evidence, destination: str) -> str:
    """Advise a person after this result."""
    variable = variable_of(destination)
    match evidence:
        case Rejected(status=404, is_gone=True):
            return (
                f"the webhook was deleted. Create another (channel settings, Integrations, Webhooks) and set {variable}"
            )
        case Rejected(status=401, is_gone=True):
            return (
                f"its token is wrong. Copy the URL again (channel settings, Integrations, Webhooks) and set {variable}"
            )
        case Rejected():
            return f"Discord rejects this request. Check that {variable} is the complete URL of a webhook"
        case Throttled(scope="host", retry_after=seconds):
            return f"Discord rejects all requests from this machine. Try again in {seconds:.0f} s, and send less"
        case Throttled(retry_after=seconds):
            return f"too many requests. Try again in {max(seconds, 1):.0f} s; a running service retries by itself"
        case Unconfirmed():
            return "it may have been shown. Look in the channel, then at https://discordstatus.com"
        case Unavailable(status=None):
            return "nothing answers there. Check the network, the firewall, or the port of the sandbox"
        case _:
            return "try again later. A proxy in between may also be the cause"


async def _test(destination: str, work: Awaitable[str]) -> Trial:
    began = get_running_loop().time()
    try:
        result = await work
    except Evidence as evidence:
        took = get_running_loop().time() - began
        return Trial(destination, False, redacted(str(evidence)), took, advice_on(evidence, destination))
    return Trial(destination, True, result, get_running_loop().time() - began)


async def _look(connections: Connections, address: WebhookAddress) -> str:
    answer = await exchange(connections, "GET", address.get_url)
    if answer.status >= 500:
        raise Unavailable(f"status {answer.status}", status=answer.status)
    if not 200 <= answer.status < 300:
        refuse(answer, address.identity, route="webhook")
    name, channel, guild = (_line(answer.text(field)) for field in ("name", "channel_id", "guild_id"))
    if channel is None:
        raise Unavailable(f"status {answer.status}, but the answer does not describe a webhook", status=answer.status)
    kind = _KINDS.get(answer.whole_number("type") or 0, "webhook")
    server = "" if guild is None else f" of server {guild}"
    return redacted(f"{kind} {name!r} for channel {channel}{server}")


async def _post(connections: Connections, address: WebhookAddress, body: Mapping[str, Any]) -> str:
    answer = await exchange(connections, "POST", address.post_url, data=msgspec.json.encode(body))
    return _shown(receipt_of(answer, address.identity))


async def _send(discord: DiscordService, destination: str) -> str:
    test = Announcement(
        title="Test of signalpost",
        text=f"Someone is testing whether {destination} works. You do not need to do anything.",
    )
    receipt = await discord.send_announcement(test, priority="LOW", destination=destination)
    return _shown(receipt)


def _shown(receipt: Receipt) -> str:
    return f"shown as message {receipt.message_id}" if receipt.message_id else "accepted, without a message id"


def _line(text: str | None) -> str | None:
    if text is None:
        return None
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST])
