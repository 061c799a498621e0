"""The state cache on a real server, which is slow, away, wiped, full, read-only, locked or filled with nonsense."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from signalpost.domain.ledger import StreamState
from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret
from signalpost.trading import redis_cache, redis_url
from signalpost.trading.redis_cache import RedisCache
from tests.faults.valkey_server import PrivateValkey

PASSWORD = "correct-horse-battery"  # of the private server
AT = datetime(2026, 1, 5, tzinfo=UTC)
BUDGET = 0.3
STREAMS = ("EUR_USD:H4", "GBP_USD:H4", "USD_JPY:D")


def state(stream: str, number: int = 0) -> StreamState:
    return StreamState(stream, "print", AT + timedelta(hours=number), b"\x00state %d" % number)


STATES = tuple(map(state, STREAMS))


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_url, "BUDGET", BUDGET)
    monkeypatch.setattr(redis_cache, "PROBE_EVERY", 0.02)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateValkey]:
    server = PrivateValkey(tmp_path, password=PASSWORD)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def cache(server: PrivateValkey) -> AsyncIterator[RedisCache]:
    cache = RedisCache(server.url, "folder")
    yield cache
    await cache.close()


async def recovered(cache: RedisCache) -> None:
    """Wait until the cache works again, and nothing waits for it."""
    async with asyncio.timeout(30):
        while cache.trouble is not None or cache._unwritten:
            await asyncio.sleep(0.01)


async def test_one_command_writes_all_streams_and_one_reads_them(server: PrivateValkey, cache: RedisCache) -> None:
    await cache.write(STATES)
    assert await cache.read([*STREAMS, "missing"]) == {each.stream: each for each in STATES}
    assert (server.calls("mset"), server.calls("mget"), server.calls("get"), server.calls("set")) == (1, 1, 0, 0)
    stats = server.call("INFO", "stats")
    assert (stats["keyspace_hits"], stats["keyspace_misses"]) == (3, 1)
    assert {server.call("TTL", key) for key in server.call("KEYS", "*")} == {-1}
    await cache.write(())
    assert (await cache.read([]), cache.trouble, server.calls("mset")) == ({}, None, 1)


async def test_a_newer_state_replaces_the_older_one(cache: RedisCache) -> None:
    await cache.write(STATES)
    await cache.write([state(STREAMS[0], 1)])
    assert await cache.read(STREAMS[:2]) == {STREAMS[0]: state(STREAMS[0], 1), STREAMS[1]: STATES[1]}


async def test_each_data_folder_has_copies_of_its_own(server: PrivateValkey, cache: RedisCache) -> None:
    await cache.write(STATES)
    other = RedisCache(server.url, "another folder")
    assert await other.read(STREAMS) == {}
    await other.close()


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value[:-1],
        lambda value: value[:40] + bytes([value[40] ^ 1]) + value[41:],
        lambda value: b"",
        lambda value: b"nonsense",
        lambda value: msgspec.msgpack.encode({"version": 1}),
        lambda value: msgspec.msgpack.encode([2, *msgspec.msgpack.decode(value)[1:]]),
        lambda value: msgspec.msgpack.encode([*msgspec.msgpack.decode(value)[:4], "yesterday", b""]),
    ],
)
async def test_a_damaged_copy_is_missing(
    server: PrivateValkey, cache: RedisCache, damage: Callable[[bytes], bytes]
) -> None:
    await cache.write(STATES)
    for key in server.call("KEYS", "*"):
        server.call("SET", key, damage(server.call("GET", key)))
    assert (await cache.read(STREAMS), cache.trouble) == ({}, None)
    await cache.write(STATES)
    assert len(await cache.read(STREAMS)) == 3, "a write repairs them"


async def test_a_copy_of_another_stream_or_another_type_of_value_is_missing(
    server: PrivateValkey, cache: RedisCache
) -> None:
    await cache.write(STATES)
    one, other, third = sorted(server.call("KEYS", "*"))
    server.call("SET", one, server.call("GET", other))
    server.call("DEL", other)
    server.call("RPUSH", other, "a list")
    server.call("DEL", third)
    assert len(await cache.read(STREAMS)) <= 1
    await cache.write(STATES)
    assert await cache.read(STREAMS) == {each.stream: each for each in STATES}


async def test_a_wiped_server_has_no_copies_and_takes_new_ones(server: PrivateValkey, cache: RedisCache) -> None:
    await cache.write(STATES)
    server.call("FLUSHALL")
    assert (await cache.read(STREAMS), cache.trouble) == ({}, None)
    await cache.write(STATES)
    assert len(await cache.read(STREAMS)) == 3


async def within_budget(cache: RedisCache) -> None:
    """A write that fails, and then reads and writes that cost nothing."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await cache.write(STATES)
    assert cache.trouble is not None
    assert loop.time() - began < 2 * BUDGET + 0.5
    began = loop.time()
    for _ in range(100):
        assert await cache.read(STREAMS) == {}
        await cache.write(STATES)
    assert loop.time() - began < BUDGET, "while it fails, nothing waits for it"


