import asyncio
import gc
import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signalpost.domain.candle import Candle
from signalpost.domain.instrument import Instrument
from signalpost.domain.timeframe import Timeframe
from signalpost.errors import FeedFailed
from signalpost.testing.manual_clock import ManualClock
from signalpost.trading.calendar import ALWAYS
from signalpost.trading.feeds.folder import FolderFeed
from signalpost.trading.feeds.port import Fetched
from tests.size import size

PAIR, H4 = Instrument("EUR_USD"), Timeframe("H4")
START = datetime(2024, 11, 4, tzinfo=UTC)
HEADER = "time,open,high,low,close\n"


def row(number: int, close: str = "1.09") -> str:
    return f"{(START + number * H4.duration).isoformat()},1.08,1.10,1.07,{close}\n"


def rows(count: int, start: int = 0) -> str:
    return "".join(row(number) for number in range(start, start + count))


@pytest.fixture(autouse=True)
def clock() -> Iterator[ManualClock]:
    with ManualClock(START + timedelta(days=30)) as manual:
        yield manual


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "EUR_USD_H4.csv"


@pytest.fixture
def feed(tmp_path: Path) -> FolderFeed:
    return FolderFeed(name="mine", calendar=ALWAYS, path=tmp_path)


async def candles(feed: FolderFeed) -> tuple[Candle, ...]:
    return (await feed.fetch(PAIR, H4, since=START, limit=10_000)).candles


async def failure(feed: FolderFeed) -> FeedFailed:
    with pytest.raises(FeedFailed) as caught:
        await candles(feed)
    return caught.value


def append(file: Path, text: str) -> None:
    with file.open("a") as end:
        end.write(text)


async def test_appended_rows_are_read_without_those_before(feed: FolderFeed, file: Path) -> None:
    file.write_text(HEADER + rows(2))
    before = await candles(feed)
    append(file, row(2))
    after = await candles(feed)
    assert [candle.time for candle in after] == [START + number * H4.duration for number in range(3)]
    assert all(old is new for old, new in zip(before, after, strict=False))


