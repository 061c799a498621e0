"""The life of a signal by commands: in a channel it is one message that is edited, with short ones beside it."""

import csv
import json
import urllib.request
from contextlib import nullcontext
from typing import Any

import pytest

from tests.acceptance.conftest import Environment
from tests.acceptance.serving import PATIENCE, in_process, serving

OPENING = (
    *("publish", "signal", "--pair", "EURUSD", "--side", "buy", "--entry", "1.1000", "--stop", "1.0950"),
    *("--target", "1.1050@50%", "--target", "1.1100@50%", "--id", "life"),
)


def answer(environment: Environment, *arguments: str, code: int = 0) -> dict[str, Any]:
    ended = in_process(environment, *arguments, "--json")
    assert ended.returncode == code, ended.stdout + ended.stderr
    plain: dict[str, Any] = json.loads(ended.stdout)
    return plain


def log(sandbox: str) -> list[dict[str, Any]]:
    """The messages that the channel's webhook accepted, oldest first."""
    with urllib.request.urlopen(f"{sandbox}/_log", timeout=PATIENCE) as found:
        entries = [json.loads(line) for line in found.read().decode().splitlines()]
    return [entry for entry in entries if entry["recorded"]]


@pytest.mark.parametrize("is_served", [False, True], ids=["alone", "beside a service"])
def test_a_life_is_one_message_that_is_edited(sandbox: str, environment: Environment, is_served: bool) -> None:
    with serving(environment) if is_served else nullcontext():
        opened = answer(environment, *OPENING)
        assert (opened["outcome"], opened["signal_id"], opened["version"]) == ("accepted", "life", 1)
        (card,) = opened["deliveries"]
        hit = answer(environment, "signals", "update", "1", "--target-hit", "1", "--stop", "be")
        closed = answer(environment, "signals", "close", "EURUSD", "--reason", "stop")
        again = answer(environment, "signals", "close", "life", "--reason", "stop")
    assert [(each["outcome"], each["version"]) for each in (hit, closed, again)] == [
        ("accepted", 2),
        ("accepted", 3),
        ("duplicate", 3),
    ]
    for each in (hit, closed):
        (delivery,) = each["deliveries"]
        assert (delivery["state"], delivery["message_id"]) == ("delivered", card["message_id"])
    posts = [entry for entry in log(sandbox) if entry["method"] == "POST"]
    edits = [entry for entry in log(sandbox) if entry["method"] == "PATCH"]
    assert [entry["message_id"] for entry in edits] == [card["message_id"]] * 2
    assert posts[0]["message_id"] == card["message_id"]
    words = [entry["body"]["content"].split(" ")[0] for entry in posts]
    assert words == ["BUY", "STOPPED"] if is_served else ["BUY", "TP1", "STOPPED"], "a service joins what is close"

    found = answer(environment, "signals", "show", "life")
    assert (found["state"], found["result"]["r"]) == ("closed", "0.5")
    assert found["cards"] == [{"destination": "signals-free", "message_id": card["message_id"], "version": 3}]
    (row,) = csv.DictReader(in_process(environment, "signals", "export").stdout.splitlines())
    assert (row["id"], row["state"], row["r"]) == ("life", "closed", "0.5")
    assert card["message_id"] in in_process(environment, "signals", "show", "life").stdout


def test_a_second_tier_is_added_to_the_same_signal(sandbox: str, environment: Environment) -> None:
    url = environment["DISCORD_WEBHOOK_SIGNALS_FREE"].replace("signals-free", "signals-premium")
    both = {**environment, "DISCORD_WEBHOOK_SIGNALS_PREMIUM": url}
    time = ("--time", "2099-01-01T00:00:00Z")
    answer(both, *OPENING, *time, "--tier", "premium")
    added = answer(both, *OPENING, *time, "--tier", "free")
    assert added["deliveries"][0]["destination"] == "signals-free"
    found = answer(both, "signals", "show", "1")
    assert (found["id"], set(found["tiers"])) == ("life", {"premium", "free"})
    assert [each["destination"] for each in found["cards"]] == ["signals-free", "signals-premium"]
    assert [entry["channel"] for entry in log(sandbox)] == ["signals-premium", "signals-free"]


def test_a_signal_that_a_filter_stops_is_explained_and_its_history_outlives_the_process(
    sandbox: str, environment: Environment
) -> None:
    limited = {**environment, "DISCORD_PAIR_COOLDOWN_MINUTES": "60", "DISCORD_ENABLED_PAIRS": "EUR/USD"}
    answer(limited, *OPENING)
    stopped = answer(limited, *OPENING[:-1], "second")
    assert (stopped["outcome"], stopped["code"], stopped["signal_id"]) == ("suppressed", "pair-cooldown", "second")
    why = answer(limited, "deliveries", "why", stopped["id"])
    assert (why["state"], why["rule"]) == ("suppressed", "pair-cooldown")
    shown = answer(limited, "signals", "show", "second")
    assert (shown["state"], shown["flags"], shown["closed"]["reason"]) == (
        "expired",
        ["unpublished"],
        stopped["reason"],
    )
    assert "pair-cooldown: " in in_process(limited, "signals", "show", "second").stdout
    assert answer(limited, "signals", "close", "life", "--price", "1.1")["outcome"] == "accepted"
    other = answer(limited, "publish", "signal", "--pair", "GBPUSD", "--side", "buy", "--entry", "1.3")
    assert (other["outcome"], other["code"]) == ("suppressed", "pair-not-enabled")
    posts = [entry["body"]["content"].split(" ")[0] for entry in log(sandbox) if entry["method"] == "POST"]
    assert posts == ["BUY", "CLOSED"]
