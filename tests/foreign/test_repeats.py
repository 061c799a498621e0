"""What the far end shows twice, and why: only what may have been lost, and then it says so."""

from pathlib import Path

import pytest

from tests.foreign import conduct
from tests.foreign.conduct import Conduct, Manner
from tests.foreign.far_end import FarEnd
from tests.foreign.http_talk import Answer, Request, in_json
from tests.foreign.reading import is_marked, name_of, names, repeats, unmarked_repeats
from tests.foreign.scenes import generous
from tests.foreign.stage import stage, terminate

TEN = [f"signal{number}" for number in range(10)]


def is_third(request: Request) -> bool:
    return name_of(request) == "signal3"


def shown_of_ten(folder: Path, met: Conduct, question: int = 200, more: int = 0) -> FarEnd:
    """A far end that meets ten signals so, when all is over; some time is left for so many messages `more`."""
    with (
        FarEnd(generous, question=question) as far_end,
        stage(folder / "stage", DISCORD_WEBHOOK_URL=far_end.webhook("signals"), SIGNALPOST_LIMITS="off") as at,
    ):
        far_end.conduct = met
        strategy = at.strategy()
        strategy.offer(TEN)
        assert far_end.wait_for(lambda: set(names(far_end.shown())) == set(TEN), 30), names(far_end.shown())
        far_end.wait_for(lambda: len(far_end.shown()) >= len(TEN) + more, 30)
        strategy.end()
        return far_end


@pytest.mark.parametrize("question", [200, 404])
@pytest.mark.parametrize("manner", [Manner.CUT, Manner.DRIPS])
def test_a_message_whose_answer_is_lost_is_shown_once_more_at_most_and_marked(
    tmp_path: Path, manner: Manner, question: int
) -> None:
    far_end = shown_of_ten(tmp_path, conduct.once(manner, is_third), question, more=1)
    assert set(repeats(far_end.shown()).items()) <= {("signal3", 1)}
    assert unmarked_repeats(far_end.shown()) == []
    assert {name_of(each) for each in far_end.shown() if is_marked(each)} <= {"signal3"}


def test_a_page_of_a_proxy_in_an_answers_place_is_survived(tmp_path: Path) -> None:
    page = Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", "text/html")
    far_end = shown_of_ten(tmp_path, conduct.once(page, is_third))
    assert repeats(far_end.shown()) == {}
    assert [name_of(each) for each in far_end.requests if each.status == 502] == ["signal3"]


def test_who_is_told_to_wait_waits_and_repeats_nothing(tmp_path: Path) -> None:
    told = {"message": "You are being rate limited.", "retry_after": 2.4, "global": False}
    too_many = in_json(429, told, Retry_After="3", X_RateLimit_Scope="shared")
    far_end = shown_of_ten(tmp_path, conduct.once(too_many, is_third))
    assert names(far_end.shown()) == TEN
    assert not any(is_marked(each) for each in far_end.shown())
    messages = [each for each in far_end.requests if each.method == "POST"]
    refused = next(number for number, each in enumerate(messages) if each.status == 429)
    assert messages[refused + 1].at - messages[refused].at >= 3


def test_a_message_that_the_far_end_cannot_bear_holds_up_no_other(tmp_path: Path) -> None:
    with (
        FarEnd(generous) as far_end,
        stage(tmp_path / "stage", DISCORD_WEBHOOK_URL=far_end.webhook("signals"), SIGNALPOST_LIMITS="off") as at,
    ):
        far_end.conduct = conduct.always(in_json(500, {"message": "500: Internal Server Error", "code": 0}), is_third)
        strategy = at.strategy()
        others = [name for name in TEN if name != "signal3"]
        strategy.offer(TEN)
        assert far_end.wait_for(lambda: names(far_end.shown()) == others, 5), names(far_end.shown())
        tried = [each for each in far_end.requests if each.status == 500]
        assert far_end.wait_for(lambda: sum(each.status == 500 for each in far_end.requests) > len(tried) + 3, 60)
        strategy.offer(["later"])
        assert far_end.wait_for(lambda: names(far_end.shown()) == [*others, "later"], 2), names(far_end.shown())


def test_what_was_queued_while_the_far_end_was_down_outlives_the_death_of_its_process(tmp_path: Path) -> None:
    queued = [f"signal{number:03}" for number in range(200)]
    with (
        FarEnd(generous, question=404) as far_end,
        stage(tmp_path / "stage", DISCORD_WEBHOOK_URL=far_end.webhook("signals"), SIGNALPOST_LIMITS="off") as at,
    ):
        far_end.conduct = conduct.away
        strategy = at.strategy()
        strategy.offer(queued)
        assert far_end.wait_for(lambda: len(far_end.requests) > 2, 10)
        strategy.kill()
        served = at.serve()
        before = len(far_end.requests)
        assert far_end.wait_for(lambda: len(far_end.requests) > before, 30), "the new process has sent nothing"
        assert far_end.shown() == []
        far_end.conduct = conduct.well
        far_end.wait_for(lambda: set(names(far_end.shown())) == set(queued), 30)
        assert terminate(served) == 0
    assert set(queued) - set(names(far_end.shown())) == set()
    assert unmarked_repeats(far_end.shown()) == []
    assert sum(repeats(far_end.shown()).values()) == 0, "nothing was shown before it died"
