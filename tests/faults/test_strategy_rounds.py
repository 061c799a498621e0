"""P8: strategies that are killed again and again make the signals of a batch computation, and each is shown once."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.acceptance.conftest import environment_of, running_sandbox
from tests.acceptance.serving import serving
from tests.faults.strategy_rounds import play, table
from tests.faults.strategy_rounds_candles import settings
from tests.faults.test_kill_service import SEED
from tests.faults.valkey_server import PrivateValkey
from tests.size import size

ROUNDS = size(3, 30)


def test_strategies_that_are_killed_make_the_signals_of_a_batch_computation(tmp_path: Path) -> None:
    sys.stdout.write(f"seed {SEED}\n")
    found = play(ROUNDS, SEED, with_valkey=True, keep=tmp_path)
    sys.stdout.write(f"{table(found)}\n")
    assert found.faults == []
    assert found.expected


def test_they_do_so_too_on_candles_that_are_incomplete_for_a_while(tmp_path: Path) -> None:
    found = play(size(1, 30), SEED, with_oanda=True, keep=tmp_path)
    assert found.faults == []


def test_health_says_that_the_cache_is_away_and_that_it_is_back(tmp_path: Path) -> None:
    (tmp_path / "candles").mkdir()
    (tmp_path / "signalpost.toml").write_text(settings(), encoding="utf-8")
    redis = PrivateValkey(tmp_path, password="a-secret-password")
    with running_sandbox() as sandbox:
        environment = environment_of(sandbox.url, tmp_path / "home") | {
            "SIGNALPOST_CONFIG": str(tmp_path / "signalpost.toml"),
            "REDIS_URL": redis.url.reveal(),
        }
        with serving(environment) as served:
            _wait_for(lambda: "cache-degraded" in served.causes())
            assert "a-secret-password" not in str(served.get("/health"))
            redis.start()
            try:
                _wait_for(lambda: "cache-degraded" not in served.causes())
            finally:
                redis.kill()
        assert "a-secret-password" not in served.text()


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)
