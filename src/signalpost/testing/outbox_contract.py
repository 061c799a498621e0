"""The contract test for every outbox: pass `check_outbox` a factory for empty outboxes.

    await check_outbox(lambda: ThreadedOutbox(MyCore()))

Plain functions for any test runner: each raises AssertionError with the broken promise.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from signalpost.delivery.outbox.backlog import Backlog, LaneBacklog
from signalpost.delivery.outbox.commands import (
    Cancel,
    Find,
    ForgetKeys,
    History,
    Lease,
    LoadFacts,
    LoadState,
    Message,
    Namespace,
    NewDelivery,
    NewNotification,
    Open,
    PassOn,
    Prune,
    Put,
    PutResult,
    Revive,
    SaveFacts,
    Settle,
    Stats,
    Subject,
)
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.delivery import Attempt, Delivery, DeliveryId, DeliveryState
from signalpost.domain.ledger import StreamState
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome
from signalpost.errors import CommandFailed, StoreClosed
from signalpost.testing.claims import demand, same
from signalpost.testing.outbox_lane_contract import LANE_CHECKS
from signalpost.testing.outbox_samples import (
    LANE,
    MINUTE,
    START,
    end_next,
    ids,
    ids_of,
    new,
    notification,
    verdict,
)

Factory = Callable[[], Outbox]
"""Creates a new, empty outbox on the running event loop."""


_S = DeliveryState
_LOW, _NORMAL, _HIGH, _URGENT = NotificationPriority


async def check_outbox(factory: Factory) -> None:
    """Check all promises of an outbox. Raises AssertionError if one is broken."""
    for check in CHECKS:
        outbox = factory()
        try:
            await check(outbox)
        except (LookupError, ValueError) as fault:
            text = (
                f"{check.__name__} cannot read an answer of the outbox; it may have the wrong number of parts: {fault}"
            )
            raise AssertionError(text) from fault
        finally:
            await outbox.close()


async def check_acceptance(outbox: Outbox) -> None:
    """An accepted notification is stored unchanged, and is counted."""
    made = notification("01")
    suppressed = NewDelivery("other", 5, _S.SUPPRESSED, "nothing new")
    item = NewNotification(made, (NewDelivery(LANE, 7), suppressed), START + MINUTE)
    same("the answer to a put", await outbox.do(Put((item,))), [PutResult(Outcome.ACCEPTED, "01")])
    entries = await outbox.do(Find())
    same("the notifications found", [entry.notification for entry in entries], [made, made])
    until = made.valid_until
    same(
        "the deliveries of a new notification",
        [entry.delivery for entry in entries],
        [
            Delivery(DeliveryId("01", LANE), _S.PENDING, _NORMAL, 7, "01", until),
            Delivery(DeliveryId("01", "other"), _S.SUPPRESSED, _NORMAL, 5, "01", until, reason="nothing new"),
        ],
    )
    same("the count", await outbox.do(Stats()), {(LANE, _S.PENDING): 1, ("other", _S.SUPPRESSED): 1})
    same("the count of open deliveries", await outbox.do(Stats(only_open=True)), {(LANE, _S.PENDING): 1})
    same("the backlog", await outbox.do(Backlog()), {LANE: LaneBacklog(1, made.accepted_at)})
    same("a lease in the lane of a suppressed delivery", ids(await outbox.do(Lease("other", START))), [])


async def check_keys(outbox: Outbox) -> None:
    """A known key is a duplicate or refused until it is forgotten, even within one put and after pruning."""
    first, equal, other = (new(notification(name, "a", title=title)) for name, title in _KEYED)
    results = await outbox.do(Put((first, equal, other)))
    known = [PutResult(Outcome.ACCEPTED, "01"), PutResult(Outcome.DUPLICATE, "01"), PutResult(Outcome.REFUSED, "01")]
    same("a key used three times in one put", results, known)
    wider = new(notification("06", "a"), 0, LANE, "other")
    results = await outbox.do(Put((wider, wider)))
    same(
        "a key for one more destination",
        results,
        [PutResult(Outcome.ACCEPTED, "06", ("other",)), PutResult(Outcome.DUPLICATE, "01")],
    )
    same("the added delivery", ids_of(await outbox.do(Find(notification_id="06"))), [("06", "other")])
    renamed = new(notification("07", "b"))._replace(former_keys=("a new",))
    same("a former key", await outbox.do(Put((renamed,))), [PutResult(Outcome.DUPLICATE, "01")])
    again = notification("04", "a", at=START + timedelta(days=1) - timedelta(microseconds=1))
    same("a key in its last microsecond", await outbox.do(Put((new(again),))), [PutResult(Outcome.DUPLICATE, "01")])
    for lane in (LANE, "other"):
        await end_next(outbox, _S.DELIVERED, lane)
    same("the number of pruned deliveries", await outbox.do(Prune(START + MINUTE)), 2)
    same("the last key", await outbox.do(ForgetKeys(START + MINUTE)), "")
    same("the deliveries left after pruning", await outbox.do(Find()), ())
    same("a key whose notification was pruned", await outbox.do(Put((equal,))), [PutResult(Outcome.DUPLICATE, "01")])
    late = new(notification("05", "a", title="Other", at=START + timedelta(days=1)))
    same("a key that was not forgotten", await outbox.do(Put((late,))), [PutResult(Outcome.REFUSED, "01")])
    await outbox.do(ForgetKeys(START + timedelta(days=1)))
    results = await outbox.do(Put((late, late)))
    same("an expired key", results, [PutResult(Outcome.ACCEPTED, "05"), PutResult(Outcome.DUPLICATE, "05")])


_KEYED = (("01", "Disk"), ("02", "Disk"), ("03", "Other"))


async def check_streams(outbox: Outbox) -> None:
    """A stream's state is committed together with its signals, even duplicates, or not at all."""
    same("the state of an unknown stream", await outbox.do(LoadState("EUR_USD H4")), None)
    for turn in (b"one", b"two"):
        state = StreamState("EUR_USD H4", "f", START, turn)
        await outbox.do(Put((new(notification("01")),), state))
        same("the state of a stream", await outbox.do(LoadState("EUR_USD H4")), state)
    twice = new(notification("02"), 0, LANE, LANE)
    try:
        await outbox.do(Put((new(notification("03")), twice), state._replace(state=b"three")))
    except CommandFailed:
        same("the state after a put that failed", await outbox.do(LoadState("EUR_USD H4")), state)
        same("the deliveries after a put that failed", ids_of(await outbox.do(Find())), [("01", LANE)])
        same("the count after a put that failed", await outbox.do(Stats()), {(LANE, _S.PENDING): 1})
        same("a lease after a put that failed", ids(await outbox.do(Lease(LANE, START, limit=9))), ["01"])
        again = await outbox.do(Put((new(notification("03")),)))
        same("a key of a put that failed", again, [PutResult(Outcome.ACCEPTED, "03")])
    else:
        raise AssertionError("a notification with a repeated destination is accepted")


