"""The reason why the service is not healthy: a sentence for people, with a code for programs."""

from typing import Self


class Reason(str):
    """A sentence with a stable `code` in kebab-case, such as `breaker-open`."""

    __slots__ = ("code",)
    code: str

    def __new__(cls, text: str, code: str) -> Self:
        """Create the sentence `text` with its `code`."""
        reason = super().__new__(cls, text)
        reason.code = code
        return reason

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        """Keep the code in copies and pickles."""
        return type(self), (str(self), self.code)
