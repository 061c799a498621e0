"""The state cache in Redis or Valkey. Needs the extra `redis`.

One command reads the copies of all streams, and one writes them. After a failure, the cache pauses and probes the
server in the background, so a server that is slow or unavailable delays the strategies by one time budget at most.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import TypeVar

import msgspec

from signalpost.domain.instant import utc
from signalpost.domain.ledger import StreamState
from signalpost.errors import InvalidValue
from signalpost.secret import Secret
from signalpost.trading import redis_url
from signalpost.trading.redis_url import client_of, server_of

PROBE_EVERY = 5.0
"""Seconds between probes of a server that failed."""
VERSION = 1
_LONGEST_WORD = 20

Answer = TypeVar("Answer")


class _Copy(msgspec.Struct, frozen=True, array_like=True):
    version: int
    checksum: bytes
    stream: str
    fingerprint: str
    watermark: str
    state: bytes


class RedisCache:
    """Keeps copies in a Redis or Valkey server, under keys of one data folder. Belongs to one event loop.

    `namespace` distinguishes data folders that share a server. Raises InvalidConfiguration if the extra `redis` is not
    installed or the URL is invalid; its text does not contain the URL.
    """

    def __init__(self, url: Secret, namespace: str) -> None:
        self.trouble: str | None = None
        self._redis = client_of(url)
        self._where = f"Redis at {server_of(url)}"
        self._prefix = f"signalpost:{blake2b(namespace.encode(), digest_size=8).hexdigest()}:"
        self._unwritten: dict[str, StreamState] = {}
        self._probing: asyncio.Task[None] | None = None

    async def read(self, streams: Sequence[str]) -> Mapping[str, StreamState]:
        """The copies of these streams that exist and are intact; none while the server fails."""
        if self.trouble is not None or not streams:
            return {}
        found = await self._do(self._redis.mget([self._prefix + name for name in streams]))
        copies = [_unpacked(value) for value in found or () if isinstance(value, bytes)]
        return {copy.stream: copy for copy in copies if copy is not None and copy.stream in streams}

    async def write(self, states: Iterable[StreamState]) -> None:
        """Save copies in place of older ones. While the server fails, the newest of each stream waits in memory."""
        self._unwritten.update((state.stream, state) for state in states)
        if self.trouble is None:
            await self._write()

    async def close(self) -> None:
        """Close the connections. Copies that could not be written are dropped."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        await self._disconnect()

    async def _write(self) -> None:
        states, self._unwritten = self._unwritten, {}
        if states:
            copies = {self._prefix + name: _packed(state) for name, state in states.items()}
            await self._do(self._redis.mset(copies))
            if self.trouble is not None:
                self._unwritten = {**states, **self._unwritten}

    async def _do(self, command: Awaitable[Answer]) -> Answer | None:
        """Execute a command within the budget. None if it fails; then the server is probed until it works again."""
        try:
            async with asyncio.timeout(redis_url.BUDGET):
                answer = await command
        except Exception as fault:  # noqa: BLE001  # a cache never stops a strategy
            self.trouble = f"{self._where} {_cause(fault, redis_url.BUDGET)}"
        else:
            self.trouble = None
            return answer
        await self._disconnect()
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe(), name="signalpost cache probe")
        return None

    async def _probe(self) -> None:
        """Retry until the server works, and all waiting copies are written."""
        while self.trouble is not None or self._unwritten:
            await asyncio.sleep(PROBE_EVERY)
            await (self._write() if self._unwritten else self._do(self._redis.ping()))
        self._probing = None

    async def _disconnect(self) -> None:
        """Close all connections, because one may still wait for an answer, or lead to a server that was replaced."""
        with suppress(Exception):
            async with asyncio.timeout(redis_url.BUDGET):
                await self._redis.connection_pool.disconnect()


def _cause(fault: Exception, budget: float) -> str:
    """Why the server failed, for people. An exception's own text is not shown, because it may quote the URL."""
    from redis import exceptions

    causes: tuple[tuple[type[Exception], str], ...] = (
        (exceptions.OutOfMemoryError, "is full"),
        (exceptions.ReadOnlyError, "is read-only"),
        (exceptions.BusyLoadingError, "is loading its data"),
        (exceptions.MasterDownError, "has lost its primary"),
        (exceptions.AuthenticationError, "does not accept the user or password"),
        (exceptions.AuthorizationError, "does not accept the user or password"),
        (exceptions.NoPermissionError, "does not permit this user to write"),
        (exceptions.TimeoutError, f"did not answer within {budget:g} s"),
        (TimeoutError, f"did not answer within {budget:g} s"),
        (exceptions.ConnectionError, "cannot be reached"),
        (OSError, "cannot be reached"),
    )
    word = str(fault).partition(" ")[0]
    known = word if word.isascii() and word.isalpha() and word.isupper() and len(word) <= _LONGEST_WORD else ""
    return next((text for kind, text in causes if isinstance(fault, kind)), f"answered with an error {known}".rstrip())


def _packed(state: StreamState) -> bytes:
    facts = (state.stream, state.fingerprint, state.watermark.isoformat(), state.state)
    return msgspec.msgpack.encode(_Copy(VERSION, _checksum(facts), *facts))


def _unpacked(value: bytes) -> StreamState | None:
    """The copy in a value; None if it is damaged or of another version."""
    try:
        copy = msgspec.msgpack.decode(value, type=_Copy)
        watermark = utc(copy.watermark, "watermark")
    except (msgspec.DecodeError, InvalidValue):
        return None
    facts = (copy.stream, copy.fingerprint, copy.watermark, copy.state)
    if copy.version != VERSION or copy.checksum != _checksum(facts):
        return None
    return StreamState(copy.stream, copy.fingerprint, watermark, copy.state)


def _checksum(facts: tuple[str | bytes, ...]) -> bytes:
    return blake2b(msgspec.msgpack.encode(facts), digest_size=8).digest()
