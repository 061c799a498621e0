"""Helpers for tests of parsers and handlers: a token, the problem that a parser raises, a service that answers."""

from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime
from typing import Any

from signalpost.web.problem import Problem
from signalpost.web.service_api import ServiceApi
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


def replaced(api: ServiceApi, **operations: Any) -> ServiceApi:
    """A copy of `api` with some of its operations replaced."""
    made = copy(api)
    vars(made).update(operations)
    return made
