"""Which requests are admitted, over a real connection."""

from typing import Any

import pytest

from signalpost.domain.tier import UserTier
from signalpost.web import auth
from signalpost.web.problem import Problem
from signalpost.web.tokens import Scope, TokensFile
from tests.unit.web.conftest import ALERT, SIGNAL, Front
from tests.unit.web.test_hooks import ALERT as TV


async def test_without_a_token_or_with_a_wrong_one_it_is_401_with_a_challenge(front: Front) -> None:
    missing = await front.request("POST", "/api/v1/signals", json=SIGNAL)
    assert (missing.status, missing.headers["WWW-Authenticate"]) == (401, 'Bearer realm="signalpost"')
    assert "signalpost tokens add" in missing.body["detail"]
    assert "--scope api" in missing.body["detail"]
    for given in ("Basic abc", "Bearer", "Bearer ", "Bearer wrong", "Bearer a b", front.text_by_token["free"]):
        answer = await front.request("POST", "/api/v1/signals", json=SIGNAL, headers={"Authorization": given})
        assert answer.status == 401, given
    assert (await front.request("POST", "/hooks/tradingview/wrong", json=TV)).status == 401
    assert (await front.request("GET", "/api/v1/tickets/1")).status == 401


async def test_the_scheme_is_read_in_any_case(front: Front) -> None:
    headers = {"Authorization": f"bearer  {front.text_by_token['free']}"}
    assert (await front.request("POST", "/api/v1/signals", json=SIGNAL, headers=headers)).status == 202


async def test_a_token_opens_its_scopes_alone(front: Front) -> None:
    assert (await front.hook("tradingview", TV, "reader")).status == 403
    assert (await front.hook("freqtrade", {"event": "entry"}, "reader")).status == 403
    assert (await front.post("alerts", ALERT, "reader")).status == 202


@pytest.mark.parametrize(
    ("token", "tier", "status"),
    [
        ("free", "free", 202),
        ("free", "premium", 403),
        ("premium", "premium", 202),
        ("premium", "free", 202),
        ("premium", "admin", 403),
        ("admin", "premium", 202),
        ("admin", "whale", 422),
    ],
)
async def test_a_token_sends_for_its_tier_and_those_below(front: Front, token: str, tier: str, status: int) -> None:
    assert (await front.post("signals", {**SIGNAL, "user_tier": tier}, token)).status == status
    assert (await front.hook("tradingview", {**TV, "tier": tier}, token)).status == status
    answer = await front.hook("freqtrade", {"event": "status", "status": "up", "tier": tier}, token)
    assert answer.status == status


async def test_a_request_cannot_choose_where_it_goes(front: Front) -> None:
    """P10: neither a webhook nor a destination has a name that is read."""
    for name in ("webhook", "webhook_url", "destination", "url", "channel"):
        answer = await front.post("signals", {**SIGNAL, name: front.sandbox.webhook("elsewhere")})
        assert (answer.status, answer.fields) == (422, [name])
        await front.hook("tradingview", {**TV, name: front.sandbox.webhook("elsewhere")})
    assert await front.shown("elsewhere") == []


async def test_a_change_of_the_tokens_is_noticed_at_once(front: Front) -> None:
    front.tokens.revoke("free")
    assert (await front.post("signals", SIGNAL)).status == 401
    front.text_by_token["new"] = front.tokens.add("new", UserTier.FREE, (Scope.API,))[1].reveal()
    assert (await front.post("signals", SIGNAL, "new")).status == 202
    front.tokens.path.unlink()
    assert (await front.post("signals", SIGNAL, "new")).status == 401


async def test_a_missing_data_folder_is_503_and_not_401(front: Front) -> None:
    home = front.tokens.path.parent
    away = home.with_name("away")
    home.rename(away)
    answer = await front.post("signals", SIGNAL)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60"), "a sender asks again then, and loses nothing"
    away.rename(home)
    assert (await front.post("signals", SIGNAL)).status == 202


async def test_a_damaged_file_of_tokens_is_503_until_it_is_restored(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    whole = front.tokens.path.read_bytes()
    front.tokens.path.write_bytes(whole[:-10])
    answer = await front.post("signals", SIGNAL)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
    assert [record.levelname for record in caplog.records if "tokens.json" in record.getMessage()] == ["ERROR"]
    assert (await front.post("signals", SIGNAL)).status == 503, "even if the file has not changed since"
    front.tokens.path.write_bytes(whole)
    assert (await front.post("signals", SIGNAL)).status == 202


async def test_many_wrong_tokens_are_429_and_a_valid_one_is_still_admitted(front: Front) -> None:
    """The peer may be a proxy before many."""
    wrong: Any = {"json": SIGNAL, "headers": {"Authorization": "Bearer wrong"}}
    answers = [await front.request("POST", "/api/v1/signals", **wrong) for _ in range(auth.WRONG_TOKENS.burst + 1)]
    assert [answer.status for answer in answers] == [401] * auth.WRONG_TOKENS.burst + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3
    assert (await front.post("signals", SIGNAL)).status == 202
    assert (await front.request("POST", "/api/v1/signals", json=SIGNAL)).status == 401, "no token is no guess"


async def test_a_token_with_too_many_requests_is_429_and_delays_no_other(front: Front, tokens: TokensFile) -> None:
    token_auth = auth.TokenAuth(tokens, {})
    for _ in range(auth.REQUESTS.burst):
        token_auth.admit(front.text_by_token["free"], Scope.API, "127.0.0.1", 0.0)
    for scope in (Scope.API, Scope.TRADINGVIEW):
        with pytest.raises(Problem) as limited:
            token_auth.admit(front.text_by_token["free"], scope, "127.0.0.1", 0.0)
        assert (limited.value.status, limited.value.headers["Retry-After"]) == (429, "1")
    assert token_auth.admit(front.text_by_token["reader"], Scope.API, "127.0.0.1", 0.0).name == "reader"
    assert token_auth.admit(front.text_by_token["free"], Scope.API, "127.0.0.1", 1.0).name == "free"


def test_a_token_of_a_tier_that_is_no_longer_configured_sees_only_its_own(tokens: TokensFile) -> None:
    gold, _ = tokens.add("gold", UserTier("gold"), (Scope.API,))
    ranks = {UserTier.FREE: 0, UserTier.PREMIUM: 1}
    assert auth.TokenAuth(tokens, ranks).tiers_of(gold) == {"gold"}
    assert auth.TokenAuth(tokens, ranks | {gold.tier: 1}).tiers_of(gold) == {"gold", "free", "premium"}  # type: ignore[dict-item]
