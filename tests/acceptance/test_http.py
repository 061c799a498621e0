"""`serve` and `tokens` in real processes, with HTTP clients and the sandbox."""

import json
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests import forked
from tests.acceptance.conftest import Environment
from tests.acceptance.serving import READY, errors, in_process, run, serving, token
from tests.channel import headline

SIGNAL = {"pair": "EURUSD", "timeframe": "H4", "side": "buy", "entry": 1.1634, "time": "2099-01-01T00:00:00Z"}
ALERT = {"alert_type": "feed", "severity": "high", "title": "No candles"}


@pytest.fixture
def shown(sandbox: str) -> "Shown":
    return Shown(sandbox)


class Shown:
    """The contents of the messages in the sandbox."""

    def __init__(self, sandbox: str) -> None:
        self._sandbox = sandbox

    def now(self) -> list[str]:
        with urllib.request.urlopen(f"{self._sandbox}/_log") as log:
            entries = [json.loads(line) for line in log.read().decode().splitlines()]
        posted = [entry["body"] for entry in entries if entry["recorded"] and entry["method"] == "POST"]
        return [headline(body) if body.get("embeds") else body["content"] for body in posted]

    def once(self, number: int) -> list[str]:
        ends = time.monotonic() + 30
        while len(found := self.now()) < number and time.monotonic() < ends:
            time.sleep(0.02)
        return found


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_signal_by_http_appears_in_the_sandbox_and_its_ticket_reports_it(
    environment: Environment, shown: Shown
) -> None:
    text = token(environment, "my-bot")
    with serving(environment) as served:
        status, accepted, headers = served.post("/api/v1/signals", SIGNAL, **bearer(text))
        assert (status, accepted["outcome"]) == (202, "accepted")
        assert shown.once(1) == ["BUY EURUSD"]
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            _, ticket, _ = served.get(headers["Location"], **bearer(text))
            if ticket["deliveries"][0]["state"] == "delivered":
                break
            time.sleep(0.02)
        assert ticket["deliveries"][0]["state"] == "delivered"
        assert served.get("/health")[0] == 200
    assert served.process.returncode == 0
    assert text not in served.text()
    assert READY not in served.lines[-1], "it reports that it stops"


def test_a_tradingview_alert_appears_in_the_sandbox(environment: Environment, shown: Shown) -> None:
    """TradingView sends its own User-Agent and no header of ours; JSON made invalid by NaN arrives as text/plain."""
    text = token(environment, "my-chart", "--scope", "tradingview")
    body = (
        b'{\n  "ticker": "EURUSD",\n  "interval": "240",\n  "action": "buy",\n  "price": "1.1634",\n'
        b'  "sl": NaN,\n  "time": "2099-01-01T00:00:00Z",\n  "position": "long"\n}'
    )
    agent = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip"}
    with serving(environment) as served:
        first = served.post(f"/hooks/tradingview/{text}", body, **agent)
        again = served.post(f"/hooks/tradingview/{text}", body, **agent)
        assert shown.once(1) == ["BUY EURUSD"]
        closing = body.replace(b'"buy"', b'"close"').replace(b"1.1634", b"1.17")
        last = served.post(f"/hooks/tradingview/{text}", closing, **agent)
        assert (first[0], again[0], last[0]) == (202, 200, 202)
        assert again[1]["id"] == first[1]["id"]
        card, companion = shown.once(2)
        assert card == "BUY EURUSD"
        assert "CLOSED" in companion
        assert served.post(f"/hooks/tradingview/{text}", b"BUY EURUSD @ 1.1")[0] == 422
    facts = ("tradingview", "my-chart", "422")
    assert [line for line in served.lines if all(fact in line for fact in facts)]
    assert text not in served.text()


