"""Bearer tokens, stored as hashes in `tokens.json` in the data folder.

A token is 256 random bits, so its SHA-256 is as hard to reverse as the token is to guess. A slow, salted hash protects
passwords that people choose; here it would only slow down each request. The file is replaced atomically, so that a
reader sees either the old or the new contents.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event

import msgspec

from signalpost import clock
from signalpost.delivery.outbox.files import read_regular
from signalpost.domain.tier import UserTier
from signalpost.domain.words import Word
from signalpost.errors import InvalidConfiguration, InvalidValue, shown
from signalpost.secret import Secret

TOKENS_FILE = "tokens.json"
_VERSION = 1
_LOCKED_WITHIN = 2.0
"""Seconds to wait for another process that changes the tokens; a change takes milliseconds."""
_LOCK_PAUSE = 0.05
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Scope(Word):
    """The part of the HTTP API that a token gives access to."""

    API = "api"
    """`/api/v1`."""
    TRADINGVIEW = "tradingview"
    FREQTRADE = "freqtrade"
    METRICS = "metrics"
    """`/metrics`."""


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stored token: its hash, never the token itself."""

    name: str
    tier: str
    """The highest tier it may send to, and the tier of requests without one."""
    scopes: tuple[Scope, ...]
    made_at: datetime
    sha256: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            text = (
                f"{shown(self.name)} is not a valid token name. "
                "Use up to 32 characters (a-z, 0-9, '-' and '_'), the first a letter or digit"
            )
            raise InvalidValue(text, code="invalid-name", field="name", value=shown(self.name), limit="32")
        if not _DIGEST.fullmatch(self.sha256):
            raise InvalidValue(f"the hash of token {self.name} is damaged", code="damaged", field="sha256")
        UserTier(self.tier)


class _Contents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    version: int
    tokens: tuple[Token, ...] = ()


class TokensFile:
    """The tokens of one data folder. Raises InvalidConfiguration if the file cannot be read or written."""

    def __init__(self, home: Path) -> None:
        self.path = home / TOKENS_FILE

    def read(self) -> tuple[Token, ...]:
        """Read all tokens; none if there is no file yet."""
        try:
            contents = msgspec.json.decode(read_regular(self.path), type=_Contents)
        except FileNotFoundError:
            return ()
        except OSError as fault:
            raise InvalidConfiguration(
                f"cannot read {self.path} ({fault.strerror}). Check its permissions", code="not-readable"
            ) from fault
        except (
            msgspec.DecodeError,
            ValueError,
            RecursionError,
        ):  # without the cause, which could show parts of the file
            raise InvalidConfiguration(
                f"{self.path} is damaged. Restore a copy, or delete it and create the tokens again", code="damaged"
            ) from None
        if contents.version != _VERSION:
            text = f"{self.path} has version {contents.version}, but only {_VERSION} is known here. Update signalpost"
            raise InvalidConfiguration(text, code="newer-version", value=str(contents.version), limit=str(_VERSION))
        return contents.tokens

    def add(self, name: str, tier: UserTier, scopes: tuple[Scope, ...]) -> tuple[Token, Secret]:
        """Create a token and return it with its text, which is not stored. Raises InvalidValue if the name exists."""
        text = Secret(f"sp_{secrets.token_urlsafe(32)}")
        made = Token(name=name, tier=str(tier), scopes=scopes, made_at=clock.now(), sha256=_digest(text.reveal()))
        with self._changing() as tokens:
            if any(each.name == name for each in tokens):
                problem = f"a token named {name!r} already exists. Revoke it first, or choose another name"
                raise InvalidValue(problem, code="conflict", field="name", value=shown(name))
            tokens.append(made)
        return made, text

    def revoke(self, name: str) -> Token:
        """Delete a token and return it. Raises InvalidValue if there is none with this name."""
        with self._changing() as tokens:
            for token in tokens:
                if token.name == name:
                    tokens.remove(token)
                    return token
        text = f"there is no token named {shown(name)}. `signalpost tokens list` shows all tokens"
        raise InvalidValue(text, code="not-found", field="name", value=shown(name))

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        """Yield the tokens, to be changed by one process at a time, and store them afterwards."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                _lock(folder, self.path)
                before = self.read()
                tokens = list(before)
                yield tokens
                if tuple(tokens) != before:
                    self._replace(_Contents(version=_VERSION, tokens=tuple(tokens)))
            finally:
                os.close(folder)
        except OSError as fault:
            raise InvalidConfiguration(
                f"cannot write {self.path} ({fault.strerror}). Check the permissions of its folder, and the free space",
                code="not-writable",
            ) from fault

    def _replace(self, contents: _Contents) -> None:
        text = msgspec.json.format(msgspec.json.encode(contents), indent=2) + b"\n"
        with NamedTemporaryFile(dir=self.path.parent, prefix=f".{TOKENS_FILE}-", delete=False) as file:  # mode 0600
            try:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(self.path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise


def _lock(folder: int, file: Path) -> None:
    """Take the lock on `file`. Another program may hold it forever, so this gives up after 2 seconds."""
    for _ in range(round(_LOCKED_WITHIN / _LOCK_PAUSE)):
        try:
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            Event().wait(_LOCK_PAUSE)
    text = (
        f"cannot change {file.name}: another program has locked {file.parent}. Find it with `fuser {file.parent}`, "
        f"stop it, and try again"
    )
    raise InvalidConfiguration(text, code="locked", value=str(file.parent), limit=f"{_LOCKED_WITHIN:g} s")


def found(presented: str, tokens: tuple[Token, ...]) -> Token | None:
    """Find the token with the text `presented`, in constant time: each hash is compared completely."""
    digest = _digest(presented)
    match = None
    for token in tokens:
        if compare_digest(token.sha256, digest):
            match = token
    return match


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
