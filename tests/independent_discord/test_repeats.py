"""Messages shown twice: only those that may have been lost, and they are marked."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.independent_discord import behaviour
from tests.independent_discord.behaviour import Behaviour, Fault
from tests.independent_discord.channel import is_marked, name_of, names, repeats, unmarked_repeats
from tests.independent_discord.http_messages import Answer, Request, json_answer
from tests.independent_discord.machine import terminate, user_machine
from tests.independent_discord.scenarios import generous
from tests.independent_discord.server import FakeDiscord

LOSES, PROBED = (Fault.CUT, Fault.DRIPS), (200, 404)
"""How an answer is lost, and how the server answers probes."""
TEN = [f"signal{number}" for number in range(10)]


def is_third(request: Request) -> bool:
    return name_of(request) == "signal3"


def shown_of_ten(folder: Path, response: Behaviour, get_status: int = 200, more: int = 0) -> FakeDiscord:
    """The server after ten signals with this behaviour, and after a wait for `more` messages."""
    with (
        FakeDiscord(generous, get_status=get_status) as discord,
        user_machine(
            folder / "machine", DISCORD_WEBHOOK_URL=discord.webhook("signals"), SIGNALPOST_LIMITS="off"
        ) as machine,
    ):
        discord.behaviour = response
        strategy = machine.strategy()
        strategy.send(TEN)
        assert discord.wait_for(lambda: set(names(discord.shown())) == set(TEN), 30), names(discord.shown())
        discord.wait_for(lambda: len(discord.shown()) >= len(TEN) + more, 30)
        strategy.end()
        return discord


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[Fault, int], Future[FakeDiscord]]]:
    """The servers that lost an answer, all at once: each is waited for."""
    with ThreadPoolExecutor() as threads:
        yield {
            (fault, status): threads.submit(
                shown_of_ten, tmp_path_factory.mktemp("lost"), behaviour.once(fault, is_third), status, more=1
            )
            for fault in LOSES
            for status in PROBED
        }


@pytest.mark.parametrize("get_status", PROBED)
@pytest.mark.parametrize("fault", LOSES)
def test_a_message_whose_answer_is_lost_is_shown_once_more_at_most_and_marked(
    lost: dict[tuple[Fault, int], Future[FakeDiscord]], fault: Fault, get_status: int
) -> None:
    discord = lost[fault, get_status].result()
    assert set(repeats(discord.shown()).items()) <= {("signal3", 1)}
    assert unmarked_repeats(discord.shown()) == []
    assert {name_of(each) for each in discord.shown() if is_marked(each)} <= {"signal3"}


def test_an_error_page_of_a_proxy_is_handled(tmp_path: Path) -> None:
    page = Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html")
    discord = shown_of_ten(tmp_path, behaviour.once(page, is_third))
    assert repeats(discord.shown()) == {}
    assert [name_of(each) for each in discord.requests if each.status == 502] == ["signal3"]


def test_a_429_is_waited_for_and_nothing_repeats(tmp_path: Path) -> None:
    content = {"message": "You are being rate limited.", "retry_after": 2.4, "global": False}
    too_many = json_answer(429, content, Retry_After="3", X_RateLimit_Scope="shared")
    discord = shown_of_ten(tmp_path, behaviour.once(too_many, is_third))
    assert names(discord.shown()) == TEN
    assert not any(is_marked(each) for each in discord.shown())
    messages = [each for each in discord.requests if each.method == "POST"]
    refused = next(number for number, each in enumerate(messages) if each.status == 429)
    assert messages[refused + 1].at - messages[refused].at >= 3


def test_a_message_that_always_fails_delays_no_other(tmp_path: Path) -> None:
    with (
        FakeDiscord(generous) as discord,
        user_machine(
            tmp_path / "machine", DISCORD_WEBHOOK_URL=discord.webhook("signals"), SIGNALPOST_LIMITS="off"
        ) as machine,
    ):
        discord.behaviour = behaviour.always(
            json_answer(500, {"message": "500: Internal Server Error", "code": 0}), is_third
        )
        strategy = machine.strategy()
        others = [name for name in TEN if name != "signal3"]
        strategy.send(TEN)
        assert discord.wait_for(lambda: names(discord.shown()) == others, 30), names(discord.shown())
        tried = [each for each in discord.requests if each.status == 500]
        assert discord.wait_for(lambda: sum(each.status == 500 for each in discord.requests) > len(tried) + 3, 60)
        strategy.send(["later"])
        assert discord.wait_for(lambda: names(discord.shown()) == [*others, "later"], 20), names(discord.shown())


def test_signals_queued_during_an_outage_survive_a_kill_of_their_process(tmp_path: Path) -> None:
    queued = [f"signal{number:03}" for number in range(200)]
    with (
        FakeDiscord(generous, get_status=404) as discord,
        user_machine(
            tmp_path / "machine", DISCORD_WEBHOOK_URL=discord.webhook("signals"), SIGNALPOST_LIMITS="off"
        ) as machine,
    ):
        discord.behaviour = behaviour.unavailable
        strategy = machine.strategy()
        strategy.send(queued)
        assert discord.wait_for(lambda: len(discord.requests) > 2, 10)
        strategy.kill()
        served = machine.serve()
        before = len(discord.requests)
        assert discord.wait_for(lambda: len(discord.requests) > before, 30), "the new process has sent nothing"
        assert discord.shown() == []
        discord.behaviour = behaviour.as_usual
        discord.wait_for(lambda: set(names(discord.shown())) == set(queued), 30)
        assert terminate(served) == 0
    assert set(queued) - set(names(discord.shown())) == set()
    assert unmarked_repeats(discord.shown()) == []
    assert sum(repeats(discord.shown()).values()) == 0, "nothing was shown before it died"