async def check_verdicts(outbox: Outbox) -> None:
    """A verdict settles a leased delivery and adds to its history; other deliveries stay unchanged."""
    await outbox.do(Put(tuple(new(notification(f"0{number}")) for number in range(7))))
    leased = (await outbox.do(Lease(LANE, START, limit=6))).entries
    states = (_S.DELIVERED, _S.UNCONFIRMED, _S.EXPIRED, _S.DEAD, _S.PENDING, _S.CANCELLED)
    message = Message(LANE, "m1", START)
    facts = {"attempts": 3, "unanswered": 2, "may_repeat": True, "reason": "a reason", "message": message}
    verdicts = [verdict(each.delivery, state, **facts) for each, state in zip(leased, states, strict=True)]
    unknown = verdicts[0]._replace(id=DeliveryId("99", LANE))
    settled = await outbox.do(Settle((*verdicts, unknown)))
    fields: dict[str, Any] = {
        "attempts": 3,
        "unanswered": 2,
        "may_repeat": True,
        "reason": "a reason",
        "message_id": "m1",
    }
    after = [each.delivery._replace(state=state, **fields) for each, state in zip(leased[:5], states, strict=False)]
    after.append(leased[5].delivery)
    same("the verdicts", settled, after)
    same("deliveries settled before or never leased", await outbox.do(Settle(tuple(verdicts[:5]))), after[:5])
    never = settled[0]._replace(id=DeliveryId("06", LANE))
    for state in (_S.DELIVERED, _S.DEAD):
        unchanged = await outbox.do(Settle((verdict(never, state),)))
        same("a delivery that was never leased", [each.state for each in unchanged], [_S.PENDING])
    (again,) = (await outbox.do(Lease(LANE, START))).entries
    same("the delivery leased again", again.delivery, after[4]._replace(state=_S.LEASED))
    second = Attempt(START + MINUTE, START + 2 * MINUTE, "throttled")
    kept = verdict(again.delivery, _S.PENDING, attempt=second)
    same("the message id kept without a newer one", (await outbox.do(Settle((kept,))))[0].message_id, "m1")
    first = verdicts[0].attempt
    histories = [await outbox.do(History(each.delivery.id)) for each in leased]
    same("the histories", histories, [(first,)] * 4 + [(first, second), ()])
    silent = await end_next(outbox, _S.PENDING, attempt=None)
    same("the history after a verdict without an attempt", await outbox.do(History(silent.id)), (first, second))


