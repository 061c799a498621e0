"""Bodies that are expensive to parse block neither the event loop nor other callers."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from signalpost import AsyncNotificationService, Config
from signalpost.domain.tier import UserTier
from signalpost.web.auth import TokenAuth
from signalpost.web.server import HttpServer
from signalpost.web.service_api import ServiceApi
from signalpost.web.tokens import Scope, TokensFile

LARGEST = 64 * 1024
CLIENT = """
import asyncio, sys
from aiohttp import ClientSession, ClientTimeout
async def main(url, bearer, path, count):
    body = open(path, "rb").read()
    headers = {"Authorization": "Bearer " + bearer, "Content-Type": "application/json"}
    async with ClientSession(timeout=ClientTimeout(60)) as session:
        async def one():
            async with session.post(url, data=body, headers=headers) as answer:
                await answer.read()
                return answer.status
        print(*await asyncio.gather(*(one() for _ in range(int(count)))))
asyncio.run(main(*sys.argv[1:]))
"""


def filled(one: str, *last: str) -> bytes:
    """An object of the largest allowed size, with members like `one`."""
    members: list[str] = []
    room = LARGEST - 2 - sum(len(each) + 1 for each in last)
    for number in range(LARGEST):
        member = one.replace("#", f"{number:x}")
        room -= len(member) + 1
        if room < 0:
            break
        members.append(member)
    return ("{" + ",".join([*members, *last]) + "}").encode()


GOOD = {"pair": "EURUSD", "timeframe": "H4", "side": "buy", "entry": 1.1, "time": "2099-01-01T00:00:00Z"}
HARD = {
    "unknown names": filled('"stop_losz#":0'),
    "a name that stands twice, at the end": filled('"a#":0', '"zz":1', '"zz":2'),
    "names that differ in blanks": filled('"a #":0'),
    "deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a list of objects": b'{"pair":[' + b",".join([b"{}"] * 20_000) + b"]}",
    "a number of 65,000 digits": json.dumps(GOOD).replace("1.1", "9" * 65_000).encode(),
    "500 facts": json.dumps({**GOOD, "context": {f"fact {n}": n for n in range(500)}}).encode(),
    "a long text": json.dumps({**GOOD, "notes": "x" * 60_000}).encode(),
}
DUPLICATE = HARD["a name that stands twice, at the end"]


class Stops:
    """Measures the longest time for which the event loop was blocked."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            self.longest, before = max(self.longest, now - before), now


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[tuple[str, str]]:
    """Run a service and its server in this loop. Yields the address and a token."""
    tokens = TokensFile(home)
    text = tokens.add("bot", UserTier.FREE, tuple(Scope))[1].reveal()
    async with AsyncNotificationService(Config(home=home)) as service:
        service_api = ServiceApi(service)
        server = HttpServer(service_api, TokenAuth(tokens, service_api.rank_by_tier))
        await server.start()
        yield server.url, text
        await server.stop()


async def posted(url: str, token: str, file: Path, count: int) -> tuple[list[int], float]:
    """Send `count` requests at once from another process. Returns the statuses and the loop's longest block."""
    command = (sys.executable, "-c", CLIENT, url, token, str(file), str(count))
    client = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    stops = Stops()
    watching = asyncio.create_task(stops.watch())
    said, _ = await client.communicate()
    watching.cancel()
    return [int(each) for each in said.split()], stops.longest


async def test_a_duplicate_name_at_the_end_of_a_body_does_not_block_the_loop(tmp_path: Path) -> None:
    """One such body took two seconds once. The limit here suits a machine that also runs other tests."""
    file = tmp_path / "body"
    file.write_bytes(DUPLICATE)
    async with running(tmp_path / "home") as (url, token):
        statuses, longest = await posted(f"{url}/api/v1/signals", token, file, 2)
    assert (statuses, longest < 0.5) == ([400, 400], True)


async def test_thousands_of_unknown_names_do_not_block_the_loop(tmp_path: Path) -> None:
    file = tmp_path / "body"
    file.write_bytes(HARD["unknown names"])
    async with running(tmp_path / "home") as (url, token):
        statuses, longest = await posted(f"{url}/api/v1/signals", token, file, 4)
    assert (statuses, longest < 0.5) == ([422] * 4, True)


async def test_an_answer_lists_at_most_200_errors(tmp_path: Path) -> None:
    from aiohttp import ClientSession

    async with running(tmp_path / "home") as (url, token), ClientSession() as session:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with session.post(f"{url}/api/v1/signals", data=HARD["unknown names"], headers=headers) as answer:
            problem = await answer.json(content_type=None)
    assert 5 <= len(problem["errors"]) <= 200


def _accepted() -> Iterator[str]:
    yield from ("500 facts", "a long text")


@pytest.mark.parametrize("name", list(_accepted()))
async def test_a_large_valid_body_is_understood(tmp_path: Path, name: str) -> None:
    """It gets 409 because no destination is configured."""
    file = tmp_path / "body"
    file.write_bytes(HARD[name])
    async with running(tmp_path / "home") as (url, token):
        statuses, _ = await posted(f"{url}/api/v1/signals", token, file, 1)
    assert statuses == [409]
