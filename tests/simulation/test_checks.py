"""The checks must be able to fail: each manipulation of a clean record is found."""

import re
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from simulation.check import findings
from simulation.faults import Proof
from simulation.reader import Card
from simulation.recorder import Request
from simulation.run import Run, simulate

CLEAN = 557
"""A seed without faults, crashes and clock steps."""

Tampering = Callable[[Run], None]


def _shown(run: Run) -> Request:
    """The last message that was shown."""
    return next(each for each in reversed(run.recorder.requests) if each.message_id and each.proof is Proof.SHOWN)


def _of_the_busiest(run: Run) -> list[Request]:
    """The requests of the destination with the most requests."""
    (busiest, _), *_ = Counter(each.place for each in run.recorder.requests).most_common(1)
    return [each for each in run.recorder.requests if each.place == busiest]


def _lose_an_acceptance(run: Run) -> None:
    last = run.recorder.commits[-1].id
    del run.recorder.refs[last]
    run.recorder.commits[:] = [each for each in run.recorder.commits if each.id != last]


def _end_twice(run: Run) -> None:
    run.recorder.commits.append(run.recorder.commits[-1]._replace(state="dead"))


def _leave_open(run: Run) -> None:
    run.recorder.left_open = [("x", 1, "community")]


def _raise(run: Run) -> None:
    run.recorder.raised.append("n00001: OSError")


def _send_again(run: Run) -> None:
    request = _shown(run)
    run.recorder.requests.append(replace(request, number=10**6, began=request.began + 60, ended=request.began + 61))


def _send_what_is_stale(run: Run) -> None:
    request = _shown(run)
    request.utc += timedelta(days=9)


def _last_too_long(run: Run) -> None:
    request = _shown(run)
    assert request.ended is not None
    request.ended += 9 * 86_400


def _show_elsewhere(run: Run) -> None:
    request = _shown(run)
    others = {"community": "signals-free"}
    request.place = others.get(request.place, "community")


def _throttle(run: Run) -> None:
    request = _shown(run)
    request.fault, request.proof, request.scope = "429 of our own making", Proof.WAIT, "user"


def _find_it_gone(run: Run) -> None:
    _of_the_busiest(run)[0].proof = Proof.GONE


def _fail_five_times(run: Run) -> None:
    for request in [each for each in _of_the_busiest(run) if each.method == "POST"][-6:-1]:
        request.proof = Proof.NOT_SHOWN


def _wait_for_nothing(run: Run) -> None:
    for request in run.recorder.requests:
        request.began += 30
        request.ended = None if request.ended is None else request.ended + 30


def _edits(run: Run) -> list[Request]:
    """The edits that were carried out, of trades that somebody changed."""
    return [each for each in run.recorder.requests if each.method == "PATCH" and each.message_id is not None]


def _lose_a_change(run: Run) -> None:
    trade = next(iter(run.recorder.numbers))
    booked = run.recorder.book[trade]
    run.recorder.book[trade] = booked._replace(version=booked.version + 1)


def _accept_a_change_twice(run: Run) -> None:
    run.recorder.amended.append(next(each for each in run.recorder.amended if each.outcome == "accepted"))


def _accept_a_stale_version(run: Run) -> None:
    number = next(n for n, each in enumerate(run.recorder.amended) if each.outcome == "accepted")
    run.recorder.amended[number] = run.recorder.amended[number]._replace(if_version=9)


def _show_an_older_state(run: Run) -> None:
    edit = _edits(run)[-1]
    assert isinstance(edit.trade, Card)
    number = edit.trade.number
    first = next(each for each in run.recorder.requests if [said.number for said in each.trades] == [number])
    again = replace(edit, number=10**6, trade=first.trade)
    run.recorder.requests.append(again)
    assert edit.processed is not None
    again.processed = edit.processed + 60


def _post_a_second_card(run: Run) -> None:
    edit = _edits(run)[-1]
    run.recorder.requests.append(replace(edit, number=10**6, method="POST", edits=None, message_id="9" * 19))


def _leave_a_card_as_it_was(run: Run) -> None:
    booked = run.recorder.book
    shown = {message for trade in booked.values() for _, message, _ in trade.cards}
    last = next(each for each in reversed(_edits(run)) if each.message_id in shown)
    assert last.channel is not None
    (message,) = (each for each in run.discord.guild.messages(last.channel) if each["id"] == last.message_id)
    message["embeds"][0]["title"] = "▲ BUY EUR/USD · 9h"


def _repeat_a_companion(run: Run) -> None:
    last = next(each for each in reversed(run.recorder.requests) if isinstance(each.trade, tuple))
    run.recorder.requests.append(replace(last, number=10**6, message_id="9" * 19))


def _joined(run: Run) -> Request:
    """The last message with companions of several trades."""
    return next(each for each in reversed(run.recorder.requests) if len(each.trades) > 2)


def _leave_a_line_out(run: Run) -> None:
    joined = _joined(run)
    assert isinstance(joined.trade, tuple)
    joined.trade = joined.trade[1:]


def _say_a_line_twice(run: Run) -> None:
    joined = _joined(run)
    assert isinstance(joined.trade, tuple)
    joined.trade = (*joined.trade, joined.trade[0])


def _recap(run: Run) -> dict[str, Any]:
    """The text of a recap with a result."""
    shown = (each for channel in run.discord.guild.channels() for each in run.discord.guild.messages(channel))
    embeds = (message["embeds"][0] for message in shown if message["embeds"])
    return next(each for each in embeds if "recap" in each["footer"]["text"] and " won, " in each["description"])


