"""A random column of a random row is damaged with a random value: the service starts, and all others are delivered."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost import clock
from signalpost.delivery.outbox.commands import Find, Lease, NewDelivery, NewNotification, Put, Settle, Stats
from signalpost.delivery.outbox.reader import SqliteReader
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.delivery.rank import rank_of
from signalpost.domain.delivery import DeliveryState
from signalpost.domain.notification import Notification
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reports import Announcement
from signalpost.testing.outbox_samples import verdict
from signalpost.testing.scripted_sink import ScriptedSink
from signalpost.testing.virtual_loop import run_virtual
from tests.inline_outbox import InlineOutbox
from tests.size import size
from tests.unit.delivery.dispatch.world import HERE, FaultyOutbox, World, wait

COLUMNS = {
    "delivery": [
        *("notification_id", "destination", "turn", "number", "event", "sequence", "state", "priority", "rank"),
        *("valid_until", "not_before", "attempts", "unanswered", "may_repeat", "reason", "message_id"),
    ],
    "notification": ["id", "accepted_at", "body", "number"],
    "key": ["content_hash", "notification_id", "until"],
    "attempt": ["began_at", "ended_at", "outcome", "detail", "ordinal"],
    "fact": ["namespace", "subject", "name", "value"],
}
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.binary(max_size=8),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from([0, 1, 7, "pendinf", "", b""]),
)


@pytest.mark.unmeasured
@settings(max_examples=size(10, 60))
@given(data=st.data())
def test_whatever_is_damaged_all_others_are_delivered(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from([*["delivery"] * 6, *COLUMNS]), label="table")
    column = data.draw(st.sampled_from(COLUMNS[table]), label="column")
    value = data.draw(VALUES, label="value")
    victim = data.draw(st.integers(0, 4), label="victim")

    async def run(path: Path) -> None:
        names = [f"0{number}" for number in range(5)]
        with closing(SqliteCore(path)) as core:
            until = clock.now() + timedelta(hours=1)
            for name in names:
                item = Notification(
                    id=name, payload=Announcement(title=name, text="text", announcement_id=name, valid_until=until),
                    event="new", priority=NotificationPriority.NORMAL, user_tier="FREE",
                    accepted_at=clock.now(), valid_until=until,
                )  # fmt: skip
                rank = rank_of(NotificationPriority.NORMAL, clock.now())
                core.apply([Put((NewNotification(item, (NewDelivery(HERE, rank),), until),))])
            (leased,) = core.apply([Lease(HERE, clock.now(), limit=2)])
            core.apply([Settle((verdict(leased.entries[1].delivery, DeliveryState.PENDING),))])
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            try:
                where = "LIMIT 1 OFFSET ?"
                key = "number" if table == "notification" else "rowid"
                if table in {"delivery", "key", "attempt", "fact"}:
                    key = {"delivery": "notification_id", "key": "key"}.get(table, "destination")
                (one,) = db.execute(f"SELECT {key} FROM {table} ORDER BY {key} {where}", (victim,)).fetchone() or ("",)
                db.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {key} = ?", (value, one))
            except sqlite3.Error:  # SQLite itself refuses NULL for a NaN, and text for an INTEGER PRIMARY KEY
                return
        outbox = FaultyOutbox()
        with closing(SqliteCore(path)) as core:
            InlineOutbox.__init__(outbox, core)
            async with World(ScriptedSink(), outbox=outbox) as world:
                await wait(300)
                assert not world.dispatcher.lanes[HERE].in_flight
            found = {each.delivery.id.notification_id: each.delivery.state.value for each in core.apply([Find()])[0]}
            core.apply([Stats()])
        with closing(SqliteReader(path)) as reader:
            assert len(reader.apply([Find()])[0]) == len(found)
        hit = names[victim] if table in {"delivery", "notification"} else None
        others = [found[name] for name in names if name != hit]
        assert others == ["delivered"] * len(others), found

    with TemporaryDirectory() as folder:
        run_virtual(run(Path(folder) / "outbox.db"))
