"""Contract tests for the lanes of an outbox: order, waiting, expiry and superseding. See `outbox_contract`."""

from signalpost.delivery.outbox.commands import (
    Cancel,
    Expire,
    Find,
    Lease,
    Leased,
    LoadFacts,
    Put,
    SaveFacts,
    Settle,
    SettleAndLease,
    ShortenWaits,
    Stats,
    Subject,
)
from signalpost.delivery.outbox.port import Outbox
from signalpost.domain.delivery import Attempt, DeliveryId, DeliveryState
from signalpost.domain.priority import NotificationPriority
from signalpost.testing.claims import same
from signalpost.testing.outbox_samples import (
    LANE,
    MINUTE,
    START,
    end_next,
    ids,
    new,
    notification,
    verdict,
)

_S = DeliveryState
_LOW, _NORMAL, _HIGH, _URGENT = NotificationPriority


async def check_order(outbox: Outbox) -> None:
    """A lane leases by rank, then by acceptance, up to the limit, each delivery once."""
    ranks = {"09": 20, "05": 10, "07": 10, "02": 30, "06": 10, "01": -5}
    await outbox.do(Put(tuple(new(notification(name), rank) for name, rank in ranks.items())))
    await outbox.do(Put((new(notification("00"), -9, "other"),)))
    leases = [await outbox.do(Lease(LANE, START, limit=2)) for _ in range(4)]
    same("the order of a lane", [ids(each) for each in leases], [["01", "05"], ["07", "06"], ["09", "02"], []])
    states = {entry.delivery.state for lease in leases for entry in lease.entries}
    same("the state of the leased deliveries", states, {_S.LEASED})
    leased = await outbox.do(Find(states=frozenset({_S.LEASED}), destination=LANE))
    same("the deliveries found as leased", {entry.delivery.id.notification_id for entry in leased}, set(ranks))
    same("the next time with nothing waiting", leases[-1].next_at, None)


async def check_sequences(outbox: Outbox) -> None:
    """At most one delivery of a sequence is leased per lane; lanes are independent."""
    items = [new(notification(f"0{number}", "a", f"update {number}"), number, LANE, "other") for number in (1, 2)]
    await outbox.do(Put((*items, new(notification("03", "b"), 9))))
    (first, other) = (await outbox.do(Lease(LANE, START, limit=9))).entries
    same("a lease over one sequence", [first.notification.id, other.notification.id], ["01", "03"])
    same("a sequence that is in flight", ids(await outbox.do(Lease(LANE, START))), [])
    same("the same sequence in another lane", ids(await outbox.do(Lease("other", START))), ["01"])
    await outbox.do(Settle((verdict(first.delivery, _S.DEAD),)))
    same("the next of a sequence", ids(await outbox.do(Lease(LANE, START))), ["02"])


async def check_waiting(outbox: Outbox) -> None:
    """A waiting delivery is skipped and blocks its sequence, and the lease reports the next time."""
    made = [notification(f"0{number}", name, f"update {number}") for number, name in enumerate("abab")]
    await outbox.do(Put(tuple(new(each, rank) for rank, each in enumerate(made))))
    leased = (await outbox.do(Lease(LANE, START, limit=9))).entries
    waits = [START + 2 * MINUTE, START + MINUTE]
    back = [verdict(each.delivery, _S.PENDING, not_before=wait) for each, wait in zip(leased, waits, strict=True)]
    settled = await outbox.do(Settle(tuple(back)))
    expected = [(_S.PENDING, wait) for wait in waits]
    same("the returned deliveries", [(each.state, each.not_before) for each in settled], expected)
    same("a lane that waits", await outbox.do(Lease(LANE, START, limit=9)), Leased((), (), START + MINUTE))
    lease = await outbox.do(Lease(LANE, START + MINUTE, limit=9))
    same("a lane whose second delivery is due", (ids(lease), lease.next_at), (["01"], START + 2 * MINUTE))


async def check_shortened_waits(outbox: Outbox) -> None:
    """After the clock was set back, a wait counts from now; a wait that began before now stays."""
    await outbox.do(Put(tuple(new(notification(f"0{number}", name)) for number, name in enumerate("abc"))))
    for minutes in (3, 1):
        attempt = Attempt(START, START + minutes * MINUTE, "unavailable")
        await end_next(outbox, _S.PENDING, attempt=attempt, not_before=START + (minutes + 2) * MINUTE)
    changed = await outbox.do(ShortenWaits(START + 2 * MINUTE))
    same("the shortened waits", [(each.id[0], each.not_before) for each in changed], [("00", START + 4 * MINUTE)])
    same("a second call", await outbox.do(ShortenWaits(START + 2 * MINUTE)), [])
    same("a call once the clock has caught up", await outbox.do(ShortenWaits(START + 3 * MINUTE)), [])
    changed = await outbox.do(ShortenWaits(START + MINUTE))
    same(
        "a call after the clock was set back again",
        [(each.id[0], each.not_before) for each in changed],
        [("00", START + 3 * MINUTE)],
    )
    lease = await outbox.do(Lease(LANE, START + 2 * MINUTE, limit=9))
    same("the due deliveries", (ids(lease), lease.next_at), (["02"], START + 3 * MINUTE))


