"""What a person does with commands while `signalpost serve` runs on the same data folder."""

import json
import sqlite3
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.acceptance.conftest import Environment
from tests.acceptance.serving import run, serving, shown

SIGNAL = ("--pair", "EURUSD", "--timeframe", "H4", "--side", "buy", "--entry", "1.1634")


@pytest.fixture
def served(sandbox: str, environment: Environment) -> Iterator[Environment]:
    """The environment of somebody whose webhooks only the running service knows."""
    mine = {**environment, "SIGNALPOST_HTTP": "off"}
    for name in ("community", "system-status", "market-analysis"):
        variable = f"DISCORD_WEBHOOK_{name.replace('-', '_').upper()}"
        mine[variable] = f"{sandbox}/api/v10/webhooks/{name}/some-token"
    command = [sys.executable, "-m", "signalpost", "serve", "--stop-within", "5"]
    with subprocess.Popen(command, env=mine, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("running"))
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        try:
            yield {name: value for name, value in mine.items() if not name.startswith("DISCORD_")}
        finally:
            process.terminate()
            drain.join()
            process.wait(60)


def test_each_kind_is_handed_to_the_service_and_delivered_by_it(sandbox: str, served: Environment) -> None:
    published = [
        run(served, "publish", "signal", *SIGNAL, "--strategy", "Night", "--id", "mine"),
        run(served, "publish", "alert", "--type", "feed", "--severity", "high", "--title", "No candles", "--id", "a1"),
        run(served, "publish", "announcement", stdin='{"title": "Maintenance", "text": "Sunday"}'),
        run(served, "publish", "status", "--status", "operational", "--context", "feed=oanda"),
        run(served, "publish", "analysis", "--title", "Dollar", "--text", "Ranges", "--pair", "EURUSD"),
    ]
    assert [(each.returncode, each.stderr) for each in published] == [(0, "")] * 5
    assert [each.stdout.splitlines()[1] for each in published] == [
        "  signals-free: delivered",
        "  alerts-critical: delivered",
        "  community: delivered",
        "  system-status: delivered",
        "  market-analysis: delivered",
    ]
    assert len(shown(sandbox)) == 5
    assert run(served, "publish", "signal", *SIGNAL, "--id", "mine", "--json").returncode == 1, "other content"
    told = run(served, "deliveries", "why", "mine").stdout
    assert "  It is for signals-free, where signals of tier free go.\n" in told
    assert "  It was delivered, as message " in told


def test_who_does_not_wait_is_content_with_accepted_and_the_service_delivers(sandbox: str, served: Environment) -> None:
    published = run(served, "publish", "signal", *SIGNAL, "--no-wait", "--json")
    assert (published.returncode, published.stderr) == (0, "")
    ticket = json.loads(published.stdout)
    assert ticket["outcome"] == "accepted"
    assert ticket["deliveries"][0]["state"] in {"pending", "leased", "delivered"}
    while not shown(sandbox):
        pass
    refused = run(served, "publish", "signal", *SIGNAL, "--no-wait", "--tier", "premium")
    assert (refused.returncode, refused.stdout) == (1, "refused: no webhook for signals-premium: set one\n")


def test_what_nobody_serves_is_said_to_wait_for_somebody(served: Environment, environment: Environment) -> None:
    away = {**environment, "SIGNALPOST_HOME": f"{environment['SIGNALPOST_HOME']}-2"}
    assert run(away, "publish", "signal", *SIGNAL, "--id", "mine", "--no-wait").returncode == 0
    nobody = run({**served, "SIGNALPOST_HOME": away["SIGNALPOST_HOME"]}, "deliveries", "why", "mine").stdout
    assert "next: It waits, because no service runs on this data folder." in nobody
    assert "next: This configuration has no webhook for signals-free" in nobody
    refused = run(
        {**served, "SIGNALPOST_HOME": f"{away['SIGNALPOST_HOME']}-3"}, "publish", "signal", *SIGNAL, "--no-wait"
    )
    assert refused.stdout == "refused: no webhook for signals-free: set one\n"


def test_a_backup_and_a_purge_go_beside_a_service_that_is_busy(
    sandbox: str, served: Environment, tmp_path: Path
) -> None:
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
    for copy, told in zip(copies, copied, strict=True):
        with closing(sqlite3.connect(copy)) as db:
            assert db.execute("SELECT count(*) FROM notification").fetchone() == (told["notifications"],)
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    kept = run(served, "deliveries", "list", "--json").stdout.splitlines()
    assert purged["deleted"] + len(kept) == len(tickets) == len(shown(sandbox)), "each was delivered once"
    again = run(served, "publish", "signal", *SIGNAL, "--id", "s0", "--time", "2026-01-01T00:00:00Z")
    assert again.returncode == 1, "its key outlives it"


