"""The changes of a signal after it was opened. Each is a value; `life.after` applies it to a trade.

If a change has no time, times are not compared, so the same call twice is one change. A change
that is `from_feed` was computed from candles: it may lie in the past, and carries `flags` for the trade. Any other was
reported by a person or a program.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from signalpost.domain.exact import Number, decimal_of, percentage
from signalpost.domain.instant import Instant, utc
from signalpost.domain.target import GivenTarget, Target, targets_of
from signalpost.domain.text import required_text
from signalpost.domain.value import Conversions, Value, fields_of
from signalpost.domain.words import Word, member
from signalpost.errors import InvalidValue

BREAK_EVEN = frozenset({"be", "breakeven", "break-even", "entry"})
"""Words for a stop at the entry: at the fill, or at the planned entry while there is no fill."""
ALL = Decimal(100)
"""The share of the whole initial size, in per cent."""


class CloseReason(Word):
    """Why a trade ended."""

    TARGET = "target"
    STOP = "stop"
    MANUAL = "manual"
    REVERSED = "reversed"
    """An opposite signal of the same strategy, pair and timeframe."""
    TIME = "time"
    """It was not changed for too long, and nobody knows its result. Only the service itself gives this reason."""


class Flag(Word):
    """A fact about a trade that a reader of the record should know."""

    REPORTED = "reported"
    """A person typed a price that counts, or moved the stop at which it was closed, and no feed confirmed it."""
    BOTH_TOUCHED = "both-touched"
    """One candle touched stop and target, and counts as the stop."""
    GAPPED = "gapped"
    """The market opened beyond a level."""
    REVISED = "revised"
    """The candle was corrected, and the cross is gone."""
    CORRECTED = "corrected"
    REOPENED = "reopened"
    NOT_FOLLOWED = "not-followed"
    """Nobody knows how it ended."""
    MID_PRICES = "mid-prices"
    """It was followed without bid and ask."""
    UNPUBLISHED = "unpublished"
    """It was recorded, but never posted; its deliveries say why."""


class _Happening(Value, frozen=True, kw_only=True):
    """The fields of all changes: when it happened, and whether a feed reported it."""

    at: datetime | None = None
    from_feed: bool = False
    flags: tuple[Flag, ...] = ()


class Fill(_Happening, frozen=True, kw_only=True, tag="fill"):
    """The entry was filled at `price`."""

    price: Decimal

    if TYPE_CHECKING:

        def __init__(
            self, *, price: Number, at: Instant | None = None, from_feed: bool = False, flags: tuple[Flag, ...] = ()
        ) -> None: ...

    def __post_init__(self) -> None:
        _read(self, {"price": decimal_of, "at": utc}, ("price",))


class Update(_Happening, frozen=True, kw_only=True, tag="update"):
    """A detail of a trade changed: stop, targets, a target that was hit, a part that was closed, or a note.

    `stop_loss` is a price, or one of BREAK_EVEN, which sets `stop_at_entry`. `take_profit` is the price of the next
    target, `targets` are all targets that are not hit yet. `target_hit` is the number of a target, from 1; those before
    it are hit too. `close_part` is a share of the initial size in per cent; with `target_hit` it is what that target
    closes. `price` belongs to `target_hit`, or to `close_part`, which requires it. Raises InvalidValue if nothing is
    given, or a price without either.
    """

    stop_loss: Decimal | None = None
    stop_at_entry: bool = False
    take_profit: Decimal | None = None
    targets: tuple[Target, ...] = ()
    target_hit: int | None = None
    close_part: Decimal | None = None
    price: Decimal | None = None
    note: str | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            stop_loss: Number | None = None,
            stop_at_entry: bool = False,
            take_profit: Number | None = None,
            targets: Iterable[GivenTarget] = (),
            target_hit: int | None = None,
            close_part: Number | None = None,
            price: Number | None = None,
            note: str | None = None,
            at: Instant | None = None,
            from_feed: bool = False,
            flags: tuple[Flag, ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        if isinstance(self.stop_loss, str) and self.stop_loss.strip().lower() in BREAK_EVEN:
            self._set(stop_loss=None, stop_at_entry=True)
        _read(self, _UPDATE, ())
        if self.close_part is not None and self.price is None:
            raise _missing("price", "close_part needs the price at which that part was closed")
        if self.price is not None and self.close_part is None and self.target_hit is None:
            raise _missing("close_part", "a price needs target_hit or close_part")
        if not self.stop_at_entry and all(getattr(self, name) in (None, ()) for name in _NEWS):
            raise _missing("stop_loss", f"an update needs at least one of {', '.join(_NEWS)}")

    @property
    def is_note(self) -> bool:
        """True if it only adds a note, which is possible after the end too."""
        return not self.stop_at_entry and all(getattr(self, name) in (None, ()) for name in _NEWS if name != "note")


class Close(_Happening, frozen=True, kw_only=True, tag="close"):
    """The trade was closed. Without a price, STOP takes the stop and TARGET the last target; TIME has none.

    `note` says more about it, such as the words of another program.
    """

    price: Decimal | None = None
    reason: CloseReason = CloseReason.MANUAL
    note: str | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            price: Number | None = None,
            reason: CloseReason | str = CloseReason.MANUAL,
            note: str | None = None,
            at: Instant | None = None,
            from_feed: bool = False,
            flags: tuple[Flag, ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        reason = partial(member, CloseReason)
        _read(self, {"price": decimal_of, "reason": reason, "note": required_text, "at": utc}, ("reason",))
        if self.reason is CloseReason.TIME and self.price is not None:
            text = "a close with the reason time has no price: omit the price, or use another reason"
            raise _missing("reason", text)


class CancelOrder(_Happening, frozen=True, kw_only=True, tag="cancel"):
    """The order was cancelled before it was filled."""

    reason: str | None = None

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            reason: str | None = None,
            at: Instant | None = None,
            from_feed: bool = False,
            flags: tuple[Flag, ...] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        _read(self, {"reason": required_text, "at": utc}, ())


class ExpireOrder(_Happening, frozen=True, kw_only=True, tag="expire"):
    """The order was not filled in time."""

    if TYPE_CHECKING:

        def __init__(self, *, at: Instant | None = None, from_feed: bool = False) -> None: ...

    def __post_init__(self) -> None:
        _read(self, {"at": utc}, ())


class Correct(_Happening, frozen=True, kw_only=True, tag="correct"):
    """A typo in the opening is corrected, before anything else changed. Raises InvalidValue if nothing is given."""

    entry_price: Decimal | None = None
    stop_loss: Decimal | None = None
    targets: tuple[Target, ...] = ()

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            entry_price: Number | None = None,
            stop_loss: Number | None = None,
            targets: Iterable[GivenTarget] = (),
        ) -> None: ...

    def __post_init__(self) -> None:
        _read(self, {"entry_price": decimal_of, "stop_loss": decimal_of, "targets": targets_of}, ())
        for name in ("entry_price", "stop_loss"):
            if getattr(self, name) == 0:
                raise InvalidValue.of(name, 0, "use the intended price", code="out-of-range", limit="not 0")
        if self.entry_price is None and self.stop_loss is None and not self.targets:
            raise _missing("stop_loss", "a correction needs entry_price, stop_loss or targets")


class Reopen(_Happening, frozen=True, kw_only=True, tag="reopen"):
    """The end was a mistake."""


class Revise(_Happening, frozen=True, kw_only=True, tag="revise"):
    """The signal's candle was corrected, and its cross is gone."""


