"""The oracle of the kill tests finds each broken promise, and nothing in a good run."""

from collections.abc import Callable

import pytest

from tests.faults.oracle import Answer, Copy, Evidence, Kept, findings, late_originals

ANSWERS = [
    Answer("s1e0", "s1", 0, "free", "accepted", "01"),
    Answer("s1e1", "s1", 1, "free", "accepted", "02"),
    Answer("s1e0", "s1", 0, "free", "duplicate", "01"),
    Answer("a1e0", "a1", 0, "alerts", "duplicate", "03", tries=2),
]
COPIES = [
    Copy("free", "s1e0", "m1"),
    Copy("free", "s1e0", "m2", is_marked=True),
    Copy("free", "s1e1", "m3"),
    Copy("alerts", "a1e0", "m4"),
]
KEPT = [
    Kept("01", "s1e0", "free", "delivered", "m2", True, ("lapsed", "delivered")),
    Kept("02", "s1e1", "free", "delivered", "m3", False, ("unavailable", "delivered")),
    Kept("03", "a1e0", "alerts", "unconfirmed", None, True, ("unconfirmed", "unconfirmed")),
]


def _case(
    answers: Callable[[list[Answer]], object] = lambda _: None,
    copies: Callable[[list[Copy]], object] = lambda _: None,
    kept: Callable[[list[Kept]], object] = lambda _: None,
) -> Evidence:
    """The good run, with changes."""
    evidence = Evidence(list(ANSWERS), list(COPIES), list(KEPT))
    for change, part in zip((answers, copies, kept), evidence, strict=True):
        change(part)
    return evidence


def _put(index: int, **changes: object) -> Callable[[list], object]:
    return lambda part: part.__setitem__(index, part[index]._replace(**changes))


def test_a_good_run_has_no_findings() -> None:
    assert findings(_case()) == []
    assert findings(_case(copies=lambda copies: copies.pop())) == [], "unanswered twice: it may be unshown"


def test_one_late_original_of_each_delivery_is_moved_to_where_it_was_sent() -> None:
    late = _case(copies=lambda copies: copies.append(copies.pop(0)))
    assert findings(late)
    in_time, count = late_originals(late)
    assert (findings(in_time), count) == ([], 1)
    assert late_originals(_case()) == (_case(), 0)
    twice = _case(copies=lambda copies: (copies.append(copies[0]), copies.append(copies.pop(0))))
    assert late_originals(twice)[1] == 0


BROKEN = {
    "a1e0 was refused": _case(answers=_put(3, outcome="refused")),
    "called a duplicate when it was submitted first": _case(answers=_put(3, tries=1)),
    "s1e0 was accepted again": _case(answers=_put(2, outcome="accepted")),
    "answered as 01, and again as 09": _case(answers=_put(2, id="09")),
    "s1e1 was accepted as 02, and is gone": _case(kept=lambda kept: kept.pop(1)),
    "stored as 04, which no producer got": _case(kept=lambda kept: kept.append(KEPT[1]._replace(id="04"))),
    "should go to free, and is stored as [('s1e1', 'paid')]": _case(kept=_put(1, destination="paid")),
    "is stored as [('s1e1', 'free'), ('s1e1', 'free')]": _case(kept=lambda kept: kept.append(KEPT[1])),
    "s1e1 ended as pending": _case(kept=_put(1, state="pending")),
    "s1e1 ended as leased": _case(kept=_put(1, state="leased")),
    "s1e1 ended as dead": _case(kept=_put(1, state="dead")),
    "ended as unconfirmed, after ('unavailable', 'delivered')": _case(kept=_put(1, state="unconfirmed")),
    "delivered as m9, which was never shown": _case(kept=_put(1, message_id="m9")),
    "s1e1 was never shown": _case(copies=lambda copies: copies.pop(2)),
    "a1e0 was never shown, after ('unconfirmed',)": _case(
        copies=lambda copies: copies.pop(3), kept=_put(2, attempts=("unconfirmed",))
    ),
    "s1e1 was shown 2 times": _case(copies=lambda copies: copies.insert(3, COPIES[2]._replace(is_marked=True))),
    "s1e0 was shown 2 times, after ('delivered',)": _case(kept=_put(0, attempts=("delivered",), may_repeat=False)),
    "s1e1 was shown in paid, and is not stored": _case(copies=lambda copies: copies.append(Copy("paid", "s1e1", "m5"))),
    "s1e0 was shown again without a mark": _case(copies=_put(1, is_marked=False)),
    "s1e1 is marked as a repeat without a reason": _case(copies=_put(2, is_marked=True)),
    "stored with may_repeat False": _case(kept=_put(0, may_repeat=False)),
    "stored with may_repeat True, after ('unavailable', 'delivered')": _case(kept=_put(1, may_repeat=True)),
    "s1e0 was shown after s1e1": _case(copies=lambda copies: copies.insert(2, copies.pop(1))),
}


@pytest.mark.parametrize("finding", BROKEN)
def test_each_broken_promise_is_found(finding: str) -> None:
    found = findings(BROKEN[finding])
    assert any(finding in each for each in found), found
