"""The backlog counts open deliveries by destination, also if rows are damaged."""

from datetime import timedelta
from pathlib import Path

from signalpost.delivery.outbox.backlog import Backlog, LaneBacklog
from signalpost.delivery.outbox.commands import Put
from signalpost.delivery.outbox.sqlite import SqliteCore
from signalpost.testing.outbox_samples import START, new, notification
from tests.tmpfs import with_connection

SECOND = timedelta(seconds=1)


def test_the_oldest_is_the_one_that_was_accepted_first_and_damage_stops_nothing(tmp_path: Path) -> None:
    core, db = with_connection(lambda: SqliteCore(tmp_path / "outbox.db"))
    items = [new(notification(f"0{place}", at=START + place * SECOND), 9 - place, "a", "b") for place in range(3)]
    core.apply([Put(tuple(items))])
    assert core.apply([Backlog()]) == [{"a": LaneBacklog(3, START), "b": LaneBacklog(3, START)}]
    db.execute("UPDATE delivery SET state = 'delivered' WHERE destination = 'b' AND number = 1")
    assert core.apply([Backlog()]) == [{"a": LaneBacklog(3, START), "b": LaneBacklog(2, START + SECOND)}]
    db.execute("UPDATE notification SET accepted_at = x'00' WHERE number = 2")
    db.execute("UPDATE delivery SET destination = x'ff' WHERE destination = 'a'")
    assert core.apply([Backlog()]) == [{"b'\\xff'": LaneBacklog(3, START), "b": LaneBacklog(2, None)}]
    core.close()
