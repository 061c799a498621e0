"""`signalpost tokens add`: for which tiers a token is made; more in tests/acceptance/test_http.py."""

import json
from pathlib import Path

from tests.unit.cli.folder import Folder

URL = "http://127.0.0.1:9/api/v10/webhooks/g/token"
GOLD = """
[destinations.signals-gold]
[tiers.gold]
rank = 15
signals_to = ["signals-gold"]
"""


def test_an_unknown_tier_is_refused_with_the_nearest(folder: Folder) -> None:
    result = folder.run("tokens", "add", "bot", "--tier", "premum")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "'premum'" in result.stderr
    assert "premium" in result.stderr
    exit_code, (fault,) = folder.refused("tokens", "add", "bot", "--tier", "premum")
    assert (exit_code, fault.code, fault.field, fault.value) == (2, "unknown-word", "--tier", "premum")
    assert "premium" in str(fault.limit)
    assert folder.run("tokens", "list", "--json").stdout == ""


def test_the_usual_tiers_and_those_of_the_settings_are_known(folder: Folder) -> None:
    Path("settings.toml").write_text(GOLD, encoding="utf-8")
    variables = {"SIGNALPOST_CONFIG": "settings.toml", "DISCORD_WEBHOOK_SIGNALS_GOLD": URL}
    for tier in ("free", "Premium", "admin", "gold"):
        result = folder.run("tokens", "add", f"for-{tier.lower()}", "--tier", tier, "--json", **variables)
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["tier"] == tier.lower()


def test_a_single_webhook_takes_the_signals_of_any_tier(folder: Folder) -> None:
    """As `publish` does."""
    assert folder.run("tokens", "add", "bot", "--tier", "vip", DISCORD_WEBHOOK_URL=URL).exit_code == 0
