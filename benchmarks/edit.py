"""Measures edits of cards, beside discord.py, which edits one message after another and saves nothing.

Signals were posted before; then each gets a note, which edits its card and posts nothing else. There are no rate
limits; a server in its own process answers with a whole message, as Discord does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any, NamedTuple
from unittest.mock import patch

import aiohttp
import msgspec

from benchmarks.delivery import Awaited, cost
from benchmarks.destination import webhook_of
from benchmarks.measure import ratio, turns
from benchmarks.sample import config, signals, stored_and_sent, tier_of
from benchmarks.server import server_port
from benchmarks.table import Row
from signalpost.cli.loop import run
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.service import AsyncNotificationService

MANY = 2_000


class EditCost(NamedTuple):
    """The average cost of an edit."""

    seconds: float
    cpu: float
    transactions: float = 0.0


def rows() -> Iterator[Row]:
    """Run this benchmark."""
    import discord

    with server_port("message") as port:
        costs = turns({"discord.py": lambda _: run(serial(port)), "ours": lambda home: run(ours(home, port))})
    ours_, peer = ([median(each) for each in zip(*costs[name], strict=True)] for name in ("ours", "discord.py"))
    speed, more = (
        ratio([each[which] for each in costs[one]], [each[which] for each in costs[other]])
        for which, one, other in ((0, "discord.py", "ours"), (1, "ours", "discord.py"))
    )
    cpu_us = ours_[1] * 1e6
    bench = f"edits of one destination's cards; beside discord.py {discord.__version__}, one by one, nothing saved"
    yield Row(bench, 1 / ours_[0], "/s", 1 / peer[0], speed, cpu_us)
    yield Row("CPU of an edit", cpu_us, "µs", peer[1] * 1e6, more, cpu_us)
    yield Row(f"transactions of an edit, {MANY:,} at once", ours_[2], "", target="at most 3", holds=ours_[2] <= 3)


async def serial(port: int) -> EditCost:
    """discord.py's webhook client, awaiting each edit before it sends the next."""
    import discord

    (signal,) = signals(1)
    body: dict[str, Any] = msgspec.json.decode(stored_and_sent(signal)[1])
    async with aiohttp.ClientSession() as session:
        webhook = webhook_of(port, session)
        started, cpu = perf_counter(), process_time()
        for _ in range(MANY):
            await webhook.edit_message(
                1_400_000_000_000_000_000,
                content="",
                embeds=[discord.Embed.from_dict(each) for each in body["embeds"]],
                allowed_mentions=discord.AllowedMentions.none(),
            )
        return EditCost((perf_counter() - started) / MANY, (process_time() - cpu) / MANY)


async def ours(home: Path, port: int) -> EditCost:
    """The same edits through the service, each change saved before it is sent."""
    given, awaited = list(signals(MANY)), Awaited()
    service = AsyncNotificationService(config(home, port), listeners=[awaited])
    async with service:
        await cost(lambda number: service.queue_notification(given[number], user_tier=tier_of(0)), awaited, MANY)
        with transactions() as counted:
            taken = await cost(lambda number: service.update_signal(given[number], note="Hold."), awaited, MANY)
    return EditCost(*taken, len(counted) / MANY)


@contextmanager
def transactions() -> Iterator[list[None]]:
    """Give a list that grows by one with each transaction of a store."""
    counted: list[None] = []
    apply = SqliteCore.apply

    def count(core: SqliteCore, batch: Any) -> list[Any]:
        counted.append(None)
        return apply(core, batch)

    with patch.object(SqliteCore, "apply", count):
        yield counted
