import asyncio
import json
import os
import re
import signal
import socket

import pytest
from click.testing import CliRunner

from signalpost.cli import main
from signalpost.cli.sandbox import _run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_prints_where_to_send_and_runs_until_a_signal(
    number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    running = asyncio.create_task(_run(0, None, "raised"))
    printed = ""
    async with asyncio.timeout(20):
        while "/_log\n" not in printed:
            await asyncio.wait([running], timeout=0.01)
            printed += capsys.readouterr().out
        os.kill(os.getpid(), number)
        await running
    assert len(re.findall(r"^export DISCORD_WEBHOOK_\w+=http://127\.0\.0\.1:\d+/api/v10/", printed, re.MULTILINE)) == 7


def test_a_busy_port_is_bad_input() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["sandbox", "--port", port, "--json"])
    assert result.exit_code == 2
    assert port in result.stderr
    assert [each["code"] for each in json.loads(result.stdout)["errors"]] == ["port-in-use"]


def test_its_help_shows_how_to_send_and_how_to_make_something_fail() -> None:
    result = CliRunner().invoke(main, ["sandbox", "--help"])
    assert result.exit_code == 0
    assert "/api/v10/webhooks/signals-free/any-token" in result.stdout
    assert "http://127.0.0.1:8751/_faults" in result.stdout
