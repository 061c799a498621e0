"""A connection that is cancelled while it is made closes its own descriptor once, and no other."""

import asyncio
import gc
import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector

from signalpost.integration.loop_thread import new_loop
from signalpost.sockets import new_socket

DESCRIPTORS = Path("/proc/self/fd")


async def cancelled_after(steps: int, port: int) -> None:
    """Make a request, and cancel it after so many steps of the loop."""
    async with ClientSession(connector=TCPConnector(socket_factory=new_socket)) as session:
        request = asyncio.ensure_future(session.get(f"http://127.0.0.1:{port}/"))
        for _ in range(steps):
            await asyncio.sleep(0)
        request.cancel()
        await asyncio.wait([request])


@pytest.mark.filterwarnings("error")
def test_a_connection_that_is_cancelled_while_it_is_made_closes_no_descriptor_of_another() -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        await cancelled_after(0, port)
        before = len(list(DESCRIPTORS.iterdir()))
        gc.collect()
        gc.freeze()  # what other tests left, so that each collection below takes little time
        gc.disable()
        try:
            for steps in range(12):
                await cancelled_after(steps, port)
                await asyncio.sleep(0)
                assert len(list(DESCRIPTORS.iterdir())) <= before + 1
                others = [socket.socketpair() for _ in range(4)]  # one gets the number that was closed
                gc.collect()
                for pair in others:
                    pair[0].sendall(b"x")
                    assert pair[1].recv(1) == b"x"
                    for each in pair:
                        each.close()
        finally:
            gc.enable()
        server.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(main())
