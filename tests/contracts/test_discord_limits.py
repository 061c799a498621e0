import pytest

from tests.contracts.discord_limits import pings, refusals

EMBED = {"title": "t", "footer": {"text": "f"}, "timestamp": "2025-08-20T05:00:00Z", "color": 1}


def field(name: str = "n", value: str = "v") -> dict[str, object]:
    return {"name": name, "value": value, "inline": True}


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2000},
        {"embeds": [EMBED] * 10},
        {"embeds": [EMBED | {"title": "t" * 256, "description": "d" * 4096}]},
        {"embeds": [EMBED | {"fields": [field("n" * 256, "v" * 1024)] * 4}]},
        {"embeds": [{"description": "d" * 4000}, {"description": "d" * 2000}]},
        {"content": "\U0001f600" * 2000, "flags": 4096},
    ],
)
def test_a_message_at_its_limits_is_accepted(body: dict[str, object]) -> None:
    assert refusals(body) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": " "},
        {"content": "x" * 2001},
        {"content": 5},
        {"content": "x", "flags": 1},
        {"content": "x", "flags": "4096"},
        {"content": "x", "tts": 1},
        {"content": "x", "username": "u" * 81},
        {"content": "x", "allowed_mentions": {"parse": ["anyone"]}},
        {"content": "x", "allowed_mentions": {"parse": [], "roles": ["x"]}},
        {"content": "x", "allowed_mentions": {"parse": ["users", "users"]}},
        {"embeds": [EMBED] * 11},
        {"embeds": [EMBED | {"title": "t" * 257}]},
        {"embeds": [EMBED | {"title": "  "}]},
        {"embeds": [EMBED | {"description": "d" * 4097}]},
        {"embeds": [EMBED | {"footer": {"text": "f" * 2049}}]},
        {"embeds": [EMBED | {"footer": {}}]},
        {"embeds": [EMBED | {"color": 0x1000000}]},
        {"embeds": [EMBED | {"color": -1}]},
        {"embeds": [EMBED | {"color": True}]},
        {"embeds": [EMBED | {"timestamp": "yesterday"}]},
        {"embeds": [EMBED | {"timestamp": "2025-08-20T05:00:00"}]},
        {"embeds": [EMBED | {"fields": [field()] * 26}]},
        {"embeds": [EMBED | {"fields": [field("n" * 257)]}]},
        {"embeds": [EMBED | {"fields": [field(value="v" * 1025)]}]},
        {"embeds": [EMBED | {"fields": [field(name="")]}]},
        {"embeds": [EMBED | {"fields": [{"name": "n"}]}]},
        {"embeds": [{"description": "d" * 4000}, {"description": "d" * 2001}]},
        {"embeds": "none"},
        {"components": [{"type": 99}]},
    ],
)
def test_a_message_beyond_a_limit_is_refused(body: dict[str, object]) -> None:
    assert refusals(body)


@pytest.mark.parametrize("mentions", [{}, {"allowed_mentions": {}}, {"allowed_mentions": {"parse": ["users"]}}])
def test_only_an_empty_list_of_mentions_mentions_nobody(mentions: dict[str, object]) -> None:
    assert pings({"content": "x"} | mentions)
    assert not pings({"content": "x", "allowed_mentions": {"parse": []}})
