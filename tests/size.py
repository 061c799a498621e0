"""How much a test does: enough for every commit, or the whole of it (`make test-all`)."""

import os

IS_FULL = os.environ.get("TESTS") == "all"


def size(per_commit: int, full: int) -> int:
    """Return how many random cases to try, or how often to kill a process."""
    return full if IS_FULL else per_commit
