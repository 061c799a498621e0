"""The rules are pure: time and ids are arguments, and nothing uses a network."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import signalpost.sandbox

RULES = sorted((Path(signalpost.sandbox.__file__).parent / "rules").glob("*.py"))
IMPURE = {"asyncio", "aiohttp", "sqlite3", "time", "random", "os", "socket"}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_rule_imports_nothing_impure(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported & IMPURE == set()


def test_the_rules_load_no_network_and_no_store() -> None:
    code = "import sys, signalpost.sandbox.rules.discord; print({'aiohttp', 'asyncio', 'sqlite3'} & set(sys.modules))"
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COV")}  # it loads sqlite3
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=unmeasured, capture_output=True, text=True, check=True, timeout=30)
    assert run.stdout.strip() == "set()"


def test_no_rule_reads_a_clock() -> None:
    for path in RULES:
        text = path.read_text(encoding="utf-8")
        assert ".now(" not in text
        assert "utcnow" not in text
