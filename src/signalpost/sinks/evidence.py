"""What a sink knows after a send: a receipt, or an error that says how sure it is that nothing was shown.

    Rejected       it was refused and always will be
    Unavailable    it was surely not shown, and may be later
    Throttled      it was surely not shown: too many requests
    Unconfirmed    it may have been shown: bytes left, and no answer (or none that can be trusted) came back

The sink does not decide what follows; `delivery.dispatch.decide` does. No text in here may hold a secret. See
docs/why/0010-evidence-and-decision.md.
"""

from datetime import datetime
from typing import NamedTuple, Self

from signalpost.errors import Evidence
from signalpost.secret import described


class RateFacts(NamedTuple):
    """What an answer said about its rate limit. Scopes are opaque: equal names share what they limit."""

    scope: str
    """What the limit is kept for, such as a bucket of one webhook."""
    limit: int
    """Requests a window."""
    remaining: int
    """Requests left in the running window."""
    reset_after: float
    """Seconds until the window is over."""


class Receipt(NamedTuple):
    """The far end's proof of delivery."""

    message_id: str
    """The far end's name for the message."""
    sent_at: datetime | None = None
    """The far end's own clock, where it tells."""
    rate: RateFacts | None = None
    channel: str | None = None
    """Where it shows: what shares the far end's hidden limits with it."""


class Answered(Evidence):
    """Evidence that may carry an answer's status and rate facts."""

    def __init__(
        self, reason: str, *, status: int | None = None, code: int | None = None, rate: RateFacts | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        """The HTTP status, where there was an answer."""
        self.api_code = code
        """The error code in the answer's body, such as Discord's 10015."""
        self.rate = rate


class Rejected(Answered):
    """The message was refused and always will be."""

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
        """Whether the destination itself is gone for good, so that nothing may be sent there again."""
        self.fault: str | None = None
        """For the log: which exception of ours kept the message from being made, and where; None if none did."""

    @classmethod
    def unrendered(cls, fault: Exception) -> Self:
        """A message that could not be made, because `fault` was raised before any byte left."""
        rejected = cls(f"the message could not be made ({type(fault).__name__}); the log says where")
        rejected.code = "not-rendered"
        rejected.fault = described(fault)
        return rejected


class Unavailable(Answered):
    """The message was surely not shown, and may be later."""


class Throttled(Answered):
    """The message was surely not shown: too many requests were made."""

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
        """Seconds to wait."""
        self.scope = scope
        """What has to wait: `destination`, or `host` for everything that goes to the same host."""
        self.is_ban = is_ban
        """Whether this address is shut out, and did not merely ask too often a moment ago."""
        self.is_shared = is_shared
        """Whether others may have used the limit up, so that this is no fault of ours."""


class Unconfirmed(Answered):
    """The message may have been shown."""

    @property
    def is_answered(self) -> bool:
        """Whether anything came back: a 5xx is an answer, a cut connection is none."""
        return self.status is not None
