"""A pipe or lock of another program never blocks a command forever."""

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
    """The text of the error that `work` raises; it must end within 5 seconds."""
    said: list[str] = []

    def run() -> None:
        try:
            said.append(f"made {work()}")
        except InvalidConfiguration as fault:
            said.append(str(fault))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert said, "it waits forever"
    return said[0]


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def test_a_pipe_without_a_writer_is_refused_as_a_secret(pipe: Path) -> None:
    environment = {"DISCORD_WEBHOOK_URL_FILE": str(pipe)}
    try:
        assert str(pipe) in refusal(lambda: Config.from_environment(environment))
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # unblocks a reader that still waits for a writer


def test_a_pipe_without_a_writer_is_refused_as_a_settings_file(pipe: Path) -> None:
    try:
        assert str(pipe) in refusal(lambda: Config.from_environment({"SIGNALPOST_CONFIG": str(pipe)}))
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))


def test_a_pipe_with_a_writer_is_read_to_its_end(pipe: Path) -> None:
    """A shell makes such a pipe for `<(pass show webhook)`."""
    url = "http://127.0.0.1:8751/api/webhooks/a/b"
    writer = threading.Thread(target=lambda: pipe.write_text(f"{url}\n"))
    writer.start()
    config = Config.from_environment({"DISCORD_WEBHOOK_URL_FILE": str(pipe)})
    writer.join()
    assert config.destinations[0].webhook.reveal() == url


def test_a_lock_of_another_program_does_not_block_tokens_forever(tmp_path: Path) -> None:
    holder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        text = refusal(lambda: TokensFile(tmp_path).add("bot", UserTier.FREE, (Scope.API,)))
        assert str(tmp_path) in text
    finally:
        os.close(holder)
