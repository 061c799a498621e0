"""The card of signals that were missed."""

from datetime import UTC, datetime

import msgspec

from signalpost.domain.digest import Digest, MissedSignal
from signalpost.domain.instrument import Instrument
from signalpost.domain.notification import notification_of
from signalpost.domain.side import SignalType
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.message import message
from signalpost.sinks.port import Item


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def missed(number: int, pair: str, side: SignalType, seconds: int) -> MissedSignal:
    return MissedSignal(f"s{number}", number, Instrument(pair), side, at(seconds))


THREE = (
    missed(1042, "EUR_USD", SignalType.BUY, 1795788000),
    missed(1044, "BTC_USDT", SignalType.SELL, 1795791600),
    missed(1046, "XAU_USD", SignalType.BUY, 1795795200),
)


def body_of(*signals: MissedSignal, **options: object) -> dict[str, object]:
    digest = Digest(destination="d", since=at(1795787400), timestamp=at(1795797000), signals=signals)
    return message([Item(notification_of(digest), **options)], Look(), digest.timestamp)  # type: ignore[arg-type]


def test_it_says_when_and_which_and_warns_not_to_chase() -> None:
    assert body_of(*THREE) == {
        "content": "AWAY 2 h 40 min · 3 signals missed",
        "embeds": [
            {
                "description": "**Too late to enter: do not chase them.**\nDown from <t:1795787400:t> to "
                "<t:1795797000:t>\n\n<t:1795788000:t> · EUR/USD long\n<t:1795791600:t> · BTC/USDT short\n"
                "<t:1795795200:t> · XAU/USD long\n-# Not followed; not in this channel's recap",
                "color": 8160398,
                "timestamp": "2026-11-27T16:30:00Z",
                "footer": {"text": "#1042 #1044 #1046"},
            }
        ],
        "allowed_mentions": {"parse": []},
    }


def test_one_is_counted_in_the_singular_and_many_are_not_all_listed() -> None:
    assert body_of(THREE[0])["content"] == "AWAY 2 h 40 min · 1 signal missed"
    many = body_of(*(missed(1000 + each, "EUR_USD", SignalType.BUY, 1795788000 + each) for each in range(30)))
    text = msgspec.json.encode(many).decode()
    assert (text.count("EUR/USD"), "and 10 more" in text, "30 signals" in text) == (20, True, True)


def test_a_repeat_is_marked() -> None:
    assert "may repeat" in str(body_of(*THREE, may_repeat=True)["embeds"])


def test_a_digest_is_stored_and_read_like_any_notification() -> None:
    digest = Digest(destination="d", since=at(1795787400), timestamp=at(1795797000), signals=THREE)
    notification = notification_of(digest)
    read = type(notification).from_json(notification.to_json())
    assert (read, read.kind, read.key) == (notification, "digest", notification.key)
    assert digest.digest_id == Digest.from_json(digest.to_json()).digest_id