async def check_fallback(outbox: Outbox) -> None:
    """A waiting delivery is passed on to a fallback only once; marked as a repeat if it may have been shown."""
    await outbox.do(Put((new(notification("01", priority=_HIGH), 5), new(notification("02"), 6, LANE, "other"))))
    await end_next(outbox, _S.PENDING, may_repeat=True)
    passing = PassOn(LANE, START, "gone", {}, {"alert": "other"})
    answer = await outbox.do(passing)
    same("how they end", [each.state for each, _ in answer.ended], [_S.UNCONFIRMED, _S.DEAD])
    same("a second time", (await outbox.do(passing)).ended, ())
    first, second = (await outbox.do(Lease("other", START, limit=9))).entries
    reason, until = first.delivery.reason, first.notification.valid_until
    made = Delivery(DeliveryId("01", "other"), _S.LEASED, _HIGH, 5, "01", until, may_repeat=True, reason=reason)
    same("the fallback's delivery", first.delivery, made)
    same("a delivery that goes there anyway", (second.notification.id, second.delivery.may_repeat), ("02", False))
    same("the deliveries that were added", [each.id for each in answer.added], [first.delivery.id])


async def check_reviving(outbox: Outbox) -> None:
    """A dead, unconfirmed, expired or cancelled delivery can be revived once, ahead of later notifications."""
    ends = {"01": _S.DEAD, "02": _S.UNCONFIRMED, "03": _S.EXPIRED, "04": _S.CANCELLED, "05": _S.DELIVERED}
    await outbox.do(Put(tuple(new(notification(name), 3) for name in ends)))
    await outbox.do(Cancel(DeliveryId("04", LANE), "by hand"))
    for entry in (await outbox.do(Lease(LANE, START, limit=9))).entries:
        await outbox.do(Settle((verdict(entry.delivery, ends[entry.notification.id]),)))
    later = new(notification("06", "01", "closed", priority=_URGENT), 1)
    await outbox.do(Put((later,)))
    until = START + 90 * MINUTE
    made = [await outbox.do(Revive(DeliveryId(name, LANE), 9, until)) for name in ends]
    plain = Delivery(DeliveryId("", LANE, 2), _S.PENDING, _NORMAL, 9, "", until)
    for found, name in zip(made, ("01", "02", "03", "04"), strict=False):
        demand(
            found is not None and f"{name}@{LANE}" in (found.reason or ""),
            f"the reason does not name {name}: {found!r}",
        )
        repeats, (rank, priority) = name == "02", (1, _URGENT) if name == "01" else (9, _NORMAL)
        expected = plain._replace(id=DeliveryId(name, LANE, 2), sequence=name, may_repeat=repeats, rank=rank)
        same("a revived delivery", found and found._replace(reason=None), expected._replace(priority=priority))
    same("reviving a delivered one", made[4], None)
    same("reviving one twice", await outbox.do(Revive(DeliveryId("01", LANE), 9, until)), None)
    same("reviving an unknown one", await outbox.do(Revive(DeliveryId("99", LANE), 9, until)), None)
    same("reviving a pending one", await outbox.do(Revive(DeliveryId("06", LANE), 9, until)), None)
    order = [ids(await outbox.do(Lease(LANE, START))) for _ in range(2)]
    same("the order after a revival", order, [["01"], ["02"]])


async def check_endings(outbox: Outbox) -> None:
    """Only pending deliveries can be cancelled."""
    await outbox.do(Put(tuple(new(notification(f"0{number}"), number) for number in range(4))))
    await outbox.do(Put((new(notification("09"), 0, "other"),)))
    (leased,) = (await outbox.do(Lease(LANE, START))).entries
    cancelled = await outbox.do(Cancel(DeliveryId("01", LANE), "by hand"))
    same("a cancelled delivery", cancelled and (cancelled.state, cancelled.reason), (_S.CANCELLED, "by hand"))
    for name in ("00", "01", "99"):
        same("cancelling one that is not pending", await outbox.do(Cancel(DeliveryId(name, LANE), "by hand")), None)
    counts = {(LANE, _S.LEASED): 1, (LANE, _S.CANCELLED): 1, (LANE, _S.PENDING): 2, ("other", _S.PENDING): 1}
    same("the count", await outbox.do(Stats()), counts)
    same("the leased delivery", leased.notification.id, "00")


