"""The life of a signal, reported under the names of its events."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import wraps
from typing import Concatenate, Generic, ParamSpec

from signalpost.domain.priority import NotificationPriority
from signalpost.domain.signal import Signal
from signalpost.domain.tier import UserTier
from signalpost.service.signal_verbs import Answer, SignalVerbs

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
