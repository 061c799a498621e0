"""`/api/v1` over a real connection, with a real service behind it."""

import asyncio
import threading
from typing import Any

import pytest

from signalpost.web.body import json_object
from tests.unit.web.conftest import ALERT, SIGNAL, Front


async def test_a_signal_is_accepted_stored_and_shown_and_its_ticket_says_so(front: Front) -> None:
    answer = await front.post("signals", {**SIGNAL, "context": {"rsi": 55.5}})
    assert answer.status == 202
    warnings = answer.body["warnings"]  # its candle is in the future
    opened = {"signal_id": "free:EUR_USD:H4:BUY:20990101T000000Z", "version": 1}
    accepted = {"outcome": "accepted", "id": answer.body["id"], "reason": None, "warnings": warnings}
    assert answer.body == accepted | opened
    assert answer.headers["Location"] == f"/api/v1/tickets/{answer.body['id']}"
    assert await front.shown("signals-free") == ["BUY EURUSD"]
    ticket = await front.request("GET", answer.headers["Location"], "reader")
    assert ticket.status == 200
    (delivery,) = ticket.body["deliveries"]
    assert delivery == {
        "destination": "signals-free",
        "state": "delivered",
        "attempts": 1,
        "may_repeat": False,
        "reason": None,
        "message_id": delivery["message_id"],
    }


async def test_the_same_again_is_200_with_the_first_ticket(front: Front) -> None:
    first, again = await front.post("signals", SIGNAL), await front.post("signals", SIGNAL)
    assert (again.status, again.body["outcome"], again.body["id"]) == (200, "duplicate", first.body["id"])
    assert again.headers["Location"] == first.headers["Location"]
    assert await front.shown("signals-free") == ["BUY EURUSD"]


async def test_other_content_under_one_id_is_409(front: Front) -> None:
    await front.post("signals", SIGNAL)
    other = await front.post("signals", {**SIGNAL, "entry": 1.2})
    assert (other.status, other.body["cause"]) == (409, "conflict")
    assert other.headers["Content-Type"] == "application/problem+json"


async def test_a_stale_signal_is_202_and_suppressed(front: Front) -> None:
    answer = await front.post("signals", {**SIGNAL, "time": "2020-01-01T00:00:00Z"})
    assert (answer.status, answer.body["outcome"]) == (202, "suppressed")
    assert answer.body["id"]
    assert answer.body["reason"]
    assert await front.shown("signals-free") == []


async def test_each_kind_has_its_path(front: Front) -> None:
    assert (await front.post("alerts", ALERT)).status == 202
    assert (await front.post("statuses", {"status": "operational"})).status == 202
    (line,) = await front.shown("alerts-critical")
    assert line.startswith("HIGH")
    assert ALERT["title"] in line
    for what in ("analyses", "announcements"):
        answer = await front.post(what, {"title": "t", "text": "x"})
        assert (answer.status, answer.body["cause"]) == (409, "no-destination"), "no webhook is set for these here"


