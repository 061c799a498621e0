"""Helpers for tests of parsers: a token, and the problem that a parser raises."""

from collections.abc import Callable
from datetime import UTC, datetime

from signalpost.web.problem import Problem
from signalpost.web.tokens import Scope, Token


def token(name: str = "bot", tier: str = "free", *scopes: Scope) -> Token:
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    return Token(name=name, tier=tier, scopes=scopes or tuple(Scope), made_at=made_at, sha256="0" * 64)


def refusal(reading: Callable[[], object]) -> Problem | None:
    """The problem that `reading` raises, if any."""
    try:
        reading()
    except Problem as problem:
        return problem
    return None