def test_a_freqtrade_trade_appears_in_the_sandbox(environment: Environment, shown: Shown) -> None:
    """The body is built from the dicts in docs/how-to/freqtrade.md, with freqtrade's own times and `None`."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "freqtrade.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    webhook = json.loads(f"{{{block.strip().removesuffix(',')}}}")["webhook"]
    trade = {
        "trade_id": 1,
        "exchange": "Binance",
        "pair": "BTC/USDT:USDT",
        "direction": "Short",
        "leverage": 3.0,
        "open_rate": 61234.5,
        "amount": 0.01,
        "open_date": "2099-01-01 00:00:00+00:00",
        "enter_tag": None,
        "stake_amount": 204.115,
        "stake_currency": "USDT",
        "order_type": "limit",
        "current_rate": 61200.0,
        "close_rate": 60000.0,
        "profit_amount": 12.3,
        "profit_ratio": 0.06,
        "exit_reason": "roi",
        "sub_trade": False,
        "is_final_exit": True,
        "status": "running",
        "msg": "watch BTC",
    }
    text = token(environment, "freq", "--scope", "freqtrade")
    general = environment["DISCORD_WEBHOOK_ALERTS_CRITICAL"].replace("alerts-critical", "alerts-general")
    more = {"DISCORD_WEBHOOK_ALERTS_GENERAL": general, "DISCORD_WEBHOOK_SYSTEM_STATUS": general}
    assert webhook["format"] == "json"
    with serving({**environment, **more}) as served:
        events = [name for name, value in webhook.items() if isinstance(value, dict)]
        assert events == ["entry_fill", "exit_fill", "status", "strategy_msg"]
        for number, event in enumerate(events, start=1):
            body = {name: value.format(**trade) for name, value in webhook[event].items()}
            assert served.post(f"/hooks/freqtrade/{text}", body)[0] == 202
            shown.once(number)
    card, companion, *others = shown.now()
    assert card == "SELL BTC/USDT"
    assert "CLOSED" in companion
    assert others == ["OPERATIONAL", "INFO · Message from freqtrade"]


def test_a_signal_answered_with_202_is_shown_after_a_kill(environment: Environment, sandbox: str, shown: Shown) -> None:
    """Discord is unreachable until the process is dead, so that process cannot have sent it."""
    text = token(environment, "my-bot")
    gone = {**environment, "DISCORD_WEBHOOK_SIGNALS_FREE": "http://127.0.0.1:9/api/v10/webhooks/signals-free/t"}
    with serving(gone) as served:
        status, accepted, _ = served.post("/api/v1/signals", SIGNAL, **bearer(text))
        served.process.send_signal(signal.SIGKILL)
        assert status == 202
    assert shown.now() == []
    with serving(environment) as served:
        assert len(shown.once(1)) == 1
        again = served.post("/api/v1/signals", SIGNAL, **bearer(text))
        assert (again[0], again[1]["id"]) == (200, accepted["id"])
    (content,) = shown.now()
    assert content in {"BUY EURUSD", "BUY EURUSD (may repeat)"}, "it may have been in flight at the kill"


def test_a_running_serve_notices_that_tokens_are_added_and_revoked(environment: Environment) -> None:
    empty = in_process(environment, "tokens", "list")
    assert "`signalpost tokens add NAME`" in empty.stdout
    assert in_process(environment, "tokens", "list", "--json").stdout == ""
    with serving(environment) as served:
        made = run(environment, "tokens", "add", "my-bot", "--tier", "premium", "--scope", "api", "--json")
        token = json.loads(made.stdout)
        assert (token["name"], token["tier"], token["scopes"]) == ("my-bot", "premium", ["api"])
        assert served.post("/api/v1/alerts", ALERT, **bearer(token["token"]))[0] == 202
        plain = in_process(environment, "tokens", "add", "my-chart", "--scope", "tradingview", "--scope", "tradingview")
        assert plain.stdout.startswith("sp_")
        assert all(fact in plain.stderr for fact in ("my-chart", "free", "tradingview"))
        bot, chart = in_process(environment, "tokens", "list").stdout.splitlines()
        assert all(fact in bot for fact in ("my-bot", "premium", "api"))
        assert all(fact in chart for fact in ("my-chart", "free", "tradingview"))
        assert all(re.search(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", line) for line in (bot, chart))
        lines = [json.loads(line) for line in in_process(environment, "tokens", "list", "--json").stdout.splitlines()]
        assert [line["name"] for line in lines] == ["my-bot", "my-chart"]
        assert all("token" not in line for line in lines)
        assert "my-chart" in in_process(environment, "tokens", "revoke", "my-chart").stdout
        assert json.loads(in_process(environment, "tokens", "revoke", "my-bot", "--json").stdout)["revoked"] is True
        assert served.post("/api/v1/alerts", ALERT, **bearer(token["token"]))[0] == 401
    for arguments, error, named in (
        (("revoke", "my-bot"), ("not-found", "name", "'my-bot'"), "'my-bot'"),
        (("add", "My Bot"), ("invalid-name", "name", "'My Bot'"), "'My Bot'"),
        (("add", "b", "--tier", "?"), ("unknown-word", "user_tier", "'?'"), "'?'"),
        (("add", "b", "--scope", "all"), ("invalid-value", "--scope", None), "'all'"),
    ):
        refused = in_process(environment, "tokens", *arguments, "--json")
        assert (refused.returncode, errors(refused)) == (2, [error])
        assert named in refused.stderr
    kept = Path(environment["SIGNALPOST_HOME"]) / "tokens.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_while_another_program_holds_the_store_hooks_get_503_in_time(environment: Environment, shown: Shown) -> None:
    """TradingView gives up after 3 seconds, and repeats an alert that got 503: it is shown once."""
    text = token(environment, "my-chart", "--scope", "tradingview")
    alert = {"ticker": "EURUSD", "interval": "240", "action": "buy", "price": 1.1634, "time": "2099-01-01T00:00:00Z"}
    with serving(environment) as served:
        with closing(sqlite3.connect(Path(environment["SIGNALPOST_HOME"]) / "outbox.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            took = []
            for _ in range(3):
                began = time.monotonic()
                status, problem, headers = served.post(f"/hooks/tradingview/{text}", alert)
                took.append(time.monotonic() - began)
                assert (status, headers["Retry-After"]) == (503, "5")
                assert problem["code"] in {"store", "timeout"}
            other.rollback()
        assert min(took) < 2.5, "a busy machine may delay some of them"
        ends = time.monotonic() + 30
        while (status := served.post(f"/hooks/tradingview/{text}", alert)[0]) == 503 and time.monotonic() < ends:
            time.sleep(0.1)
        assert status in {200, 202}
        assert shown.once(1) == ["BUY EURUSD"]
        assert served.post(f"/hooks/tradingview/{text}", alert)[0] == 200
    assert shown.now() == ["BUY EURUSD"]


def test_a_second_serve_on_the_folder_accepts_and_the_first_delivers(environment: Environment, shown: Shown) -> None:
    text = token(environment, "my-bot")
    with serving(environment), serving(environment) as second:
        assert "(producer:" in second.text()
        assert second.post("/api/v1/signals", SIGNAL, **bearer(text))[0] == 202
        assert shown.once(1) == ["BUY EURUSD"]


def test_the_flags_of_serve_override_the_environment_and_it_prints_its_address(
    environment: Environment, tmp_path: Path
) -> None:
    elsewhere = ("--home", str(tmp_path / "elsewhere"), "--dry-run")
    with serving(environment, "--http", "0.0.0.0:0", "--workers", "1", *elsewhere) as served:
        assert served.url.startswith("http://0.0.0.0:")
        assert "SIGNALPOST_HTTP" in served.text(), "it warns that other machines can reach it"
        assert "(owner:" in served.text()
        assert str(tmp_path / "elsewhere" / "dry-run") in served.text()


def test_off_means_no_server(environment: Environment) -> None:
    with serving(environment, "--http", "off") as served:
        assert served.url == ""


def test_a_port_in_use_and_damaged_tokens_are_exit_code_2(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run(environment, "serve", "--http", f"127.0.0.1:{port}")
    assert refused.returncode == 2
    assert all(fact in refused.stderr for fact in (str(port), "127.0.0.1"))
    home = Path(environment["SIGNALPOST_HOME"])
    (home / "tokens.json").write_text("{")
    refused = run(environment, "serve", "--http", "127.0.0.1:0")
    assert refused.returncode == 2
    assert str(home / "tokens.json") in refused.stderr
    listed = in_process(environment, "tokens", "list", "--json")
    assert (listed.returncode, errors(listed)[0][0]) == (2, "damaged")


def test_sigterm_ends_serve_while_another_program_keeps_the_store_locked(environment: Environment) -> None:
    assert (
        in_process(environment, "publish", "alert", "--type", "feed", "--severity", "high", "--title", "t").returncode
        == 0
    )
    store = Path(environment["SIGNALPOST_HOME"]) / "outbox.db"
    with closing(sqlite3.connect(store, isolation_level=None)) as db:
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        command = [sys.executable, "-m", "signalpost", "serve"]
        with forked.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            ends = time.monotonic() + 30
            while str(store) not in _open_files(process) and time.monotonic() < ends:
                time.sleep(0.01)
            process.terminate()
            assert process.wait(30) == 1


def _open_files(process: subprocess.Popen[str]) -> set[str]:
    """The files that a process has open."""
    found = set()
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime
            found.add(str(descriptor.readlink()))
    return found
