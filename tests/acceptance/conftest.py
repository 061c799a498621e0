import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

Environment = dict[str, str]


@pytest.fixture
def sandbox() -> Iterator[str]:
    """The address of a sandbox that runs as a separate process."""
    command = [sys.executable, "-u", "-m", "signalpost", "sandbox", "--port", "0", "--limits", "off"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            address = next(
                found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line))
            )
            yield address
        finally:
            process.terminate()


@pytest.fixture
def environment(sandbox: str, tmp_path: Path) -> Environment:
    """An environment whose webhooks are the sandbox's."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("DISCORD_", "SIGNALPOST_"))}
    for name in ("COLUMNS", "FORCE_COLOR"):
        mine.pop(name, None)
    return {
        **mine,
        "SIGNALPOST_HOME": str(tmp_path / "home"),
        "SIGNALPOST_HTTP": "127.0.0.1:0",
        "DISCORD_WEBHOOK_SIGNALS_FREE": f"{sandbox}/api/v10/webhooks/signals-free/some-token",
        "DISCORD_WEBHOOK_ALERTS_CRITICAL": f"{sandbox}/api/v10/webhooks/alerts-critical/some-token",
    }