class NotePrice(_Happening, frozen=True, kw_only=True, tag="note_price"):
    """A candle closed at `price`, at or beyond `level`, which causes a price note. Only a feed reports it."""

    level: Decimal
    price: Decimal


Change = Fill | Update | Close | CancelOrder | ExpireOrder | Correct | Reopen | Revise | NotePrice
"""Any change of a signal after it was opened."""


_DIGITS = re.compile(r"\d{1,9}", re.ASCII)
"""A whole number as text, as some programs send it."""


def _number(value: object, name: str) -> int:
    number = int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value
    if type(number) is int and number >= 1:
        return number
    raise InvalidValue.of(name, value, "use the number of a target, from 1", code="out-of-range", limit="1 or more")


def _missing(field: str, text: str) -> InvalidValue:
    return InvalidValue(text, code="missing", field=field)


def _read(value: Value, conversions: Conversions, never_none: Sequence[str]) -> None:
    value._set(**fields_of(value, conversions, never_none))


_UPDATE: Conversions = {
    "stop_loss": decimal_of,
    "take_profit": decimal_of,
    "targets": targets_of,
    "target_hit": _number,
    "close_part": percentage,
    "price": decimal_of,
    "note": required_text,
    "at": utc,
}
_NEWS = ("stop_loss", "take_profit", "targets", "target_hit", "close_part", "note")
