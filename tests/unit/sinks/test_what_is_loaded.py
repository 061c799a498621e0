import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["sinks", "sinks.discord.address", "sinks.discord.message", "sinks.discord.outcome", "domain.sessions"]
)
def test_a_pure_module_loads_no_network(module: str) -> None:
    code = f"import sys, signalpost.{module}; print(sorted({{'aiohttp', 'asyncio', 'yarl', 'ssl'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"