async def test_an_unchanged_file_is_not_opened(feed: FolderFeed, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(HEADER + rows(2))
    before = await candles(feed)
    monkeypatch.setattr(Path, "open", None)
    assert await candles(feed) == before


async def test_a_line_without_its_end_is_not_there_yet(feed: FolderFeed, file: Path) -> None:
    file.write_text("")
    assert await candles(feed) == ()
    for ending in ("time,open,", "high,low,close\n", row(0), row(1)[:-1]):
        append(file, ending)
    assert len(await candles(feed)) == 1
    append(file, "\n")
    assert len(await candles(feed)) == 2
    append(file, row(2)[:12])
    assert len(await candles(feed)) == 2
    append(file, row(2)[12:] + row(3)[:20])
    assert len(await candles(feed)) == 3


async def test_a_line_that_names_the_separator_may_come_first(feed: FolderFeed, file: Path) -> None:
    file.write_text("sep=;\n")
    assert await candles(feed) == ()
    append(file, (HEADER + rows(2)).replace(",", ";"))
    assert len(await candles(feed)) == 2
    append(file, row(2).replace(",", ";") + "rubbish;\n")
    error = await failure(feed)
    assert (error.code, f"{file}, line 6" in str(error)) == ("missing", True)


@pytest.mark.parametrize("way", ["renamed over it", "written in place, longer", "written in place, shorter"])
async def test_a_replaced_file_is_read_anew(feed: FolderFeed, file: Path, way: str) -> None:
    file.write_text(HEADER + rows(4))
    await candles(feed)
    corrected = HEADER + rows(3) + row(3, "1.085")
    if way == "renamed over it":
        (other := file.with_suffix(".new")).write_text(corrected)
        other.rename(file)
    elif way == "written in place, longer":
        file.write_text(corrected + row(4))
    else:
        file.write_text(HEADER + row(0) + row(3, "1.085"))
    assert [str(candle.close) for candle in await candles(feed) if candle.time == START + 3 * H4.duration] == ["1.085"]


async def test_a_rewritten_file_of_the_same_size_is_noticed_by_its_time(feed: FolderFeed, file: Path) -> None:
    file.write_text(HEADER + row(0, "1.09"))
    await candles(feed)
    file.write_text(HEADER + row(0, "1.08"))
    os.utime(file, (1_800_000_000, 1_800_000_000))
    assert [str(candle.close) for candle in await candles(feed)] == ["1.08"]


@pytest.mark.parametrize("place", [0, 1, 2_500, 4_999])
async def test_a_row_that_was_changed_far_before_the_end_of_a_file_that_grew_is_noticed(
    feed: FolderFeed, file: Path, clock: ManualClock, place: int
) -> None:
    clock.advance(timedelta(days=1000))
    file.write_text(HEADER + rows(5_000))
    await candles(feed)
    changed = [row(number, "1.08" if number == place else "1.09") for number in range(5_001)]
    file.write_text(HEADER + "".join(changed))
    assert [at for at, candle in enumerate(await candles(feed)) if str(candle.close) == "1.08"] == [place]


async def test_finer_prices_make_the_file_to_be_read_again(feed: FolderFeed, file: Path) -> None:
    """Which digits of a price are noise depends on the decimals of the whole file."""
    file.write_text(HEADER + rows(2))
    before = await candles(feed)
    append(file, row(2, "1.080001"))
    after = await candles(feed)
    assert after[:2] == before
    assert after[0] is not before[0]
    append(file, row(3))
    assert (await candles(feed))[0] is after[0]


@settings(max_examples=size(15, 30))
@given(st.lists(st.integers(1, 120), min_size=1, max_size=12), st.booleans())
async def test_however_a_file_grows_its_complete_rows_are_there(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], is_gzip: bool
) -> None:
    folder = tmp_path_factory.mktemp("grows")
    whole, file = (HEADER + rows(8)).encode(), folder / f"EUR_USD_H4.csv{'.gz' if is_gzip else ''}"
    feed, written = FolderFeed(name="mine", calendar=ALWAYS, path=folder), 0
    for length in (*parts, len(whole)):
        part = whole[written : written + length]
        with file.open("ab") as end:
            end.write(gzip.compress(part) if is_gzip else part)
        written += len(part)
        assert len(await candles(feed)) == max(0, whole[:written].count(b"\n") - 1)


