"""The easy layer as a class: takes notifications from anywhere, and has one thread deliver them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock, current_thread, main_thread
from typing import Protocol
from weakref import WeakSet

import msgspec

from signalpost.config import Config
from signalpost.domain.alert import Alert
from signalpost.domain.events import Listener
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.reason import Reason
from signalpost.domain.seconds import seconds
from signalpost.domain.signal import Signal
from signalpost.domain.ticket import Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration, SignalpostError
from signalpost.integration.background import BackgroundWork, Turns
from signalpost.integration.direct_thread import DirectBesideService, DirectThread
from signalpost.integration.fallback import Fallback, Sender
from signalpost.integration.futures import Deadline, TicketFuture, not_on_our_loop
from signalpost.integration.process_end import this_process
from signalpost.integration.service_thread import ServiceThread
from signalpost.integration.submission import NOT_RUNNING, STOPPED, Refusals, Submission
from signalpost.service import AsyncNotificationService, Health, HealthStatus
from signalpost.telemetry.log_queue import logger
from signalpost.telemetry.metrics import counts_of_none

START_WITHIN = 5.0
"""Seconds that a start waits for the service."""
FLUSH_WITHIN = 5.0
"""Seconds that a flush and a stop take at most, unless told otherwise."""


class Flushed(Protocol):
    """What hands something over when it is flushed, such as a log handler that counts repeats."""

    def flush(self) -> None:
        """Hand it over now."""
        ...


class NotificationIntegration:
    """Notifications from async code, from any thread and from scripts without a loop, over one service in a thread.

        integration = NotificationIntegration()
        integration.start()
        future = integration.send_signal(signal)
        ticket = await integration.send_signal_async(signal)
        integration.stop()

    Without a configuration each start reads the environment. `fallback` is the caller's own sender, for what the
    service does not take (but not for a conflict, which is final) or could not write: its ticket then is `direct`. With
    one, nothing is held in memory while the store is unavailable. How it is called is told by
    `signalpost.integration.fallback.Fallback`, which raises InvalidConfiguration. Wrong arguments of a notification
    raise InvalidValue at the call.
    """

    def __init__(
        self, config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
    ) -> None:
        self._config = _checked(config)
        self._fallback = None if fallback is None else Fallback(fallback)
        self._listeners = tuple(listeners)
        self._service: ServiceThread | None = None
        self._stopping: ServiceThread | None = None
        self._direct_alone: DirectThread | None = None
        self._direct_beside: DirectBesideService | None = None
        self._lock = RLock()  # re-entered by a signal's handler
        self._choosing = RLock()
        self._turns = Turns()
        self._begins_unasked = False
        self._was_stopped = False
        self._refusals = Refusals()
        self._inherited: list[object] = []
        self._parents_home: Path | None = None
        self.flushed_first: WeakSet[Flushed] = WeakSet()
        """What is flushed before the rest."""
        this_process.watch_forks(self)

    def configure(
        self, config: Config | None = None, *, fallback: Sender | None = None, listeners: Iterable[Listener] = ()
    ) -> None:
        """Set anew what the constructor was given. Raises InvalidConfiguration once it has been started."""
        _checked(config)
        with self._lock:
            if self._service is not None:
                raise InvalidConfiguration("it is running: stop it before you configure it", code="already-running")
            if self._direct_alone is not None:  # it has the settings of before
                self._direct_alone.stop(FLUSH_WITHIN)
                self._direct_alone = None
            self._config = config
            self._fallback = None if fallback is None else Fallback(fallback)
            self._listeners = tuple(listeners)
            self._begins_unasked = False

    def start(self, within: float | None = START_WITHIN) -> None:
        """Start the service in its thread, and wait for at most `within` seconds until it runs.

        Where it runs already nothing changes, and where it failed or was stopped it is started anew. Raises
        InvalidConfiguration and StoreUnusable, the latter also where the start takes longer: it then goes on, and
        another call waits for it. None waits without bound. Raises InvalidValue if `within` is not a number.
        """
        self._start(None, seconds(within, "within"))

    def start_async(self, within: float | None = START_WITHIN) -> BackgroundWork[None]:
        """Begin a start, and return at once; await the result for what `start` raises, from any event loop.

        What is handed over from now on waits for the start. It goes on if nobody awaits it; a failure is logged then.
        """
        within = seconds(within, "within")
        thread: ServiceThread | None = None
        if self._turns.is_idle and self._lock.acquire(blocking=False):  # else it begins once that is over
            try:
                thread = self._begun()
            except InvalidConfiguration as fault:
                return BackgroundWork.failed("start", fault)
            finally:
                self._lock.release()
        return self._turns.begin("start", lambda: self._start(thread, within))

    def stop(self, timeout: float | None = FLUSH_WITHIN) -> int:
        """Deliver what waits for at most `timeout` seconds, end the service and its thread, and tell what is open.

        What is open then is in the store, and is delivered by the next start. What is not started is not stopped. None
        waits without bound. Raises InvalidValue if `timeout` is not a number, and RuntimeError in signalpost's own
        thread, such as in a listener.
        """
        within = seconds(timeout)
        not_on_our_loop("a stop")
        deadline = Deadline(within)
        try:
            self._flush_first()
        finally:  # whatever breaks there: it is stopped
            left = self._end(deadline)
        return left + (0 if self._fallback is None else self._fallback.flush(deadline.remaining))

    def stop_async(self, timeout: float | None = FLUSH_WITHIN) -> BackgroundWork[int]:
        """Begin a stop, and return at once; await the result for what `stop` returns, from any event loop.

        It goes on if nobody awaits it. Raises what `stop` raises for its argument and in signalpost's own thread.
        """
        within = seconds(timeout)
        not_on_our_loop("a stop")
        return self._turns.begin("stop", lambda: self.stop(within))

    def flush(self, timeout: float | None = FLUSH_WITHIN) -> int:
        """Wait until what was handed over is written down, and delivered as far as it can be now.

        Returns how many notifications or deliveries are still open after at most `timeout` seconds; 0 is all done. None
        waits without bound. Raises InvalidValue if `timeout` is not a number, and RuntimeError in signalpost's own
        thread, such as in a listener.
        """
        within = seconds(timeout)
        not_on_our_loop("a flush")
        deadline = Deadline(within)
        self._flush_first()
        thread, stopping, alone = self._service, self._stopping, self._direct_alone
        left = 0 if thread is None else thread.flush(within)
        if stopping is not None:  # by a frame that a signal's handler interrupted, or by another thread
            left += stopping.wait_for_stop(deadline.remaining)
        if alone is not None:
            left += alone.flush(deadline.remaining)
        return left + (0 if self._fallback is None else self._fallback.flush(deadline.remaining))

    def send(
        self,
        signal_or_alert: Payload,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> TicketFuture:
        """Hand over a signal, an alert or a report from any thread, without waiting; the future is its ticket's.

        Priority is derived from confidence or severity unless given; the tier is FREE. Raises InvalidValue.
        """
        return self._send(Payload, signal_or_alert, priority, user_tier, additional_context)

    def send_signal(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> TicketFuture:
        """Hand over a signal: `send` for signals alone."""
        return self._send(Signal, signal, priority, user_tier, additional_context)

    def send_alert(
        self,
        alert: Alert,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> TicketFuture:
        """Hand over an alert: `send` for alerts alone."""
        return self._send(Alert, alert, priority, user_tier, additional_context)

    async def send_signal_async(
        self,
        signal: Signal,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> Ticket:
        """Hand over a signal from any event loop, and wait for its ticket: `accepted` means written to disk."""
        return await self.send_signal(signal, priority, user_tier, additional_context)

    async def send_alert_async(
        self,
        alert: Alert,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> Ticket:
        """Hand over an alert from any event loop, and wait for its ticket: `accepted` means written to disk."""
        return await self.send_alert(alert, priority, user_tier, additional_context)

    def send_signal_to_discord(
        self,
        signal: Signal,
        *,
        priority: NotificationPriority | int | str | None = None,
        user_tier: UserTier | str | None = None,
        additional_context: Mapping[str, object] | None = None,
    ) -> TicketFuture:
        """Hand a signal to the service, or send it without the queue where none runs or it refuses.

        Sent directly is once, within this process's pace, after waiting for a slot for at most 30 seconds: the ticket
        is `direct`, and its reason names the message, or it is refused and tells why. A conflict is not sent. The
        fallback is not asked. Raises InvalidValue.
        """
        otherwise, refused = self._send_directly, self._refusals.add
        return self._put(
            Submission.checked(Signal, signal, priority, user_tier, additional_context, otherwise, refused)
        )

    def health(self) -> Health:
        """How the service is, and why."""
        thread = self._service
        if thread is None:
            return Health(HealthStatus.UNHEALTHY, (Reason("it does not run", "not-running"),))
        return thread.health()

    def is_healthy(self) -> bool:
        """Whether all is well."""
        return self.health().status is HealthStatus.HEALTHY

    def get_metrics(self) -> dict[str, int]:
        """The service's counts since its start, and those of this layer: what waits for tickets, and the fallback.

        Among `tickets_refused` is what was refused before a service saw it, started or not.
        """
        thread, fallback = self._service, self._fallback
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
        """After a fork: let go of what the parent runs, closing nothing, and start anew with what is sent here."""
        self._inherited.append((self._service, self._direct_alone))  # never to be collected: it is the parent's
        if self._service is not None:
            self._begins_unasked, self._parents_home = True, self._service.service.config.home
        self._service = self._stopping = self._direct_alone = self._direct_beside = None
        self._lock, self._choosing, self._turns = RLock(), RLock(), Turns()
        self._refusals = Refusals()
        self._fallback = None if self._fallback is None else self._fallback.in_child()

    def _send(
        self,
        kind: object,
        payload: object,
        priority: NotificationPriority | int | str | None,
        user_tier: UserTier | str | None,
        additional_context: Mapping[str, object] | None,
    ) -> TicketFuture:
        otherwise = None if self._fallback is None else self._fall_back
        refused = self._refusals.add
        return self._put(Submission.checked(kind, payload, priority, user_tier, additional_context, otherwise, refused))

    def _put(self, submission: Submission) -> TicketFuture:
        thread = self._service or (self._begin_unasked() if self._begins_unasked else None)
        if thread is None:
            submission.refuse(STOPPED if self._was_stopped else NOT_RUNNING, Refusal.NOT_RUNNING)
        else:
            thread.put(submission)
        return submission.future

    def _begin(self, config: Config | None = None) -> ServiceThread:
        this_process.stop_at_end(self)
        self._service = ServiceThread(AsyncNotificationService(config or self._config, listeners=self._listeners))
        return self._service

    def _begun(self) -> ServiceThread:
        """The thread that runs or starts, or a new one. With the lock."""
        thread = self._service
        if thread is None or not (thread.is_running or thread.is_starting):
            thread = self._begin()
        return thread

    def _start(self, thread: ServiceThread | None, within: float) -> None:
        with self._lock:
            thread = thread or self._begun()
            try:
                thread.wait(within)
            except Exception as fault:
                if not thread.is_starting:
                    self._service = None
                    this_process.forget(self)
                if isinstance(fault, SignalpostError):  # its text says it all, and where it came from is in the log
                    raise fault.with_traceback(None) from None
                raise

    def _end(self, deadline: Deadline) -> int:
        with self._lock:
            thread = self._stopping = self._service
            alone, self._service, self._direct_alone = self._direct_alone, None, None
            self._begins_unasked = False
            self._was_stopped = self._was_stopped or thread is not None
            this_process.forget(self)
            try:
                left = 0 if thread is None else thread.stop(deadline.remaining)
            finally:
                self._stopping = None
            if alone is not None:
                left += alone.stop(deadline.remaining)
        return left

    def _begin_unasked(self) -> ServiceThread | None:
        """Begin what the parent process had begun, before the fork, in its data folder wherever this process is now."""
        with self._lock:
            try:
                return self._service or self._begin(self._as_parent())
            except InvalidConfiguration as fault:
                logger.error("the service cannot be started after the fork: %s", fault)
                return None

    def _as_parent(self) -> Config:
        config = self._config or Config.from_environment()
        return msgspec.structs.replace(config, home=self._parents_home or config.home)

    def _fall_back(self, submission: Submission, refused: Ticket) -> None:
        if self._fallback is None:  # it was taken away meanwhile
            submission.end(refused)
            return
        try:
            this_process.stop_at_end(self)
            self._fallback.take(submission, refused)
        except RuntimeError:
            submission.end(refused._replace(reason=f"{refused.reason}; and no thread can be started for the fallback"))
        self._flush_if_last()

    def _send_directly(self, submission: Submission, refused: Ticket) -> None:
        try:
            direct = self._direct_way()
        except InvalidConfiguration as fault:
            submission.end(refused._replace(reason=f"{refused.reason}; and nothing can be sent: {fault}"))
        else:
            direct.take(submission, refused)
            self._flush_if_last()

    def _direct_way(self) -> DirectThread | DirectBesideService:
        thread = self._service
        with self._choosing:
            if thread is not None and thread.is_running:
                if self._direct_beside is None or self._direct_beside.thread is not thread:
                    self._direct_beside = DirectBesideService(thread)
                return self._direct_beside
            if self._direct_alone is None:
                config = Config.from_environment() if self._config is None else self._config
                self._direct_alone = DirectThread(config)
                this_process.stop_at_end(self)
            return self._direct_alone

    def _flush_if_last(self) -> None:
        """Where the interpreter has ended all threads but this one, such as in `atexit`: nobody else will any more."""
        if current_thread() is main_thread() and not main_thread().is_alive():
            self.flush(FLUSH_WITHIN)

    def _flush_first(self) -> None:
        for each in list(self.flushed_first):
            each.flush()


def _checked(config: Config | None) -> Config | None:
    if not isinstance(config, Config | None):
        text = f"the configuration is a {type(config).__name__}: give a Config, or none"
        raise InvalidConfiguration(text, code="wrong-kind", field="config", value=type(config).__name__, limit="Config")
    return config
