"""`REDIS_URL`: read from its sources, validated, and shown without its password."""

import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost import Config, InvalidConfiguration
from signalpost.cli.check import checked
from signalpost.cli.options import Flags
from signalpost.secret import Secret
from signalpost.trading.redis_cache import RedisCache
from signalpost.trading.redis_url import client_of, masked, redis_url, server_of
from tests.unit.config.test_secrets_never_shown import _shown

PASSWORD = "SECRETpart"
BAD = [
    PASSWORD,
    f"redis:{PASSWORD}@127.0.0.1",
    f"redis:/{PASSWORD}@127.0.0.1",
    f"http://:{PASSWORD}@127.0.0.1",
    f"redis://:12345/{PASSWORD}@127.0.0.1:6399/0",
    f"redis://user:1234/{PASSWORD}@127.0.0.1:6399",
    f"redis://user:1234?{PASSWORD}@127.0.0.1:6399",
    f"redis://user:1234?db={PASSWORD}@127.0.0.1:6399",
    f"redis://abc#{PASSWORD}@127.0.0.1:6399",
    f"redis://abc/0#{PASSWORD}",
    f"redis://abc:1/{PASSWORD}",
    f"redis://:{PASSWORD}@127.0.0.1:99999",
    f"redis://:{PASSWORD}@127.0.0.1:0",
    f"redis://:{PASSWORD}@127.0.0.1:port",
    f"redis://:{PASSWORD}@[::1",
    f"redis://:{PASSWORD}@",
    f"redis://:{PASSWORD}@a b",
    f"redis://:{PASSWORD}@a\tb",
    f"redis://:{PASSWORD}@a%62",
    f"redis://:{PASSWORD}@a/0/1",
    f"redis://:{PASSWORD}@a?x",
    f"redis://a?db={PASSWORD}",
    f"redis://a?unknown={PASSWORD}",
    f"redis://a?{PASSWORD}=1",
    f"redis://a?host={PASSWORD}",
    f"redis://a?ssl_cert_reqs={PASSWORD}",
    f"rediss://:{PASSWORD}@a?ssl_cert_reqs=wrong",
    f"redis://a?socket_timeout={PASSWORD}",
    f"redis://a?connection_class={PASSWORD}",
    f"unix://{PASSWORD}/x",
    f"unix://:12/{PASSWORD}@/x",
    f"unix://:{PASSWORD}@",
    f"unix://:{PASSWORD}@/",
]
GOOD = {
    f"redis://:{PASSWORD}@127.0.0.1": ("127.0.0.1:6379", "redis://***@127.0.0.1:6379"),
    f"REDIS://me:{PASSWORD}@my_redis:1/": ("my_redis:1", "redis://***@my_redis:1/"),
    f"redis://{PASSWORD}@[::1]:7/15": ("[::1]:7", "redis://***@[::1]:7/15"),
    f"redis://:p@{PASSWORD}:ä@a.example": ("a.example:6379", "redis://***@a.example:6379"),
    f"redis://:{PASSWORD}%2F%3F%23%40@a/0": ("a:6379", "redis://***@a:6379/0"),
    "redis://a/0": ("a:6379", "redis://a:6379/0"),
    f"rediss://a/1?ssl_cert_reqs=none&password={PASSWORD}": ("a:6379", "rediss://a:6379/1?***"),
    f"unix://:{PASSWORD}@/run/redis.sock": ("/run/redis.sock", "unix://***@/run/redis.sock"),
    f"unix:///run/redis.sock?db=1&password={PASSWORD}": ("/run/redis.sock", "unix:///run/redis.sock?***"),
}


def invalid(url: str) -> InvalidConfiguration:
    with pytest.raises(InvalidConfiguration) as raised:
        Config.from_environment({"REDIS_URL": url})
    return raised.value


