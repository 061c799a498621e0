import re
import socket
from pathlib import Path

import aiohttp
import pytest

from signalpost.testing.pytest_plugin import loopback_only


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8", "discord.com", b"discord.com"])
def test_a_real_host_is_neither_resolved_nor_connected_to(address: str) -> None:
    host = re.escape(address if isinstance(address, str) else address.decode())
    with socket.socket() as client:
        for reach in (client.connect, client.connect_ex):
            with pytest.raises(AssertionError, match=host):
                reach((address, 443))
    with pytest.raises(AssertionError, match=host):
        socket.getaddrinfo(address, 443)


async def test_a_client_library_is_blocked_too() -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(AssertionError, match=r"192\.0\.2\.1|discord\.com"):
            await session.get("http://192.0.2.1/")


@pytest.mark.usefixtures("no_real_hosts")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_can_be_reached(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()
        assert socket.getaddrinfo(host, 80)


def test_an_impossible_host_name_is_not_found() -> None:
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("nobody.invalid", 80)


def test_unix_sockets_can_be_reached(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))
        assert client.getpeername()


def test_the_socket_module_is_restored_afterwards() -> None:
    before = (socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex)
    with loopback_only():
        assert socket.getaddrinfo is not before[0]
    assert (socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex) == before
