"""Faults in a settings file are reported together, by file and key, and show no webhook."""

from datetime import timedelta
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.config.settings import CARDS, DESTINATIONS, SETTINGS, TIERS
from signalpost.errors import Fault
from tests.unit.config.webhooks import TOKEN, url


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, **environment: str) -> Config:
    Path("s.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", **environment})


def faults(text: str | bytes, **environment: str) -> list[Fault]:
    with pytest.raises(InvalidConfiguration) as error:
        read(text, **environment)
    assert TOKEN not in str(error.value)
    return list(error.value.errors)


def test_the_times_of_signals_are_in_a_table_of_their_own() -> None:
    config = read('[signals]\nvalid_for = "30m"\nopen_for = "8w"')
    assert (config.valid_for, config.open_for) == (timedelta(minutes=30), timedelta(weeks=8))
    assert read("", SIGNALPOST_VALID_FOR="2d").valid_for == timedelta(days=2)
    assert [(each.code, each.field) for each in faults('[signals]\nvalid_for = "30s"')] == [
        ("invalid-time", "signals.valid_for")
    ]


def test_all_faults_of_all_sources_are_reported_together() -> None:
    text = """
        workrs = 3
        limits = "off"
        [destinations.signals-free]
        webhook = "https://example.com/api/webhooks/1/2"
        messages_a_minut = 3
        [destinations.Gold]
        [destinations.signals-premiun]
        [tiers.gold]
        signals_to = ["signals-gol"]
        [tiers."?"]
    """
    Path("s.toml").write_text(text, encoding="utf-8")
    environment = {"SIGNALPOST_CONFIG": "s.toml", "SIGNALPOST_WORKERS": "many", "DISCORD_WEBHOOK_URL": "nonsense"}
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment(environment, flags={"SIGNALPOST_HTTP": "here"})
    assert [(fault.code, fault.text.partition(" ")[0], fault.field) for fault in error.value.errors] == [
        ("unknown-field", "s.toml:", "workrs"),
        ("unknown-field", "s.toml:", "messages_a_minut"),
        ("out-of-range", "SIGNALPOST_WORKERS:", "SIGNALPOST_WORKERS"),
        ("wrong-kind", "s.toml:", "limits"),
        ("invalid-address", "SIGNALPOST_HTTP", "SIGNALPOST_HTTP"),
        ("invalid-name", "s.toml:", "destinations"),
        ("invalid-webhook", "DISCORD_WEBHOOK_URL:", "DISCORD_WEBHOOK_URL"),
        ("invalid-webhook", "s.toml:", "destinations.signals-free.webhook"),
        ("missing", "s.toml:", "destinations.signals-premiun.webhook"),
        ("missing", "s.toml:", "tiers.gold.rank"),
        ("unknown-word", "s.toml:", "signals_to"),
        ("invalid-name", "s.toml:", "tiers.a name of 1 characters"),
    ]
    assert str(error.value).splitlines() == [fault.text for fault in error.value.errors]
    assert error.value.errors[4].text.startswith("SIGNALPOST_HTTP (a flag): "), "the source is named"


@pytest.mark.parametrize(
    ("text", "key", "hints"),
    [
        ("workrs = 3", "workrs", ["workers"]),
        ("destination = {}", "destination", ["destinations"]),
        ("xyz = 3", "xyz", [*(setting.key for setting in SETTINGS), CARDS, DESTINATIONS, TIERS]),
        (
            "[destinations.community]\n[destinations.default]\nworkers = 3",
            "destinations.default.workers",
            ["above", "[table]"],
        ),
        ("[tiers.gold]\nrang = 1", "tiers.gold.rang", ["rank"]),
        ("[destinations.community]\nweb_hook = 1", "destinations.community.web_hook", ["webhook"]),
    ],
)
def test_an_unknown_key_is_a_fault_with_the_nearest_name(text: str, key: str, hints: list[str]) -> None:
    fault = faults(text)[0]
    assert (fault.code, fault.field) == ("unknown-field", key.rpartition(".")[2])
    assert fault.text.startswith(f"s.toml: {key} ")
    assert all(hint in fault.text for hint in hints)


