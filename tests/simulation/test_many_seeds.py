from concurrent.futures import ThreadPoolExecutor

from simulation.run import simulate
from tests.simulation.process import simulation
from tests.size import IS_FULL, size

SEEDS, HOURS = size(60, 200), 2 if IS_FULL else 1.5
SAME, PROCESSES = size(1, 50), size(2, 3)


def test_many_seeds_keep_every_promise_and_see_every_fault() -> None:
    """A failing seed is printed with the command that repeats it; add it to test_kept_seeds.py."""
    ran = simulation("--seeds", str(SEEDS), "--hours", str(HOURS))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"0 of {SEEDS} seeds break a promise" in ran.stdout


def test_a_seed_gives_the_same_run_again() -> None:
    """A run must leave nothing behind on which the next one depends."""
    assert len({simulate(7, 1).digest for _ in range(2)}) == 1


def test_seeds_give_the_same_events_under_every_hash_seed() -> None:
    """The digest covers all events in order, so it would reveal a dependence on the order of a set."""
    with ThreadPoolExecutor(2) as pool:
        runs = pool.map(
            lambda seed: simulation("--digests", "--seeds", str(SAME), hash_seed=seed), map(str, range(PROCESSES))
        )
    first, *others = (ran.stdout.splitlines() for ran in runs)
    assert len(first) == SAME
    assert others == [first] * (PROCESSES - 1)
