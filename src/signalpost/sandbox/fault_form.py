"""Parses the JSON that `/_faults` accepts to plan faults."""

from typing import Any, Literal

import msgspec

from signalpost.errors import InvalidValue
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import EVERY, Fault, usual_answer


class FaultForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request to `/_faults`. `{"status": 503}` alone answers the next request to any webhook with 503."""

    webhook: str = EVERY
    method: str | None = None
    status: int | None = None
    """The status to answer with; if not set, the rules decide."""
    headers: dict[str, str] | None = None
    body: Any = None
    """JSON or text; if not set, the usual body for the status."""
    retry_after: float = 1.0
    before: float = 0.0
    """Seconds to wait before processing the request."""
    after: float = 0.0
    """Seconds to wait between processing and answering."""
    cut: Literal["before", "after"] | None = None
    """Reset the connection before or after the message is recorded."""
    recorded: bool = False
    """Record the message although `status` reports an error."""
    times: int = 1

    def fault(self) -> Fault:
        """Convert the form to a fault."""
        return Fault(
            webhook=self.webhook,
            method=self.method,
            seconds_before=self.before,
            seconds_after=self.after,
            answer=self._answer(),
            is_cut=self.cut is not None,
            is_processed=self.cut == "after" if self.cut else self.status is None or self.recorded,
            times=self.times,
        )

    def _answer(self) -> HttpAnswer | None:
        if self.status is None:
            return None
        usual = usual_answer(self.status, self.retry_after)
        body = usual.body
        if self.body is not None:
            body = self.body.encode() if isinstance(self.body, str) else msgspec.json.encode(self.body)
        return HttpAnswer(self.status, usual.headers if self.headers is None else self.headers, body)


def faults_of(body: bytes) -> list[Fault]:
    """Parse one form or a list of forms. Raises InvalidValue for anything else."""
    try:
        forms = msgspec.json.decode(body, type=FaultForm | list[FaultForm])
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise InvalidValue(
            f'invalid fault ({wrong}). Send JSON such as {{"webhook": "signals-free", "status": 503}}',
            code="not-readable",
        ) from None
    return [form.fault() for form in (forms if isinstance(forms, list) else [forms])]
