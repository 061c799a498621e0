"""What others hold or leave open never makes a command wait for ever."""

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from signalpost import InvalidConfiguration
from signalpost.config import Config
from signalpost.domain.tier import UserTier
from signalpost.web.tokens import Scope, TokensFile

PATIENCE = 5


def refusal(work: Callable[[], object]) -> str:
    """What `work` is refused with; it must end by itself."""
    said: list[str] = []

    def run() -> None:
        try:
            said.append(f"made {work()}")
        except InvalidConfiguration as fault:
            said.append(str(fault))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert said, "it waits for ever"
    return said[0]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.mark.line("6.4.4")
def test_a_pipe_to_which_nobody_writes_is_refused_as_a_secret(pipe: Path) -> None:
    environment = {"DISCORD_WEBHOOK_URL_FILE": str(pipe)}
    try:
        assert "pipe" in refusal(lambda: Config.from_environment(environment))
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # whoever still waits for a writer goes on


@pytest.mark.line("6.4.4")
def test_a_pipe_to_which_nobody_writes_is_refused_as_a_file_of_settings(pipe: Path) -> None:
    try:
        assert "pipe" in refusal(lambda: Config.from_environment({"SIGNALPOST_CONFIG": str(pipe)}))
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


def test_a_pipe_to_which_somebody_writes_is_read_to_its_end(pipe: Path) -> None:
    """As a shell's `<(pass show webhook)` is."""
    url = "http://127.0.0.1:8751/api/webhooks/a/b"
    writer = threading.Thread(target=lambda: pipe.write_text(f"{url}\n"))
    writer.start()
    config = Config.from_environment({"DISCORD_WEBHOOK_URL_FILE": str(pipe)})
    writer.join()
    assert config.destinations[0].webhook.reveal() == url


@pytest.mark.line("6.4.4")
def test_a_lock_of_another_program_does_not_hold_the_tokens_up_for_ever(tmp_path: Path) -> None:
    holder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        told = refusal(lambda: TokensFile(tmp_path).add("bot", UserTier.FREE, (Scope.API,)))
        assert str(tmp_path) in told
    finally:
        os.close(holder)
