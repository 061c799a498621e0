import subprocess
import sys

PURE = ("sinks", "sinks.discord.address", "sinks.discord.message", "sinks.discord.outcome", "domain.sessions")


def test_a_pure_module_loads_no_network() -> None:
    modules = ", ".join(f"signalpost.{name}" for name in PURE)
    code = f"import sys, {modules}; print(sorted({{'aiohttp', 'asyncio', 'yarl', 'ssl'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout.strip() == "[]"
