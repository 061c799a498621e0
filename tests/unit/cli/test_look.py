"""The settings of messages reach the channel, on each way that a command sends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from signalpost.sandbox.server import Sandbox
from tests.unit.cli.folder import Folder
from tests.unit.cli.sandbox import log, running

ROLE = "1100000000000000005"
SETTINGS = f"""
[cards]
username = "Ann"
[cards.colours]
blue = "#010203"
[cards.roles.premium]
usual = "{ROLE}"
[destinations.signals-premium]
ticket = "lines"
"""
SIGNAL = ("publish", "signal", "--pair", "EURUSD", "--side", "buy", "--entry", "1.1634", "--stop", "1.1599")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as made:
        yield made


def posted(folder: Folder, sandbox: Sandbox, *arguments: str) -> dict[str, Any]:
    """The body that a command posts."""
    before = len(log(sandbox))
    Path("s.toml").write_text(SETTINGS, encoding="utf-8")
    webhooks = {
        f"DISCORD_WEBHOOK_SIGNALS_{tier.upper()}": sandbox.webhook(f"signals-{tier}") for tier in ("free", "premium")
    }
    result = folder.run(*arguments, "--config", "s.toml", **webhooks)
    assert result.exit_code == 0
    (body,) = (entry["body"] for entry in log(sandbox)[before:] if entry["method"] == "POST")
    assert body["username"] == "Ann"
    return dict(body)


def test_a_service_uses_them_for_each_tier_and_destination(folder: Folder, sandbox: Sandbox) -> None:
    free = posted(folder, sandbox, *SIGNAL, "--tier", "free")
    assert free["embeds"][0]["color"] == 0x010203
    assert free["content"].splitlines() == ["BUY EURUSD @ 1.16340 SL 1.15990"]
    assert free["allowed_mentions"] == {"parse": []}
    premium = posted(folder, sandbox, *SIGNAL, "--tier", "premium", "--id", "other")
    assert premium["content"].splitlines() == ["BUY EURUSD @ 1.16340", "SL 1.15990", f"<@&{ROLE}>"]
    assert premium["allowed_mentions"]["roles"] == [ROLE]


def test_a_test_of_a_webhook_uses_them(folder: Folder, sandbox: Sandbox) -> None:
    posted(folder, sandbox, "destinations", "test", "signals-free", "--send")


def test_a_trial_uses_the_ticket_layout_of_its_destination(folder: Folder, sandbox: Sandbox) -> None:
    posted(folder, sandbox, "preview", "signal", "new", "--send", "signals-premium")
