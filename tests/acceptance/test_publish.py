"""`publish`, `serve` and `deliveries` in real processes, with the sandbox."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests import forked
from tests.acceptance.conftest import Environment
from tests.acceptance.serving import READY, errors, in_process, run, shown

SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634", "--stop", "1.1599")


def test_a_signal_from_options_is_delivered_and_can_be_looked_up(sandbox: str, environment: Environment) -> None:
    published = run(environment, "publish", "signal", *SIGNAL, "--context", "market_conditions=trending", "--json")
    assert published.returncode == 0, published.stderr
    ticket = json.loads(published.stdout)
    assert (ticket["outcome"], ticket["reason"]) == ("accepted", None)
    (delivery,) = ticket["deliveries"]
    assert (delivery["destination"], delivery["state"], delivery["attempts"]) == ("signals-free", "delivered", 1)
    assert shown(sandbox) == ["BUY EURUSD"]

    listed = in_process(environment, "deliveries", "list", "--json")
    (line,) = map(json.loads, listed.stdout.splitlines())
    assert (line["ticket"], line["state"], line["message_id"]) == (ticket["id"], "delivered", delivery["message_id"])
    table = in_process(environment, "deliveries", "list", "--state", "delivered", "--destination", "signals-free")
    assert ticket["id"] in table.stdout
    assert "1 delivered" in table.stdout
    first, *_, attempt = in_process(environment, "deliveries", "show", ticket["id"]).stdout.splitlines()
    assert all(fact in first for fact in (f"{ticket['id']}@signals-free", "delivered"))
    assert all(fact in attempt for fact in ("1. ", "delivered"))
    plain = json.loads(in_process(environment, "deliveries", "show", ticket["id"], "--json").stdout)
    assert [attempt["outcome"] for attempt in plain["history"]] == ["delivered"]


def test_a_signal_and_an_alert_from_json_are_delivered(sandbox: str, environment: Environment) -> None:
    facts = {"symbol": "GBP/USD", "tf": "240", "action": "sell", "price": 1.25, "time": "2099-01-01T00:00:00Z"}
    published = run(environment, "publish", "signal", stdin=json.dumps(facts))
    assert published.returncode == 0, published.stderr
    assert re.findall(r"[\w-]+", published.stdout.splitlines()[1]) == ["signals-free", "delivered"]
    alert = {"alert_type": "feed", "severity": "high", "title": "No candles since 10:00"}
    published = in_process(environment, "publish", "alert", stdin=json.dumps(alert))
    assert re.findall(r"[\w-]+", published.stdout.splitlines()[1]) == ["alerts-critical", "delivered"]
    assert shown(sandbox) == ["SELL GBPUSD", "HIGH · No candles since 10:00"]


def test_a_delay_that_ends_within_the_timeout_is_waited_for(
    sandbox: str, environment: Environment, tmp_path: Path
) -> None:
    settings = tmp_path / "delayed.toml"
    settings.write_text('[tiers.free]\ndelay = "1s"\n', encoding="utf-8")
    published = in_process(environment, "publish", "signal", *SIGNAL, "--config", str(settings))
    assert published.returncode == 0
    assert re.findall(r"[\w-]+", published.stdout.splitlines()[1]) == ["signals-free", "delivered"]
    (title,) = shown(sandbox)
    assert title.endswith("late"), "it was not sent before the delay"


def test_a_refused_notification_is_exit_code_1_with_a_reason(environment: Environment) -> None:
    published = in_process(environment, "publish", "signal", *SIGNAL, "--tier", "premium")
    assert published.returncode == 1
    assert all(fact in published.stdout for fact in ("refused", "signals-premium"))
    as_json = json.loads(in_process(environment, "publish", "signal", *SIGNAL, "--tier", "premium", "--json").stdout)
    assert (as_json["outcome"], as_json["code"]) == ("refused", "no-destination")


def test_a_rejection_by_discord_is_exit_code_1(sandbox: str, environment: Environment) -> None:
    rejected = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": f"{sandbox}/api/v10/webhooks/signals-free"}
    published = in_process(rejected, "publish", "signal", *SIGNAL)
    assert published.returncode == 1
    first, second = published.stdout.splitlines()
    assert re.findall(r"[\w-]+", second)[:2] == ["signals-free", "dead"]
    ticket = first.split()[1].rstrip(":")
    shown = json.loads(in_process(environment, "deliveries", "show", ticket, "--json").stdout)
    assert (shown["ticket"], shown["destination"], shown["state"]) == (ticket, "signals-free", "dead")
    assert shown["reason"] in in_process(environment, "deliveries", "show", ticket).stdout.splitlines()[0]
    unknown = in_process(environment, "deliveries", "show", "0000", "--json")
    assert (unknown.returncode, errors(unknown)) == (2, [("not-found", "ticket", "'0000'")])
    assert all(fact in unknown.stderr for fact in ("'0000'", "`signalpost deliveries list`"))
    assert in_process(environment, "deliveries", "show", "0000").stdout == ""


def test_publish_at_a_terminal_does_not_wait_for_json(environment: Environment) -> None:
    terminal, keyboard = pty.openpty()
    command = [sys.executable, "-m", "signalpost", "publish", "signal", "--json"]
    ended = subprocess.run(command, env=environment, stdin=keyboard, capture_output=True, text=True, check=False)
    os.close(terminal)
    os.close(keyboard)
    assert (ended.returncode, errors(ended)) == (2, [("usage", None, None)])
    assert all(fact in ended.stderr for fact in ("signalpost publish signal", "JSON"))


def test_a_stopped_serve_prints_how_many_deliveries_are_open(environment: Environment) -> None:
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    in_process(gone, "publish", "signal", *SIGNAL, "--timeout", "0.1")
    command = [sys.executable, "-m", "signalpost", "serve", "--stop-within", "0.1"]
    with forked.Popen(command, env=gone, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stderr is not None
        next(line for line in process.stderr if READY in line)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
        watchdog.cancel()
    assert process.returncode == 1
    assert re.findall(r"\d+", rest.splitlines()[-1]) == ["1"]


def test_a_pending_delivery_is_exit_code_1(sandbox: str, environment: Environment) -> None:
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    published = in_process(gone, "publish", "signal", *SIGNAL, "--timeout", "0.5")
    assert published.returncode == 1
    name, state = re.findall(r"[\w-]+", published.stdout.splitlines()[1])[:2]
    assert (name, state in {"pending", "leased"}) == ("signals-free", True), "leased if the first try has just begun"
    following = in_process(
        environment, "publish", "alert", "--type", "feed", "--severity", "high", "--title", "t", "--timeout", "60"
    )
    assert following.returncode == 0, "the next run delivers its own, and the older one once it is due"


def test_bad_input_is_exit_code_2_and_nothing_is_sent(sandbox: str, environment: Environment) -> None:
    unusable = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "https://example.com/token-to-hide"}
    bad = [
        in_process(environment, "publish", "signal", "--json", *SIGNAL, "--target", "1.0"),
        in_process(environment, "publish", "signal", "--json", *SIGNAL, "--context", "trending"),
        in_process(environment, "publish", "signal", "--json", stdin="BUY"),
        in_process(environment, "publish", "signal", "--json", stdin="[1]"),
        in_process(environment, "publish", "alert", "--json", "--title", "t"),
        in_process(environment, "publish", "alert", "--json", "--type", "t", "--severity", "dreadful", "--title", "t"),
        in_process(environment, "deliveries", "list", "--json", "--state", "lost"),
        in_process(unusable, "check", "--json"),
    ]
    assert [each.returncode for each in bad] == [2] * len(bad)
    assert [errors(each) for each in bad] == [
        [("wrong-side", "target", "1.0")],
        [("usage", None, None)],
        [("not-readable", None, None)],
        [("not-readable", None, None)],
        [("usage", None, None)],
        [("unknown-word", "severity", "'dreadful'")],
        [("unknown-word", "--state", "'lost'")],
        [("invalid-webhook", "DISCORD_WEBHOOK_SIGNALS_FREE", None)],
    ]
    assert "'trending'" in bad[1].stderr
    assert all(option in bad[4].stderr for option in ("--type", "--severity"))
    assert "critical, high, medium, low, info" in bad[5].stderr
    assert "pending, leased" in bad[6].stderr
    serve = run(unusable, "serve")
    assert (serve.returncode, serve.stdout) == (2, "")
    assert "DISCORD_WEBHOOK_SIGNALS_FREE" in serve.stderr
    assert "token-to-hide" not in serve.stderr + bad[7].stdout
    assert shown(sandbox) == []


def test_a_missing_store_is_exit_code_3(environment: Environment) -> None:
    nowhere = in_process(environment, "deliveries", "list", "--json")
    path = f"{environment['SIGNALPOST_HOME']}/outbox.db"
    assert (nowhere.returncode, errors(nowhere)) == (3, [("no-store-yet", "path", path)])
    assert path in nowhere.stderr
    assert in_process(environment, "deliveries", "list").stdout == ""


def test_serve_delivers_pending_notifications_of_its_own_and_of_others(sandbox: str, environment: Environment) -> None:
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    ticket = json.loads(in_process(gone, "publish", "signal", *SIGNAL, "--timeout", "0.1", "--json").stdout)
    assert ticket["deliveries"][0]["state"] == "pending"
    process = forked.Popen(
        [sys.executable, "-m", "signalpost", "serve"], env=environment, stderr=subprocess.PIPE, text=True
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if f"{ticket['id']}@signals-free" in line and "delivered" in line:
                break
        secretless = {name: value for name, value in environment.items() if not name.startswith("DISCORD_")}
        second = run(secretless, "publish", "signal", "--pair", "GBPUSD", *SIGNAL[2:])
        assert (second.returncode, second.stderr) == (0, ""), "the process that serves delivers it"
        assert re.findall(r"[\w-]+", second.stdout.splitlines()[1]) == ["signals-free", "delivered"]
        assert in_process(environment, "deliveries", "show", ticket["id"]).stdout.count("delivered") >= 1
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate()
    finally:
        watchdog.cancel()
    assert process.returncode == 0
    assert [line for line in (*lines, *rest.splitlines()) if "signals-free" in line and "127.0.0.1:" in line]
    assert "some-token" not in "".join([*lines, rest])
    assert rest, "it reports that it stops"
