"""A file of settings: what is wrong with it is told all at once, by file and key, and shows no value."""

from datetime import timedelta
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from tests.unit.config.webhooks import TOKEN, url


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, **environment: str) -> Config:
    Path("s.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return Config.from_environment({"SIGNALPOST_CONFIG": "s.toml", **environment})


def faults(text: str | bytes, **environment: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as fault:
        read(text, **environment)
    return str(fault.value).splitlines()


def test_all_faults_of_all_sources_are_told_together() -> None:
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
    with pytest.raises(InvalidConfiguration) as fault:
        Config.from_environment(environment, flags={"SIGNALPOST_HTTP": "here"})
    assert [":".join(line.split(":")[:2]) for line in str(fault.value).splitlines()] == [
        "s.toml: workrs is not known",
        "s.toml: destinations.signals-free.messages_a_minut is not known",
        "s.toml: limits",
        "s.toml: destinations.Gold",
        "DISCORD_WEBHOOK_URL: the webhook's URL cannot be used",
        "s.toml: destinations.signals-free.webhook",
        "s.toml: destinations.signals-premiun",
        "s.toml: tiers.gold",
        "s.toml: tiers.gold.signals_to",
        "s.toml: tiers.a name of 1 characters",
        "SIGNALPOST_WORKERS: 'many' is not a number of senders",
        "SIGNALPOST_HTTP (a flag): 'here' is not an address to listen on",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workrs = 3", "s.toml: workrs is not known: did you mean workers?"),
        ("destination = {}", "s.toml: destination is not known: did you mean destinations?"),
        ("xyz = 3", "s.toml: xyz is not known: known are home, workers, limits, reserve, at_most_once, "),
        (
            "[destinations.community]\n[destinations.default]\nworkers = 3",
            "s.toml: destinations.default.workers is not known: write it above the first [table]",
        ),
        ("[tiers.gold]\nrang = 1", "s.toml: tiers.gold.rang is not known: did you mean rank?"),
        (
            "[destinations.community]\nweb_hook = 1",
            "s.toml: destinations.community.web_hook is not known: did you mean webhook?",
        ),
    ],
)
def test_an_unknown_key_is_a_fault_with_the_nearest_name(text: str, told: str) -> None:
    assert faults(text)[0].startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("workers = true", "s.toml: workers: it is a switch: give a whole number from 1 to 16"),
        ("workers = 2.0", "s.toml: workers: it is a number with a point: give a whole number from 1 to 16"),
        ("workers = 17", "s.toml: workers: '17' is not a number of senders: give 1 to 16"),
        ("workers = -1", "s.toml: workers: '-1' is not a number of senders: give 1 to 16"),
        (f"workers = 0x{'f' * 5000}", "s.toml: workers: it is too large: give a whole number from 1 to 16"),
        ("reserve = 1", "s.toml: reserve: it is a number: give true or false"),
        ("home = 1979-05-27", "s.toml: home: it is of another kind: give a path in quotes"),
        ('home = " "', "s.toml: home: it is empty: give a path in quotes, or leave the line out"),
        ("http = false", 's.toml: http: it is a switch: give "HOST:PORT", or "off"'),
        ("retention = 30", 's.toml: retention: it is a number: give a time in quotes, such as "30d"'),
        ("destinations = 1", "s.toml: destinations: it is not a table: give one [destinations.NAME] for each"),
        ("tiers.gold = 1", "s.toml: tiers.gold: it is not a table: write [tiers.NAME], and its settings below"),
        (
            "[destinations.community]\nmessages_a_minute = 0",
            "s.toml: destinations.community.messages_a_minute: '0' is not a rate: give 1 to 10000 messages a minute",
        ),
        (
            "[destinations.community]\nwebhook = 1",
            "s.toml: destinations.community.webhook: it is a number: give a text in quotes",
        ),
    ],
)
def test_a_wrong_value_is_told_with_what_is_wanted(text: str, told: str) -> None:
    assert faults(text) == [told]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f'[destinations.community]\nwebhook = "{url()}\n', "s.toml, line 2, column 132: it is no TOML from there on"),
        (f"{TOKEN} = 1\n{TOKEN} = 2\n", "s.toml, line 2, column 73: it is no TOML from there on"),
        (f"x = {{ {TOKEN} = 1, {TOKEN} = 2 }}", "s.toml, line 1, column"),
        ("a = " + "[" * 100_000, "s.toml: it is no TOML at its end"),
        (f"a = '{TOKEN}'".encode() + b"\xff", "s.toml: it is not UTF-8: save it as UTF-8"),
    ],
    ids=["quote", "twice", "inline", "deep", "bytes"],
)
def test_what_is_no_toml_is_told_by_its_place_and_is_not_shown(text: str | bytes, told: str) -> None:
    (fault,) = faults(text)
    assert fault.startswith(told)
    assert TOKEN not in fault


def test_no_error_behind_a_fault_holds_the_file() -> None:
    """A decoding error has the bytes, a parser's has quotes of the text: neither may be in a traceback."""
    with pytest.raises(InvalidConfiguration) as fault:
        read(f"a = '{TOKEN}'".encode() + b"\xff")
    seen: list[BaseException] = []
    error: BaseException | None = fault.value
    while error is not None:
        seen.append(error)
        error = error.__cause__ or error.__context__
    assert seen == [fault.value]


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(InvalidConfiguration, match=r"^none\.toml: it cannot be read \(No such file or directory\): "):
        Config.from_environment({"SIGNALPOST_CONFIG": "none.toml"})


def test_a_file_of_settings_is_not_taken_unasked() -> None:
    Path("signalpost.toml").write_text("workers = 7", encoding="utf-8")
    assert Config.from_environment().workers == 2


def test_what_else_is_wrong_is_told_where_the_file_cannot_be_read() -> None:
    told = faults("x = ", SIGNALPOST_WORKERS="many")
    assert [line.partition(":")[0] for line in told] == ["s.toml", "SIGNALPOST_WORKERS"]


def test_paths_in_a_file_are_taken_from_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "hook").write_text(url(), encoding="utf-8")
    (folder / "s.toml").write_text('home = "data"\n[destinations.community]\nwebhook_file = "hook"', encoding="utf-8")
    config = Config.from_environment({"SIGNALPOST_CONFIG": "etc/s.toml"})
    assert config.home == tmp_path / "etc" / "data"
    assert config.destinations[0].webhook.reveal() == url()


def test_a_mark_of_the_byte_order_is_passed_over() -> None:
    """Some editors write one at the beginning, where nobody sees it."""
    Path(".env").write_text("\ufeffSIGNALPOST_RETENTION=12h\n", encoding="utf-8")
    Path("s.toml").write_text("\ufeffworkers = 5", encoding="utf-8")
    config = Config.from_environment(flags={"SIGNALPOST_CONFIG": "s.toml"})
    assert (config.workers, config.retention) == (5, timedelta(hours=12))