async def check_fewest_failures(outbox: Outbox) -> None:
    """With failure counts, a lease prefers the deliveries that failed least among the next twenty, in order."""
    await outbox.do(Put(tuple(new(notification(f"{number:02}", str(number)), number) for number in range(30))))
    failures = {DeliveryId(f"{number:02}", LANE): 2 for number in range(30) if number != 25}
    failures |= {DeliveryId("07", LANE): 1, DeliveryId("03", LANE): 1}
    lease = await outbox.do(Lease(LANE, START, limit=3, failures=failures))
    same("the fewest failures of the next twenty", ids(lease), ["03", "07", "00"])
    same("the next one without failures", ids(await outbox.do(Lease(LANE, START, failures={}))), ["01"])


async def check_doubt(outbox: Outbox) -> None:
    """With `sure_only`, a lease skips deliveries that may have been shown, and reports that it did."""
    made = [notification(f"0{number}", name, f"update {number}") for number, name in enumerate("aab")]
    await outbox.do(Put(tuple(new(each, rank) for rank, each in enumerate(made))))
    await end_next(outbox, _S.PENDING, may_repeat=True, not_before=START + MINUTE)
    sure = await outbox.do(Lease(LANE, START, limit=9, sure_only=True))
    same("the deliveries never shown", (ids(sure), sure.has_doubtful), (["02"], False))
    sure = await outbox.do(Lease(LANE, START + MINUTE, limit=9, sure_only=True))
    same("a lease with a doubtful delivery", sure, Leased((), (), None, has_doubtful=True))
    same("a lease without `sure_only`", ids(await outbox.do(Lease(LANE, START + MINUTE, limit=9))), ["00"])


async def check_validity(outbox: Outbox) -> None:
    """Invalid deliveries expire instead of being leased; `Expire` covers all lanes, in pages."""
    lives = {"01": 1, "02": 5, "03": 2, "04": 9}
    await outbox.do(Put(tuple(new(notification(name, valid_for=life * MINUTE)) for name, life in lives.items())))
    lease = await outbox.do(Lease(LANE, START + MINUTE))
    expired = [(each.id.notification_id, each.state) for each in lease.expired]
    same("a lease at valid_until", (ids(lease), expired), (["02"], [("01", _S.EXPIRED)]))
    await outbox.do(Put((new(notification("05", valid_for=MINUTE), 0, "other"),)))
    same("nothing to expire", await outbox.do(Expire(START)), [])
    pages = [await outbox.do(Expire(START + 2 * MINUTE, limit=1)) for _ in range(3)]
    same("the sizes of the expired pages", [len(page) for page in pages], [1, 1, 0])
    swept = {(each.id.notification_id, each.state) for page in pages for each in page}
    same("the expired deliveries", swept, {("03", _S.EXPIRED), ("05", _S.EXPIRED)})
    counts = {(LANE, _S.EXPIRED): 2, (LANE, _S.LEASED): 1, (LANE, _S.PENDING): 1, ("other", _S.EXPIRED): 1}
    same("the counts left", await outbox.do(Stats()), counts)


async def check_express(outbox: Outbox) -> None:
    """An express lease takes only URGENT and HIGH, however many others are ahead, and `next_at` covers only those."""
    items = [new(notification(f"{number:03}"), number) for number in range(300)]
    urgent = [new(notification(f"9{number}", priority=each), 400) for number, each in enumerate((_HIGH, _URGENT))]
    await outbox.do(Put((*items, *urgent)))
    leases = [await outbox.do(Lease(LANE, START, express=True)) for _ in range(3)]
    same("express leases behind 300 others", [ids(each) for each in leases], [["90"], ["91"], []])
    await end_next(outbox, _S.PENDING, not_before=START + MINUTE)
    lease = await outbox.do(Lease(LANE, START, express=True))
    same("the next time of an express lease with others waiting", lease.next_at, None)
    (high, _) = (entry for lease in leases for entry in lease.entries)
    await outbox.do(Settle((verdict(high.delivery, _S.PENDING, not_before=START + 2 * MINUTE),)))
    lease = await outbox.do(Lease(LANE, START, express=True))
    same("the next time with an express delivery waiting", lease.next_at, START + 2 * MINUTE)
    expired = (await outbox.do(Lease(LANE, START + 60 * MINUTE, express=True))).expired
    same("the deliveries expired by an express lease", [each.id.notification_id for each in expired], ["90"])


