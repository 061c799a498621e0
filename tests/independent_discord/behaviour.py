"""How the server responds to requests. Each behaviour is a function of a request; None is the usual answer."""

from collections.abc import Callable
from enum import Enum, auto

from tests.independent_discord.http_messages import Answer, Request, json_answer


class Fault(Enum):
    """A failure to answer."""

    HANGS = auto()
    """The request is read and never answered."""
    CUT = auto()
    """The message is shown, but the connection is closed without an answer."""
    DRIPS = auto()
    """The message is shown, and the answer arrives at a byte a second."""


Behaviour = Callable[[Request], Answer | Fault | None]


def as_usual(_: Request) -> None:
    """The usual answer to everything."""


def unavailable(_: Request) -> Answer:
    """503 to everything."""
    return json_answer(503, {"message": "upstream connect error"})


def rejects_messages(request: Request) -> Answer | None:
    """503 to every message, and the usual answer to probes."""
    return unavailable(request) if request.method == "POST" else None


def hangs(_: Request) -> Fault:
    """No answer to anything."""
    return Fault.HANGS


def once(response: Answer | Fault, when: Callable[[Request], bool]) -> Behaviour:
    """`response` to the first message for which `when` is true, and the usual answer to all others."""
    is_over = False

    def behaviour(request: Request) -> Answer | Fault | None:
        nonlocal is_over
        if is_over or request.method != "POST" or not when(request):
            return None
        is_over = True
        return response

    return behaviour


def always(response: Answer, when: Callable[[Request], bool]) -> Behaviour:
    """`response` to every message for which `when` is true, and the usual answer to all others."""
    return lambda request: response if request.method == "POST" and when(request) else None
