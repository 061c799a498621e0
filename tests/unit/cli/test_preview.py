"""`signalpost preview`: each message as it would be sent, from the sample or a signal, and a trial of it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import Signal, UserTier
from signalpost.cli.preview import message_lines
from signalpost.cli.preview_bodies import KINDS, OF_A_SIGNAL, Scene, previews
from signalpost.domain.exact import rounded
from signalpost.errors import InvalidValue
from signalpost.sandbox.server import Sandbox
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.limits import SILENT
from tests.surface.errors import Facts
from tests.unit.cli.folder import Folder
from tests.unit.cli.sandbox import log, running
from tests.unit.sinks.discord.cards.lives import FX, NOON, ROLE, YEN, signal

BODIES = json.loads(
    (Path(__file__).parent.parent / "sinks" / "discord" / "cards" / "bodies.json").read_text(encoding="utf-8")
)
STATES = (
    *("new", "filled", "tp1", "tp2", "tp3", "stop-moved", "part-closed", "closed", "closed-by-hand", "stopped"),
    *("reversed", "cancelled", "expired", "revised", "reopened"),
)
ALERTS, STATUSES = ("critical", "high", "medium", "escalated", "resolved"), ("operational", "degraded", "down")
PING = f'[cards.roles.premium]\nusual = "{ROLE}"\n'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as made:
        yield made


def bodies(folder: Folder, *arguments: str, **environment: str) -> list[Any]:
    result = folder.run("preview", *arguments, "--json", **environment)
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def written(**fields: Any) -> str:
    Path("signal.json").write_bytes(signal(FX, **fields).to_json())
    return "signal.json"


def settings(text: str) -> str:
    Path("s.toml").write_text(text, encoding="utf-8")
    return "s.toml"


@pytest.mark.parametrize(
    ("kind", "state", "name"),
    [("signal", "new", "new-market-fx"), ("signal", "tp1", "tp1-hit"), ("companion", "tp1", "ping-tp1-hit")],
)
def test_a_signal_of_a_file_has_the_exact_body_of_its_state(folder: Folder, kind: str, state: str, name: str) -> None:
    options = ("--signal", written(), "--tier", "premium", "--config", settings(PING))
    assert bodies(folder, kind, state, *options) == [BODIES[name]]
    assert bodies(folder, "--kind", kind.upper(), "--state", state.upper(), *options) == [BODIES[name]]


def test_without_arguments_each_state_of_the_sample_is_shown(folder: Folder) -> None:
    found = bodies(folder)
    titles = [body["embeds"][0]["title"].partition("EUR/USD · ")[2] for body in found]
    assert titles == [
        *("H4", "FILLED", "TP1 HIT", "TP2 HIT", "CLOSED +1.35R", "SL AT ENTRY", "50% CLOSED", "CLOSED +1.35R"),
        *("CLOSED +0.50R", "STOPPED -1.00R", "REVERSED -0.50R", "CANCELLED", "EXPIRED", "H4", "H4"),
    ]
    assert len(found) == len(STATES)
    assert found[0]["content"].startswith("BUY EURUSD @ ")
    lines = folder.run("preview").stdout.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("signal ")] == [*STATES]
    assert sum("an edit" in line for line in lines) == len(STATES) - 1


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("companion", [*STATES[1:], "resolved"]),
        ("alert", ALERTS),
        ("analysis", ["new"]),
        ("status", STATUSES),
        ("announcement", ["new"]),
        ("recap", ["daily", "weekly", "empty"]),
        ("digest", ["new"]),
    ],
)
def test_each_kind_has_its_states_and_each_message_differs(folder: Folder, kind: str, states: list[str]) -> None:
    every = bodies(folder, kind)
    assert len(every) == len(states)
    assert len({json.dumps(body) for body in every}) == len(states) - (kind == "companion"), "tp3 is the end"
    assert all(body["allowed_mentions"] == {"parse": []} for body in every)
    for state in states:
        assert f"{kind} {state}" in folder.run("preview", kind, state).stdout


def test_a_tier_that_gets_less_or_later_is_shown_what_it_gets(folder: Folder) -> None:
    options = ("--config", settings('[tiers.free]\nhide = ["stop", "targets"]\ndelay = "15m"'), "--signal", written())
    new, hit, closed = (bodies(folder, "signal", state, *options)[0] for state in ("new", "tp1", "closed"))
    prices = ("1.07792", "1.09112", "1.09442")
    assert not any(price in json.dumps(body) for price in prices for body in (new, hit))
    assert not new["content"].startswith("BUY")
    assert "15 min" in new["embeds"][0]["description"]
    assert all(price in json.dumps(closed) for price in prices)
    assert bodies(folder, "companion", "tp1", *options) == [None]
    assert bodies(folder, "signal", "new", *options, "--tier", "premium")[0]["content"].startswith("BUY")


def test_the_states_that_an_error_offers_are_possible() -> None:
    with pytest.raises(InvalidValue) as raised:
        previews("signal", "tp1", Scene(Look(), UserTier.FREE, NOON, signal(FX, stop_loss=None, targets=())))
    assert raised.value.errors[0].limit is not None
    offered = set(raised.value.errors[0].limit.split(", "))
    assert {"stopped", "cancelled"}.isdisjoint(offered)
    assert {"new", "closed"} <= offered


def test_the_settings_of_the_operator_apply(folder: Folder) -> None:
    file = settings(
        '[cards]\nusername = "Ann"\nproducer = "Ann Miller"\nticket = "lines"\n[cards.colours]\nblue = "#010203"\n'
        '[cards.companions]\nfilled = "off"\ntarget = "silent"\n[cards.roles.admin]\ncritical = "1100000000000000005"'
    )
    (new,) = bodies(folder, "signal", "new", "--config", file)
    assert (new["username"], new["embeds"][0]["color"]) == ("Ann", 0x010203)
    assert new["content"].splitlines()[1].startswith("SL ")
    assert "Ann Miller" in new["embeds"][0]["description"]
    assert bodies(folder, "companion", "filled", "--config", file) == [None]
    assert "companion filled" in folder.run("preview", "companion", "filled", "--config", file).stdout
    (hit,) = bodies(folder, "companion", "tp1", "--config", file)
    assert hit["flags"] == SILENT
    (alert,) = bodies(folder, "alert", "critical", "--tier", "ADMIN", "--config", file)
    assert alert["allowed_mentions"]["roles"] == ["1100000000000000005"]
    shown = folder.run("preview", "alert", "critical", "--tier", "admin", "--config", file).stdout.splitlines()
    assert shown[1] == "Ann"
    assert "@role 1100000000000000005" in shown


def test_a_signal_shows_only_the_states_that_it_can_have(folder: Folder) -> None:
    """A market order cannot be cancelled; without a stop or targets, none of them is hit."""
    bare = written(stop_loss=None, targets=(), entry_price="1.08452")
    titles = [body["embeds"][0]["title"] for body in bodies(folder, "--signal", bare)]
    states = {title.partition("EUR/USD · ")[2].split(" ")[0] for title in titles}
    assert states == {"H4", "SL", "50%", "CLOSED", "REVERSED"}
    exit_code, (fault,) = folder.refused("preview", "signal", "stopped", "--signal", bare)
    assert (exit_code, fault.code, fault.field) == (2, "not-possible", "price")


def test_an_order_is_filled_first_and_expires_when_it_says_so() -> None:
    scene = Scene(Look(), UserTier.FREE, NOON, signal(YEN))
    by_state = {each.state: each.body for each in previews("signal", None, scene)}
    assert {*by_state} == {*STATES} - {"tp3"}
    expired = by_state["expired"]
    assert expired is not None
    assert "in 1 d" in expired["embeds"][0]["description"]
    stopped = by_state["stopped"]
    assert stopped is not None
    assert "open 1 h 35 min" in stopped["embeds"][0]["description"], "since its fill"


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_part_is_closed_at_a_gain_and_a_reversal_is_a_loss(side: str) -> None:
    sell = {"signal_type": side, "stop_loss": "1.09112", "targets": ["1.07792"]}
    for fields in ({}, {"targets": ()}):
        made = signal(FX, **{**(sell if side == "SELL" else {}), **fields})
        scene = Scene(Look(), UserTier.FREE, NOON, made)
        titles = {each.state: each.body and each.body["embeds"][0]["title"] for each in previews("signal", None, scene)}
        assert str(titles["closed-by-hand"]).endswith("CLOSED +0.50R")
        assert str(titles["reversed"]).endswith("REVERSED -0.50R")


PRICES = st.fractions(Fraction(1, 10**6), 10**6).map(rounded)


@given(
    st.sampled_from(["BUY", "SELL"]),
    st.lists(PRICES, min_size=3, max_size=3, unique=True),
    st.booleans(),
    st.booleans(),
)
def test_every_signal_has_its_messages(side: str, prices: list[Decimal], has_stop: bool, has_target: bool) -> None:
    low, entry, high = sorted(prices)
    stop, target = (low, high) if side == "BUY" else (high, low)
    made = Signal(
        pair="BTC/USDT",
        signal_type=side,
        entry_price=entry,
        stop_loss=stop if has_stop else None,
        targets=[target] if has_target else [],
        timestamp=NOON,
    )
    scene = Scene(Look(), UserTier.FREE, NOON, made)
    for kind in OF_A_SIGNAL:
        states = {each.state for each in previews(kind, None, scene)}
        assert ("stopped" in states) is has_stop
        assert ("tp1" in states) is has_target
        assert states >= {"closed", "part-closed", "reversed"}


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (("signals",), Facts("unknown-word", "kind", "'signals'", ", ".join(KINDS))),
        (("signal", "tp9"), Facts("unknown-word", "state", "'tp9'", ", ".join(STATES))),
        (("alert", "new"), Facts("unknown-word", "state", "'new'", ", ".join(ALERTS))),
        (("--tier", "gold"), Facts("unknown-word", "tier", "'gold'", "free, premium, admin")),
        (("signal", "--kind", "alert"), Facts("usage")),
        (("alert", "--signal", "signal.json"), Facts("usage")),
        (("--signal", "none.json"), Facts("invalid-value", "--signal")),
        (("--signal", "list.json"), Facts("not-readable")),
        (("--signal", "text.json"), Facts("not-readable")),
        (("--send", "community"), Facts("missing", "destinations")),
        (("x", "y", "z"), Facts("usage")),
    ],
)
def test_bad_input_is_exit_code_2_and_names_what_is_known(
    folder: Folder, arguments: tuple[str, ...], facts: Facts
) -> None:
    written()
    Path("list.json").write_text("[]", encoding="utf-8")
    Path("text.json").write_text("BUY", encoding="utf-8")
    assert folder.refused("preview", *arguments) == (2, [facts])


def test_each_fault_of_a_signal_is_reported_under_its_name(folder: Folder) -> None:
    Path("s.json").write_text('{"symbol": "EURUSD", "side": "up", "entry": "x"}', encoding="utf-8")
    exit_code, found = folder.refused("preview", "--signal", "s.json")
    assert (exit_code, [fault.field for fault in found]) == (2, ["side", "entry"])


def test_a_signal_is_read_from_standard_input_with_any_usual_names(folder: Folder) -> None:
    sent = '{"symbol": "EURUSD", "tf": "4h", "action": "sell", "price": 1.16}'
    result = folder.run("preview", "signal", "new", "--signal", "-", "--json", stdin=sent)
    assert json.loads(result.stdout)["content"] == "SELL EURUSD @ 1.16000"


def webhook(sandbox: Sandbox) -> dict[str, str]:
    return {"DISCORD_WEBHOOK_COMMUNITY": f"{sandbox.url}/api/v10/webhooks/community/token-to-hide"}


@pytest.mark.parametrize("kind", OF_A_SIGNAL)
@pytest.mark.parametrize("state", ["tp1", "revised", "filled"])
def test_a_trial_is_marked_silent_and_has_nothing_to_trade_on(
    folder: Folder, sandbox: Sandbox, kind: str, state: str
) -> None:
    before = len(log(sandbox))
    file = settings(f"{PING}{PING.replace('premium', 'free')}")
    result = folder.run("preview", kind, state, "--send", "community", "--config", file, **webhook(sandbox))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "token-to-hide" not in result.output
    (entry,) = log(sandbox)[before:]
    assert (entry["method"], entry["silent"]) == ("POST", True)
    assert entry["message_id"] in result.stdout
    body = entry["body"]
    assert body["content"].startswith("TRIAL · ")
    assert not {"BUY", "SELL"} & {*body["content"].split()}
    assert body["allowed_mentions"] == {"parse": []}
    assert ROLE not in json.dumps(body)
    assert "discord.com/channels" not in json.dumps(body), "no link to a card that is not there"
    assert all(embed["title"].startswith("TRIAL · ") for embed in body.get("embeds", ()))
    assert not folder.path.exists(), "it is past the outbox"


def test_the_trial_of_a_new_signal_has_no_ticket(folder: Folder, sandbox: Sandbox) -> None:
    before = len(log(sandbox))
    for kind, state in (("signal", "new"), ("announcement", "new")):
        arguments = ("preview", kind, state, "--send", "community", "--json")
        assert json.loads(folder.run(*arguments, **webhook(sandbox)).stdout)["works"]
    first, second = (entry["body"]["content"] for entry in log(sandbox)[before:])
    assert first == "TRIAL · new signal, not live"
    assert second.startswith("TRIAL · Maintenance")


def test_a_trial_that_fails_is_exit_code_1_with_advice(folder: Folder) -> None:
    nowhere = {"DISCORD_WEBHOOK_COMMUNITY": "http://127.0.0.1:9/api/v10/webhooks/g/token-to-hide"}
    result = folder.run("preview", "status", "down", "--send", "community", **nowhere)
    assert result.exit_code == 1
    failed, advice = result.stdout.splitlines()
    assert failed.startswith("community")
    assert advice.strip()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--send", "community"), "usage"),
        (("signal", "new", "--send", "nowhere"), "unknown-word"),
        (("companion", "filled", "--send", "community", "--config", "off.toml"), "usage"),
    ],
)
def test_only_one_message_is_sent_to_a_known_destination(
    folder: Folder, sandbox: Sandbox, arguments: tuple[str, ...], code: str
) -> None:
    Path("off.toml").write_text('[cards.companions]\nfilled = "off"', encoding="utf-8")
    before = len(log(sandbox))
    exit_code, (fault,) = folder.refused("preview", *arguments, **webhook(sandbox))
    assert (exit_code, fault.code) == (2, code)
    assert len(log(sandbox)) == before


def test_a_terminal_shows_markdown_times_and_links_as_a_reader_sees_them() -> None:
    at = datetime(2026, 11, 27, 14, tzinfo=UTC)
    soon = int((at + timedelta(hours=3)).timestamp())
    body = {
        "content": f"one\x1b[2J \\* [Card #1](https://discord.com/x) <@&{ROLE}>",
        "embeds": [
            {
                "title": "A\u202eB",
                "description": f"**bold <t:{soon}:t>** <t:{soon}:R> <t:{soon}:d> <t:{soon}:f> <t:0:R>\n"
                "```\n**1** -# 2\n```\n-# small",
                "color": 0x1F73F9,
                "timestamp": "2026-11-27T14:00:00Z",
                "footer": {"text": "#1042"},
            }
        ],
    }
    lines = list(message_lines(body, at))
    assert [line.plain for line in lines] == [
        f"one\\x1b[2J * Card #1 @role {ROLE}",
        "┃ A\\u202eB",
        "┃ bold 17:00 UTC in 3 h 2026-11-27 2026-11-27 17:00 UTC 20785 days ago",
        "┃ **1** -# 2",
        "┃ small",
        "┃ #1042 · 2026-11-27 14:00 UTC",
    ]
    assert all(str(line.spans[0].style) == "#1f73f9" for line in lines[1:])
