"""Functions that send through one NotificationIntegration, shared by the whole process."""

from collections.abc import Callable
from functools import partial, wraps
from inspect import iscoroutinefunction, signature
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from signalpost.integration.integration import NotificationIntegration

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

process_wide = NotificationIntegration()
"""The integration that these functions use, and that other parts use unless you pass your own."""


def _of_process(
    method: Callable[Concatenate[NotificationIntegration, Arguments], Answer],
) -> Callable[Arguments, Answer]:
    """The method as a function of this process's integration."""
    bound: Callable[Arguments, Answer] = partial(method, process_wide)

    @wraps(method)
    def function(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
        return bound(*args, **kwargs)

    @wraps(method)
    async def awaited(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Any:
        return await bound(*args, **kwargs)  # type: ignore[misc]  # it is a coroutine function

    made: Any = awaited if iscoroutinefunction(method) else function
    made.__module__, made.__qualname__ = __name__, method.__name__
    made.__signature__ = signature(bound)  # without `self`
    return cast("Callable[Arguments, Answer]", made)


configure = _of_process(NotificationIntegration.configure)
flush = _of_process(NotificationIntegration.flush)
send_signal = _of_process(NotificationIntegration.send_signal)
send_alert = _of_process(NotificationIntegration.send_alert)
send_signal_async = _of_process(NotificationIntegration.send_signal_async)
send_alert_async = _of_process(NotificationIntegration.send_alert_async)
send_signal_to_discord = _of_process(NotificationIntegration.send_signal_to_discord)
update_signal = _of_process(NotificationIntegration.update_signal)
fill_signal = _of_process(NotificationIntegration.fill_signal)
close_signal = _of_process(NotificationIntegration.close_signal)
cancel_signal = _of_process(NotificationIntegration.cancel_signal)
correct_signal = _of_process(NotificationIntegration.correct_signal)
reopen_signal = _of_process(NotificationIntegration.reopen_signal)
update_signal_async = _of_process(NotificationIntegration.update_signal_async)
fill_signal_async = _of_process(NotificationIntegration.fill_signal_async)
close_signal_async = _of_process(NotificationIntegration.close_signal_async)
cancel_signal_async = _of_process(NotificationIntegration.cancel_signal_async)
correct_signal_async = _of_process(NotificationIntegration.correct_signal_async)
reopen_signal_async = _of_process(NotificationIntegration.reopen_signal_async)
