"""The descriptors of `serve`, and the number of connections it accepts."""

import resource

import pytest

from signalpost.cli.serve import max_connections, raise_open_file_limit

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "wanted"),
    [((1_024, 4_096), 4_096), ((1_024, 1_000_000), 65_536), ((256, INFINITE), 65_536), ((4_096, 4_096), None)],
)
def test_the_soft_limit_is_raised_towards_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], wanted: int | None
) -> None:
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: made.append(limits))
    raise_open_file_limit()
    assert made == ([] if wanted is None else [(wanted, before[1])])


def test_a_limit_that_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4_096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    raise_open_file_limit()


@pytest.mark.parametrize(
    ("soft", "senders", "most"),
    [(512, 14, 356), (1_024, 14, 868), (65_536, 100, 1_000), (100, 14, 16), (INFINITE, 1, 1_000)],
)
def test_connections_leave_descriptors_for_the_service(
    monkeypatch: pytest.MonkeyPatch, soft: int, senders: int, most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))
    assert max_connections(senders) == most
