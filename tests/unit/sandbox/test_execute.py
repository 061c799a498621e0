from datetime import datetime, timedelta

import pytest

from signalpost.sandbox.rules import guild
from signalpost.sandbox.rules.snowflake import EPOCH, snowflake, snowflake_of
from tests.unit.sandbox.caller import HOOK, START, TOKEN, Caller, json_of, refusal, status


def created_at(snowflake: str) -> datetime:
    return EPOCH + timedelta(milliseconds=int(snowflake) >> 22)


def test_with_wait_the_answer_is_the_message() -> None:
    caller = Caller()
    caller.seconds += 1.5
    outcome = caller.post({"content": "  hi ", "embeds": [{"title": "t", "color": 255}], "tts": True})
    message = json_of(outcome)
    assert status(outcome) == 200
    assert message == caller.shown()[0]
    assert message["content"] == "hi"
    assert message["embeds"] == [{"type": "rich", "title": "t", "color": 255}]
    assert message["tts"] is True
    assert message["timestamp"] == "2025-08-20T01:00:01.500000+00:00"
    assert message["edited_timestamp"] is None
    assert message["webhook_id"] == message["author"]["id"] == json_of(caller.send("GET"))["id"]
    assert message["channel_id"] == json_of(caller.send("GET"))["channel_id"]
    assert created_at(message["id"]) == START + timedelta(seconds=1.5)


@pytest.mark.parametrize(
    ("wait", "expected"),
    [("true", 200), ("True", 200), ("1", 200), ("false", 204), ("False", 204), ("0", 204)],
)
def test_wait_accepts_discords_booleans(wait: str, expected: int) -> None:
    caller = Caller()
    outcome = caller.post(wait=wait)
    assert status(outcome) == expected
    assert len(caller.shown()) == 1
    assert outcome.entry.message_id == caller.shown()[0]["id"]


def test_without_wait_the_answer_is_empty() -> None:
    answer = Caller().send("POST", {"content": "hi"}).answer
    assert answer
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Via"] == "1.1 google"


def test_ids_increase_even_within_a_millisecond() -> None:
    caller = Caller()
    ids = [int(json_of(caller.post())["id"]) for _ in range(50)]
    assert ids == sorted(set(ids))


def test_a_snowflake_is_the_milliseconds_since_2015_and_a_count() -> None:
    assert snowflake(START, 1) == str((1_755_651_600_000 - 1_420_070_400_000 << 22) + 1)


def test_a_name_gets_a_plausible_id_and_an_id_stays() -> None:
    assert snowflake_of("175928847299117063") == "175928847299117063"
    assert snowflake_of("signals-free") == snowflake_of("signals-free") != snowflake_of("signals-premium")
    assert created_at(snowflake_of("signals-free")).year in {2022, 2023}
    assert snowflake_of("12345") != "12345"


def test_get_returns_the_webhook() -> None:
    caller = Caller()
    outcome = caller.send("GET")
    assert status(outcome) == 200
    webhook = json_of(outcome)
    assert webhook["type"] == 1
    assert webhook["application_id"] is None
    assert webhook["token"] == TOKEN
    assert not outcome.entry.recorded


def test_webhooks_of_one_channel_have_the_same_channel_id() -> None:
    caller = Caller()
    caller.discord.guild.register("another", "t", channel=HOOK)
    ours, other = json_of(caller.send("GET")), json_of(caller.send("GET", webhook="another", token="t"))
    assert ours["channel_id"] == other["channel_id"]
    assert ours["id"] != other["id"]
    assert caller.discord.guild.webhooks_of(HOOK) == [HOOK, "another"]
    caller.post()
    caller.post(webhook="another", token="t")
    assert len(caller.shown()) == 2


def test_the_author_is_the_messages_own_name_or_the_webhooks() -> None:
    caller = Caller()
    assert json_of(caller.post())["author"]["username"] == "signalpost"
    assert json_of(caller.post({"content": "x", "username": "Desk"}))["author"]["username"] == "Desk"


def test_a_deleted_webhook_stays_unknown_even_with_open() -> None:
    caller = Caller(open=True)
    caller.post()
    assert status(caller.send("DELETE")) == 204
    assert refusal(caller.post()) == (404, 10015)
    assert refusal(caller.send("GET")) == (404, 10015)
    caller.discord.guild.register(HOOK, TOKEN)
    assert status(caller.post()) == 200