async def test_a_body_is_read_outside_the_event_loop(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def read(raw: bytes) -> dict[str, Any]:
        threads.append(threading.get_ident())
        return json_object(raw)

    monkeypatch.setattr("signalpost.web.router.json_object", read)
    assert (await front.post("signals", SIGNAL)).status == 202
    assert len(threads) == 1
    assert threads != [threading.get_ident()]


@pytest.mark.parametrize("body", [ALERT, {**ALERT, "timestamp": "2099-01-01T00:00:00Z"}])
async def test_an_idempotency_key_makes_a_repeat_a_duplicate_and_other_content_a_conflict(
    front: Front, body: dict[str, Any]
) -> None:
    key = {"Idempotency-Key": "deploy 42"}
    first, again = await front.post("alerts", body, **key), await front.post("alerts", body, **key)
    assert (first.status, again.status, again.body["id"]) == (202, 200, first.body["id"])
    assert (await front.post("alerts", {**body, "title": "other"}, **key)).status == 409
    assert (await front.post("alerts", body, "premium", **key)).status == 202, "another token's key is another"
    assert (await front.post("alerts", body, **{"Idempotency-Key": "deploy 43"})).status == 202


async def test_the_same_key_at_once_is_accepted_once(front: Front) -> None:
    answers = await asyncio.gather(*(front.post("alerts", ALERT, **{"Idempotency-Key": "1"}) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [202]


async def test_an_idempotency_key_is_remembered_over_a_restart_and_a_forgotten_one_is_still_a_duplicate(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalpost.web.router.FIRST_TIME_STATES", 1)
    monkeypatch.setattr("signalpost.web.router.KEYS_PER_STATE", 3)
    first = await front.post("alerts", ALERT, **{"Idempotency-Key": "0"})
    await front.service.stop()
    await front.service.start()
    assert (await front.post("alerts", ALERT, **{"Idempotency-Key": "0"})).body["id"] == first.body["id"]
    for number in range(1, 4):
        await front.post("alerts", ALERT, **{"Idempotency-Key": str(number)})
    assert (await front.post("alerts", ALERT, **{"Idempotency-Key": "3"})).status == 200
    assert (await front.post("alerts", ALERT, **{"Idempotency-Key": "0"})).body["id"] == first.body["id"]


async def test_all_faults_of_a_body_are_reported_together(front: Front) -> None:
    answer = await front.post("signals", {**SIGNAL, "entry": "x", "side": "up", "stop_los": 1, "priority": "soon"})
    assert answer.status == 422
    assert sorted(answer.fields) == ["entry", "priority", "side", "stop_los"]
    assert await front.shown("signals-free") == []


async def test_a_body_that_is_not_json_is_400_and_another_content_type_415(front: Front) -> None:
    page = ("POST", "/api/v1/signals", "free")
    said_so = {"Content-Type": "application/json"}
    assert (await front.request(*page, data=b"BUY", headers=said_so)).status == 400
    assert (await front.request(*page, data=b"{}", headers={"Content-Type": "text/plain"})).status == 415
    assert (await front.request(*page, data=b"{}", headers={**said_so, "Content-Encoding": "gzip"})).status == 415
    assert (await front.request(*page, data={"form": "1"})).status == 415
    assert (
        await front.request(*page, data=b"{}", headers={"Content-Type": "application/json; charset=utf-8"})
    ).status == 422


async def test_a_body_above_64_kib_is_413_whether_it_says_its_length_or_not(front: Front) -> None:
    async def chunks() -> Any:
        for _ in range(80):
            yield b" " * 1_024

    page = ("POST", "/api/v1/signals", "free")
    said_so = {"Content-Type": "application/json"}
    for data in (b" " * (64 * 1024 + 1), chunks()):
        answer = await front.request(*page, data=data, headers=said_so)
        assert answer.status == 413
        assert "64 KiB" in answer.body["detail"]
    assert (await front.request(*page, data=b" " * 64 * 1024, headers=said_so)).status == 400


async def test_a_client_that_expects_100_continue_gets_it(front: Front) -> None:
    answer = await front.request("POST", "/api/v1/signals", "free", json=SIGNAL, expect100=True)
    assert answer.status == 202


async def test_an_unknown_path_is_404_and_another_method_405(front: Front) -> None:
    for path in (
        "/",
        "/api",
        "/api/v1/",
        "/api/v1/signals/",
        "/api/v1/orders",
        "/api/v1/tickets/",
        "/hooks/tradingview/",
    ):
        assert (await front.request("POST", path, "free")).status == 404, path
    for method, path, allowed in (
        ("GET", "/api/v1/alerts", "POST"),
        ("OPTIONS", "/api/v1/signals", "POST, GET, HEAD"),
        ("PUT", "/hooks/freqtrade/x", "POST"),
        ("POST", "/health", "GET, HEAD"),
    ):
        answer = await front.request(method, path, "free")
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
    assert (await front.request("GET", "/api/v1/tickets/00", "free")).status == 404


async def test_health_needs_no_token_and_shows_none(front: Front) -> None:
    answer = await front.request("GET", "/health")
    assert (answer.status, answer.body) == (200, {"status": "healthy", "reasons": [], "causes": []})
    assert (await front.request("HEAD", "/health")).status == 200
    await front.service.stop()
    answer = await front.request("GET", "/health")
    assert (answer.status, answer.body["status"]) == (503, "unhealthy")
    assert not any(text in str(answer) for text in front.text_by_token.values())


async def test_a_service_that_is_not_running_is_503_with_retry_after(front: Front) -> None:
    await front.service.stop()
    posted = await front.post("signals", SIGNAL)
    hooked = await front.hook("tradingview", "ticker=EURUSD interval=60 action=buy price=1 time=2099-01-01T00:00:00Z")
    keyed = await front.post("alerts", ALERT, **{"Idempotency-Key": "1"})
    for answer in (posted, hooked, keyed):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        assert answer.body["code"] == "not-running"


async def test_answers_are_not_cached_and_not_readable_by_other_sites(front: Front) -> None:
    for answer in (
        await front.post("signals", SIGNAL),
        await front.request("GET", "/"),
        await front.request("GET", "/health"),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Server"] == "signalpost"
        assert not any(name.lower().startswith("access-control") for name in answer.headers)
