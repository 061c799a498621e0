"""Invalid numbers and invalid text are rejected before anything is done."""

import json
import os

import pytest

from tests.unit.cli.folder import Folder, alert

PUBLISH = ("publish", "alert", "--type", "disk", "--severity", "low", "--title", "Full", "--timeout")
BYTES = os.fsdecode(b"\xff")
OFF = "http://127.0.0.1:9/api/v10/webhooks/g/token"


@pytest.mark.parametrize(
    "given",
    [
        (*PUBLISH, "nan"),
        (*PUBLISH, "-1"),
        (*PUBLISH, "inf"),
        ("serve", "--http", "nowhere", "--stop-within", "nan"),
        ("serve", "--http", "nowhere", "--stop-within", "-1"),
        ("demo", "--exit", "--port", "0", "--speed", "nan"),
    ],
)
def test_a_number_out_of_range_is_refused_before_anything_is_done(folder: Folder, given: tuple[str, ...]) -> None:
    result = folder.run(*given, DISCORD_WEBHOOK_ALERTS_GENERAL=OFF)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"'{given[-2]}'" in result.stderr
    assert given[-1] in result.stderr
    assert list(folder.home.iterdir()) == []


def test_a_number_within_the_range_is_accepted(folder: Folder) -> None:
    """`serve` then gets as far as its next mistake."""
    for bound in ("0", "inf", "0.5"):
        result = folder.run("serve", "--http", "nowhere", "--stop-within", bound)
        assert "'nowhere'" in result.stderr


@pytest.mark.parametrize(
    "given",
    [
        ("show", BYTES),
        ("why", BYTES),
        ("revive", BYTES),
        ("cancel", BYTES),
        ("revive", f"a1@{BYTES}"),
        ("cancel", f"{BYTES}@alerts-general"),
        ("list", "--destination", BYTES),
        ("cancel", "a1", "--reason", BYTES),
    ],
)
def test_text_that_is_not_utf_8_is_refused_and_changes_nothing(folder: Folder, given: tuple[str, ...]) -> None:
    folder.put(alert("a1"))
    result = folder.run("deliveries", *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "UTF-8" in result.stderr
    exit_code, (fault,) = folder.refused("deliveries", *given)
    assert (exit_code, fault.code) == (2, "invalid-value")
    (line,) = folder.run("deliveries", "list", "--json").stdout.splitlines()
    assert json.loads(line)["state"] == "pending"


def test_all_of_unicode_is_text(folder: Folder) -> None:
    folder.put(alert("größe-🙂"))
    assert folder.run("deliveries", "cancel", "größe-🙂@alerts-general", "--reason", "zu groß").exit_code == 0
    assert "zu groß" in folder.run("deliveries", "why", "größe-🙂").stdout
