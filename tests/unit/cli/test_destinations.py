"""`signalpost destinations`: the list, the test of a webhook, and how a disabled one is enabled."""

import json
import re
import urllib.request
from collections.abc import Iterator

import msgspec
import pytest

from signalpost.cli.webhook_trial import advice_on
from signalpost.domain.delivery import DeliveryState
from signalpost.errors import Evidence
from signalpost.sandbox.server import Sandbox
from signalpost.sinks.evidence import Rejected, Throttled, Unavailable, Unconfirmed
from tests.surface.errors import Facts
from tests.surface.texts import assert_stored
from tests.unit.cli.folder import Folder, alert
from tests.unit.cli.sandbox import log, running

NOWHERE = "http://127.0.0.1:9/api/v10/webhooks/g/token-to-hide"
GENERAL = {"DISCORD_WEBHOOK_ALERTS_GENERAL": NOWHERE}
GONE = "404, code 10015, Unknown Webhook"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as made:
        yield made


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


def test_the_list_shows_limits_counts_and_state_and_hides_the_webhook(folder: Folder) -> None:
    folder.put(alert("a1"))
    folder.put(alert("a2"))
    folder.end(folder.lease(), DeliveryState.DEAD)
    folder.put(alert("a3"), "community")
    result = folder.run("destinations", "list", **GENERAL)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["alerts-general", "127.0.0.1:9", "15", "1", "1", "ready"] in rows
    assert ["community", "1", "0", "not", "configured"] in rows
    (advice,) = (line for line in result.stdout.splitlines() if "DISCORD_WEBHOOK_COMMUNITY" in line)
    assert "community" in advice
    assert "1" in advice
    assert "token-to-hide" not in result.output
    assert "signals-free" in result.stderr, "the warning about missing webhooks"


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


def test_the_list_shows_the_stored_facts_of_a_destination(folder: Folder) -> None:
    from signalpost import clock

    folder.disable(NOWHERE, GONE)
    held = {"at": clock.now(), "ages": [], "held_for": 3_600.0}
    folder.remember("community", pace=msgspec.json.encode(held))
    community = {"DISCORD_WEBHOOK_COMMUNITY": NOWHERE.replace("/g/", "/c/")}
    output = folder.run("destinations", "list", **GENERAL, **community).stdout
    facts = (GONE, "DISCORD_WEBHOOK_ALERTS_GENERAL", "`signalpost destinations enable alerts-general`")
    assert any(all(fact in line for fact in facts) for line in output.splitlines())
    assert any("community" in line and "60 min" in line for line in output.splitlines())
    lines = folder.run("destinations", "list", "--json", **GENERAL, **community).stdout.splitlines()
    states = [json.loads(line) for line in lines]
    assert {each["destination"]: each["state"] for each in states} == {
        "alerts-general": "disabled",
        "community": "waits",
    }


def test_destinations_are_listed_before_there_is_a_store(folder: Folder) -> None:
    assert json.loads(folder.run("destinations", "list", "--json", **GENERAL).stdout)["deliveries"] == {}
    nothing = folder.run("destinations", "list")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert nothing.stderr.strip()
    unlimited = folder.run("destinations", "list", SIGNALPOST_LIMITS="off", **GENERAL)
    rows = [row.split() for row in unlimited.stdout.splitlines()]
    assert ["alerts-general", "127.0.0.1:9", "-", "0", "0", "ready"] in rows


def test_a_test_reads_each_webhook_and_posts_nothing(folder: Folder, sandbox: Sandbox) -> None:
    before = len(log(sandbox))
    result = folder.run("destinations", "test", **both(sandbox))
    assert result.exit_code == 0
    general, community = result.stdout.splitlines()
    assert general.startswith("alerts-general")
    assert "'signalpost'" in general
    assert community.startswith("community")
    assert "token-to-hide" not in result.output
    requests = log(sandbox)[before:]
    assert [(entry["method"], entry["recorded"]) for entry in requests] == [("GET", False)] * 2
    assert not folder.path.exists(), "it is past the outbox"


def test_a_test_with_send_posts_one_silent_message(folder: Folder, sandbox: Sandbox) -> None:
    before = len(log(sandbox))
    result = folder.run("destinations", "test", "community", "--send", "--json", **both(sandbox))
    trial = json.loads(result.stdout)
    assert (trial["destination"], trial["works"], trial["advice"]) == ("community", True, None)
    (entry,) = log(sandbox)[before:]
    assert entry["message_id"] in trial["told"]
    assert "signalpost" in json.dumps(entry["body"])
    assert "community" in json.dumps(entry["body"])
    assert entry["silent"]


@pytest.mark.parametrize(
    ("fault", "facts", "advice_facts"),
    [
        (404, ("404", "10015", "Unknown Webhook"), ("Integrations, Webhooks",)),
        (401, ("401", "50027", "Invalid Webhook Token"), ("URL",)),
        (429, ("429",), (" s",)),
        (503, ("503",), ()),
    ],
)
def test_each_failure_is_exit_code_1_with_advice(
    folder: Folder, sandbox: Sandbox, fault: int, facts: tuple[str, ...], advice_facts: tuple[str, ...]
) -> None:
    found = []
    for options in (("--send",), ()):
        provoke(sandbox, webhook="community", status=fault)
        result = folder.run("destinations", "test", "community", *options, **both(sandbox))
        assert result.exit_code == 1
        first, advice = result.stdout.splitlines()
        assert all(fact in first for fact in ("community", *facts))
        assert all(fact in advice for fact in advice_facts)
        found.append(re.sub(r"\d+", "N", advice))
    assert (found[0] != found[1]) is (fault == 503), "only a sent message may have been shown"


