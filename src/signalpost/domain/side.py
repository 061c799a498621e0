"""The words of a signal: which way, by which cross, and where it stands."""

from signalpost.domain.text import spoken
from signalpost.domain.words import Word


class SignalType(Word):
    """Which way to trade. Also read from long and short, +1 and -1."""

    BUY = "BUY"
    SELL = "SELL"

    @classmethod
    def _missing_(cls, value: object) -> Word:
        return super()._missing_(_WORD_BY_SPELLING.get(spoken(value).strip().lower(), value))

    @property
    def sign(self) -> int:
        """+1 where a rising price is profit, -1 where a falling one is."""
        return 1 if self is SignalType.BUY else -1

    @property
    def crossover(self) -> "CrossoverType":
        """The cross that this side follows."""
        return CrossoverType.BULLISH if self is SignalType.BUY else CrossoverType.BEARISH


class CrossoverType(Word):
    """Which way the fast average crossed the slow one."""

    BULLISH = "BULLISH"
    BEARISH = "BEARISH"


class SignalStatus(Word):
    """Where a signal stands."""

    ACTIVE = "ACTIVE"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


_WORD_BY_SPELLING = {
    **dict.fromkeys(("long", "1", "+1", "1.0", "bullish"), "BUY"),
    **dict.fromkeys(("short", "-1", "-1.0", "bearish"), "SELL"),
}
