"""Measures one destination with 16 and with 2 workers, beside discord.py, which sends one message after another.

discord.py saves nothing. There are no rate limits; a server in its own process answers with a whole message, as
Discord does.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace

from benchmarks.delivery import Awaited, Cost, cost
from benchmarks.measure import ratio, turns
from benchmarks.sample import config, signals, stored_and_sent, tier_of
from benchmarks.server import server_port
from benchmarks.table import Row
from signalpost.cli.loop import run
from signalpost.service import AsyncNotificationService

MANY, MOST_CPU_US = 2_000, 700


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    import discord

    with server_port("message") as port:
        costs = turns(
            {
                "discord.py": lambda _: run(serial(port)),
                "16 workers": lambda home: run(ours(home, port, 16)),
                "2 workers": lambda home: run(ours(home, port, 2)),
            }
        )
    peer = costs["discord.py"]
    theirs, their_cpu = median(each.seconds for each in peer), median(each.cpu for each in peer) * 1e6
    for name in ("16 workers", "2 workers"):
        taken, cpu = median(each.seconds for each in costs[name]), median(each.cpu for each in costs[name]) * 1e6
        speed = ratio([each.seconds for each in peer], [each.seconds for each in costs[name]])
        bench = f"one destination, {name}; beside discord.py {discord.__version__}, one by one, nothing saved"
        target, holds = ("at least 0.9 x", speed >= 0.9) if name == "16 workers" else ("", None)
        yield Row(bench, 1 / taken, "/s", 1 / theirs, speed, cpu, target, holds)
        more = ratio([each.cpu for each in costs[name]], [each.cpu for each in peer])
        yield Row(f"CPU of a delivery, {name}", cpu, "µs", their_cpu, more, cpu, "at most 700 µs", cpu <= MOST_CPU_US)


async def serial(port: int) -> Cost:
    """discord.py's webhook client, awaiting each message before it sends the next."""
    import discord

    (signal,) = signals(1)
    body: dict[str, Any] = msgspec.json.decode(stored_and_sent(signal)[1])
    async with aiohttp.ClientSession() as session:
        webhook = webhook_of(port, session)
        started, cpu = perf_counter(), process_time()
        for _ in range(MANY):
            await webhook.send(
                content=body.get("content", discord.utils.MISSING),
                embeds=[discord.Embed.from_dict(each) for each in body["embeds"]],
                allowed_mentions=discord.AllowedMentions.none(),
                wait=True,
            )
        return Cost((perf_counter() - started) / MANY, (process_time() - cpu) / MANY)


def webhook_of(port: int, session: aiohttp.ClientSession) -> Any:
    """A webhook of discord.py at the server on `port`."""
    import discord
    from discord.http import Route

    Route.BASE = f"http://127.0.0.1:{port}/api/v10"
    return discord.Webhook.partial(1_400_000_000_000_000_000, "x" * 68, session=session)


async def ours(home: Path, port: int, workers: int) -> Cost:
    """The same messages through the service, each saved before it is sent."""
    given, awaited = list(signals(MANY)), Awaited()
    service = AsyncNotificationService(replace(config(home, port), workers=workers), listeners=[awaited])
    async with service:
        return await cost(lambda number: service.queue_notification(given[number], user_tier=tier_of(0)), awaited, MANY)
