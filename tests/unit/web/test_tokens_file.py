"""The file of tokens: its contents, its permissions, and damage."""

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration, InvalidValue
from signalpost.testing.manual_clock import ManualClock
from signalpost.web.tokens import Scope, Token, TokensFile, found
from tests.surface.errors import Facts, facts_of


def made(file: TokensFile, name: str = "bot") -> str:
    return file.add(name, UserTier.FREE, (Scope.API,))[1].reveal()


def test_a_token_is_256_random_bits_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    file = TokensFile(tmp_path / "home")
    first, second = made(file), made(file, "other")
    assert first != second
    assert first.startswith("sp_")
    assert len(first) == 3 + 43
    kept = file.path.read_text()
    assert first not in kept
    assert first[3:] not in kept
    assert {each.name for each in file.read()} == {"bot", "other"}


def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = TokensFile(tmp_path / "home")
    made(file)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.path.parent.iterdir()] == ["tokens.json"]


def test_a_token_is_found_by_its_text_and_by_no_other(tmp_path: Path) -> None:
    file = TokensFile(tmp_path)
    text = made(file)
    made(file, "other")
    token = found(text, file.read())
    assert token is not None
    assert token.name == "bot"
    for other in ("", text[:-1], text + "x", text.upper(), "\ud800"):
        assert found(other, file.read()) is None


def test_no_repr_shows_a_token(tmp_path: Path) -> None:
    token, text = TokensFile(tmp_path).add("bot", UserTier.FREE, (Scope.API,))
    assert text.reveal() not in repr((token, text))


def test_a_token_has_its_time_from_the_clock(tmp_path: Path) -> None:
    instant = datetime(2026, 8, 20, tzinfo=UTC)
    with ManualClock(instant):
        token, _ = TokensFile(tmp_path).add("bot", UserTier.PREMIUM, (Scope.TRADINGVIEW, Scope.API))
    assert TokensFile(tmp_path).read() == (token,)
    assert (token.made_at, token.tier, token.scopes) == (instant, "premium", (Scope.TRADINGVIEW, Scope.API))


def test_a_name_is_unique_and_plain(tmp_path: Path) -> None:
    file = TokensFile(tmp_path)
    made(file)
    with pytest.raises(InvalidValue, match="'bot'") as refusal:
        made(file)
    assert facts_of(refusal.value) == [Facts("conflict", "name", "'bot'")]
    for name in ("", "-bot", "Bot", "a b", "a/b", "n" * 33, "a\n"):
        with pytest.raises(InvalidValue) as refusal:
            made(file, name)
        assert facts_of(refusal.value) == [Facts("invalid-name", "name", repr(name), "32")]
    assert len(file.read()) == 1


def test_a_revoked_token_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    file = TokensFile(tmp_path)
    text, other = made(file), made(file, "other")
    assert file.revoke("bot").name == "bot"
    assert found(text, file.read()) is None
    assert found(other, file.read()) is not None
    with pytest.raises(InvalidValue, match="signalpost tokens list") as refusal:
        file.revoke("bot")
    assert facts_of(refusal.value) == [Facts("not-found", "name", "'bot'")]


def test_concurrent_changes_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(lambda number: made(TokensFile(tmp_path), f"bot-{number}"), range(24)))
    assert all(found(text, TokensFile(tmp_path).read()) for text in texts)


def test_without_a_file_there_are_no_tokens(tmp_path: Path) -> None:
    assert TokensFile(tmp_path / "nowhere").read() == ()


KEPT = {"name": "bot", "tier": "free", "scopes": ["api"], "made_at": "2026-01-01T00:00:00Z", "sha256": "a" * 64}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"version": 1, "tokens": [{"name": "bot"}]}',
        '{"version": 1, "more": 1}',
        *(json.dumps({"version": 1, "tokens": [{**KEPT, name: "?"}]}) for name in KEPT),
        json.dumps({"version": 1, "tokens": [{**KEPT, "webhook": "https://discord.com/api/webhooks/1/x"}]}),
    ],
)
def test_a_damaged_file_is_an_error_that_shows_nothing_of_it(tmp_path: Path, text: str) -> None:
    file = TokensFile(tmp_path)
    file.path.write_text(text)
    with pytest.raises(InvalidConfiguration, match=r"tokens\.json") as caught:
        file.read()
    assert facts_of(caught.value) == [Facts("damaged")]
    assert caught.value.__cause__ is None
    with pytest.raises(InvalidConfiguration):
        made(file)
    assert file.path.read_text() == text, "it is not written over"


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    file = TokensFile(tmp_path)
    file.path.write_text('{"version": 2, "tokens": []}')
    with pytest.raises(InvalidConfiguration, match=r"tokens\.json") as refusal:
        made(file)
    assert facts_of(refusal.value) == [Facts("newer-version", None, "2", "1")]


def test_a_file_that_cannot_be_read_or_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidConfiguration, match=rf"tokens\.json.*{os.strerror(errno.ENOTDIR)}") as refusal:
        TokensFile(tmp_path / "file").read()
    assert refusal.value.code == "not-readable"
    with pytest.raises(InvalidConfiguration, match=rf"tokens\.json.*{os.strerror(errno.EEXIST)}") as refusal:
        made(TokensFile(tmp_path / "file"))
    assert refusal.value.code == "not-writable"


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TokensFile(tmp_path)
    text = made(file)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InvalidConfiguration, match=os.strerror(errno.ENOSPC)) as refusal:
        made(file, "other")
    assert refusal.value.code == "not-writable"
    assert found(text, file.read()) is not None
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.json"]


def test_a_token_with_a_damaged_hash_is_refused() -> None:
    with pytest.raises(InvalidValue, match="bot") as refusal:
        Token(name="bot", tier="free", scopes=(), made_at=datetime(2026, 1, 1, tzinfo=UTC), sha256="x")
    assert facts_of(refusal.value) == [Facts("damaged", "sha256")]


def test_a_pipe_in_place_of_the_file_is_refused_without_waiting(tmp_path: Path) -> None:
    file = TokensFile(tmp_path)
    os.mkfifo(file.path)
    with pytest.raises(InvalidConfiguration) as raised:
        file.read()
    assert raised.value.code == "not-readable"
