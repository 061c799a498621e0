"""The HTTP API under hostile requests: it keeps running, discloses nothing and answers afterwards.

HOSTILE_REQUESTS says how many (1,000 unless set, and 4,000 in `make test-all`), HOSTILE_SEED from which seed.
"""

import asyncio
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from signalpost.domain.tier import UserTier
from signalpost.web.tokens import Scope, TokensFile
from tests.acceptance.serving import Served, serving
from tests.faults.hostile import SIGNAL, request
from tests.size import size

NUMBER = int(os.environ.get("HOSTILE_REQUESTS", size(1_000, 4_000)))
SEED = int(os.environ.get("HOSTILE_SEED", "20260820"))
AT_ONCE = 24
FOR_ONE = 20.0
"""Seconds within which each connection must end."""
TELLTALE = re.compile(rb"Traceback|\.py\b|site-packages|aiohttp|Python/|/home/|/tmp/|/dev/shm/|Error\b")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def tokens(home: Path) -> list[str]:
    """So many tokens that none reaches its rate limit, which would hide all other answers."""
    made = (TokensFile(home).add(f"bot-{number}", UserTier.FREE, tuple(Scope)) for number in range(2 + NUMBER // 500))
    return [text.reveal() for _, text in made]


@pytest.fixture
def served(home: Path, tokens: list[str]) -> Iterator[Served]:
    """A `serve` whose destination does not exist, so accepted notifications stay open."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD_", "SIGNALPOST_"))}
    environment = {
        **mine,
        "SIGNALPOST_HOME": str(home),
        "SIGNALPOST_HTTP": "127.0.0.1:0",
        "DISCORD_WEBHOOK_URL": "http://127.0.0.1:9/api/v10/webhooks/all/some-token",
    }
    with serving(environment, "--stop-within", "0.1", patience=600) as running:
        yield running


async def answered(url: str, raw: bytes) -> bytes:
    """Everything that the server answers to these bytes until it closes. It may close before it has read all."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    async with asyncio.timeout(FOR_ONE):
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(raw)
            await writer.drain()
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()


async def all_answered(url: str, raws: list[bytes]) -> list[bytes]:
    """The answers, a few at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(raw: bytes) -> bytes:
        async with gate:
            return await answered(url, raw)

    return await asyncio.gather(*map(one, raws))


def assert_well(served: Served, token: str, pair: str) -> None:
    assert served.process.poll() is None, "it crashed"
    assert served.get("/health")[0] == 200
    for _ in range(20):
        status, answer, _ = served.post("/api/v1/signals", {**SIGNAL, "pair": pair}, Authorization=f"Bearer {token}")
        if status != 503:  # it is not overloaded
            break
        time.sleep(0.5)
    assert (status, answer.get("outcome")) == (202, "accepted"), answer


def test_hostile_requests_break_nothing_and_disclose_nothing(
    served: Served, tokens: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    random = Random(SEED)
    own, *others = tokens
    raws = [request(random, others[number % len(others)]) for number in range(NUMBER)]
    answers = asyncio.run(all_answered(served.url, raws))
    statuses = Counter(found[1] for answer in answers if (found := re.match(rb"HTTP/[\d.]+ (\d{3}) ", answer)))
    with capsys.disabled():
        sys.stdout.write(f"\nseed {SEED}, {NUMBER} requests: {dict(sorted(statuses.items()))}\n")
    assert_well(served, own, "USDJPY")
    for raw, answer in zip(raws, answers, strict=True):
        assert not any(token.encode() in answer for token in tokens), (raw[:300], answer)
        assert TELLTALE.search(answer) is None, (raw[:300], answer)
    assert b"500" not in statuses
    assert {b"202", b"400", b"401", b"404", b"405", b"413", b"415", b"422"} <= set(statuses)
    served.process.terminate()
    served.process.wait()
    assert "fault of ours" not in served.text()
    assert "Traceback" not in served.text()
    assert not any(token in served.text() for token in tokens)


def test_slow_clients_delay_no_other(served: Served, tokens: list[str]) -> None:
    """300 clients that send half a head, half a body or nothing are cut off in time. Others are answered meanwhile."""
    head = f"POST /hooks/tradingview/{tokens[1]} HTTP/1.1\r\nHost: x\r\n".encode()
    halves = (b"", head, head + b"Content-Length: 9\r\n\r\n{")

    async def others_are_answered() -> None:
        healthy = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        sent = asyncio.get_running_loop().time()
        answer = await answered(served.url, healthy)
        assert asyncio.get_running_loop().time() - sent < 2
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 503"))

    async def besieged() -> list[bytes]:
        slow = []
        for _ in range(13):  # no more at once than may wait: the system forgets others that send nothing
            slow += [asyncio.create_task(answered(served.url, half)) for half in halves * 8]
            await others_are_answered()  # so all of them were accepted
        for _ in range(30):
            await others_are_answered()
            await asyncio.sleep(0.05)
        return await asyncio.gather(*slow)

    answers = asyncio.run(besieged())
    assert Counter(answer[:12] for answer in answers if answer).keys() <= {b"HTTP/1.1 408", b"HTTP/1.1 503"}
    assert_well(served, tokens[0], "USDJPY")
