"""How a far end meets requests when it is not well. Each is a function of a request; None is: as usual."""

from collections.abc import Callable
from enum import Enum, auto

from tests.foreign.http_talk import Answer, Request, in_json


class Manner(Enum):
    """What happens to an answer on its way."""

    HANGS = auto()
    """The request is read, and nothing comes of it, ever."""
    CUT = auto()
    """The message is shown, and the connection closed instead of an answer."""
    DRIPS = auto()
    """The message is shown, and the answer comes a byte a second."""


Conduct = Callable[[Request], Answer | Manner | None]


def well(_: Request) -> None:
    """As usual."""


def away(_: Request) -> Answer:
    """503 to everything."""
    return in_json(503, {"message": "upstream connect error"})


def takes_no_messages(request: Request) -> Answer | None:
    """503 to every message, while questions are answered as usual."""
    return away(request) if request.method == "POST" else None


def hangs(_: Request) -> Manner:
    """Silence."""
    return Manner.HANGS


def once(met: Answer | Manner, when: Callable[[Request], bool]) -> Conduct:
    """The first message of which `when` holds is met so, and all else as usual."""
    is_over = False

    def conduct(request: Request) -> Answer | Manner | None:
        nonlocal is_over
        if is_over or request.method != "POST" or not when(request):
            return None
        is_over = True
        return met

    return conduct


def always(met: Answer, when: Callable[[Request], bool]) -> Conduct:
    """Every message of which `when` holds is met so, and all else as usual."""
    return lambda request: met if request.method == "POST" and when(request) else None
