"""How Discord says no: a code, a sentence and, for a form that is wrong, a tree of errors that mirrors it."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from signalpost.sandbox.rules.exchange import HttpAnswer, told

INVALID_FORM = 50035


class Problem(NamedTuple):
    """One thing that is wrong in a form, and where."""

    path: tuple[str | int, ...]
    code: str
    message: str


class Refusal(Exception):
    """A request is refused."""

    def __init__(self, status: int, code: int, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(f"{status}, code {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.problems = tuple(problems)

    def answer(self) -> HttpAnswer:
        """The answer that says so."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.problems:
            body["errors"] = _tree(self.problems)
        return told(self.status, body)


def invalid_form(*problems: Problem) -> Refusal:
    """The refusal of a form in which these are wrong."""
    return Refusal(400, INVALID_FORM, "Invalid Form Body", problems)


def _tree(problems: Iterable[Problem]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for problem in problems:
        node = root
        for step in problem.path:
            node = node.setdefault(str(step), {})
        node.setdefault("_errors", []).append({"code": problem.code, "message": problem.message})
    return root
