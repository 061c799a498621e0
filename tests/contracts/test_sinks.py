from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import pytest

from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.sinks import SINKS
from signalpost.sinks.port import Sink
from signalpost.testing.manual_clock import ManualClock
from signalpost.testing.sink_contract import Maker, check_sink
from tests.unit.sinks.discord.sinks import JSON, TOKEN, always, before, webhook
from tests.unit.sinks.raw_server import Connection, Conversation, answer


async def _cut(connection: Connection) -> None:
    await connection.request()
    connection.reset()


async def _hang(connection: Connection) -> None:
    await connection.request()
    await connection.hang()


@asynccontextmanager
async def _discord(converse: Conversation) -> AsyncIterator[Sink]:
    async with before(converse) as (sink, _):
        yield sink


def _makers(way: object, faults: Mapping[str, Conversation]) -> dict[str, Maker]:
    return {name: partial(way, converse) for name, converse in faults.items()}


@asynccontextmanager
async def _sandbox() -> AsyncIterator[Sink]:
    """It answers as Discord does, and refuses what Discord refuses."""
    async with Sandbox(limits=OFF) as sandbox, webhook(sandbox.webhook("hook", TOKEN), connect=1, total=5) as sink:
        yield sink


WORKING = {"discord": _sandbox}
HANGING = {"discord": partial(_discord, _hang)}
FAILING = {
    "discord": _makers(
        _discord,
        {
            "gone": always(answer(404, b'{"code": 10015, "message": "Unknown Webhook"}', JSON)),
            "wrong token": always(answer(401, b'{"code": 50027}', JSON)),
            "wrong form": always(answer(400, b'{"code": 50035}', JSON)),
            "throttled": always(answer(429, b'{"retry_after": 1.5, "global": false}', JSON)),
            "blocked": always(answer(403, b"<h1>1020</h1>", "Content-Type: text/html")),
            "down": always(answer(503)),
            "moved": always(answer(302, b"", f"Location: /{TOKEN}")),
            "cut": _cut,
        },
    )
}
SECRETS = {"discord": [TOKEN]}


def test_every_sink_has_destinations_for_its_tests() -> None:
    assert WORKING.keys() == HANGING.keys() == FAILING.keys() == SECRETS.keys() == SINKS.keys()


@pytest.mark.parametrize("name", SINKS)
async def test_it_keeps_its_promises(name: str) -> None:
    with ManualClock("2025-08-20T05:00:01Z"):
        await check_sink(WORKING[name], failing=[*FAILING[name].values()], hanging=HANGING[name], secrets=SECRETS[name])


def test_each_sinks_class_is_where_the_registry_says() -> None:
    from importlib import import_module

    for where in SINKS.values():
        module, _, name = where.partition(":")
        assert isinstance(getattr(import_module(module), name), type)


def test_a_sink_factory_is_an_async_context_manager() -> None:
    assert isinstance(WORKING["discord"](), AbstractAsyncContextManager)
