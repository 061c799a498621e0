"""The easy layer as a class: submits notifications from anywhere to a service in a thread of its own."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from functools import wraps
from pathlib import Path
from threading import RLock, current_thread, main_thread
from typing import Any, Concatenate, ParamSpec, Protocol
from weakref import WeakSet

import msgspec

from signalpost.config import Config
from signalpost.config.config import checked
from signalpost.delivery.fan_out import check_new
from signalpost.domain.events import Listener
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reason import Reason
from signalpost.domain.reports import Alert
from signalpost.domain.seconds import seconds
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.ingest.send_options import several
from signalpost.integration.background import BackgroundWork
from signalpost.integration.direct import DirectSender
from signalpost.integration.fallback import Fallback, LostNotifications, Sender
from signalpost.integration.futures import Deadline, TicketFuture, not_on_our_loop, of_all
from signalpost.integration.lifecycle import Lifecycle
from signalpost.integration.loop_thread import LoopThread
from signalpost.integration.process_end import this_process
from signalpost.integration.submission import Otherwise, Refusals, Submission, Submitted, SubmittedChange, extended
from signalpost.service import AsyncNotificationService, Health, HealthStatus
from signalpost.service.signal_verbs import SignalChange, SignalVerbs
from signalpost.telemetry.bus import checked_listeners
from signalpost.telemetry.metrics import counts_of_none

Arguments = ParamSpec("Arguments")

START_WITHIN = 5.0
"""Seconds that a start waits for the service."""
FLUSH_WITHIN = 5.0
"""Seconds that a flush and a stop take at most by default."""


class Flushed(Protocol):
    """Something that submits more when it is flushed, such as a log handler that counts repeats."""

    def flush(self) -> None:
        """Submit it now."""
        ...


def _awaited(
    verb: Callable[Concatenate["NotificationIntegration", Arguments], TicketFuture],
) -> Callable[Concatenate["NotificationIntegration", Arguments], Coroutine[Any, Any, Ticket]]:
    """The async version of a verb. It waits for the ticket, on any event loop."""

    @wraps(verb)
    async def twin(self: "NotificationIntegration", /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Ticket:
        return await verb(self, *args, **kwargs)

    twin.__doc__ = f"{verb.__doc__}\n\nWaits for the ticket, on any event loop: `accepted` means written to disk."
    twin.__name__, twin.__qualname__ = f"{twin.__name__}_async", f"NotificationIntegration.{twin.__name__}_async"
    return twin


class NotificationIntegration(SignalVerbs[TicketFuture]):
    """Notifications from async code, from any thread and from scripts without a loop, over one service in a thread.

        integration = NotificationIntegration()
        integration.start()
        future = integration.send_signal(signal)
        ticket = await integration.send_signal_async(signal)
        integration.stop()

    Without a configuration, each start reads the environment. `fallback` is your own sender, for notifications that the
    service refuses (except a conflict, which is final) or could not save: their ticket is `direct`. With a fallback,
    nothing is held in memory while the store is unavailable. `signalpost.integration.fallback.Fallback` describes how
    it is called. A fallback that cannot be called raises InvalidConfiguration. Invalid arguments of a notification
    raise InvalidValue at the call.
    """

    _config: Config | None
    _fallback: Fallback | None
    _listeners: tuple[Listener, ...]

    def __init__(
        self, config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
    ) -> None:
        self._configure(config, fallback, listeners)
        self._lifecycle = Lifecycle(self.stop, self._service)
        self._direct_alone: DirectSender | None = None
        self._direct_lock = RLock()  # a signal handler may enter it again
        self._refusals = Refusals()
        self._inherited: list[object] = []
        self.flushed_first: WeakSet[Flushed] = WeakSet()
        """Flushed before everything else."""
        this_process.watch_forks(self)

    def configure(
        self, config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
    ) -> None:
        """Replace the arguments of the constructor before a start. Omitted arguments get their defaults.

        `fallback` is your own sender, sync or async, for notifications that the service refuses or could not save. It
        runs in a thread of its own and is called with the signal or alert. If it has parameters named `priority`,
        `user_tier` or `additional_context`, it gets those too, by name. If instead it requires three more parameters
        with other names, it gets these three by position, in this order. Other parameters keep their defaults. If your
        sender does not get the tier, make sure that it never shows premium content to free readers. Raises
        InvalidConfiguration between a start and a stop, if `config` is not a Config, or if the fallback cannot be
        called in any of these ways.
        """
        with self._lifecycle.lock:
            if self._lifecycle.thread is not None:
                raise InvalidConfiguration(
                    "signalpost is running: stop it before you configure it", code="already-running"
                )
            self._configure(config, fallback, listeners)
            self._lifecycle.forget_home()
        self._stop_direct(FLUSH_WITHIN)  # it has the old settings

    def start(self, within: float | None = START_WITHIN) -> None:
        """Start the service in its thread, and wait for at most `within` seconds until it runs.

        If it runs already, nothing changes. If it failed or was stopped, it starts again. Raises InvalidConfiguration
        and StoreUnusable. If the start takes longer, StoreUnusable is raised, too; the start goes on, and another call
        waits for it. None waits without a limit. Raises InvalidValue if `within` is not a number.
        """
        self._lifecycle.start(seconds(within, "within"))

    def start_async(self, within: float | None = START_WITHIN) -> BackgroundWork[None]:
        """Begin a start, and return at once. Await the result, from any event loop: it raises as `start` does.

        Notifications sent from now on wait for the start, but are refused while an earlier stop has not ended. The
        start goes on if nobody awaits it; a failure is then logged.
        """
        return self._lifecycle.begin_start(seconds(within, "within"))

    def stop(self, timeout: float | None = FLUSH_WITHIN) -> int:
        """Deliver for at most `timeout` seconds, end the service and its thread, and return how much is open.

        Open deliveries are in the store, and the next start delivers them. A stop without a start is fine. None
        waits without a limit. Raises InvalidValue if `timeout` is not a number, and RuntimeError in signalpost's own
        thread, such as in a listener.
        """
        within = seconds(timeout)
        not_on_our_loop("stop()")
        deadline = Deadline(within)
        try:
            self._flush_first()
        finally:  # it is stopped even if that fails
            left = self._lifecycle.stop(deadline.remaining) + self._stop_direct(deadline.remaining)
        return left + self._flush_fallback(deadline)

    def stop_async(self, timeout: float | None = FLUSH_WITHIN) -> BackgroundWork[int]:
        """Begin a stop, and return at once. Await the result, from any event loop: it is what `stop` returns.

        It goes on if nobody awaits it. Raises InvalidValue and RuntimeError as `stop` does.
        """
        within = seconds(timeout)
        not_on_our_loop("stop()")
        return self._lifecycle.begin_stop(within)

    def flush(self, timeout: float | None = FLUSH_WITHIN) -> int:
        """Wait until everything sent so far is saved, and delivered as far as possible now.

        Returns how many notifications or deliveries are still open after at most `timeout` seconds; 0 means all done.
        None waits without a limit. Raises InvalidValue if `timeout` is not a number, and RuntimeError in signalpost's
        own thread, such as in a listener.
        """
        within = seconds(timeout)
        not_on_our_loop("flush()")
        deadline = Deadline(within)
        self._flush_first()
        left = self._lifecycle.flush(within)
        if (alone := self._direct_alone) is not None:
            left += alone.flush(deadline.remaining)
        return left + self._flush_fallback(deadline)

    def send(
        self,
        signal_or_alert: Payload,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
    ) -> TicketFuture:
        """Queue a signal, an alert or a report from any thread, without waiting. Returns a future of its ticket.

        The default priority depends on confidence or severity; the default tier is FREE. With `tiers`, it is sent to
        each of them and has one ticket, which is refused if any tier was. `good_for`, such as "24h", is how long a
        signal's limit or stop order is good after its candle's close. Raises InvalidValue.
        """
        return self._send(Payload, signal_or_alert, priority, user_tier, additional_context, tiers, good_for)

    def send_signal(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
        *,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
    ) -> TicketFuture:
        """Queue a signal from any thread, without waiting. Returns a future of its ticket. Raises InvalidValue.

        `tiers` and `good_for` are as in `send`.
        """
        return self._send(Signal, signal, priority, user_tier, additional_context, tiers, good_for)

    _open = send_signal

    def send_alert(
        self,
        alert: Alert,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> TicketFuture:
        """Queue an alert from any thread, without waiting. Returns a future of its ticket. Raises InvalidValue."""
        return self._send(Alert, alert, priority, user_tier, additional_context)

    send_signal_async = _awaited(send_signal)
    send_alert_async = _awaited(send_alert)
    update_signal_async = _awaited(SignalVerbs.update_signal)
    fill_signal_async = _awaited(SignalVerbs.fill_signal)
    close_signal_async = _awaited(SignalVerbs.close_signal)
    cancel_signal_async = _awaited(SignalVerbs.cancel_signal)
    correct_signal_async = _awaited(SignalVerbs.correct_signal)
    reopen_signal_async = _awaited(SignalVerbs.reopen_signal)

    def send_signal_to_discord(
        self,
        signal: Signal,
        *,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> TicketFuture:
        """Queue a signal. If no service runs, or the service refuses it, send it directly, without the queue.

        A direct send is tried once, within this process's pace, after waiting for a slot for at most 30 seconds. The
        ticket is then `direct` if it was or may have been shown, else `refused`, with the reason. A conflict is not
        sent. The fallback is not called. Raises InvalidValue.
        """
        return self._send(Signal, signal, priority, user_tier, additional_context, otherwise=self._send_directly)

    def health(self) -> Health:
        """The service's health, with reasons."""
        if (thread := self._lifecycle.thread) is None:
            return Health(HealthStatus.UNHEALTHY, (Reason("the service is not running", "not-running"),))
        return thread.health()

    def is_healthy(self) -> bool:
        """True if the service is healthy."""
        return self.health().status is HealthStatus.HEALTHY

    def get_metrics(self) -> dict[str, int]:
        """The counts of the service since its start, of notifications that have no ticket yet, and of the fallback.

        `tickets_refused` includes notifications refused before a service saw them, even if none was started.
        """
        thread, fallback = self._lifecycle.thread, self._fallback
        counts = counts_of_none() if thread is None else thread.service.get_metrics()
        return {
            **counts,
            "tickets_refused": counts["tickets_refused"] + self._refusals.count,
            "hand_overs_waiting": 0 if thread is None else thread.waiting,
            "fallback_called": 0 if fallback is None else fallback.called,
            "fallback_failed": 0 if fallback is None else fallback.failed,
            "fallback_waiting": 0 if fallback is None else fallback.waiting,
        }

    def forget_parent(self) -> None:
        """After a fork: release the parent's threads without closing them, and start again when something is sent."""
        self._lifecycle.forget_parent()
        self._inherited.append(self._direct_alone)  # never collected, because that would close it
        self._direct_alone, self._direct_lock = None, RLock()
        self._refusals = Refusals()
        self._fallback = None if self._fallback is None else self._fallback.in_child()

    def _configure(self, config: Config | None, fallback: Sender | None, listeners: Iterable[Listener]) -> None:
        config = checked(config)
        self._fallback = None if fallback is None else Fallback(fallback)
        self._config = config
        self._listeners = checked_listeners(listeners)

    def _service(self, home: Path | None) -> AsyncNotificationService:
        config = self._config
        if home is not None:
            config = msgspec.structs.replace(config or Config.from_environment(), home=home)
        if self._fallback is None:
            return AsyncNotificationService(config, listeners=self._listeners)
        config = msgspec.structs.replace(config or Config.from_environment(), has_own_sender=True)
        lost = LostNotifications(self._fall_back)
        service = AsyncNotificationService(config, listeners=(*self._listeners, lost))
        lost.deliveries = service.deliveries
        return service

    def _send(
        self,
        kind: Any,
        payload: Payload,
        priority: NotificationPriority | int | str | None,
        user_tier: UserTier | str | None,
        context: Mapping[str, object] | None,
        tiers: Iterable[UserTier | str] = (),
        good_for: timedelta | str | None = None,
        otherwise: Otherwise | None = None,
    ) -> TicketFuture:
        """Submit a payload of `kind` for each tier, if all arguments are valid."""
        payload, each_tier = several(payload, user_tier, tiers, good_for)
        if isinstance(payload, Signal):
            check_new(payload)
        if otherwise is None and self._fallback is not None:
            otherwise = self._fall_back
        refused = self._refusals.add
        submissions = [Submission(payload, priority, each, context, otherwise, refused, kind) for each in each_tier]
        return of_all([*map(self._put, submissions)])

    def _change(self, wanted: SignalChange) -> TicketFuture:
        return self._put(SubmittedChange(wanted, self._refusals.add))

    def _put(self, submitted: Submitted) -> TicketFuture:
        if (thread := self._lifecycle.thread or self._lifecycle.start_as_parent()) is None:
            submitted.refuse(self._lifecycle.not_running, Refusal.NOT_RUNNING)
        else:
            thread.queue.put(submitted)
        return submitted.future

    def _fall_back(self, submission: Submission, refused: Ticket) -> None:
        if self._fallback is None:  # `configure` has removed it meanwhile
            submission.end(refused)
            return
        try:
            this_process.stop_at_end(self.stop)
            self._fallback.take(submission, refused)
        except RuntimeError:
            submission.end(extended(refused, "no thread can be started for the fallback"))
        self._flush_if_last()

    def _send_directly(self, submission: Submission, refused: Ticket) -> None:
        try:
            direct = self._direct()
        except (InvalidConfiguration, RuntimeError) as fault:  # RuntimeError if no thread can be started
            submission.end(extended(refused, f"it cannot be sent directly: {fault}"))
        else:
            direct.take(submission, refused)
            self._flush_if_last()

    def _direct(self) -> DirectSender:
        thread = self._lifecycle.thread
        with self._direct_lock:
            if thread is not None and thread.is_running:
                return thread.direct
            if self._direct_alone is None:
                config = Config.from_environment() if self._config is None else self._config
                this_process.stop_at_end(self.stop)
                self._direct_alone = DirectSender(config, LoopThread("direct"))
            return self._direct_alone

    def _stop_direct(self, timeout: float) -> int:
        with self._direct_lock:
            alone, self._direct_alone = self._direct_alone, None
        return 0 if alone is None else alone.stop(timeout)

    def _flush_first(self) -> None:
        for each in list(self.flushed_first):
            each.flush()

    def _flush_fallback(self, deadline: Deadline) -> int:
        return 0 if self._fallback is None else self._fallback.flush(deadline.remaining)

    def _flush_if_last(self) -> None:
        """Flush if the interpreter has ended all other threads, such as in `atexit`: nobody will flush later."""
        if current_thread() is main_thread() and not main_thread().is_alive():
            self.flush(FLUSH_WITHIN)
