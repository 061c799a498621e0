from datetime import timedelta
from pathlib import Path

import pytest

from signalpost import Config, InvalidConfiguration
from signalpost.config import HttpAddress, spelling
from signalpost.config.nearest import advice, nearest


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("127.0.0.1:8750", HttpAddress("127.0.0.1", 8750)),
        ("localhost:0", HttpAddress("localhost", 0)),
        ("0.0.0.0:65535", HttpAddress("0.0.0.0", 65535)),
        ("[::1]:80", HttpAddress("::1", 80)),
        ("OFF", None),
    ],
)
def test_an_address_to_listen_at(text: str, meant: HttpAddress | None) -> None:
    assert spelling.http(text) == meant
    assert meant is None or str(meant) == text


@pytest.mark.parametrize(
    "text",
    [
        "8750",
        ":8750",
        "here",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:65536",
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
def test_what_is_no_address_to_listen_at_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r" is not an address to listen on: give HOST:PORT, or off$"):
        spelling.http(text)


@pytest.mark.parametrize(
    ("text", "meant", "spelled"),
    [
        ("12h", timedelta(hours=12), "12h"),
        ("48H", timedelta(days=2), "2d"),
        ("30d", timedelta(days=30), "30d"),
        ("30 d", timedelta(days=30), "30d"),
        ("8w", timedelta(weeks=8), "56d"),
        ("3660d", timedelta(days=3660), "3660d"),
    ],
)
def test_a_time_to_keep_things_for(text: str, meant: timedelta, spelled: str) -> None:
    assert spelling.retention(text) == meant
    assert spelling.retention_text(meant) == spelled
    assert spelling.retention(spelled) == meant


@pytest.mark.parametrize("text", ["30", "d", "0d", "3661d", "99999w", "-1d", "1.5d", "30m", "1d 2h", "999999d"])
def test_what_is_no_time_to_keep_things_for_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not a retention time: give one such as 12h, 30d or 8w"):
        spelling.retention(text)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("none", "none"),
        ("NONE", "none"),
        ("alert", "alert"),
        ("alert, Signal,alert", "signal, alert"),
        ("market-analysis", "market_analysis"),
        ("announcement,system_status", "system_status, announcement"),
    ],
)
def test_what_is_sent_at_most_once(text: str, spelled: str) -> None:
    assert spelling.at_most_once_text(spelling.at_most_once(text)) == spelled


@pytest.mark.parametrize("text", ["signals", "all", "signal alert", "signal,,alert", "signal,", "none, alert"])
def test_what_is_no_kind_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="is not a kind: give some of signal, alert, market_analysis"):
        spelling.at_most_once(text)


def test_a_program_cannot_name_a_kind_that_is_not_known() -> None:
    with pytest.raises(InvalidConfiguration, match="at_most_once names signals: known are signal, alert"):
        Config(home=Path(), at_most_once=frozenset({"signals", "alert"}))


def test_a_path_knows_the_home_of_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/quant")
    assert spelling.path("~/x") == Path("/home/quant/x")


def test_a_long_wrong_value_is_told_by_its_length_because_it_may_be_a_secret() -> None:
    assert spelling.shown("x" * 24) == repr("x" * 24)
    assert spelling.shown("x" * 25) == "a text of 25 characters"


def test_a_path_that_could_be_a_webhook_is_not_shown() -> None:
    assert spelling.shown_path("/run/secrets/x") == "/run/secrets/x"
    assert spelling.shown_path("https://x") == "the file that it names"
    assert spelling.shown_path(f"/a/{'x' * 60}/b") == "the file that it names"


def test_the_nearest_name_is_given_or_all_where_none_is_near() -> None:
    assert nearest("workrs", ["workers", "home"]) == "workers"
    assert nearest("zzz", ["workers", "home"]) is None
    assert advice("workrs", ["workers", "home"]) == "did you mean workers?"
    assert advice("zzz", ["workers", "home"]) == "known are workers, home"
