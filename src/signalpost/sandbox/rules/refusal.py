"""Discord's refusals: a code, a message and, for an invalid form, a tree of errors that mirrors the form."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from signalpost.sandbox.rules.exchange import HttpAnswer, json_answer

INVALID_FORM = 50035


class Problem(NamedTuple):
    """An error in a form and its path."""

    path: tuple[str | int, ...]
    code: str
    message: str


class Refusal(Exception):
    """Discord refuses the request."""

    def __init__(self, status: int, code: int, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(f"{status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.problems = tuple(problems)

    def answer(self) -> HttpAnswer:
        """Build the HTTP answer."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.problems:
            body["errors"] = _tree(self.problems)
        return json_answer(self.status, body)


def invalid_form(*problems: Problem) -> Refusal:
    """Build the refusal of a form with these problems."""
    return Refusal(400, INVALID_FORM, "Invalid Form Body", problems)


def _tree(problems: Iterable[Problem]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for problem in problems:
        node = root
        for step in problem.path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
    return root
