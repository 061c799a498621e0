"""Signals of the book over HTTP: listed, shown and changed, each token only within its tiers."""

from typing import Any
from urllib.parse import quote

import pytest

from signalpost.delivery.outbox.book import FindTrades
from signalpost.domain.identity import short_id
from signalpost.domain.tier import UserTier
from signalpost.web.api import MOST_LISTED, read_query
from tests.unit.web.conftest import SIGNAL, Answer, Front

ID = "desk/1: a"
PATH = quote(ID, safe="")
LONG = SIGNAL | {"id": ID, "stop": 1.1600, "targets": [1.17, 1.18]}


async def get(front: Front, path: str, token: str = "free") -> Answer:
    return await front.request("GET", f"/api/v1/signals{path}", token)


async def change(front: Front, verb: str, token: str = "free", path: str = PATH, **body: Any) -> Answer:
    return await front.post(f"signals/{path}/{verb}", body, token)


async def listed(front: Front, query: str = "", token: str = "free") -> list[str]:
    return [each["id"] for each in (await get(front, query, token)).body["signals"]]


async def test_a_signal_is_changed_until_it_is_closed(front: Front) -> None:
    opened = await front.post("signals", LONG)
    assert (opened.body["signal_id"], opened.body["version"]) == (ID, 1)
    hit = await change(front, "update", target_hit=1, stop="be", note="half is safe")
    assert (hit.status, hit.body["outcome"], hit.body["signal_id"], hit.body["version"]) == (202, "accepted", ID, 2)
    closed = await change(front, "close", reason="stop")
    assert (closed.status, closed.body["version"]) == (202, 3)
    again = await change(front, "close", reason="stop")
    assert (again.status, again.body["outcome"], again.body["version"]) == (200, "duplicate", 3)
    shown = (await get(front, f"/{PATH}")).body
    assert (shown["id"], shown["number"], shown["state"], shown["version"]) == (ID, 1, "closed", 3)
    assert [target["hit"] for target in shown["targets"]] == [True, False]
    assert [part["share"] for part in shown["parts"]] == ["50", "50"]
    assert (shown["closed"]["reason"], shown["result"]["pips"]) == ("stop", "33")
    assert (await get(front, "")).body == {"signals": [shown]}


async def test_an_order_is_filled_or_cancelled(front: Front) -> None:
    await front.post("signals", LONG | {"order": "limit"})
    assert (await get(front, f"/{PATH}")).body["state"] == "pending"
    assert (await change(front, "fill", price="1.1635")).status == 202
    assert (await get(front, f"/{PATH}")).body["fill"]["slippage"] == "-1"
    assert (await change(front, "cancel", reason="news")).body["cause"] == "not-possible"
    await front.post("signals", LONG | {"order": "limit", "id": "2"})
    assert (await change(front, "cancel", path="2", reason="news")).status == 202
    assert (await get(front, "/2")).body["closed"]["reason"] == "news"


async def test_a_new_signal_that_has_ended_is_refused_with_its_field(front: Front) -> None:
    refused = await front.post("signals", LONG | {"status": "closed"})
    assert (refused.status, refused.fields, await listed(front)) == (422, ["status"], [])


async def test_an_id_that_looks_like_a_number_hides_no_other_signal(front: Front) -> None:
    await front.post("signals", LONG)
    refused = await front.post("signals", LONG | {"id": "#1"})
    assert (refused.status, refused.fields) == (422, ["signal_id"])
    assert (await front.post("signals", LONG | {"id": "1"})).status == 202
    assert [(await get(front, path)).body["id"] for path in ("/%231", "/1", "/%232")] == [ID, "1", "1"]
    assert (await change(front, "close", path="%231", price="1.17")).body["signal_id"] == ID


