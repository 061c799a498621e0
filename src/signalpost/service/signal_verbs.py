"""The verbs that change a signal, once for every class that has them, and under the names of their events."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import wraps
from typing import Concatenate, Generic, NamedTuple, ParamSpec, TypeVar

from signalpost.domain.change import CancelOrder, Change, Close, CloseReason, Correct, Fill, Reopen, Update
from signalpost.domain.exact import Number
from signalpost.domain.instant import Instant
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.target import GivenTarget
from signalpost.domain.text import id_of
from signalpost.domain.tier import UserTier
from signalpost.ingest.changes import version_of

Answer = TypeVar("Answer")


class SignalChange(NamedTuple):
    """A change of the signal that `name` finds."""

    name: str
    change: Change
    if_version: int | None


class SignalVerbs(ABC, Generic[Answer]):
    """Changes signals that were sent before.

    Each verb takes a Signal, its id, its short id or its `#number`. It answers with a ticket that has the signal's id
    and version. The same change again is a duplicate. A change is refused as `unknown-signal`, as `not-possible` in the
    signal's present state, or as `stale-version` if the signal has another version than `if_version`. Invalid arguments
    raise InvalidValue at the call. `at` is now by default.
    """

    @abstractmethod
    def _open(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
    ) -> Answer:
        """Submit a new signal."""

    @abstractmethod
    def _change(self, wanted: SignalChange) -> Answer:
        """Submit the change."""

    def update_signal(
        self,
        id_or_signal: Signal | str,
        *,
        stop_loss: Number | None = None,
        take_profit: Number | None = None,
        targets: Iterable[GivenTarget] = (),
        target_hit: int | None = None,
        close_part: Number | None = None,
        price: Number | None = None,
        at: Instant | None = None,
        note: str | None = None,
        if_version: int | None = None,
    ) -> Answer:
        """Move the stop, report a target that was hit, close a part, set targets or add a note: one or several.

        `stop_loss` is a price, or `be` for the entry. `take_profit` is the price of the next target, `targets` are all
        that are not hit yet. `target_hit` is the number of a target, from 1, and includes those before it. `close_part`
        is a share of the initial size in per cent, closed at `price`; with `target_hit` it is the share of that target.
        """
        change = Update(
            stop_loss=stop_loss,
            take_profit=take_profit,
            targets=targets,
            target_hit=target_hit,
            close_part=close_part,
            price=price,
            at=at,
            note=note,
        )
        return self._change(_wanted(id_or_signal, change, if_version))

    def fill_signal(
        self,
        id_or_signal: Signal | str,
        *,
        price: Number,
        at: Instant | None = None,
        if_version: int | None = None,
    ) -> Answer:
        """Report the price at which the entry was filled."""
        return self._change(_wanted(id_or_signal, Fill(price=price, at=at), if_version))

    def close_signal(
        self,
        id_or_signal: Signal | str,
        *,
        price: Number | None = None,
        reason: CloseReason | str = CloseReason.MANUAL,
        at: Instant | None = None,
        if_version: int | None = None,
    ) -> Answer:
        """Close what is open.

        `reason` is manual, stop, target, reversed or time. Without a price, `stop` uses the current stop and `target`
        the last target. `time` has no price: nobody knows how the signal ended.
        """
        return self._change(_wanted(id_or_signal, Close(price=price, reason=reason, at=at), if_version))

    def cancel_signal(
        self,
        id_or_signal: Signal | str,
        *,
        reason: str | None = None,
        at: Instant | None = None,
        if_version: int | None = None,
    ) -> Answer:
        """Cancel an order that was not filled. `reason` is free text."""
        return self._change(_wanted(id_or_signal, CancelOrder(reason=reason, at=at), if_version))

    def correct_signal(
        self,
        id_or_signal: Signal | str,
        *,
        entry_price: Number | None = None,
        stop_loss: Number | None = None,
        targets: Iterable[GivenTarget] = (),
        if_version: int | None = None,
    ) -> Answer:
        """Correct a typo in the opening, before anything else has changed. The card shows that it was corrected."""
        change = Correct(entry_price=entry_price, stop_loss=stop_loss, targets=targets)
        return self._change(_wanted(id_or_signal, change, if_version))

    def reopen_signal(self, id_or_signal: Signal | str, *, if_version: int | None = None) -> Answer:
        """Withdraw an end that was a mistake. The card shows that it was reopened."""
        return self._change(_wanted(id_or_signal, Reopen(), if_version))


def name_of(id_or_signal: Signal | str) -> str:
    """The name by which the book finds a signal. Raises InvalidValue for anything else."""
    return id_or_signal.signal_id if isinstance(id_or_signal, Signal) else id_of(id_or_signal, "id_or_signal")


def _wanted(id_or_signal: Signal | str, change: Change, if_version: int | None) -> SignalChange:
    return SignalChange(name_of(id_or_signal), change, version_of(if_version))


Arguments = ParamSpec("Arguments")


def _passed_on(
    verb: Callable[Concatenate[SignalVerbs[Answer], Arguments], Answer],
) -> Callable[Concatenate["SignalNotificationService[Answer]", Arguments], Answer]:
    @wraps(verb)
    def method(
        self: "SignalNotificationService[Answer]", /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Answer:
        return verb(self._service, *args, **kwargs)

    return method


class SignalNotificationService(Generic[Answer]):
    """Reports what happens to signals through a NotificationIntegration or an AsyncNotificationService.

    Each method answers as the verb does there: with a future of a ticket, or with a coroutine that returns one. Raises
    InvalidValue for invalid arguments.
    """

    def __init__(self, service: SignalVerbs[Answer]) -> None:
        self._service = service

    def signal_generated(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
    ) -> Answer:
        """Queue a new signal."""
        return self._service._open(signal, priority, user_tier, additional_context, tiers=tiers, good_for=good_for)

    signal_updated = _passed_on(SignalVerbs.update_signal)
    signal_filled = _passed_on(SignalVerbs.fill_signal)
    signal_closed = _passed_on(SignalVerbs.close_signal)