@pytest.mark.parametrize(
    ("text", "key", "code", "value", "wanted"),
    [
        ("workers = true", "workers", "wrong-kind", None, "1 to 16"),
        ("workers = 2.0", "workers", "wrong-kind", None, "1 to 16"),
        ("workers = 17", "workers", "out-of-range", "'17'", "1 to 16"),
        ("workers = -1", "workers", "out-of-range", "'-1'", "1 to 16"),
        (f"workers = 0x{'f' * 5000}", "workers", "out-of-range", None, "1 to 16"),
        ("reserve = 1", "reserve", "wrong-kind", None, "true or false"),
        ("home = 1979-05-27", "home", "wrong-kind", None, '"~/.local/share/signalpost"'),
        ('home = " "', "home", "missing", None, '"~/.local/share/signalpost"'),
        ("http = false", "http", "wrong-kind", None, '"127.0.0.1:8750"'),
        ("retention = 30", "retention", "wrong-kind", None, '"30d"'),
        ("destinations = 1", "destinations", "invalid-setting", None, "[destinations.NAME]"),
        (
            "[destinations.community]\nmessages_a_minute = 0",
            "destinations.community.messages_a_minute",
            "out-of-range",
            "'0'",
            "1 to 10000",
        ),
        ("[destinations.community]\nwebhook = 1", "destinations.community.webhook", "wrong-kind", None, ""),
    ],
)
def test_an_invalid_value_is_reported_with_valid_ones(
    text: str, key: str, code: str, value: str | None, wanted: str
) -> None:
    (fault,) = faults(text)
    assert (fault.code, fault.field, fault.value) == (code, key, value)
    assert fault.text.startswith(f"s.toml: {key}: ")
    assert wanted in fault.text
    assert code == "invalid-setting" or (fault.limit and wanted in fault.limit)


def test_a_value_in_place_of_a_table_is_a_fault() -> None:
    (fault,) = faults("tiers.gold = 1")
    assert (fault.code, fault.field) == ("invalid-setting", "tiers")
    assert fault.text.startswith("s.toml: tiers.gold: ")
    assert "[tiers.NAME]" in fault.text


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f'[destinations.community]\nwebhook = "{url()}\n', "s.toml, line 2, column 132:"),
        (f"{TOKEN} = 1\n{TOKEN} = 2\n", "s.toml, line 2, column 73:"),
        (f"x = {{ {TOKEN} = 1, {TOKEN} = 2 }}", "s.toml, line 1, column "),
        ("a = " + "[" * 100_000, "s.toml: "),
        (f"a = '{TOKEN}'".encode() + b"\xff", "s.toml: "),
    ],
    ids=["quote", "twice", "inline", "deep", "bytes"],
)
def test_invalid_toml_is_reported_by_its_position_and_is_not_shown(text: str | bytes, place: str) -> None:
    (fault,) = faults(text)
    assert fault.code == "not-readable"
    assert fault.text.startswith(place)
    assert ("UTF-8" in fault.text) is isinstance(text, bytes)


def test_no_error_behind_a_fault_contains_the_file() -> None:
    """A decoding error has the bytes, a parser's quotes the text: neither may be in a traceback."""
    with pytest.raises(InvalidConfiguration) as fault:
        read(f"a = '{TOKEN}'".encode() + b"\xff")
    seen: list[BaseException] = []
    error: BaseException | None = fault.value
    while error is not None:
        seen.append(error)
        error = error.__cause__ or error.__context__
    assert seen == [fault.value]


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(InvalidConfiguration) as error:
        Config.from_environment({"SIGNALPOST_CONFIG": "none.toml"})
    assert error.value.code == "not-readable"
    assert str(error.value).startswith("none.toml: ")
    assert "No such file or directory" in str(error.value)


def test_a_settings_file_is_not_read_unless_it_is_named() -> None:
    Path("signalpost.toml").write_text("workers = 7", encoding="utf-8")
    assert Config.from_environment().workers == 2


def test_other_faults_are_reported_too_if_the_file_cannot_be_read() -> None:
    found = faults("x = ", SIGNALPOST_WORKERS="many")
    assert [fault.text.partition(":")[0] for fault in found] == ["s.toml", "SIGNALPOST_WORKERS"]


def test_relative_paths_in_a_file_start_at_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "hook").write_text(url(), encoding="utf-8")
    (folder / "s.toml").write_text('home = "data"\n[destinations.community]\nwebhook_file = "hook"', encoding="utf-8")
    config = Config.from_environment({"SIGNALPOST_CONFIG": "etc/s.toml"})
    assert config.home == tmp_path / "etc" / "data"
    assert config.destinations[0].webhook.reveal() == url()


def test_a_byte_order_mark_is_ignored() -> None:
    """Some editors write one at the beginning."""
    Path(".env").write_text("\ufeffSIGNALPOST_RETENTION=12h\n", encoding="utf-8")
    Path("s.toml").write_text("\ufeffworkers = 5", encoding="utf-8")
    config = Config.from_environment(flags={"SIGNALPOST_CONFIG": "s.toml"})
    assert (config.workers, config.retention) == (5, timedelta(hours=12))
