"""`publish`, `serve` and `deliveries` as a person runs them, with a sandbox in Discord's place."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading

from tests.acceptance.conftest import Environment
from tests.acceptance.serving import run, shown

SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634", "--stop", "1.1599")


def test_a_signal_from_options_is_delivered_and_can_be_looked_up(sandbox: str, environment: Environment) -> None:
    published = run(environment, "publish", "signal", *SIGNAL, "--context", "market_conditions=trending", "--json")
    assert published.returncode == 0, published.stderr
    ticket = json.loads(published.stdout)
    assert (ticket["outcome"], ticket["reason"]) == ("accepted", None)
    (delivery,) = ticket["deliveries"]
    assert (delivery["destination"], delivery["state"], delivery["attempts"]) == ("signals-free", "delivered", 1)
    assert shown(sandbox) == ["BUY EUR_USD H4"]

    listed = run(environment, "deliveries", "list", "--json")
    (line,) = map(json.loads, listed.stdout.splitlines())
    assert (line["ticket"], line["state"], line["message_id"]) == (ticket["id"], "delivered", delivery["message_id"])
    table = run(environment, "deliveries", "list", "--state", "delivered", "--destination", "signals-free")
    assert ticket["id"] in table.stdout
    assert "1 delivered" in table.stdout
    one = run(environment, "deliveries", "show", ticket["id"])
    assert one.stdout.startswith(f"{ticket['id']}@signals-free: delivered\n")
    assert "1. " in one.stdout
    plain = json.loads(run(environment, "deliveries", "show", ticket["id"], "--json").stdout)
    assert [attempt["outcome"] for attempt in plain["history"]] == ["delivered"]


def test_a_signal_and_an_alert_from_json_are_delivered(sandbox: str, environment: Environment) -> None:
    facts = {"symbol": "GBP/USD", "tf": "240", "action": "sell", "price": 1.25, "time": "2099-01-01T00:00:00Z"}
    published = run(environment, "publish", "signal", stdin=json.dumps(facts))
    assert published.returncode == 0, published.stderr
    assert "signals-free: delivered" in published.stdout
    alert = {"alert_type": "feed", "severity": "high", "title": "No candles since 10:00"}
    published = run(environment, "publish", "alert", stdin=json.dumps(alert))
    assert "alerts-critical: delivered" in published.stdout
    assert shown(sandbox) == ["SELL GBP_USD H4", "HIGH Alert - No candles since 10:00"]


def test_what_is_refused_is_exit_code_1_with_its_reason(environment: Environment) -> None:
    published = run(environment, "publish", "signal", *SIGNAL, "--tier", "premium")
    assert published.returncode == 1
    assert published.stdout == "refused: no webhook for signals-premium: set one\n"


def test_what_discord_refuses_for_good_is_exit_code_1(sandbox: str, environment: Environment) -> None:
    refused = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": f"{sandbox}/api/v10/webhooks/signals-free"}
    published = run(refused, "publish", "signal", *SIGNAL)
    assert published.returncode == 1
    assert "signals-free: dead: " in published.stdout
    ticket = published.stdout.split()[1].rstrip(":")
    assert f"{ticket}@signals-free: dead (" in run(environment, "deliveries", "show", ticket).stdout
    unknown = run(environment, "deliveries", "show", "0000")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "there is no ticket '0000' here, and no signal or key of that name: `signalpost" in unknown.stderr


def test_a_person_at_a_terminal_is_told_what_to_give(environment: Environment) -> None:
    terminal, keyboard = pty.openpty()
    command = [sys.executable, "-m", "signalpost", "publish", "signal"]
    told = subprocess.run(command, env=environment, stdin=keyboard, capture_output=True, text=True, check=False)
    os.close(terminal)
    os.close(keyboard)
    assert told.returncode == 2
    assert "give it by options, or as JSON on standard input" in told.stderr


def test_serve_says_what_is_still_open_when_it_is_stopped(environment: Environment) -> None:
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    run(gone, "publish", "signal", *SIGNAL, "--timeout", "0.1")
    command = [sys.executable, "-m", "signalpost", "serve", "--stop-within", "0.1"]
    with subprocess.Popen(command, env=gone, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("running"))
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
        watchdog.cancel()
    assert process.returncode == 1
    assert "1 deliveries are still open, and wait for the next run" in rest


def test_what_is_not_delivered_is_exit_code_1(sandbox: str, environment: Environment) -> None:
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    published = run(gone, "publish", "signal", *SIGNAL, "--timeout", "0.5")
    assert published.returncode == 1
    assert "signals-free: pending: " in published.stdout
    following = run(environment, "publish", "alert", "--type", "feed", "--severity", "high", "--title", "t")
    assert following.returncode == 0, "the next run delivers its own, and what was left as soon as it is due"


def test_bad_input_is_exit_code_2_and_nothing_is_sent(sandbox: str, environment: Environment) -> None:
    bad = [
        run(environment, "publish", "signal", *SIGNAL, "--target", "1.0"),
        run(environment, "publish", "signal", *SIGNAL, "--context", "trending"),
        run(environment, "publish", "signal", stdin="BUY"),
        run(environment, "publish", "signal", stdin="[1]"),
        run(environment, "publish", "alert", "--title", "t"),
        run(environment, "publish", "alert", "--type", "t", "--severity", "dreadful", "--title", "t"),
        run(environment, "deliveries", "list", "--state", "lost"),
        run({**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "https://example.com/token-to-hide"}, "serve"),
    ]
    assert [each.returncode for each in bad] == [2] * len(bad)
    assert [each.stdout for each in bad] == [""] * len(bad)
    assert "take_profit must be above the entry" in bad[0].stderr
    assert "give NAME=VALUE" in bad[1].stderr
    assert "standard input" in bad[2].stderr
    assert "standard input" in bad[3].stderr
    assert "--type, --severity must be given, too" in bad[4].stderr
    assert "give one of critical, high, medium, low, info" in bad[5].stderr
    assert "give one of pending, leased" in bad[6].stderr
    assert "DISCORD_WEBHOOK_SIGNALS_FREE: the webhook's URL cannot be used" in bad[7].stderr
    assert "token-to-hide" not in bad[7].stderr
    assert shown(sandbox) == []


def test_a_store_that_cannot_be_used_is_exit_code_3(environment: Environment) -> None:
    nowhere = run(environment, "deliveries", "list")
    assert (nowhere.returncode, nowhere.stdout) == (3, "")
    assert "there is no outbox here yet" in nowhere.stderr


def test_serve_delivers_what_waits_keeps_its_folder_and_stops_well(sandbox: str, environment: Environment) -> None:
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    ticket = json.loads(run(gone, "publish", "signal", *SIGNAL, "--timeout", "0.1", "--json").stdout)
    assert ticket["deliveries"][0]["state"] == "pending"
    process = subprocess.Popen(
        [sys.executable, "-m", "signalpost", "serve"], env=environment, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if f"delivery {ticket['id']}@signals-free is delivered" in line:
                break
        secretless = {name: value for name, value in environment.items() if not name.startswith("DISCORD_")}
        second = run(secretless, "publish", "signal", "--pair", "GBPUSD", *SIGNAL[2:])
        assert (second.returncode, second.stderr) == (0, ""), "the process that serves delivers it"
        assert "  signals-free: delivered" in second.stdout
        assert run(environment, "deliveries", "show", ticket["id"]).stdout.count("delivered") >= 1
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
    finally:
        watchdog.cancel()
    assert process.returncode == 0
    told = "".join([*lines, rest])
    assert "signals-free -> 127.0.0.1:" in told
    assert "some-token" not in told
    assert "stopping" in rest
