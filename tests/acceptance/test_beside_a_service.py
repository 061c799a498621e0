"""Commands that run while `signalpost serve` uses the same data folder."""

import errno
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests import forked
from tests.acceptance.conftest import Environment
from tests.acceptance.serving import READY, errors, in_process, run, serving, shown

SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")


@pytest.fixture
def served(sandbox: str, environment: Environment) -> Iterator[Environment]:
    """An environment without webhooks: only the running service has them."""
    mine = {**environment, "SIGNALPOST_HTTP": "off"}
    for name in ("community", "system-status", "market-analysis"):
        variable = f"DISCORD_WEBHOOK_{name.replace('-', '_').upper()}"
        mine[variable] = f"{sandbox}/api/v10/webhooks/{name}/some-token"
    command = [sys.executable, "-m", "signalpost", "serve", "--stop-within", "5"]
    with forked.Popen(command, env=mine, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if READY in line)
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield {name: value for name, value in mine.items() if not name.startswith("DISCORD_")}
        finally:
            process.terminate()
            drain.join()
            process.wait(60)


def test_the_running_service_delivers_every_kind(sandbox: str, served: Environment) -> None:
    published = [
        run(served, "publish", "signal", *SIGNAL, "--strategy", "Night", "--id", "mine"),
        in_process(
            served, "publish", "alert", "--type", "feed", "--severity", "high", "--title", "No candles", "--id", "a1"
        ),
        run(served, "publish", "announcement", stdin='{"title": "Maintenance", "text": "Sunday"}'),
        in_process(served, "publish", "status", "--status", "operational", "--context", "feed=oanda"),
        in_process(served, "publish", "analysis", "--title", "Dollar", "--text", "Ranges", "--pair", "EURUSD"),
    ]
    assert [(each.returncode, each.stderr) for each in published] == [(0, "")] * 5
    assert [re.findall(r"[\w-]+", each.stdout.splitlines()[1]) for each in published] == [
        ["signals-free", "delivered"],
        ["alerts-critical", "delivered"],
        ["community", "delivered"],
        ["system-status", "delivered"],
        ["market-analysis", "delivered"],
    ]
    assert len(shown(sandbox)) == 5
    assert in_process(served, "publish", "signal", *SIGNAL, "--id", "mine", "--json").returncode == 1, "other content"
    facts = json.loads(in_process(served, "deliveries", "why", "mine", "--json").stdout)
    assert (facts["destination"], facts["state"]) == ("signals-free", "delivered")
    story = in_process(served, "deliveries", "why", "mine").stdout
    assert all(fact in story for fact in ("signals-free", " free", facts["message_id"]))


def test_without_waiting_publish_returns_accepted_and_the_service_delivers(sandbox: str, served: Environment) -> None:
    published = in_process(served, "publish", "signal", *SIGNAL, "--no-wait", "--json")
    assert (published.returncode, published.stderr) == (0, "")
    ticket = json.loads(published.stdout)
    assert ticket["outcome"] == "accepted"
    assert ticket["deliveries"][0]["state"] in {"pending", "leased", "delivered"}
    while not shown(sandbox):
        pass
    refused = in_process(served, "publish", "signal", *SIGNAL, "--no-wait", "--tier", "premium", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["code"]) == (1, "no-destination")
    assert "signals-premium" in json.loads(refused.stdout)["reason"]


def test_without_a_service_why_advises_to_start_one_and_to_set_a_webhook(environment: Environment) -> None:
    assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "mine", "--no-wait").returncode == 0
    without = {name: value for name, value in environment.items() if not name.startswith("DISCORD_")}
    with_webhook, without_webhook = (
        json.loads(in_process(each, "deliveries", "why", "mine", "--json").stdout) for each in (environment, without)
    )
    assert [("signalpost serve" in each) for each in with_webhook["todo"]] == [True]
    start, webhook = without_webhook["todo"]
    assert "signalpost serve" in start
    assert all(fact in webhook for fact in ("signals-free", "signalpost destinations list"))
    assert len(without_webhook["next"]) == len(with_webhook["next"]) + 1
    elsewhere = {**without, "SIGNALPOST_HOME": f"{environment['SIGNALPOST_HOME']}-2"}
    refused = json.loads(in_process(elsewhere, "publish", "signal", *SIGNAL, "--no-wait", "--json").stdout)
    assert (refused["outcome"], refused["code"]) == ("refused", "no-destination")
    assert "signals-free" in refused["reason"]


def test_backup_and_purge_work_beside_a_busy_service(sandbox: str, served: Environment, tmp_path: Path) -> None:
    ended = threading.Event()
    tickets: list[str] = []

    def publish() -> None:
        while not ended.is_set():
            published = run(served, "publish", "signal", *SIGNAL, "--id", f"s{len(tickets)}", "--json")
            assert published.returncode == 0, published.stderr
            tickets.append(json.loads(published.stdout)["id"])

    publisher = threading.Thread(target=publish)
    publisher.start()
    copies = [tmp_path / f"copy-{number}.db" for number in range(3)]
    copied = [json.loads(run(served, "backup", str(copy), "--json").stdout) for copy in copies]
    purged = json.loads(run(served, "purge", "--before", "0s", "--yes", "--json").stdout)
    ended.set()
    publisher.join()
    for copy, facts in zip(copies, copied, strict=True):
        with closing(sqlite3.connect(copy)) as db:
            assert db.execute("SELECT count(*) FROM notification").fetchone() == (facts["notifications"],)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = in_process(served, "deliveries", "list", "--json").stdout.splitlines()
    assert purged["deleted"] + len(kept) == len(tickets) == len(shown(sandbox)), "each was delivered once"
    again = in_process(served, "publish", "signal", *SIGNAL, "--id", "s0", "--time", "2026-01-01T00:00:00Z")
    assert again.returncode == 1, "its key outlives it"


