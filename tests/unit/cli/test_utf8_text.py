"""Bytes that are not text are bad input, not an internal error."""

import json
import os

import pytest

from tests.unit.cli.folder import Folder, alert

BYTES = os.fsdecode(b"\xff")


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