def test_a_failing_webhook_does_not_stop_the_test_of_the_others(folder: Folder, sandbox: Sandbox) -> None:
    webhooks = both(sandbox) | GENERAL
    result = folder.run("destinations", "test", "--all", "--send", **webhooks)
    assert result.exit_code == 1
    failed, advice, shown = result.stdout.splitlines()
    assert failed.startswith("alerts-general")
    assert "ClientConnectorError" in failed
    assert advice.strip()
    assert shown.startswith("community")
    trials = folder.run("destinations", "test", "--all", "--send", "--json", **webhooks).stdout.splitlines()
    assert [(each["destination"], each["works"]) for each in map(json.loads, trials)] == [
        ("alerts-general", False),
        ("community", True),
    ]


def test_a_server_that_is_not_discord_fails(folder: Folder, sandbox: Sandbox) -> None:
    page = {"DISCORD_WEBHOOK_COMMUNITY": f"{sandbox.url}/_log"}
    result = folder.run("destinations", "test", **page)
    assert result.exit_code == 1
    assert result.stdout.startswith("community")
    assert "200" in result.stdout.splitlines()[0]


@pytest.mark.parametrize(
    ("evidence", "fact"),
    [
        (Throttled("429", retry_after=600.4, scope="host", status=429), "600 s"),
        (Throttled("429", retry_after=0.2, scope="destination", status=429), "1 s"),
    ],
)
def test_advice_names_the_time_to_wait(evidence: Evidence, fact: str) -> None:
    assert fact in advice_on(evidence, "community")


def test_advice_differs_by_evidence() -> None:
    every = (
        Rejected("400", status=400),
        Throttled("429", retry_after=1, scope="host", status=429),
        Throttled("429", retry_after=1, scope="destination", status=429),
        Unavailable("302", status=302),
        Unavailable("refused"),
        Unconfirmed("cut"),
    )
    advice = [advice_on(each, "community") for each in every]
    assert len(set(advice)) == len(every)
    assert_stored("destinations-test-advice", "".join(f"{each}\n" for each in advice))


def test_a_disabled_destination_is_enabled_once(folder: Folder) -> None:
    folder.disable(NOWHERE, GONE)
    enabled = folder.run("destinations", "enable", "alerts-general", **GENERAL)
    assert "alerts-general" in enabled.stdout
    assert GONE in enabled.stdout
    assert "alerts-general" in folder.run("destinations", "enable", "alerts-general", **GENERAL).stdout
    again = folder.run("destinations", "enable", "alerts-general", "--json", **GENERAL)
    assert json.loads(again.stdout) == {"destination": "alerts-general", "was_disabled": None}
    assert json.loads(folder.run("destinations", "list", "--json", **GENERAL).stdout)["disabled"] is None
    folder.disable(NOWHERE, GONE)
    output = folder.run("destinations", "enable", "alerts-general", "--json", **GENERAL).stdout
    assert json.loads(output) == {"destination": "alerts-general", "was_disabled": GONE}


def test_another_webhook_of_the_same_destination_is_not_disabled(folder: Folder) -> None:
    folder.disable(NOWHERE, GONE)
    another = {"DISCORD_WEBHOOK_ALERTS_GENERAL": NOWHERE + "-and-more"}
    assert json.loads(folder.run("destinations", "list", "--json", **another).stdout)["disabled"] is None
    enabled = folder.run("destinations", "enable", "alerts-general", "--json", **another).stdout
    assert json.loads(enabled)["was_disabled"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "fact"),
    [
        (("list", "x"), "usage", "(x)"),
        (("list", "--config", "none.toml"), "not-readable", "none.toml"),
        (("list", "--send"), "unknown-option", "--send"),
        (("list", "--josn"), "unknown-option", "--json"),
        (("test", "alerts-genral"), "unknown-word", "alerts-general"),
        (("test", "--send"), "usage", "--all"),
        (("test", "alerts-general", "--all"), "usage", "--all"),
        (("test", "a", "b"), "unknown-word", "'a', 'b'"),
        (("test", "--timeout", "3"), "unknown-option", "--timeout"),
        (("enable",), "missing", "NAME"),
        (("enable", "alerts-genral"), "unknown-word", "'alerts-genral'"),
        (("enable", "a", "b"), "usage", "(b)"),
        (("enable", "--all"), "unknown-option", "--all"),
        (("enable", ""), "unknown-word", "''"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_code(folder: Folder, arguments: tuple[str, ...], code: str, fact: str) -> None:
    folder.apply()
    result = folder.run("destinations", *arguments, **GENERAL)
    assert (result.exit_code, result.stdout) == (2, "")
    assert fact in result.stderr
    exit_code, (fault,) = folder.refused("destinations", *arguments, **GENERAL)
    assert (exit_code, fault.code) == (2, code)


def test_an_option_without_its_value_is_exit_code_2(folder: Folder) -> None:
    result = folder.run("destinations", "list", "--home")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'--home'" in result.stderr


def test_without_a_configuration_there_is_nothing_to_test(folder: Folder) -> None:
    assert folder.refused("destinations", "test") == (2, [Facts("missing", "destinations")])
    assert folder.run("destinations", "test").exit_code == 2


def test_enable_without_a_store_is_exit_code_3(folder: Folder) -> None:
    assert folder.run("destinations", "enable", "alerts-general", **GENERAL).exit_code == 3
