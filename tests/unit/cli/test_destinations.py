"""`signalpost destinations`: what is listed, what a try of a webhook tells, and how one that was gone comes back."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from signalpost.cli.webhook_trial import advice_on
from signalpost.domain.delivery import DeliveryState
from signalpost.errors import Evidence
from signalpost.sandbox.rules.limits import OFF
from signalpost.sandbox.server import Sandbox
from signalpost.sinks.evidence import Rejected, Throttled, Unavailable, Unconfirmed
from tests.unit.cli.folder import Folder, alert

NOWHERE = "http://127.0.0.1:9/api/v10/webhooks/g/token-to-hide"
GENERAL = {"DISCORD_WEBHOOK_ALERTS_GENERAL": NOWHERE}
GONE = "404, code 10015, Unknown Webhook"


@contextmanager
def running() -> Iterator[Sandbox]:
    """A sandbox on a loop of its own, in a thread, because the commands have one too."""
    started, ended = Event(), Event()
    found: list[Sandbox] = []

    async def serve() -> None:
        async with Sandbox(limits=OFF, open=True) as sandbox:
            found.append(sandbox)
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        ended.set()
        thread.join()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as made:
        yield made


def log(sandbox: Sandbox) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{sandbox.url}/_log") as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def provoke(sandbox: Sandbox, **fault: object) -> None:
    headers = {"Content-Type": "application/json"}
    urllib.request.urlopen(
        urllib.request.Request(f"{sandbox.url}/_faults", json.dumps(fault).encode(), headers)
    ).close()


def both(sandbox: Sandbox) -> dict[str, str]:
    return {
        "DISCORD_WEBHOOK_ALERTS_GENERAL": f"{sandbox.url}/api/v10/webhooks/general/token-to-hide",
        "DISCORD_WEBHOOK_COMMUNITY": f"{sandbox.url}/api/v10/webhooks/community/token-to-hide",
    }


def test_the_list_tells_limits_counts_and_state_and_hides_the_webhook(folder: Folder) -> None:
    folder.put(alert("a1"))
    folder.put(alert("a2"))
    folder.end(folder.lease(), DeliveryState.DEAD)
    folder.put(alert("a3"), "community")
    result = folder.run("destinations", "list", **GENERAL)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["alerts-general", "127.0.0.1:9", "15", "1", "1", "ready"] in rows
    assert ["community", "1", "0", "not", "configured"] in rows
    assert "community: not configured, and 1 deliveries wait for it: set DISCORD_WEBHOOK_COMMUNITY" in result.stdout
    assert "token-to-hide" not in result.output
    assert "no webhook for signals-free, " in result.stderr, "what lacks is told beside"


def test_json_has_a_line_for_each_destination(folder: Folder) -> None:
    folder.put(alert("a1"))
    result = folder.run("destinations", "list", "--json", **GENERAL)
    assert json.loads(result.stdout) == {
        "destination": "alerts-general",
        "state": "ready",
        "variable": "DISCORD_WEBHOOK_ALERTS_GENERAL",
        "webhook": "127.0.0.1:9/***",
        "messages_a_minute": 15,
        "disabled": None,
        "held_for": 0.0,
        "open": 1,
        "deliveries": {"pending": 1},
    }
    unknown = json.loads(folder.run("destinations", "list", "--json").stdout)
    assert (unknown["webhook"], unknown["messages_a_minute"], unknown["state"]) == (None, None, "not configured")


def test_what_the_store_remembers_of_a_destination_is_told(folder: Folder) -> None:
    from signalpost import clock

    folder.disable(NOWHERE, GONE)
    held = {"at": clock.now(), "ages": [], "held_for": 3_600.0}
    folder.remember("community", pace=msgspec.json.encode(held))
    community = {"DISCORD_WEBHOOK_COMMUNITY": NOWHERE.replace("/g/", "/c/")}
    told = folder.run("destinations", "list", **GENERAL, **community).stdout
    assert (
        "alerts-general: disabled, because its webhook is gone for good (404, code 10015, Unknown Webhook): give it "
        "another (DISCORD_WEBHOOK_ALERTS_GENERAL), or try it again with `signalpost destinations enable "
        "alerts-general`\n"
    ) in told
    assert "community: it asked to be left alone for 60 min more\n" in told
    lines = folder.run("destinations", "list", "--json", **GENERAL, **community).stdout.splitlines()
    states = [json.loads(line) for line in lines]
    assert {each["destination"]: each["state"] for each in states} == {
        "alerts-general": "disabled",
        "community": "waits",
    }


def test_destinations_are_listed_also_before_there_is_a_store_or_any_of_them(folder: Folder) -> None:
    assert json.loads(folder.run("destinations", "list", "--json", **GENERAL).stdout)["deliveries"] == {}
    nothing = folder.run("destinations", "list")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no webhook is set" in nothing.stderr
    unlimited = folder.run("destinations", "list", SIGNALPOST_LIMITS="off", **GENERAL)
    rows = [row.split() for row in unlimited.stdout.splitlines()]
    assert ["alerts-general", "127.0.0.1:9", "-", "0", "0", "ready"] in rows


def test_a_test_asks_for_each_webhook_and_shows_nothing(folder: Folder, sandbox: Sandbox) -> None:
    before = len(log(sandbox))
    result = folder.run("destinations", "test", **both(sandbox))
    assert result.exit_code == 0
    general, community = result.stdout.splitlines()
    assert general.startswith("alerts-general: incoming webhook 'signalpost' to channel ")
    assert community.startswith("community: incoming webhook ")
    assert "token-to-hide" not in result.output
    asked = log(sandbox)[before:]
    assert [(entry["method"], entry["recorded"]) for entry in asked] == [("GET", False)] * 2
    assert not folder.path.exists(), "it is past the outbox"


def test_a_test_that_is_to_show_something_shows_one_marked_silent_message(folder: Folder, sandbox: Sandbox) -> None:
    before = len(log(sandbox))
    result = folder.run("destinations", "test", "community", "--send", "--json", **both(sandbox))
    trial = json.loads(result.stdout)
    assert (trial["destination"], trial["works"], trial["advice"]) == ("community", True, None)
    (entry,) = log(sandbox)[before:]
    assert trial["told"] == f"shown, as message {entry['message_id']}"
    assert "Test of signalpost" in json.dumps(entry["body"])
    assert "A person tests whether community works" in json.dumps(entry["body"])
    assert entry["silent"]


@pytest.mark.parametrize(
    ("fault", "sent", "asked", "do"),
    [
        (404, "404, code 10015, Unknown Webhook", None, "make another (channel settings, Integrations, Webhooks)"),
        (401, "401, code 50027, Invalid Webhook Token", None, "copy the URL again"),
        (429, "429, ", None, "too many requests were made: try again in "),
        (503, "503, ", "503 to a question", None),
    ],
)
def test_each_way_to_fail_is_exit_code_1_with_what_to_do(
    folder: Folder, sandbox: Sandbox, fault: int, sent: str, asked: str | None, do: str | None
) -> None:
    for options in (("--send",), ()):
        provoke(sandbox, webhook="community", status=fault)
        result = folder.run("destinations", "test", "community", *options, **both(sandbox))
        assert result.exit_code == 1
        first, advice = result.stdout.splitlines()
        assert first.startswith(f"community: FAILS: {sent if options else asked or sent}")
        assert advice.startswith("  do: ")
        assert do is None or do in advice
        assert ("it may have been shown" in advice) is (fault == 503 and bool(options))


def test_one_that_fails_does_not_keep_the_others_from_being_tried(folder: Folder, sandbox: Sandbox) -> None:
    webhooks = both(sandbox) | GENERAL
    result = folder.run("destinations", "test", "--all", "--send", **webhooks)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith("alerts-general: FAILS: no connection: ")
    assert result.stdout.splitlines()[1].startswith("  do: nothing answers there")
    assert result.stdout.splitlines()[2].startswith("community: shown, as message ")


def test_a_server_that_is_no_discord_fails(folder: Folder, sandbox: Sandbox) -> None:
    page = {"DISCORD_WEBHOOK_COMMUNITY": f"{sandbox.url}/_log"}
    result = folder.run("destinations", "test", **page)
    assert result.stdout.startswith("community: FAILS: 200, but not the answer of a webhook; ")


@pytest.mark.parametrize(
    ("evidence", "do"),
    [
        (Rejected("400", status=400), "this is refused for good"),
        (Throttled("429", retry_after=600.4, scope="host", status=429), "try again in 600 s, and send less"),
        (
            Throttled("429", retry_after=0.2, scope="destination", status=429),
            "try again in 1 s; a service waits by itself",
        ),
        (Unavailable("302", status=302), "a proxy between here and there may be the reason"),
        (Unconfirmed("cut"), "it may have been shown: look into the channel"),
    ],
)
def test_advice_fits_the_evidence(evidence: Evidence, do: str) -> None:
    assert do in advice_on(evidence, "community")


def test_one_that_was_gone_is_enabled_and_once_is_enough(folder: Folder) -> None:
    folder.disable(NOWHERE, GONE)
    enabled = folder.run("destinations", "enable", "alerts-general", **GENERAL)
    assert enabled.stdout == (
        "alerts-general was disabled (404, code 10015, Unknown Webhook); a service that runs sends there again "
        "within seconds\n"
    )
    assert (
        folder.run("destinations", "enable", "alerts-general", **GENERAL).stdout == "alerts-general is not disabled\n"
    )
    assert json.loads(folder.run("destinations", "list", "--json", **GENERAL).stdout)["disabled"] is None
    folder.disable(NOWHERE, GONE)
    told = folder.run("destinations", "enable", "alerts-general", "--json", **GENERAL).stdout
    assert json.loads(told) == {"destination": "alerts-general", "was_disabled": GONE}


def test_another_webhook_of_the_same_destination_is_not_disabled(folder: Folder) -> None:
    folder.disable(NOWHERE, GONE)
    another = {"DISCORD_WEBHOOK_ALERTS_GENERAL": NOWHERE + "-and-more"}
    assert json.loads(folder.run("destinations", "list", "--json", **another).stdout)["disabled"] is None
    assert "is not disabled" in folder.run("destinations", "enable", "alerts-general", **another).stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "x"), "unexpected extra argument"),
        (("list", "--config", "none.toml"), "none.toml"),
        (("list", "--home"), "requires an argument"),
        (("list", "--send"), "No such option '--send'"),
        (("list", "--josn"), "'--json'"),
        (("test", "alerts-genral"), "no destination 'alerts-genral' is configured: give some of alerts-general"),
        (("test", "--send"), "--send shows a message to whoever reads the channel: name destinations, or give --all"),
        (("test", "alerts-general", "--all"), "give names or --all, not both"),
        (("test", "a", "b"), "no destination 'a', 'b' is configured"),
        (("test", "--timeout", "3"), "No such option"),
        (("enable",), "Missing argument 'NAME'"),
        (("enable", "alerts-genral"), "no destination 'alerts-genral' is configured"),
        (("enable", "a", "b"), "unexpected extra argument"),
        (("enable", "--all"), "No such option"),
        (("enable", ""), "no destination '' is configured"),
    ],
)
def test_bad_input_is_exit_code_2_with_what_to_do(folder: Folder, arguments: tuple[str, ...], told: str) -> None:
    folder.apply()
    result = folder.run("destinations", *arguments, **GENERAL)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_without_a_configuration_there_is_nothing_to_test(folder: Folder) -> None:
    result = folder.run("destinations", "test")
    assert result.exit_code == 2
    assert "no webhook is set" in result.stderr


def test_a_store_that_is_not_there_cannot_be_told_anything(folder: Folder) -> None:
    assert folder.run("destinations", "enable", "alerts-general", **GENERAL).exit_code == 3