def test_a_backup_is_put_back_as_the_page_says(sandbox: str, environment: Environment, tmp_path: Path) -> None:
    home = Path(environment["SIGNALPOST_HOME"])
    waits = run(environment, "publish", "signal", *SIGNAL, "--id", "waits", "--no-wait")
    assert waits.returncode == 0
    assert run(environment, "backup", str(tmp_path / "copy.db")).returncode == 0
    (home / "outbox.db").write_bytes(b"damaged " * 1_000)
    assert run(environment, "deliveries", "list").returncode == 3
    for name in ("outbox.db-wal", "outbox.db-shm"):
        (home / name).unlink(missing_ok=True)
    (home / "outbox.db").write_bytes((tmp_path / "copy.db").read_bytes())
    assert run(environment, "publish", "signal", *SIGNAL, "--id", "next").returncode == 0
    listed = run(environment, "deliveries", "list", "--json").stdout.splitlines()
    assert {json.loads(line)["state"] for line in listed} == {"delivered"}, "what waited in the copy was sent"
    assert len(shown(sandbox)) == 2


def test_a_webhook_that_was_gone_works_again_after_the_page_was_followed(
    sandbox: str, environment: Environment
) -> None:
    fault = json.dumps({"webhook": "signals-free", "status": 404}).encode()
    request = urllib.request.Request(f"{sandbox}/_faults", fault, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    assert run(environment, "publish", "signal", *SIGNAL, "--id", "lost").returncode == 1
    told = run(environment, "deliveries", "why", "lost").stdout
    assert "do: Fix what was rejected. `signalpost destinations test signals-free` checks" in told
    assert run(environment, "destinations", "test", "signals-free").returncode == 0
    assert run(environment, "destinations", "enable", "signals-free").returncode == 0
    assert run(environment, "publish", "signal", *SIGNAL, "--id", "found").returncode == 0


def test_a_webhook_that_is_enabled_beside_a_service_is_sent_to_by_it_and_its_health_says_so(
    sandbox: str, environment: Environment
) -> None:
    fault = json.dumps({"webhook": "signals-free", "status": 404, "method": "POST"}).encode()
    request = urllib.request.Request(f"{sandbox}/_faults", fault, {"Content-Type": "application/json"})
    urllib.request.urlopen(request).close()
    with serving(environment) as served:
        assert run(environment, "publish", "signal", *SIGNAL, "--id", "lost").returncode == 1
        assert "signals-free is disabled" in str(served.get("/health"))
        assert run(environment, "publish", "signal", *SIGNAL, "--id", "waits", "--no-wait").returncode == 0
        assert run(environment, "destinations", "enable", "signals-free").returncode == 0
        while "disabled" in str(served.get("/health")):
            pass
        assert run(environment, "publish", "signal", *SIGNAL, "--id", "next").returncode == 0
        assert "It was delivered" in run(environment, "deliveries", "why", "waits").stdout


def test_what_cannot_be_written_down_is_exit_code_3(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    nowhere = {**environment, "SIGNALPOST_HOME": str(tmp_path / "file" / "home")}
    for options in ((), ("--no-wait",)):
        published = run(nowhere, "publish", "signal", *SIGNAL, *options)
        assert (published.returncode, published.stdout) == (3, "")
        assert "the data folder cannot be made (Not a directory)" in published.stderr


@pytest.mark.parametrize("kind", ["signal", "alert", "announcement", "status", "analysis"])
def test_bad_input_of_each_kind_is_exit_code_2_and_nothing_is_made(environment: Environment, kind: str) -> None:
    required = {"alert": ("--type", "t", "--severity", "low", "--title", "t"), "status": ("--status", "ok")}
    options = required.get(kind, SIGNAL if kind == "signal" else ("--title", "t", "--text", "x"))
    bad = [
        run(environment, "publish", kind, *options, "--context", "=x"),
        run(environment, "publish", kind, *options, "--priority", "huge"),
        run(environment, "publish", kind, *options, "--timeout", "-1"),
        run(environment, "publish", kind, *options, "--josn"),
        run(environment, "publish", kind, *options[2:], "--id", "x"),
        run(environment, "publish", kind, stdin='{"nonsense": 1}'),
    ]
    assert [(each.returncode, each.stdout) for each in bad] == [(2, "")] * len(bad), [each.stderr for each in bad]
    assert "give NAME=VALUE" in bad[0].stderr
    assert "priority is 'huge': give one of LOW, NORMAL, HIGH, URGENT" in bad[1].stderr
    assert "-1.0 is not in the range" in bad[2].stderr
    assert "'--json'" in bad[3].stderr
    assert "must be given, too" in bad[4].stderr
    assert "'nonsense' is not a field of" in bad[5].stderr