@pytest.mark.parametrize("token", ["free", "premium", "admin"])
async def test_a_token_sees_and_changes_only_signals_of_its_tiers(front: Front, token: str) -> None:
    await front.post("signals", LONG, "premium")
    if token == "free":
        hidden = await get(front, f"/{PATH}", token)
        assert (hidden.status, hidden.body["code"]) == (404, "unknown-signal")
        assert hidden.body == (await get(front, "/other", token)).body
        assert await listed(front, token=token) == []
        refused = await change(front, "update", token, note="n")
        assert (refused.status, refused.body) == (404, hidden.body)
        assert ((await get(front, f"/{PATH}", "premium")).body["version"]) == 1
    else:
        assert await listed(front, token=token) == [ID]
        assert (await change(front, "update", token, note="n")).body["version"] == 2


async def test_a_repeat_by_a_lower_token_does_not_show_a_signal_to_its_tier(front: Front) -> None:
    opened = await front.post("signals", LONG | {"strategy": "s"}, "premium")
    changed = await change(front, "update", "premium", target_hit=1)
    lower = LONG | {"strategy": "s", "user_tier": "free"}
    refused, other = await front.post("signals", lower), await front.post("signals", lower | {"stop": 1.1})
    assert (refused.status, refused.body["cause"]) == (409, "conflict")
    assert refused.body == other.body
    for ticket in (opened, changed):
        assert (await front.request("GET", ticket.headers["Location"], "free")).status == 404
        assert (await front.request("GET", ticket.headers["Location"], "premium")).status == 200
    assert (await get(front, f"/{PATH}", "admin")).body["tiers"] == ["premium"]
    assert await front.shown("signals-free") == []
    added = await front.post("signals", lower, "premium")
    assert (added.status, added.body["outcome"], added.body["version"]) == (202, "accepted", 2)


async def test_a_signal_is_found_by_its_short_id_and_number_but_not_by_its_pair(front: Front) -> None:
    await front.post("signals", LONG)
    for name in ("%231", short_id(ID)):
        assert (await get(front, f"/{name}")).body["id"] == ID, name
        assert (await change(front, "update", path=name, note=name)).status == 202, name
    for name in ("1", "EURUSD", "EUR%2FUSD"):
        assert (await get(front, f"/{name}")).body["code"] == "unknown-signal", name
        assert (await change(front, "update", path=name, note=name)).status == 404, name


async def test_a_stale_version_is_409(front: Front) -> None:
    await front.post("signals", LONG)
    assert (await change(front, "update", note="1", if_version=1)).body["version"] == 2
    stale = await change(front, "update", note="2", if_version=1)
    assert (stale.status, stale.body["cause"]) == (409, "stale-version")


async def test_an_impossible_change_is_409(front: Front) -> None:
    await front.post("signals", LONG)
    for verb, body in (("close", {}), ("cancel", {}), ("update", {"target_hit": 3}), ("update", {"stop": 1.2})):
        answer = await change(front, verb, **body)
        assert (answer.status, answer.body["cause"]) == (409, "not-possible"), verb
        assert answer.body["detail"].endswith("Possible now: fill, update, close"), "HTTP has no correct"
    assert (await get(front, f"/{PATH}")).body["version"] == 1


async def test_all_faults_of_a_change_are_reported_together(front: Front) -> None:
    await front.post("signals", LONG)
    answer = await change(front, "update", close="x", note=1, bogus=2, if_version="y")
    assert (answer.status, sorted(answer.fields)) == (422, ["bogus", "close", "if_version", "note"])
    assert (await front.request("POST", f"/api/v1/signals/{PATH}/close", "free", data="{}")).status == 415


async def test_the_list_is_the_newest_first_and_can_be_filtered(front: Front) -> None:
    for name, changes in (("1", {}), ("2", {"order": "limit"}), ("3", {"pair": "USDJPY", "entry": 150})):
        await front.post("signals", SIGNAL | changes | {"id": name})
    await change(front, "close", path="1", price=1.2)
    assert await listed(front) == ["3", "2", "1"]
    assert await listed(front, "?limit=2") == ["3", "2"]
    assert await listed(front, "?state=closed") == ["1"]
    assert await listed(front, "?state=PENDING") == ["2"]
    assert await listed(front, "?pair=EUR/USD") == ["2", "1"]
    assert await listed(front, "?pair=EURUSD&state=closed&limit=5") == ["1"]