def test_a_backup_is_restored_as_documented(sandbox: str, environment: Environment, tmp_path: Path) -> None:
    home = Path(environment["SIGNALPOST_HOME"])
    waits = in_process(environment, "publish", "signal", *SIGNAL, "--id", "waits", "--no-wait")
    assert waits.returncode == 0
    assert in_process(environment, "backup", str(tmp_path / "copy.db")).returncode == 0
    (home / "outbox.db").write_bytes(b"damaged " * 1_000)
    assert in_process(environment, "deliveries", "list").returncode == 3
    for name in ("outbox.db-wal", "outbox.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "outbox.db").write_bytes((tmp_path / "copy.db").read_bytes())
    assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "next").returncode == 0
    listed = in_process(environment, "deliveries", "list", "--json").stdout.splitlines()
    assert {json.loads(line)["state"] for line in listed} == {"delivered"}, "what waited in the copy was sent"
    assert len(shown(sandbox)) == 2


def test_a_webhook_that_was_gone_works_again_once_enabled(sandbox: str, environment: Environment) -> None:
    fault = json.dumps({"webhook": "signals-free", "status": 404}).encode()
    request = urllib.request.Request(f"{sandbox}/_faults", fault, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "lost").returncode == 1
    assert "`signalpost destinations test signals-free`" in in_process(environment, "deliveries", "why", "lost").stdout
    assert in_process(environment, "destinations", "test", "signals-free").returncode == 0
    assert in_process(environment, "destinations", "enable", "signals-free").returncode == 0
    assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "found").returncode == 0


def test_a_running_service_uses_a_webhook_that_a_command_enabled(sandbox: str, environment: Environment) -> None:
    fault = json.dumps({"webhook": "signals-free", "status": 404, "method": "POST"}).encode()
    request = urllib.request.Request(f"{sandbox}/_faults", fault, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    with serving(environment) as served:
        assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "lost").returncode == 1
        assert "webhook-gone" in served.causes()
        assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "waits", "--no-wait").returncode == 0
        assert run(environment, "destinations", "enable", "signals-free").returncode == 0
        while "webhook-gone" in served.causes():
            pass
        assert in_process(environment, "publish", "signal", *SIGNAL, "--id", "next").returncode == 0
        waited = json.loads(in_process(environment, "deliveries", "why", "waits", "--json").stdout)
        assert waited["state"] == "delivered"


def test_a_notification_that_cannot_be_saved_is_exit_code_3(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    nowhere = {**environment, "SIGNALPOST_HOME": str(tmp_path / "file" / "home")}
    for options, publish in (((), run), (("--no-wait",), in_process)):
        published = publish(nowhere, "publish", "signal", *SIGNAL, *options)
        assert (published.returncode, published.stdout) == (3, "")
        assert os.strerror(errno.ENOTDIR) in published.stderr
        ((code, _, value),) = errors(in_process(nowhere, "publish", "signal", *SIGNAL, *options, "--json"))
        assert (code, value) == ("not-writable", nowhere["SIGNALPOST_HOME"])


@pytest.mark.parametrize("kind", ["signal", "alert", "announcement", "status", "analysis"])
def test_bad_input_of_every_kind_is_exit_code_2(environment: Environment, kind: str) -> None:
    required = {"alert": ("--type", "t", "--severity", "low", "--title", "t"), "status": ("--status", "ok")}
    options = required.get(kind, SIGNAL if kind == "signal" else ("--title", "t", "--text", "x"))
    bad = [
        in_process(environment, "publish", kind, "--json", *options, "--context", "=x"),
        in_process(environment, "publish", kind, "--json", *options, "--priority", "huge"),
        in_process(environment, "publish", kind, "--json", *options, "--timeout", "-1"),
        in_process(environment, "publish", kind, "--json", *options, "--josn"),
        in_process(environment, "publish", kind, "--json", *options[2:], "--id", "x"),
        in_process(environment, "publish", kind, "--json", stdin='{"nonsense": 1}'),
    ]
    assert [each.returncode for each in bad] == [2] * len(bad), [each.stderr for each in bad]
    assert [errors(each)[0] for each in bad] == [
        ("usage", None, None),
        ("unknown-word", "priority", "'huge'"),
        ("invalid-value", "--timeout", None),
        ("unknown-option", "--josn", None),
        ("usage", None, None),
        ("unknown-field", "nonsense", "'nonsense'"),
    ]
    named = ("'=x'", "LOW, NORMAL, HIGH, URGENT", "-1.0", "'--json'", options[0], "'nonsense'")
    assert [name in each.stderr for name, each in zip(named, bad, strict=True)] == [True] * len(bad)
    plain = in_process(environment, "publish", kind, *options, "--priority", "huge")
    assert (plain.returncode, plain.stdout) == (2, "")
