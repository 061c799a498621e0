"""P9: wherever a webhook or token is by mistake, no error, warning or output shows it."""

import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import AsyncNotificationStartup, Config, InvalidConfiguration, NotificationIntegration
from signalpost.cli.check import checked
from signalpost.cli.options import Flags
from signalpost.config.settings import SETTINGS, known_variables
from tests.unit.config.webhooks import TOKEN, url

SHAPES = st.sampled_from(
    [
        "{token}",
        "https://discord.com/api/webhooks/123456789012345678/{token}",
        "https://discord.com/api/webhooks/123456789012345678/{token}/slack",
        "https://discord.com/api/webhooks/12/{token}",
        "https://user:{token}@discord.com/api/webhooks/123456789012345678/{token}",
        "http://discord.com/api/webhooks/123456789012345678/{token}",
        "https://example.com/{token}",
        "/run/{token}",
        "~{token}/x",
        "{token}:80",
        '"{token}',
        "'{token}",
        "{token}\n{token}",
        "x={token} {token}",
    ]
).map(lambda shape: shape.format(token=TOKEN))
NOISE = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
HOSTILE = st.tuples(NOISE, SHAPES, NOISE).map("".join)
VARIABLES = [*known_variables(), "SIGNALPOST_WORKER", "DISCORD_WEBHOOK_SIGNAL_FREE"]
KEYS = [setting.key for setting in SETTINGS]
TABLES = st.fixed_dictionaries({"webhook": HOSTILE, "webhook_file": HOSTILE, "messages_a_minute": HOSTILE})


def _shown(*sources: str, error: BaseException | None) -> Iterator[str]:
    yield from sources
    while error is not None:
        yield repr(error)
        error = error.__cause__ or error.__context__


def _all_that_is_told(environment: dict[str, str], flags: dict[str, str]) -> str:
    try:
        config = Config.from_environment(environment, flags=flags)
    except InvalidConfiguration as fault:
        return "\n".join(_shown(error=fault))
    shown = [str(config.http), *config.warnings]
    return "\n".join((*shown, repr(config.destinations), repr(config.look)))


def _in_toml(values: dict[str, str]) -> str:
    return "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())


@given(st.dictionaries(st.sampled_from(VARIABLES), HOSTILE), st.dictionaries(st.sampled_from(VARIABLES), HOSTILE))
def test_nothing_of_a_variable_is_shown(environment: dict[str, str], flags: dict[str, str]) -> None:
    with TemporaryDirectory() as folder, chdir(folder):
        assert TOKEN not in _all_that_is_told(environment, flags)


@given(
    st.dictionaries(st.sampled_from(KEYS), HOSTILE),
    st.dictionaries(st.sampled_from(["community", "signals-gold", TOKEN]), TABLES),
    st.dictionaries(
        st.sampled_from(["gold", TOKEN]), st.fixed_dictionaries({"rank": HOSTILE, "signals_to": HOSTILE}), max_size=2
    ),
    HOSTILE,
    st.booleans(),
)
def test_nothing_of_a_file_is_shown(
    said: dict[str, str],
    destinations: dict[str, dict[str, str]],
    tiers: dict[str, dict[str, str]],
    key: str,
    has_a_stray_line: bool,
) -> None:
    tables = [f"[destinations.{json.dumps(name)}]\n{_in_toml(table)}" for name, table in destinations.items()]
    tables += [f"[tiers.{json.dumps(name)}]\n{_in_toml(table)}" for name, table in tiers.items()]
    stray = key if has_a_stray_line else f"{json.dumps(key)} = 1"
    with TemporaryDirectory() as folder, chdir(folder):
        Path("s.toml").write_text("\n".join((_in_toml(said), stray, *tables)), encoding="utf-8")
        assert TOKEN not in _all_that_is_told({"SIGNALPOST_CONFIG": "s.toml"}, {})


@given(st.lists(st.tuples(st.sampled_from([*VARIABLES, "OTHER", ""]), HOSTILE)))
def test_nothing_of_a_dot_env_or_of_a_secret_file_is_shown(lines: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder, chdir(folder), pytest.MonkeyPatch.context() as patch:
        Path(".env").write_text("\n".join("=".join(line) for line in lines), encoding="utf-8")
        for number, (_, text) in enumerate(lines[:1]):
            Path(f"secret{number}").write_text(text, encoding="utf-8")
            patch.setenv("DISCORD_WEBHOOK_COMMUNITY_FILE", f"secret{number}")
        try:
            shown = "\n".join(Config.from_environment().warnings)
        except InvalidConfiguration as fault:
            shown = "\n".join(_shown(error=fault))
        assert TOKEN not in shown
        assert TOKEN not in "\n".join(map(str, checked(Flags(Path("home"))).faults))


@pytest.mark.parametrize(
    "start", [Config.from_environment, AsyncNotificationStartup(NotificationIntegration()).on_strategy_start]
)
def test_no_variable_of_a_traceback_shows_a_webhook_if_a_setting_is_invalid(
    start: Callable[[], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error collectors record the variables of each frame."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNALPOST_WORKERS", "abc")
    monkeypatch.setenv("DISCORD_WEBHOOK_COMMUNITY", url())
    monkeypatch.setenv("SIGNALPOST_CONFIG", "s.toml")
    Path(".env").write_text(f"DISCORD_WEBHOOK_SIGNALS_FREE={url(2)}\nSIGNALPOST_RESERVE=x\n", encoding="utf-8")
    Path("s.toml").write_text(f'limits = "x"\n[destinations.signals-premium]\nwebhook = "{url(3)}"', encoding="utf-8")
    with pytest.raises(InvalidConfiguration) as caught:
        start()
    assert "SIGNALPOST_WORKERS" in {fault.field for fault in caught.value.errors}
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "flags = " in shown, "the variables are shown"
    assert TOKEN not in shown