@settings(max_examples=size(50, 200))
@given(
    st.lists(
        st.binary(max_size=40) | st.sampled_from([row(0).encode(), row(1).encode(), b"\x1f\x8b", b'"', b"sep=;\n"])
    )
)
async def test_whatever_a_file_contains_nothing_but_a_failure_is_raised(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    feed, file = FolderFeed(name="mine", calendar=ALWAYS, path=folder), folder / "EUR_USD_H4.csv"
    for header in (b"", HEADER.encode()):
        file.write_bytes(header)
        for part in parts:
            with file.open("ab") as end:
                end.write(part)
            with suppress(FeedFailed):
                await candles(feed)


async def test_a_gzip_file_that_is_cut_has_the_rows_before(feed: FolderFeed, tmp_path: Path) -> None:
    file = tmp_path / "EUR_USD_H4.csv.gz"
    data = gzip.compress((HEADER + rows(150)).encode())
    file.write_bytes(data[: len(data) // 2])
    assert 20 < len(await candles(feed)) < 150
    file.write_bytes(data)
    assert len(await candles(feed)) == 150


@pytest.mark.parametrize(
    ("more", "code", "line"),
    [
        ("rubbish\n", "missing", 4),
        (row(5) + row(4), "out-of-order", 5),
        (row(1, "1.075"), "conflict", 4),
        (row(5, "1.20"), "conflict", 4),
        (row(5, "?"), "not-a-number", 4),
        (row(5) + '"' + row(6), "not-csv", 5),
    ],
)
@pytest.mark.parametrize("is_read_before", [True, False])
async def test_a_bad_row_is_a_failure_until_it_is_corrected(
    feed: FolderFeed, file: Path, more: str, code: str, line: int, *, is_read_before: bool
) -> None:
    file.write_text(HEADER + rows(2))
    if is_read_before:
        await candles(feed)
    append(file, more)
    for _ in range(2):
        error = await failure(feed)
        assert (error.code, f"{file}, line {line}" in str(error)) == (code, True)
    file.write_text(HEADER + rows(3))
    assert len(await candles(feed)) == 3


@pytest.mark.parametrize("is_read_before", [True, False])
async def test_a_line_that_is_not_utf8_is_named(feed: FolderFeed, file: Path, *, is_read_before: bool) -> None:
    file.write_text(HEADER + rows(2))
    if is_read_before:
        await candles(feed)
    with file.open("ab") as end:
        end.write(row(2).encode() + b"\xff\n")
    error = await failure(feed)
    assert (error.code, f"{file}, line 5" in str(error)) == ("not-utf-8", True)


async def test_a_repeated_row_is_skipped(feed: FolderFeed, file: Path) -> None:
    file.write_text(HEADER + rows(2))
    await candles(feed)
    append(file, row(1) + row(2))
    assert len(await candles(feed)) == 3


async def test_candles_of_another_timeframe_are_refused(feed: FolderFeed, file: Path, tmp_path: Path) -> None:
    file.write_text(HEADER + rows(3))
    file.rename(tmp_path / "EUR_USD_H1.csv")
    fetched = await feed.fetch(PAIR, Timeframe("H1"))
    assert len(fetched.candles) == 3, "so few could be a quiet market"
    append(tmp_path / "EUR_USD_H1.csv", rows(9, start=3))
    with pytest.raises(FeedFailed) as caught:
        await feed.fetch(PAIR, Timeframe("H1"))
    assert (caught.value.code, caught.value.field) == ("wrong-timeframe", "timeframe")


async def test_missing_and_unreadable_files_are_failures(feed: FolderFeed, file: Path, tmp_path: Path) -> None:
    assert (await failure(feed)).code == "not-found"
    file.mkdir()
    assert (await failure(feed)).code == "not-readable"
    file.rmdir()
    (tmp_path / "EUR_USD_H4.csv.gz").write_bytes(gzip.compress((HEADER + rows(9)).encode())[:-8] + b"damaged")
    assert (await failure(feed)).code == "not-readable"
    no_folder = FolderFeed(name="mine", calendar=ALWAYS, path=tmp_path / "EUR_USD_H4.csv.gz")
    assert (await failure(no_folder)).code == "not-readable"


async def test_a_failure_has_the_facts_of_the_row(feed: FolderFeed, file: Path) -> None:
    file.write_text(HEADER + row(0, "?"))
    fault = (await failure(feed)).errors[0]
    assert (fault.field, fault.value, fault.code) == ("close", "'?'", "not-a-number")


async def test_the_last_row_is_closed_by_a_newer_one_or_by_the_clock(
    feed: FolderFeed, file: Path, clock: ManualClock
) -> None:
    file.write_text(HEADER + rows(3))
    last = START + 2 * H4.duration
    clock.set(last + timedelta(minutes=1))
    fetched = await feed.fetch(PAIR, H4)
    assert (len(fetched.candles), fetched.forming) == (2, last)
    clock.set(last + H4.duration)
    assert len((await feed.fetch(PAIR, H4)).candles) == 3
    early = last + timedelta(hours=1)
    append(file, f"{early.isoformat()},1.08,1.10,1.07,1.09\n")
    clock.set(early)
    fetched = await feed.fetch(PAIR, H4)
    assert (len(fetched.candles), fetched.forming) == (3, early), "the newer row proves that the earlier is complete"


async def test_a_row_of_the_future_is_not_taken_and_closes_nothing(
    feed: FolderFeed, file: Path, clock: ManualClock
) -> None:
    file.write_text(HEADER + rows(3))
    clock.set(START + 2 * H4.duration - timedelta(seconds=1))
    fetched = await feed.fetch(PAIR, H4)
    assert (len(fetched.candles), fetched.forming) == (1, START + H4.duration)


@pytest.mark.parametrize("ending", ["", "\n\n"])
async def test_a_file_that_is_ahead_fails_and_its_last_row_is_named(
    feed: FolderFeed, file: Path, clock: ManualClock, ending: str
) -> None:
    """A row may open up to two minutes ahead, because clocks differ. More is the wrong time zone."""
    last = START + 2 * H4.duration
    file.write_text(f"{HEADER}{rows(3)}{row(2)}{ending}")
    clock.set(last - timedelta(minutes=2))
    assert len(await candles(feed)) == 1
    clock.set(last - timedelta(minutes=2, microseconds=1))
    error = await failure(feed)
    assert (error.code, error.field, error.errors[0].value) == ("bad-answer", "time", "2024-11-04T08:00:00Z")
    assert error.errors[0].limit is not None
    assert f"{file}, line 4" in str(error)
    append(file, row(3))
    assert f"{file}, line {6 + len(ending)}" in str(await failure(feed))
    assert len((await at(feed, clock, last + H4.duration)).candles) == 3


async def at(feed: FolderFeed, clock: ManualClock, now: datetime) -> Fetched:
    clock.set(now)
    return await feed.fetch(PAIR, H4)


async def started(feed: FolderFeed) -> asyncio.Task[Fetched]:
    """A fetch that has begun to read."""
    fetching = asyncio.create_task(feed.fetch(PAIR, H4))
    for _ in range(3):
        await asyncio.sleep(0)
    return fetching


async def test_a_file_that_hangs_takes_one_thread_of_its_own(feed: FolderFeed, file: Path, tmp_path: Path) -> None:
    """A pipe without a writer hangs like a file on a disk that is away."""
    os.mkfifo(file)
    os.link(file, tmp_path / "writer")
    before = {*threading.enumerate()}
    for _ in range(5):
        fetching = await started(feed)
        fetching.cancel()
        await asyncio.wait([fetching])
        assert fetching.cancelled()
    (thread,) = {*threading.enumerate()} - before
    assert thread.daemon, "otherwise the program could not end"
    (tmp_path / "GBP_USD_H4.csv").write_text(HEADER + rows(2))
    assert len((await feed.fetch(Instrument("GBP_USD"), H4)).candles) == 2
    waiting = [await started(feed) for _ in range(2)]
    (tmp_path / "new").write_text(HEADER + rows(3))
    (tmp_path / "new").replace(file)
    await asyncio.to_thread((tmp_path / "writer").write_text, "rubbish\n")
    assert [len((await each).candles) for each in waiting] == [3, 3]


async def test_a_reading_that_fails_after_its_fetch_was_cancelled_is_not_logged(
    feed: FolderFeed, file: Path, tmp_path: Path
) -> None:
    logged: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    os.mkfifo(file)
    fetching = await started(feed)
    fetching.cancel()
    await asyncio.to_thread(file.write_text, "rubbish\n")
    (tmp_path / "new").write_text(HEADER + rows(3))
    (tmp_path / "new").replace(file)
    assert len(await candles(feed)) == 3
    del fetching
    gc.collect()
    assert logged == []


async def test_closing_waits_for_no_file(feed: FolderFeed, file: Path) -> None:
    os.mkfifo(file)
    fetching = await started(feed)
    await feed.close()
    await asyncio.wait([fetching])
    await asyncio.to_thread(file.write_text, HEADER)


@pytest.mark.parametrize("is_closed", [False, True])
async def test_without_a_free_thread_a_fetch_fails_and_the_next_one_works(
    feed: FolderFeed, file: Path, monkeypatch: pytest.MonkeyPatch, *, is_closed: bool
) -> None:
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    file.write_text(HEADER + rows(2))
    with monkeypatch.context() as context:
        context.setattr(threading.Thread, "start", fail)
        with pytest.raises(RuntimeError):
            await candles(feed)
    if is_closed:
        await feed.close()
    else:
        assert len(await candles(feed)) == 2


async def test_a_symbol_with_a_slash_stays_in_the_folder(feed: FolderFeed, tmp_path: Path) -> None:
    (tmp_path / "_ES_H4.csv").write_text(HEADER + rows(2))
    assert len((await feed.fetch(Instrument("/ES"), H4)).candles) == 2
