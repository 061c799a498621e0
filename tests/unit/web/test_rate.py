from signalpost.web.auth import MOST_KEYS, Rate, Rates


def test_a_burst_is_free_and_then_so_many_a_second() -> None:
    rates = Rates(Rate(burst=3, a_second=0.5))
    assert [rates.wait("a", 10.0) for _ in range(4)] == [0, 0, 0, 2.0]
    assert rates.wait("a", 11.0) == 1.0, "a refusal takes no token"
    assert rates.wait("a", 12.0) == 0
    assert rates.wait("a", 12.0) == 2.0


def test_each_key_has_its_own_and_rest_fills_no_further_than_the_burst() -> None:
    rates = Rates(Rate(burst=1, a_second=1))
    assert rates.wait("a", 0.0) == 0
    assert rates.wait("b", 0.0) == 0
    assert [rates.wait("a", 1_000.0) for _ in range(2)] == [0, 1.0]


def test_the_keys_that_are_remembered_are_bounded_and_the_stalest_starts_anew() -> None:
    rates = Rates(Rate(burst=1, a_second=0.001))
    for number in range(MOST_KEYS + 1):
        assert rates.wait(number, 0.0) == 0
    assert rates.wait(1, 0.0) > 0
    assert rates.wait(0, 0.0) == 0
