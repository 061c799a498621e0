"""The side, crossover and status of a signal."""

from signalpost.domain.words import Word
from signalpost.errors import as_text


class SignalType(Word):
    """The side of a trade. Also accepts long and short, +1 and -1."""

    BUY = "BUY"
    SELL = "SELL"

    @classmethod
    def _missing_(cls, value: object) -> Word:
        return super()._missing_(_WORD_BY_SPELLING.get(as_text(value).strip().lower(), value))

    @property
    def sign(self) -> int:
        """+1 if a rising price is a profit, -1 if a falling one is."""
        return 1 if self is SignalType.BUY else -1

    @property
    def crossover(self) -> "CrossoverType":
        """The cross that this side follows."""
        return CrossoverType.BULLISH if self is SignalType.BUY else CrossoverType.BEARISH


class CrossoverType(Word):
    """The direction in which the fast average crossed the slow one."""

    BULLISH = "BULLISH"
    BEARISH = "BEARISH"


class SignalStatus(Word):
    """The status of a signal: PENDING (a waiting order) or ACTIVE (open) first, CLOSED, CANCELLED or EXPIRED last.

    FILLED means that an order was filled. Before CLOSED existed, it also meant the end of a trade.
    """

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    FILLED = "FILLED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


_WORD_BY_SPELLING = {
    **dict.fromkeys(("long", "1", "+1", "1.0", "bullish"), "BUY"),
    **dict.fromkeys(("short", "-1", "-1.0", "bearish"), "SELL"),
}
