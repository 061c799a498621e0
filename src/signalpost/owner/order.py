"""What is handed over: a notification with its arguments, checked and frozen, and the future of its ticket."""

from collections.abc import Callable, Mapping
from typing import get_args

from signalpost.domain.context import Context
from signalpost.domain.notification import Payload
from signalpost.domain.priority import NotificationPriority
from signalpost.domain.ticket import Outcome, Refusal, Ticket
from signalpost.domain.tier import UserTier
from signalpost.domain.urgency import usual_priority
from signalpost.domain.words import member
from signalpost.errors import InvalidValue
from signalpost.owner.future import TicketFuture

_NO_CONTEXT = Context()
Otherwise = Callable[["Order", Ticket], None]
"""Answers for an order that was refused with this ticket."""
Refused = Callable[[Ticket], None]
"""Is told of a refusal that no service saw."""
_UNSEEN = (Refusal.NOT_RUNNING, Refusal.TOO_MANY)


class Order:
    """A notification to be taken in. `otherwise` is who answers for it where the service refused it, if anybody does.

    `refused` is told where nobody took it, and no service saw it.
    A conflict is final: something else was shown under the same id, and to show a second thing that contradicts it by
    another way would mend nothing.
    """

    __slots__ = ("context", "future", "otherwise", "payload", "priority", "refused", "user_tier")

    def __init__(
        self,
        payload: Payload,
        priority: NotificationPriority,
        user_tier: UserTier,
        context: Context,
        otherwise: "Otherwise | None",
        refused: "Refused",
    ) -> None:
        self.payload = payload
        self.priority = priority
        self.user_tier = user_tier
        self.context = context
        self.otherwise = otherwise
        self.refused = refused
        self.future = TicketFuture()

    @classmethod
    def checked(
        cls,
        kind: type[Payload] | object,
        payload: object,
        priority: NotificationPriority | int | str | None,
        user_tier: UserTier | str | None,
        additional_context: Mapping[str, object] | None,
        otherwise: "Otherwise | None" = None,
        refused: "Refused" = lambda _: None,
    ) -> "Order":
        """The order that these arguments mean; what the caller does to them later changes nothing.

        Raises InvalidValue for what cannot be meant, such as a payload that is not of `kind`.
        """
        if not isinstance(payload, kind):  # type: ignore[arg-type]  # a union is as good as a class here
            known = ", ".join(each.__name__ for each in get_args(kind) or (kind,))
            given = type(payload).__name__
            text = f"a {given} cannot be sent this way: give one of {known}"
            raise InvalidValue(text, code="wrong-kind", field="payload", value=given, limit=known)
        return cls(
            payload,
            usual_priority(payload) if priority is None else member(NotificationPriority, priority, "priority"),
            UserTier.FREE if user_tier is None else UserTier(user_tier),
            _NO_CONTEXT if additional_context is None else Context(additional_context),
            otherwise,
            refused,
        )

    @property
    def holds(self) -> bool:
        """Whether the service should hold it in memory if the store is unavailable: not if others stand by."""
        return self.otherwise is None

    def refuse(self, why: str, cause: Refusal) -> None:
        """Answer for it before any service saw it, or have somebody else answer."""
        ticket = Ticket(Outcome.REFUSED, "", why, cause)
        if self.otherwise is None:
            self.end(ticket)
        else:
            self.otherwise(self, ticket)

    def end(self, ticket: Ticket) -> None:
        """Give the ticket of somebody else than the service to whoever waits for it."""
        if ticket.cause in _UNSEEN:
            self.refused(ticket)
        self.future.set_result(ticket)

    def settle(self, ticket: Ticket) -> None:
        """Give the service's ticket to whoever waits for it, or have somebody else answer for what was refused."""
        is_over = ticket.outcome is not Outcome.REFUSED or ticket.cause is Refusal.CONFLICT
        if is_over or self.otherwise is None:
            self.future.set_result(ticket)
        else:
            self.otherwise(self, ticket)
