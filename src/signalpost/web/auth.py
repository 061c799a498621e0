"""Checks tokens against their stored hashes, and limits how often each is used."""

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from http import HTTPStatus
from math import ceil, inf
from typing import NamedTuple

from signalpost.domain.tier import UserTier
from signalpost.errors import Fault, InvalidConfiguration
from signalpost.ingest.send_options import SendOptions
from signalpost.telemetry.log_queue import logger
from signalpost.web.problem import Problem, not_understood
from signalpost.web.tokens import Scope, Token, TokensFile, found

MOST_KEYS = 10_000
"""Beyond that, the least recently used key is forgotten."""


class Rate(NamedTuple):
    """`burst` at once, then `a_second` per second."""

    burst: int
    a_second: float


class Rates:
    """A token bucket for each of many keys. `now` is in seconds of any monotonic clock."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        """Take a token of `key` and return 0, or return the seconds until one is available."""
        left, at = self._left.pop(key, (float(self._rate.burst), now))
        left = min(float(self._rate.burst), left + (now - at) * self._rate.a_second)
        is_free = left >= 1
        self._left[key] = (left - is_free, now)
        if len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return 0.0 if is_free else (1 - left) / self._rate.a_second


WRONG_TOKENS = Rate(20, 20 / 60)
"""Per peer: after 20 wrong tokens, one every 3 seconds gets 401 and the others 429."""
REQUESTS = Rate(1_000, 20.0)
"""Per token: 1,000 requests at once, then 20 per second. Signals come in bursts of hundreds, but not for long."""
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="signalpost"'}
_NEVER_READ = (-1, -1, -1)


class TokenAuth:
    """Admits requests with a valid token. It rereads the tokens file at the first request after a change."""

    def __init__(self, file: TokensFile, rank_by_tier: Mapping[UserTier, int]) -> None:
        self._file = file
        self._rank_by_tier = rank_by_tier
        self._seen = _NEVER_READ
        self._tokens: tuple[Token, ...] = ()
        self._wrong_by_peer = Rates(WRONG_TOKENS)
        self._requests_by_token = Rates(REQUESTS)

    def admit(self, presented: str | None, scope: Scope, peer: str, now: float) -> Token:
        """Return the presented token if it is valid for `scope`. Raises Problem otherwise: 401, 403, 429 or 503.

        Wrong tokens from the same peer never block a valid one: the peer may be a proxy for many clients.
        """
        tokens = self._current()
        token = None if presented is None else found(presented, tokens)
        if token is None:
            if presented is not None and (wait := self._wrong_by_peer.wait(peer, now)):
                raise _too_many("Too many wrong tokens came from this address.", wait)
            raise Problem(HTTPStatus.UNAUTHORIZED, _why_unauthorized(presented, scope), headers=_CHALLENGE)
        if scope not in token.scopes:
            detail = (
                f"This token is not valid for {scope}. Create one with `signalpost tokens add NAME --scope {scope}`."
            )
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        if wait := self._requests_by_token.wait(token.name, now):
            raise _too_many("This token has sent too many requests. Wait for the seconds in Retry-After.", wait)
        return token

    def check_tiers(self, token: Token, options: SendOptions) -> None:
        """Raise Problem if `token` may not send for one of the tiers: 422 for an unknown tier, otherwise 403."""
        permitted = self.tiers_of(token)
        beyond = [tier for tier in options.each_tier if tier not in permitted]
        if unknown := [tier for tier in beyond if tier not in self._rank_by_tier]:
            field, known = "tiers" if options.tiers else "user_tier", ", ".join(self._rank_by_tier)
            raise not_understood([_unknown_tier(field, str(tier), known) for tier in unknown])
        if beyond:
            own = str(UserTier(token.tier))
            detail = f"This token may send to tier {own!r} and lower ones, not to {str(beyond[0])!r}."
            raise Problem(HTTPStatus.FORBIDDEN, detail)

    def tiers_of(self, token: Token) -> frozenset[UserTier]:
        """The tiers that `token` may send to, and whose signals it may see and change: its own and lower ones."""
        own = UserTier(token.tier)
        highest = self._rank_by_tier.get(own, -inf)
        return frozenset({own, *(tier for tier, rank in self._rank_by_tier.items() if rank <= highest)})

    def _current(self) -> tuple[Token, ...]:
        try:
            stat = self._file.path.stat()
            state = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        except OSError:
            state = (0, 0, 0)
        if state != self._seen or state == (0, 0, 0):
            try:
                self._tokens = self._read()
            except InvalidConfiguration as fault:
                self._tokens, self._seen = (), _NEVER_READ
                logger.error("Requests with a token are rejected, because the tokens file cannot be read: %s", fault)
                detail = "The service cannot read its tokens; its log says why. Retry later."
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=60) from None
            self._seen = state
        return self._tokens

    def _read(self) -> tuple[Token, ...]:
        """Read all tokens; none if there is no file yet. A missing folder is an error: it was moved or deleted."""
        folder = self._file.path.parent
        if not folder.is_dir():
            raise InvalidConfiguration(
                f"the data folder {folder} no longer exists. Move it back, or stop the service and restore a backup."
            )
        return self._file.read()


def _unknown_tier(field: str, tier: str, known: str) -> Fault:
    return Fault("unknown-word", f"{field}: {tier!r} is not a tier: use one of {known}", field, tier, known)


def _why_unauthorized(presented: str | None, scope: Scope) -> str:
    if presented is not None:
        return "This token is unknown. `signalpost tokens list` shows the valid ones."
    return f"The request has no token. Create one with `signalpost tokens add NAME --scope {scope}`."


def _too_many(detail: str, wait: float) -> Problem:
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, retry_after=ceil(wait))
