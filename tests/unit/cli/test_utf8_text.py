"""Bytes that are no text are bad input, and no fault of ours."""

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
def test_what_is_not_utf_8_is_refused_and_changes_nothing(folder: Folder, given: tuple[str, ...]) -> None:
    folder.put(alert("a1"))
    result = folder.run("deliveries", *given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "is not UTF-8: give text in that encoding" in result.stderr
    assert folder.run("deliveries", "list").stdout.endswith("\n1 pending\n")


def test_all_of_unicode_is_text(folder: Folder) -> None:
    folder.put(alert("größe-🙂"))
    assert folder.run("deliveries", "cancel", "größe-🙂@alerts-general", "--reason", "zu groß").exit_code == 0
    assert "zu groß" in folder.run("deliveries", "why", "größe-🙂").stdout