def _count_a_trade_twice(run: Run) -> None:
    recap = _recap(run)
    recap["description"] = re.sub(r"(\d+) lost", lambda found: f"{int(found[1]) + 1} lost", recap["description"])


def _leave_a_result_out(run: Run) -> None:
    recap = _recap(run)
    recap["description"] = re.sub(r"(Total.*) \S+$", r"\1 +9.99", recap["description"], flags=re.MULTILINE)


def _forget_a_period(run: Run) -> None:
    del run.recorder.recaps[-1]


def _skip_an_hour(run: Run) -> None:
    recap = _recap(run)
    later = "24 Aug 17:00 to 24 Aug 18:00 (Etc/GMT+12)"
    recap["description"] = recap["description"].replace("Day in Etc/GMT+12, until 18:00", later)


TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "an acceptance is lost": (_lose_an_acceptance, "P1"),
    "a delivery ends twice": (_end_twice, "P1"),
    "a delivery stays open": (_leave_open, "P1"),
    "a caller gets an exception": (_raise, "P2"),
    "a message is sent again": (_send_again, "P4"),
    "a message is sent too late": (_send_what_is_stale, "P5"),
    "a send is not cut off": (_last_too_long, "P5"),
    "a message is in another channel": (_show_elsewhere, "P10"),
    "all wait for half a minute": (_wait_for_nothing, "P7"),
    "too many requests": (_throttle, "our own making"),
    "a message is sent to a destination that is down": (_fail_five_times, "while it was down"),
    "a request is sent to a deleted webhook": (_find_it_gone, "gone for good"),
}

OF_TRADES: dict[str, tuple[Tampering, str]] = {
    "a companion of several trades lacks one": (_leave_a_line_out, "P1"),
    "a companion of several trades has one twice": (_say_a_line_twice, "P4"),
    "the book has another version": (_lose_a_change, "P1"),
    "a change is accepted twice": (_accept_a_change_twice, "P1"),
    "a stale version is accepted": (_accept_a_stale_version, "P3"),
    "an older state is shown": (_show_an_older_state, "P3"),
    "a second card has no mark": (_post_a_second_card, "P4"),
    "a card does not show the newest state": (_leave_a_card_as_it_was, "P3"),
    "a companion is repeated": (_repeat_a_companion, "P4"),
    "a recap counts a trade twice": (_count_a_trade_twice, "recaps: "),
    "a recap has another sum": (_leave_a_result_out, "recaps: "),
    "a recap is forgotten": (_forget_a_period, "is missing"),
    "a recap begins later than the one before it ended": (_skip_an_hour, "it begins at"),
}


def clean_run(*, has_trades: bool) -> Run:
    """A copy, to be tampered with, of a run that keeps every promise."""
    run = _clean_run(has_trades=has_trades)
    shared = run.recorder.clocks, run.recorder.order  # which nobody tampers with
    return deepcopy(run, {id(each): each for each in shared})


@cache
def _clean_run(*, has_trades: bool) -> Run:
    run = simulate(CLEAN, 1, has_trades=has_trades)
    assert findings(run) == []
    return run


@pytest.mark.parametrize("has_trades", [False, True])
def test_a_copy_of_a_clean_run_is_clean(has_trades: bool) -> None:
    assert findings(clean_run(has_trades=has_trades)) == []


@pytest.mark.parametrize("name", OF_TRADES)
def test_a_broken_promise_about_a_trade_is_found(name: str) -> None:
    tamper, expected = OF_TRADES[name]
    run = clean_run(has_trades=True)
    tamper(run)
    assert [each for each in findings(run) if expected in each]


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_broken_promise_is_found(name: str) -> None:
    tamper, expected = TAMPERINGS[name]
    run = clean_run(has_trades=False)
    tamper(run)
    assert [each for each in findings(run) if expected in each]


@pytest.mark.parametrize(
    ("proofs", "may_repeat", "is_down"),
    [
        pytest.param([Proof.UNKNOWN] * 5, False, True, id="of new messages"),
        pytest.param([Proof.SHOWN, *[Proof.UNKNOWN] * 5], True, False, id="of repeated ones while others are shown"),
        pytest.param(
            [Proof.SHOWN, Proof.NOT_SHOWN, *[Proof.UNKNOWN] * 4],
            True,
            True,
            id="of repeated ones after one that failed",
        ),
    ],
)
def test_a_5xx_counts_unless_the_message_had_one_before_and_others_pass(
    proofs: list[Proof], may_repeat: bool, is_down: bool
) -> None:
    run = clean_run(has_trades=False)
    messages = [each for each in _of_the_busiest(run) if each.method == "POST"]
    for request, proof in zip(messages[-1 - len(proofs) :], proofs, strict=False):
        request.proof = proof
    run.recorder.commits[:] = [each._replace(may_repeat=may_repeat) for each in run.recorder.commits]
    assert any("while it was down" in each for each in findings(run)) is is_down


def test_repeated_edits_that_fail_count_because_they_show_nothing_twice() -> None:
    run = clean_run(has_trades=True)
    place = _edits(run)[-1].place
    *failed, _ = [each for each in run.recorder.requests if each.place == place and each.method != "GET"][-6:]
    for request in failed:
        request.method, request.trade, request.proof = "PATCH", failed[0].trade, Proof.UNKNOWN
    assert any("while it was down" in each for each in findings(run))


def test_an_end_before_the_opening_by_a_clock_that_was_set_back_counts_from_the_opening() -> None:
    run = clean_run(has_trades=True)
    amended = run.recorder.amended
    amended[:] = [each._replace(called=each.called - timedelta(days=3)) for each in amended]
    assert findings(run) == []
