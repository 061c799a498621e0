import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["sinks", "sinks.discord.address", "sinks.discord.message", "sinks.discord.outcome", "domain.sessions"]
)
def test_decisions_load_no_network_modules(module: str) -> None:
    told = f"import sys, signalpost.{module}; print(sorted({{'aiohttp', 'asyncio', 'yarl', 'ssl'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"
