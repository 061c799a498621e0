"""A client that reads no answer is cut off, also if the answer begins long after its request."""

import asyncio
import gc
from contextlib import suppress

import pytest
from aiohttp import ClientError

from signalpost import AsyncNotificationService
from signalpost.web.connection import _Connection
from signalpost.web.service_api import ServiceApi
from tests.unit.web.conftest import SIGNAL, Answer, Front
from tests.unit.web.test_timeouts import Slow
from tests.until import until


class FillsUp:
    """A transport with nothing to send at the first look, and unread bytes at the next."""

    def __init__(self) -> None:
        self.looks = 0
        self.aborted = asyncio.Event()

    def get_write_buffer_size(self) -> int:
        self.looks += 1
        return self.looks - 1

    def abort(self) -> None:
        self.aborted.set()


@pytest.fixture
def limits() -> dict[str, float]:
    return {"READ_WITHIN": 0.05, "ANSWER_WITHIN": 60.0}


@pytest.fixture
def slow(service: AsyncNotificationService) -> Slow:
    return Slow(ServiceApi(service))


@pytest.fixture
def service_api(slow: Slow) -> ServiceApi:
    return slow.service_api()


def _connection() -> _Connection:
    (found,) = (each for each in gc.get_objects() if isinstance(each, _Connection) and each.transport is not None)
    return found


async def _begun(front: Front, slow: Slow) -> asyncio.Task[Answer]:
    """A request that the service has begun to answer.

    On a busy machine, a connection may be closed before its request arrives, because the limit is short here. Then
    try again.
    """
    while True:
        request = asyncio.ensure_future(front.post("signals", SIGNAL))
        await until(lambda: slow.begun or request.done())  # noqa: B023  # it is used in this round only
        if slow.begun:
            return request
        with suppress(ClientError):
            await request


async def test_a_late_answer_that_nobody_reads_is_cut_off(front: Front, slow: Slow) -> None:
    request = await _begun(front, slow)
    connection = _connection()
    real, fake = connection.transport, FillsUp()
    connection.transport = fake  # type: ignore[assignment]
    try:
        await asyncio.wait_for(fake.aborted.wait(), 30)
    finally:
        connection.transport = real
        slow.let.set()
        await request
    assert fake.looks == 2


async def test_a_connection_without_a_transport_can_be_dropped(front: Front, slow: Slow) -> None:
    request = await _begun(front, slow)
    connection = _connection()
    transport, connection.transport = connection.transport, None
    connection.drop()
    assert transport is not None
    transport.abort()
    slow.let.set()
    with pytest.raises(ClientError):
        await request