async def test_a_frozen_server_costs_one_budget_and_catches_up(server: PrivateValkey, cache: RedisCache) -> None:
    await cache.write([state(STREAMS[0], 1)])
    server.freeze()
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} did not answer within {BUDGET:g} s"
    await asyncio.sleep(3 * BUDGET)
    assert cache.trouble is not None
    server.thaw()
    await recovered(cache)
    assert len(await cache.read(STREAMS)) == 3


async def test_a_slow_server_costs_one_budget(server: PrivateValkey, cache: RedisCache) -> None:
    server.call("CLIENT", "PAUSE", 1_000, "ALL")
    await within_budget(cache)
    await recovered(cache)
    assert len(await cache.read(STREAMS)) == 3


async def test_a_killed_server_that_comes_back_gets_the_newest_states(server: PrivateValkey, cache: RedisCache) -> None:
    await cache.write(STATES)
    server.kill()
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} cannot be reached"
    newest = [state(name, 7) for name in STREAMS]
    await cache.write(newest)
    server.start()
    await recovered(cache)
    assert await cache.read(STREAMS) == {each.stream: each for each in newest}


async def test_a_server_that_is_away_at_the_start_is_used_once_it_is_there(
    server: PrivateValkey, cache: RedisCache
) -> None:
    server.kill()
    assert await cache.read(STREAMS) == {}
    assert cache.trouble is not None
    server.start()
    await recovered(cache)
    await cache.write(STATES)
    assert len(await cache.read(STREAMS)) == 3


async def test_a_full_server(server: PrivateValkey, cache: RedisCache) -> None:
    server.call("CONFIG", "SET", "maxmemory", 1)
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} is full"
    server.call("CONFIG", "SET", "maxmemory", 0)
    await recovered(cache)
    assert len(await cache.read(STREAMS)) == 3


async def test_a_read_only_replica_that_becomes_the_primary(server: PrivateValkey, cache: RedisCache) -> None:
    server.call("CONFIG", "SET", "replica-serve-stale-data", "yes")
    server.call("REPLICAOF", "127.0.0.1", 1)
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} is read-only"
    server.call("REPLICAOF", "NO", "ONE")
    await recovered(cache)
    assert len(await cache.read(STREAMS)) == 3


async def test_a_server_that_lost_its_primary(server: PrivateValkey, cache: RedisCache) -> None:
    server.call("CONFIG", "SET", "replica-serve-stale-data", "no")
    server.call("REPLICAOF", "127.0.0.1", 1)
    assert await cache.read(STREAMS) == {}
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} has lost its primary"
    server.call("REPLICAOF", "NO", "ONE")
    await recovered(cache)


async def test_a_wrong_password_is_reported_and_never_shown(server: PrivateValkey) -> None:
    wrong = "wrong-horse-battery"
    cache = RedisCache(Secret(f"redis://:{wrong}@127.0.0.1:{server.port}"), "folder")
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} does not accept the user or password"
    server.call("CONFIG", "SET", "requirepass", wrong)
    await recovered(cache)
    await cache.close()


async def test_a_user_without_the_right_to_write(server: PrivateValkey) -> None:
    server.call("ACL", "SETUSER", "reader", "on", ">reader-password", "~*", "+@read", "+ping")
    url = Secret(f"redis://reader:reader-password@127.0.0.1:{server.port}")
    cache = RedisCache(url, "folder")
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} does not permit this user to write"
    await cache.close()


async def test_an_error_of_another_kind_is_named_by_its_code(server: PrivateValkey, cache: RedisCache) -> None:
    server.call("CONFIG", "SET", "min-replicas-to-write", 1)
    await within_budget(cache)
    assert cache.trouble == f"Redis at 127.0.0.1:{server.port} answered with an error NOREPLICAS"


async def test_a_stranger_on_the_port_is_reported(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as stranger:
        port = stranger.sockets[0].getsockname()[1]
        cache = RedisCache(Secret(f"redis://127.0.0.1:{port}"), "folder")
        await cache.write(STATES)
        assert cache.trouble is not None
        assert cache.trouble.startswith(f"Redis at 127.0.0.1:{port} ")
        await cache.close()


async def test_a_socket_is_named_by_its_path(tmp_path: Path) -> None:
    cache = RedisCache(Secret(f"unix://:{PASSWORD}@{tmp_path}/missing.sock"), "folder")
    await cache.write(STATES)
    assert cache.trouble == f"Redis at {tmp_path}/missing.sock cannot be reached"
    await cache.close()


def test_without_the_extra_the_error_says_so() -> None:
    missing: dict[str, Any] = {"redis.asyncio": None}
    with patch.dict(sys.modules, missing), pytest.raises(InvalidConfiguration) as raised:
        RedisCache(Secret("redis://127.0.0.1"), "folder")
    assert (raised.value.code, raised.value.field) == ("not-installed", "REDIS_URL")
