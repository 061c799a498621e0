r"""Lone surrogates, which JSON can name (`"\ud800"`) and no encoding can carry: no fault of ours, in any place."""

from collections.abc import Iterator
from typing import Any

import pytest

from signalpost.ingest.kinds import KIND_BY_PATH
from tests.unit.web.conftest import Answer, Front
from tests.unit.web.test_freqtrade import ENTRY, EXIT
from tests.unit.web.test_hooks import ALERT, CLOSE

HALF = "\ud800"
_ALERT_ALSO = (
    *("sl", "tp", "confidence", "strategy", "comment", "id", "timenow", "market_position", "prev_market_position"),
    *("priority", "user_tier", "context"),
)


LEAVE = {**CLOSE, "prev_market_position": "long", "market_position": "flat"}


def _with_halves(usual: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    """`usual` with a half in each of its fields, and in each of `names`, alone and within; and as a name."""
    for name in dict.fromkeys((*usual, *names)):
        for value in (HALF, f"a{HALF}b", [HALF], {HALF: HALF}, {"a": {HALF: [HALF]}}):
            yield {**usual, name: value}
    yield {**usual, HALF: HALF}


def _faulty(body: dict[str, Any], answer: Answer) -> str:
    """The problem in the answer, if any."""
    is_answer = answer.status in {200, 202, 404, 409} or (answer.status == 422 and answer.body["errors"])
    return "" if is_answer else f"{answer.status} for {body!r}"


@pytest.mark.parametrize("path", sorted(KIND_BY_PATH))
async def test_in_no_field_of_any_kind(front: Front, path: str) -> None:
    kind = KIND_BY_PATH[path]
    usual = {**kind.sample, "timestamp": "2099-01-01T00:00:00Z"}
    names = (name for each in kind.names.spellings.values() for name in each)
    bodies = list(_with_halves(usual, *names, *("priority", "user_tier", "tier", "context"), "kind"))
    assert list(filter(None, [_faulty(body, await front.post(path, body)) for body in bodies])) == []


async def test_an_uptime_is_refused_as_any_other_text(front: Front) -> None:
    answer = await front.post("statuses", {"status": "ok", "uptime": HALF})
    assert (answer.status, answer.fields) == (422, ["uptime"])


@pytest.mark.parametrize(
    ("kind", "usual", "also"),
    [
        ("tradingview", ALERT, _ALERT_ALSO),
        ("tradingview", LEAVE, _ALERT_ALSO),
        ("freqtrade", ENTRY, ("strategy", "context", "priority", "user_tier", "stop_loss", "take_profit")),
        ("freqtrade", EXIT, ("context",)),
        ("freqtrade", {"event": "status", "status": "running"}, ("context",)),
        ("freqtrade", {"event": "strategy_msg", "msg": "m"}, ("severity", "context")),
    ],
)
async def test_in_no_field_of_a_hook(front: Front, kind: str, usual: dict[str, Any], also: tuple[str, ...]) -> None:
    if usual in (LEAVE, EXIT):
        await front.hook(kind, ALERT if kind == "tradingview" else ENTRY)
    bodies = list(_with_halves(usual, *also))
    assert list(filter(None, [_faulty(body, await front.hook(kind, body)) for body in bodies])) == []


async def test_in_text_that_is_no_json(front: Front) -> None:
    raw = b'ticker=EURUSD interval=240 action=buy price=1.1 time="2099-01-01T00:00:00Z" strategy="\xed\xa0\x80"'
    assert (await front.hook("tradingview", raw)).status == 202