async def check_many_waiting(outbox: Outbox) -> None:
    """Due deliveries are leased, however many waiting ones are ahead. So is the next of a sequence after a cancel."""
    made = [notification(f"{number:03}", f"{number // 2}", f"update {number}") for number in range(60)]
    await outbox.do(Put(tuple(new(each, rank) for rank, each in enumerate(made))))
    leased = (await outbox.do(Lease(LANE, START, limit=99))).entries
    same("the first of each sequence", [each.notification.id for each in leased], [f"{n:03}" for n in range(0, 60, 2)])
    waits = [START + (9 if each.notification.id != "056" else 2) * MINUTE for each in leased]
    back = [verdict(each.delivery, _S.PENDING, not_before=at) for each, at in zip(leased, waits, strict=True)]
    await outbox.do(Settle(tuple(back)))
    same("a lane that waits", await outbox.do(Lease(LANE, START + MINUTE, limit=9)), Leased((), (), START + 2 * MINUTE))
    lease = await outbox.do(Lease(LANE, START + 2 * MINUTE, limit=9))
    same("the due delivery", (ids(lease), lease.next_at), (["056"], START + 9 * MINUTE))
    await outbox.do(Cancel(DeliveryId("058", LANE), "by hand"))
    same("the next of its sequence", ids(await outbox.do(Lease(LANE, START + 2 * MINUTE, limit=9))), ["059"])


async def check_settle_and_lease(outbox: Outbox) -> None:
    """The verdicts come first: the lease sees their effects, and they are saved even if it finds nothing."""
    made = [notification(f"0{number}", name, f"update {number}") for number, name in enumerate("aab")]
    await outbox.do(Put(tuple(new(each, rank) for rank, each in enumerate(made))))
    (first,) = (await outbox.do(Lease(LANE, START))).entries
    done = Settle((verdict(first.delivery, _S.DELIVERED),), (SaveFacts(Subject(LANE), {"windows": b"1"}),))
    answer = await outbox.do(SettleAndLease(done, Lease(LANE, START, limit=9)))
    leased = answer.leased or Leased((), (), None)
    settled = [(each.id.notification_id, each.state) for each in answer.settled]
    same("the settled delivery", settled, [("00", _S.DELIVERED)])
    same("the next of its sequence, and the rest of the lane", ids(leased), ["01", "02"])
    same("the facts saved with it", await outbox.do(LoadFacts(Subject(LANE))), {"windows": b"1"})
    back = Settle(tuple(verdict(each.delivery, _S.PENDING, not_before=START + MINUTE) for each in leased.entries))
    answer = await outbox.do(SettleAndLease(back, Lease(LANE, START)))
    same("the deliveries put back", [each.state for each in answer.settled], [_S.PENDING] * 2)
    same("a lease that finds nothing due", answer.leased, Leased((), (), START + MINUTE))
    again = await outbox.do(SettleAndLease(done, Lease("other", START)))
    same("a delivery settled before", (again.settled[0].state, again.leased), (_S.DELIVERED, Leased((), (), None)))


async def check_lifting(outbox: Outbox) -> None:
    """A newer, more urgent delivery lifts the earlier ones of its sequence in its lane, ahead of itself."""
    old, newer = notification("01", "a"), notification("02", "a", "closed", priority=_URGENT)
    update = notification("04", "a", "update 1")
    await outbox.do(Put((new(old, 50, LANE, "other"), new(notification("03"), 20), new(update, 60))))
    same("the head of the lane", ids(await outbox.do(Lease(LANE, START))), ["03"])
    (first,) = (await outbox.do(Lease(LANE, START))).entries
    await outbox.do(Put((new(newer, 10), new(notification("05"), 15))))
    (back,) = await outbox.do(Settle((verdict(first.delivery, _S.PENDING),)))
    same("the place of a returned delivery with a newer one", (back.rank, back.priority), (10, _URGENT))
    leased = [await end_next(outbox, _S.DELIVERED) for _ in range(4)]
    order = [(each.id.notification_id, each.rank, each.priority) for each in leased]
    lifted = [("01", 10, _URGENT), ("04", 10, _URGENT), ("02", 10, _URGENT), ("05", 15, _NORMAL)]
    same("the order after a newer, more urgent one", order, lifted)
    (other,) = (await outbox.do(Lease("other", START))).entries
    same("the place in another lane", (other.delivery.rank, other.delivery.priority), (50, _NORMAL))


LANE_CHECKS = (
    check_order,
    check_sequences,
    check_waiting,
    check_fewest_failures,
    check_doubt,
    check_shortened_waits,
    check_validity,
    check_express,
    check_many_waiting,
    check_settle_and_lease,
    check_lifting,
)
"""Each check needs a new, empty outbox."""