def test_the_newest_100_signals_are_listed_unless_a_query_wants_others() -> None:
    free = frozenset({UserTier.FREE})
    assert read_query((), free) == FindTrades(tiers=free, limit=100)
    assert read_query([("limit", "1000")], free).limit == 1000


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("?state=won&limit=x&pair=%20", {"state", "limit", "pair"}),
        ("?limit=-1&since=1", {"limit", "since"}),
        (f"?limit={MOST_LISTED + 1}", {"limit"}),
        ("?limit=99999999999999999999", {"limit"}),
        ("?state=open&state=closed", {"state"}),
    ],
)
async def test_all_faults_of_a_query_are_reported_together(front: Front, query: str, fields: set[str]) -> None:
    answer = await get(front, query)
    assert (answer.status, set(answer.fields)) == (400, fields)
    assert ("1 fault;" in answer.body["detail"]) == (len(fields) == 1)


async def test_only_these_methods_and_verbs_exist(front: Front) -> None:
    for method, path, allowed in (
        ("POST", f"/{PATH}", "GET, HEAD"),
        ("GET", f"/{PATH}/close", "POST"),
        ("PUT", "", "POST, GET, HEAD"),
    ):
        answer = await front.request(method, f"/api/v1/signals{path}", "free")
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert (await change(front, "reopen")).status == 404
    assert (await front.request("HEAD", "/api/v1/signals", "free")).status == 200
    assert (await front.request("GET", "/api/v1/signals")).status == 401


async def test_a_service_that_is_not_running_is_503(front: Front) -> None:
    await front.service.stop()
    assert (await change(front, "close", price=1)).status == (await get(front, "")).status == 503


async def keyed(front: Front, verb: str, key: str, token: str = "free", path: str = PATH, **body: Any) -> Answer:
    return await front.post(f"signals/{path}/{verb}", body, token, **{"Idempotency-Key": key})


async def test_the_same_request_with_a_key_has_the_answer_of_before_whatever_happened_since(front: Front) -> None:
    await front.post("signals", LONG)
    first = await keyed(front, "update", "k", stop="1.1610")
    await change(front, "update", stop="1.1620")
    again = await keyed(front, "update", "k", stop="1.1610")
    assert (first.status, again.status, again.body["outcome"]) == (202, 200, "duplicate")
    assert (again.body["id"], again.body["version"]) == (first.body["id"], 2)
    assert (await get(front, f"/{PATH}")).body["version"] == 3
    moved = await keyed(front, "update", "l", stop="1.1610")
    assert (moved.status, moved.body["version"]) == (202, 4)


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("update", PATH, {"stop": "1.1611"}),
        ("update", PATH, {"stop": "1.1610", "if_version": 1}),
        ("close", PATH, {"price": "1.1610"}),
        ("update", "2", {"stop": "1.1610"}),
    ],
)
async def test_another_request_with_the_same_key_is_refused(
    front: Front, verb: str, path: str, body: dict[str, Any]
) -> None:
    await front.post("signals", LONG)
    await front.post("signals", LONG | {"id": "2"})
    assert (await keyed(front, "update", "k", stop="1.1610")).status == 202
    answer = await keyed(front, verb, "k", path=path, **body)
    assert (answer.status, answer.body["cause"]) == (409, "conflict")
    assert (await get(front, f"/{PATH}")).body["version"] == 2
    assert (await get(front, "/2")).body["version"] == 1


async def test_a_key_belongs_to_its_token_and_one_whose_request_was_refused_is_free(front: Front) -> None:
    await front.post("signals", LONG)
    assert (await keyed(front, "cancel", "k", reason="x")).body["cause"] == "not-possible"
    assert (await keyed(front, "update", "k", stop="1.1610")).status == 202
    assert (await keyed(front, "update", "k", "admin", stop="1.1620")).status == 202
    assert (await keyed(front, "update", " ", stop="1.1630")).fields == ["Idempotency-Key"]
