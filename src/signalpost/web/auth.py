"""Who may come in: the token decides, and is known again by its hash alone."""

from collections.abc import Mapping
from http import HTTPStatus
from math import ceil

from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidConfiguration
from signalpost.telemetry.log_queue import logger
from signalpost.web.problem import Problem
from signalpost.web.rate import Rate, Rates
from signalpost.web.tokens import Scope, Token, TokensFile, found

WRONG_TOKENS = Rate(20, 20 / 60)
"""For a peer: after 20 wrong tokens, one in 3 seconds is answered 401, the others 429."""
REQUESTS = Rate(1_000, 20.0)
"""For a token: signals come in bursts of hundreds, and never for long."""
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="signalpost"'}
_NEVER_READ = (-1, -1, -1)


class TokenAuth:
    """Lets in who presents a token. It reads the file of tokens again as soon as that has changed."""

    def __init__(self, file: TokensFile, rank_by_tier: Mapping[UserTier, int]) -> None:
        self._file = file
        self._rank_by_tier = rank_by_tier
        self._seen = _NEVER_READ
        self._tokens: tuple[Token, ...] = ()
        self._wrong = Rates(WRONG_TOKENS)
        self._requests = Rates(REQUESTS)

    def admit(self, presented: str | None, scope: Scope, peer: str, now: float) -> Token:
        """The token that was presented, if it opens `scope`. Raises Problem otherwise: 401, 403, 429 or 503.

        A right token is never refused for the wrong ones of its peer, who may be a proxy before many.
        """
        tokens = self._current()
        token = None if presented is None else found(presented, tokens)
        if token is None:
            if presented is not None and (wait := self._wrong.wait(peer, now)):
                raise _too_many("too many wrong tokens from this address", wait)
            raise Problem(HTTPStatus.UNAUTHORIZED, _unknown(presented, scope), headers=_CHALLENGE)
        if scope not in token.scopes:
            raise Problem(HTTPStatus.FORBIDDEN, f"this token does not open {scope}: make one with --scope {scope}")
        if wait := self._requests.wait(token.name, now):
            raise _too_many("too many requests with this token", wait)
        return token

    def check_tier(self, token: Token, tier: UserTier) -> None:
        """Raise Problem 403 where `token` may not send for `tier`."""
        own = UserTier(token.tier)
        if tier == own:
            return
        asked, most = self._rank_by_tier.get(tier), self._rank_by_tier.get(own)
        if asked is None or most is None or asked > most:
            detail = f"this token sends for tier {str(own)!r} at most, and {str(tier)!r} was asked for"
            raise Problem(HTTPStatus.FORBIDDEN, detail)

    def _current(self) -> tuple[Token, ...]:
        try:
            is_ = self._file.path.stat()
            state = (is_.st_mtime_ns, is_.st_size, is_.st_ino)
        except OSError:
            state = (0, 0, 0)
        if state != self._seen or state == (0, 0, 0):
            try:
                self._tokens = self._read()
            except InvalidConfiguration as fault:
                self._tokens, self._seen = (), _NEVER_READ
                logger.error("no request is let in: %s", fault)
                detail = "the tokens cannot be read: the operator's log says why"
                raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after=60) from None
            self._seen = state
        return self._tokens

    def _read(self) -> tuple[Token, ...]:
        """All tokens. That none were made yet is one thing, that the folder was moved away meanwhile another."""
        folder = self._file.path.parent
        if not folder.is_dir():
            raise InvalidConfiguration(f"{folder} is not there any more: move it back")
        return self._file.read()


def _unknown(presented: str | None, scope: Scope) -> str:
    if presented is not None:
        return "this token is not known here: `signalpost tokens list` names those that are"
    return f"no token was presented: make one with `signalpost tokens add NAME --scope {scope}`"


def _too_many(detail: str, wait: float) -> Problem:
    return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, retry_after=ceil(wait))
