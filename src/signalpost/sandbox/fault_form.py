"""How a person or a test in another process asks for faults: JSON to `/_faults`."""

from typing import Any, Literal

import msgspec

from signalpost.errors import InvalidValue
from signalpost.sandbox.rules.exchange import HttpAnswer
from signalpost.sandbox.rules.faults import EVERY, Fault, usual_answer


class FaultForm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `/_faults` takes. `{"status": 503}` alone is: answer the next request to any webhook with 503."""

    webhook: str = EVERY
    method: str | None = None
    status: int | None = None
    """What is answered instead; without it the answer is what it would have been."""
    headers: dict[str, str] | None = None
    body: Any = None
    """JSON, or a text; without it, what usually comes with the status."""
    retry_after: float = 1.0
    before: float = 0.0
    """Seconds until the request is processed."""
    after: float = 0.0
    """Seconds from then until it is answered."""
    cut: Literal["before", "after"] | None = None
    """Reset the connection before or after the message was recorded."""
    recorded: bool = False
    """With `status`: whether the message is recorded all the same."""
    times: int = 1

    def fault(self) -> Fault:
        """The fault it asks for."""
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
    """The faults that one form or a list of them asks for. Raises InvalidValue for anything else."""
    try:
        forms = msgspec.json.decode(body, type=FaultForm | list[FaultForm])
    except (msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        raise InvalidValue(
            f'no fault can be made of this ({wrong}): give JSON such as {{"webhook": "signals-free", "status": 503}}',
            code="not-readable",
        ) from None
    return [form.fault() for form in (forms if isinstance(forms, list) else [forms])]