def test_with_open_the_channel_is_named_after_the_webhook() -> None:
    caller = Caller(open=True)
    assert status(caller.post(webhook="SIGNALS-PREMIUM", token="a")) == 200
    assert status(caller.post(webhook="SIGNALS-PREMIUM", token="b")) == 200
    assert status(caller.post(webhook="175928847299117063", token="c")) == 200
    assert caller.discord.guild.channels() == ["signals-premium", "175928847299117063"]
    assert len(caller.shown("signals-premium")) == 2


def test_a_channel_keeps_its_newest_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guild, "KEPT", 3)
    caller = Caller()
    ids = [json_of(caller.post())["id"] for _ in range(5)]
    assert [message["id"] for message in caller.shown()] == ids[-3:]
    assert refusal(caller.send("GET", message=ids[0])) == (404, 10008)


def test_a_message_to_a_thread_carries_the_threads_id() -> None:
    caller = Caller()
    caller.discord.guild.open_thread("42")
    outcome = caller.send("POST", {"content": "x"}, query={"wait": "1", "thread_id": "42"})
    assert json_of(outcome)["channel_id"] == "42"


@pytest.mark.parametrize("flags", [0, 4, 4096, 4100])
def test_flags_are_kept_and_4096_is_silent(flags: int) -> None:
    outcome = Caller().post({"content": "x", "flags": flags})
    assert json_of(outcome)["flags"] == flags
    assert outcome.entry.silent == bool(flags & 4096)


def test_components_are_ignored_without_with_components() -> None:
    caller = Caller()
    parts = [{"type": 10, "content": "text"}]
    assert refusal(caller.post({"components": parts})) == (400, 50006)
    outcome = caller.send("POST", {"components": parts}, query={"wait": "1", "with_components": "1"})
    assert json_of(outcome)["components"] == parts


def test_a_poll_alone_is_a_message() -> None:
    assert json_of(Caller().post({"poll": {"question": {"text": "?"}}}))["poll"] == {"question": {"text": "?"}}


def test_unknown_fields_are_ignored_and_null_counts_as_missing() -> None:
    fields = {"content": "x", "nonce": "1", "embeds": None, "username": None, "flags": None, "allowed_mentions": None}
    assert status(Caller().post(fields)) == 200


def test_an_embed_is_shown_trimmed_and_without_empty_parts() -> None:
    embed = {
        "title": " t ",
        "description": None,
        "url": "https://e.x/a",
        "timestamp": "2025-08-20T01:00:00Z",
        "author": {"name": " a ", "url": "https://e.x", "icon_url": "attachment://i.png"},
        "footer": {"text": "  "},
        "image": {"url": "attachment://p.png", "height": 3},
        "thumbnail": {},
        "fields": [{"name": " n ", "value": " v "}, {"name": "n", "value": "v", "inline": True}],
        "provider": {"name": "ignored"},
    }
    assert json_of(Caller().post({"embeds": [embed]}))["embeds"] == [
        {
            "type": "rich",
            "title": "t",
            "url": "https://e.x/a",
            "timestamp": "2025-08-20T01:00:00+00:00",
            "author": {"name": "a", "url": "https://e.x", "icon_url": "attachment://i.png"},
            "image": {"url": "attachment://p.png"},
            "fields": [{"name": "n", "value": "v", "inline": False}, {"name": "n", "value": "v", "inline": True}],
        }
    ]


def test_a_timestamp_without_a_zone_is_utc() -> None:
    shown = json_of(Caller().post({"embeds": [{"title": "t", "timestamp": "2025-08-20T01:00:00"}]}))
    assert shown["embeds"][0]["timestamp"] == "2025-08-20T01:00:00+00:00"


def test_a_repr_shows_no_secret() -> None:
    caller = Caller()
    webhook = caller.discord.guild.register("w", "secret-token")
    outcome = caller.post(webhook="w", token="secret-token")
    from signalpost.sandbox.rules.exchange import HttpRequest, address_of

    path = "/api/v10/webhooks/w/secret-token"
    for value in (webhook, outcome.entry, outcome.entry.line(), HttpRequest("GET", path), address_of(path)):
        assert "secret-token" not in repr(value)
