from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from signalpost import Config, InvalidConfiguration
from signalpost.config import HttpAddress, parsers
from signalpost.config.parsers import advice, nearest
from signalpost.domain.notification import KINDS
from tests.surface.errors import Facts, facts_of


def rejected(parse: Callable[[str], object], text: str) -> Facts:
    """The facts of the one fault."""
    with pytest.raises(InvalidConfiguration) as error:
        parse(text)
    (facts,) = facts_of(error.value)
    return facts


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8750", HttpAddress("127.0.0.1", 8750)),
        ("localhost:0", HttpAddress("localhost", 0)),
        ("0.0.0.0:65535", HttpAddress("0.0.0.0", 65535)),
        ("[::1]:80", HttpAddress("::1", 80)),
        ("OFF", None),
    ],
)
def test_an_address_to_listen_on_is_read_and_shown(text: str, address: HttpAddress | None) -> None:
    assert parsers.ADDRESS.parse(text) == address
    assert parsers.ADDRESS.show(address) == (text if address else "off")


@pytest.mark.parametrize(
    "text",
    [
        "8750",
        ":8750",
        "here",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
        "127.0.0.1:0065536",
        "127.0.0.1:-1",
        "::1:80",
        "[::1:80",
        "[x]:80",
        "[127.0.0.1]:80",
        "http://127.0.0.1:80",
        "127.0.0.1:²",
        "a b:80",
        "on",
    ],
)
def test_an_invalid_address_is_rejected(text: str) -> None:
    facts = rejected(parsers.ADDRESS.parse, text)
    assert facts == Facts("invalid-address", value=repr(text), limit="HOST:PORT, off")


@pytest.mark.parametrize(
    ("text", "kept", "shown"),
    [
        ("12h", timedelta(hours=12), "12h"),
        ("48H", timedelta(days=2), "2d"),
        ("30d", timedelta(days=30), "30d"),
        ("30 d", timedelta(days=30), "30d"),
        ("8w", timedelta(weeks=8), "56d"),
        ("3660d", timedelta(days=3660), "3660d"),
    ],
)
def test_a_retention_time_is_read_and_shown(text: str, kept: timedelta, shown: str) -> None:
    assert parsers.RETENTION.parse(text) == kept
    assert parsers.RETENTION.show(kept) == shown
    assert parsers.RETENTION.parse(shown) == kept


@pytest.mark.parametrize("text", ["30", "d", "0d", "3661d", "99999w", "-1d", "1.5d", "30m", "1d 2h", "999999d"])
def test_an_invalid_retention_time_is_rejected(text: str) -> None:
    assert rejected(parsers.RETENTION.parse, text) == Facts("invalid-time", value=repr(text), limit="1h to 3660d")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("none", "none"),
        ("NONE", "none"),
        ("alert", "alert"),
        ("alert, Signal,alert", "alert, signal"),
        ("market-analysis", "market_analysis"),
        ("system_status,announcement", "announcement, system_status"),
    ],
)
def test_kinds_are_read_and_shown(text: str, shown: str) -> None:
    assert parsers.KINDS_OR_NONE.show(parsers.KINDS_OR_NONE.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("signals", "signals"),
        ("all", "all"),
        ("signal alert", "signal alert"),
        ("signal,,alert", ""),
        ("signal,", ""),
        ("none, alert", "none"),
    ],
)
def test_an_unknown_kind_is_rejected(text: str, word: str) -> None:
    facts = rejected(parsers.KINDS_OR_NONE.parse, text)
    assert facts == Facts("unknown-word", value=repr(word), limit=", ".join(KINDS))


@pytest.mark.parametrize(("text", "is_on"), [("on", True), ("YES", True), ("0", False), ("False", False)])
def test_a_switch_is_read(text: str, is_on: bool) -> None:
    assert parsers.SWITCH.parse(text) is is_on


def test_an_invalid_switch_is_rejected() -> None:
    assert rejected(parsers.SWITCH.parse, "2") == Facts("unknown-word", value="'2'", limit="on, off")


@pytest.mark.parametrize("text", ["2", "9", "007"])
def test_a_whole_number_is_read(text: str) -> None:
    assert parsers.whole_number(2, 9).parse(text) == int(text)


@pytest.mark.parametrize("text", ["1", "10", "-2", "2.5", "²", "", "9" * 20])
def test_a_number_out_of_range_is_rejected(text: str) -> None:
    facts = rejected(parsers.whole_number(2, 9).parse, text)
    assert facts == Facts("out-of-range", value=repr(text), limit="2 to 9")


def test_a_program_cannot_name_an_unknown_kind() -> None:
    with pytest.raises(InvalidConfiguration) as error:
        Config(home=Path(), at_most_once=frozenset({"signals", "alert"}))
    assert facts_of(error.value) == [Facts("unknown-word", "at_most_once", "signals", ", ".join(KINDS))]


def test_a_path_may_begin_with_the_home_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/quant")
    assert parsers.path("~/x") == Path("/home/quant/x")


def test_only_the_length_of_a_long_invalid_value_is_shown_because_it_may_be_a_secret() -> None:
    assert parsers.shown("x" * 24) == repr("x" * 24)
    assert "x" * 25 not in parsers.shown("x" * 25)
    assert "25" in parsers.shown("x" * 25)


def test_a_path_that_could_be_a_webhook_is_not_shown() -> None:
    assert parsers.shown_path("/run/secrets/x") == "/run/secrets/x"
    assert "https" not in parsers.shown_path("https://x")
    assert "x" * 60 not in parsers.shown_path(f"/a/{'x' * 60}/b")


def test_the_nearest_name_is_suggested_or_all_if_none_is_near() -> None:
    assert nearest("workrs", ["workers", "home"]) == "workers"
    assert nearest("zzz", ["workers", "home"]) is None
    assert "workers" in advice("workrs", ["workers", "home"])
    assert "home" not in advice("workrs", ["workers", "home"])
    assert "workers, home" in advice("zzz", ["workers", "home"])
