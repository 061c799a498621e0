"""The result of a send: a receipt, or an error that says whether the message may have been shown.

    Rejected       refused; a retry cannot help
    Unavailable    not shown; a retry may work
    Throttled      not shown: too many requests
    CardLost       not shown: the message that was to be edited is gone
    Unconfirmed    possibly shown: bytes were sent, but no reliable answer arrived

The sink only reports; `delivery.dispatch.decide` decides what happens next. Never put a secret into a
reason: reasons are logged. See docs/why/0010-evidence-and-decision.md.
"""

from datetime import datetime
from typing import NamedTuple, Self

from signalpost.domain.words import Word
from signalpost.errors import Evidence
from signalpost.secret import described


class RateFacts(NamedTuple):
    """The rate limit in an answer's headers. Scopes are opaque: equal scopes share one limit."""

    scope: str
    """The scope of the limit, such as one webhook's bucket."""
    limit: int
    """Requests per window."""
    remaining: int
    """Requests left in the current window."""
    reset_after: float
    """Seconds until the window ends."""


class Receipt(NamedTuple):
    """The destination's proof of delivery."""

    message_id: str
    """The destination's id of the message; empty if it sent none."""
    sent_at: datetime | None = None
    """When the destination received the message, by its own clock; None if it does not say."""
    rate: RateFacts | None = None
    channel: str | None = None
    """The id of the channel that shows the message. Destinations in one channel share its undocumented limit."""
    guild: str | None = None
    """The id of the Discord server, if it is known."""
    webhook: str | None = None
    """The identity of the webhook, without which the message cannot be edited."""
    digest: str | None = None
    """A hash of all that the message shows now; None if the sink does not provide one."""
    has_chart: bool = False
    """Whether the message shows a chart now."""


class Answered(Evidence):
    """Evidence that may carry an answer's status and rate facts."""

    def __init__(
        self, reason: str, *, status: int | None = None, code: int | None = None, rate: RateFacts | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """The HTTP status, if there was an answer."""
        self.api_code = code
        """The error code in the answer's body, such as Discord's 10015."""
        self.rate = rate


class Rejected(Answered):
    """The message was refused, and a retry cannot help."""

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        code: int | None = None,
        rate: RateFacts | None = None,
        is_gone: bool = False,
    ) -> None:
        super().__init__(reason, status=status, code=code, rate=rate)
        self.is_gone = is_gone
        """The destination no longer exists; send nothing more to it."""
        self.fault: str | None = None
        """For the log: the exception that prevented building the message, with its location; None if there was none."""

    @classmethod
    def unrendered(cls, fault: Exception) -> Self:
        """Reject a message that raised `fault` while it was being built. Nothing was sent."""
        rejected = cls(f"could not build the message ({type(fault).__name__}); see the log for details")
        rejected.code = "not-rendered"
        rejected.fault = described(fault)
        return rejected


class Unwanted(Rejected):
    """There is nothing to show, because the operator turned such messages off. Nothing was sent."""

    def __init__(self, reason: str, ids: frozenset[str] = frozenset()) -> None:
        super().__init__(reason)
        self.ids = ids
        """The notifications that are not to be shown; empty for all of the message."""


class Unchanged(Unwanted):
    """The message that was to be edited shows this already. Nothing was sent."""


class CardLost(Answered):
    """The message that was to be edited cannot be edited any more; nothing was shown."""

    def __init__(self, reason: str, *, how: "Loss", status: int | None = None, code: int | None = None) -> None:
        super().__init__(reason, status=status, code=code)
        self.how = how


class Loss(Word):
    """Why a message cannot be edited any more."""

    DELETED = "deleted"
    """Somebody deleted it."""
    MOVED = "moved"
    """The webhook posts elsewhere now, or it is another webhook."""
    LOCKED = "locked"
    """Its thread is locked."""
    UNREACHABLE = "unreachable"
    """Its destination cannot be reached, so a fallback shows the trade instead."""


class Unavailable(Answered):
    """The message was not shown; a retry may work."""


class Throttled(Answered):
    """The message was not shown: too many requests."""

    def __init__(
        self,
        reason: str,
        *,
        retry_after: float,
        scope: str,
        status: int | None = None,
        code: int | None = None,
        rate: RateFacts | None = None,
        is_ban: bool = False,
        is_shared: bool = False,
    ) -> None:
        super().__init__(reason, status=status, code=code, rate=rate)
        self.retry_after = retry_after
        """Seconds from now until the next send is allowed."""
        self.scope = scope
        """The part that waits: the `destination`, the `edits` in its channel, or the `host` with all requests to it."""
        self.is_ban = is_ban
        """True if this IP address is banned, not merely over a rate limit."""
        self.is_shared = is_shared
        """True if Discord calls the limit shared (`X-RateLimit-Scope`), so other senders may have used it up."""


class Unconfirmed(Answered):
    """The message may have been shown; the outcome is unknown."""

    @property
    def is_answered(self) -> bool:
        """True if an answer arrived, such as a 5xx; False if the connection dropped or timed out."""
        return self.status is not None