async def check_finding(outbox: Outbox) -> None:
    """Deliveries are found by notification, destination and states, newest first, up to a limit."""
    await outbox.do(Put(tuple(new(notification(f"0{number}"), -number, LANE, "other") for number in (1, 2, 3))))
    await outbox.do(Lease(LANE, START))
    for wanted, expected in (
        (Find(limit=2), [("03", LANE), ("03", "other")]),
        (Find(notification_id="02"), [("02", LANE), ("02", "other")]),
        (Find(destination="other"), [("03", "other"), ("02", "other"), ("01", "other")]),
        (Find(states=frozenset({_S.LEASED})), [("03", LANE)]),
        (Find(states=frozenset({_S.LEASED}), destination="other"), []),
        (Find(states=frozenset({_S.PENDING, _S.LEASED}), destination=LANE), [("03", LANE), ("02", LANE), ("01", LANE)]),
        (Find(notification_id="02", destination=LANE, states=frozenset({_S.PENDING})), [("02", LANE)]),
        (Find(notification_id="09"), []),
    ):
        same(f"the answer to {wanted}", ids_of(await outbox.do(wanted)), expected)
    for looked_for, expected in (
        (Open(), [("03", LANE), ("03", "other"), ("02", "other"), ("01", "other"), ("02", LANE), ("01", LANE)]),
        (Open(LANE, limit=2), [("03", LANE), ("02", LANE)]),
        (Open("third"), []),
        (Open(notification_ids=("02", "09")), [("02", "other"), ("02", LANE)]),
        (Open("other", ("03", "02")), [("02", "other"), ("03", "other")]),
        (Open(notification_ids=()), []),
    ):
        found = await outbox.do(looked_for)
        same(f"the answer to {looked_for}", [each.id[:2] for each in found], expected)


async def check_facts(outbox: Outbox) -> None:
    """Facts are stored per subject and name until they are emptied, also together with verdicts."""
    await outbox.do(SaveFacts(Subject(LANE), {"ban": b"1", "breaker": b'{"state":"open"}'}))
    await outbox.do(SaveFacts(Subject("other"), {"ban": b"2"}))
    await outbox.do(SaveFacts(Subject(LANE), {"ban": b"", "windows": b"[]", "nothing": b""}))
    facts = {"breaker": b'{"state":"open"}', "windows": b"[]"}
    same("the facts of a destination", await outbox.do(LoadFacts(Subject(LANE))), facts)
    same("the facts of another", await outbox.do(LoadFacts(Subject("other"))), {"ban": b"2"})
    same("the facts of an unknown destination", await outbox.do(LoadFacts(Subject("third"))), {})
    host = Subject(LANE, Namespace.HOST)
    learned = (SaveFacts(Subject(LANE), {"ban": b"3", "windows": b""}), SaveFacts(host, {"ban": b"4"}))
    await outbox.do(Settle((), learned))
    saved = {"ban": b"3", "breaker": b'{"state":"open"}'}
    same("facts saved with verdicts", await outbox.do(LoadFacts(Subject(LANE))), saved)
    same("facts of a host of the same name", await outbox.do(LoadFacts(host)), {"ban": b"4"})


async def check_pruning(outbox: Outbox) -> None:
    """Pruning deletes old settled deliveries with their history, in pages; expired keys are forgotten."""
    await outbox.do(Put(tuple(new(notification(f"0{number}", at=START + number * MINUTE)) for number in range(5))))
    for state in (_S.DELIVERED, _S.PENDING, _S.DEAD, _S.DELIVERED, _S.DELIVERED):
        wait = START + 9 * MINUTE if state is _S.PENDING else None
        await end_next(outbox, state, message=Message(LANE, "m1", START), not_before=wait)
    end = START + timedelta(days=2)
    pages = [await outbox.do(Prune(START + 4 * MINUTE, limit=2)) for _ in range(3)]
    same("the sizes of the pruned pages", pages, [2, 1, 0])
    same("the deliveries left", ids_of(await outbox.do(Find())), [("04", LANE), ("01", LANE)])
    same("the history of a pruned delivery", await outbox.do(History(DeliveryId("00", LANE))), ())
    same("the count", await outbox.do(Stats()), {(LANE, _S.PENDING): 1, (LANE, _S.DELIVERED): 1})
    last = await outbox.do(ForgetKeys(end, limit=3))
    same("the last key of the first page", (last, await outbox.do(ForgetKeys(end, last, 3))), ("02 new", ""))
    again = notification("10", "00", title="Another", at=end)
    same("an expired key", await outbox.do(Put((new(again),))), [PutResult(Outcome.ACCEPTED, "10")])


async def check_closing(outbox: Outbox) -> None:
    """After `close` commands fail; closing twice is harmless."""
    await outbox.do(Put((new(notification("01")),)))
    await outbox.close()
    await outbox.close()
    try:
        await outbox.do(Stats())
    except StoreClosed:
        return
    raise AssertionError("a closed outbox still accepts commands")


CHECKS: tuple[Callable[[Outbox], Awaitable[None]], ...] = (
    check_acceptance,
    check_keys,
    check_streams,
    *LANE_CHECKS,
    check_verdicts,
    check_fallback,
    check_reviving,
    check_endings,
    check_finding,
    check_facts,
    check_pruning,
    check_closing,
)
"""Each check needs a new, empty outbox."""