@pytest.mark.parametrize("url", BAD)
def test_an_invalid_url_is_refused_when_settings_are_read_and_no_part_of_it_is_shown(url: str) -> None:
    error = invalid(url)
    assert (error.code, error.field, error.errors[0].value) == ("invalid-url", "REDIS_URL", None)
    with pytest.raises(InvalidConfiguration) as raised:
        RedisCache(Secret(url), "folder")
    assert raised.value.errors[0]._replace(text="") == error.errors[0]._replace(text="")
    assert PASSWORD not in "\n".join((*_shown(error=error), *_shown(error=raised.value)))


@pytest.mark.parametrize(("url", "server", "shown"), [(url, *facts) for url, facts in GOOD.items()])
def test_a_valid_url_is_shown_without_its_password(url: str, server: str, shown: str) -> None:
    config = Config.from_environment({"REDIS_URL": f" {url} "})
    assert config.redis_url == Secret(url)
    assert (server_of(config.redis_url), masked(config.redis_url)) == (server, shown)
    assert client_of(config.redis_url)
    assert PASSWORD not in repr(config)


@given(st.text("/?#@:%[]1a", max_size=12), st.text("/?#@:%[]1a", max_size=4))
def test_no_password_is_ever_taken_for_a_server(before: str, after: str) -> None:
    """However a password is written, the server that is shown is the one that follows its last @."""
    shown = "redis://***@127.0.0.1:6399/0"
    try:
        shown = masked(redis_url(f"redis://:{before}{PASSWORD}{after}@127.0.0.1:6399/0"))
    except InvalidConfiguration as error:
        refused: BaseException | None = error
    else:
        refused = None
    assert shown == "redis://***@127.0.0.1:6399/0"
    assert PASSWORD not in "\n".join(_shown(error=refused))


def test_it_is_optional() -> None:
    assert Config.from_environment({}).redis_url is None
    assert Config.from_environment({"REDIS_URL": " "}).redis_url is None
    assert masked(None) == ""


def test_without_the_extra_its_options_are_not_checked() -> None:
    with patch("signalpost.trading.redis_url.find_spec", return_value=None):
        assert redis_url("redis://a?unknown=1").reveal() == "redis://a?unknown=1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_can_be_in_a_dot_env(folder: Path) -> None:
    (folder / ".env").write_text(f"REDIS_URL=redis://:{PASSWORD}@a\n")
    assert Config.from_environment().redis_url == Secret(f"redis://:{PASSWORD}@a")
    (folder / ".env").write_text(f"REDIS_URL={PASSWORD}\n")
    with pytest.raises(InvalidConfiguration) as raised:
        Config.from_environment()
    assert (raised.value.code, raised.value.field) == ("invalid-url", "REDIS_URL")
    assert ".env, line 1" in str(raised.value)


def test_check_shows_it_and_its_source(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:{PASSWORD}@a/3")
    plain = checked(Flags(folder / "home")).plain
    shown = {"value": "redis://***@a:6379/3", "from": "environment", "variable": "REDIS_URL"}
    assert plain["settings"]["redis_url"] == shown
    assert PASSWORD not in str(plain)
    monkeypatch.setenv("REDIS_URL", f"redis://:1/{PASSWORD}@a/3")
    (error,) = checked(Flags(folder / "home")).plain["errors"]
    assert (error["code"], error["field"], PASSWORD in str(error)) == ("invalid-url", "REDIS_URL", False)
    monkeypatch.delenv("REDIS_URL")
    assert "redis_url" not in checked(Flags(folder / "home")).plain["settings"]


def test_check_reports_that_the_extra_is_missing_if_strategies_need_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "candles").mkdir()
    file = folder / "signalpost.toml"
    file.write_text(
        '[feeds.f]\nkind = "folder"\npath = "candles"\n'
        '[[strategy]]\npair = "EUR_USD"\ntimeframe = "H1"\nfast = 1\nslow = 2\nfeed = "f"\n'
    )
    monkeypatch.setenv("REDIS_URL", "redis://a")
    flags = Flags(folder / "home", file)
    assert checked(flags).faults == ()
    with patch.dict(sys.modules, {"redis.asyncio": None}):
        assert [(each.code, each.field) for each in checked(flags).faults] == [("not-installed", "REDIS_URL")]
        assert checked(Flags(folder / "home")).faults == ()
