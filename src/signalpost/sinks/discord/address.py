"""Parses a webhook's URL. A URL is validated here only, and never printed."""

import re
from hashlib import blake2s
from typing import NamedTuple, Self
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit

from signalpost.errors import InvalidConfiguration
from signalpost.secret import Secret

API_HOST = "discord.com"
API = f"https://{API_HOST}/api/v10"

_HOSTS = frozenset(
    f"{prefix}{host}" for prefix in ("", "ptb.", "canary.") for host in ("discord.com", "discordapp.com")
)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_LOOPBACK_NETLOC = re.compile(
    r"([\w.~%!$&'()*+,;=:-]*@)?(127\.0\.0\.1|localhost|\[::1\])(:(?P<port>\d{1,5}))?", re.ASCII | re.IGNORECASE
)
"""User, host and port in the form that all URL parsers agree on; they disagree on a backslash or a second @."""
_PATH_AND_QUERY = re.compile(r"(?:[\w.~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*", re.ASCII)
_WEBHOOK_TOKEN = re.compile(r"/webhooks/[^/]+/([^/]+)")
_LONG_PART = re.compile(r"[^/?&=]{16,}")
"""Parts of 16 or more characters may be secrets: a 64-bit key is 16 hex digits. The default destinations' names are
shorter, so they stay readable."""
_PATH = re.compile(r"/api(?:/v\d+)?/webhooks/(?P<id>[^/]+)/(?P<token>[^/]+)(?P<rest>/[^/]*)?/?")
_ID = re.compile(r"\d{17,20}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9._-]{60,}")
_THREAD = re.compile(r"\d{1,20}", re.ASCII)
_WAIT = "wait=true"
_PLAIN = re.compile(r"[!-~]+")
_COPY_IT = "copy the URL again from the channel's settings (Integrations, Webhooks, Copy Webhook URL)"


class WebhookAddress(NamedTuple):
    """A webhook's address. Its repr and errors never show the token."""

    identity: str
    """The webhook's id and a hash of its token, equal for all spellings of its URL; for a local URL, a hash of its host
    and path."""
    host: str
    """The host. Rate limits and bans of our IP address apply per host."""
    post_url: Secret
    """The URL for messages; Discord answers with the saved message."""
    get_url: Secret
    """The URL for the webhook's own data."""
    hidden: tuple[Secret, ...]
    """Parts of the URL that are secret on their own, such as the token; kept alive so that `redacted` masks them."""

    @property
    def thread(self) -> str | None:
        """The id of the thread that shows the messages; None for the webhook's channel."""
        return dict(parse_qsl(self.post_url.reveal().partition("?")[2])).get("thread_id")

    def message_url(self, message_id: str) -> Secret:
        """The URL of a message that this webhook posted."""
        base, _, query = self.post_url.reveal().partition("?")
        kept = "&".join(pair for pair in query.split("&") if pair != _WAIT)
        return Secret(f"{base.rstrip('/')}/messages/{quote(message_id, safe='')}{'?' if kept else ''}{kept}")

    @classmethod
    def parse(cls, url: str | Secret) -> Self:
        """Parse a webhook's URL.

        Accepts https URLs as Discord's client copies them, with or without `/vN`, a trailing slash and a `thread_id`;
        requests go to `discord.com/api/v10`. An http URL on this machine keeps its path and query, plus `wait=true`:
        use it for a test server that stands in for Discord, such as the sandbox. Raises InvalidConfiguration, without
        showing the token.
        """
        if not isinstance(url, str | Secret):
            raise _refusal("url", "it is not text")
        parts = _split(url if isinstance(url, Secret) else Secret(url))
        if parts.scheme == "http" and parts.hostname in _LOOPBACK:
            _check_loopback(parts)
            return cls(*_loopback(parts))
        if parts.hostname not in _HOSTS:
            advice = "use https://discord.com, or http://127.0.0.1 for a test server on this machine"
            raise _refusal("host", f"its host is not Discord's: {advice}")
        if parts.scheme != "https":
            raise _refusal("scheme", "it does not begin with https://, so others could read its token on the network")
        if parts.netloc.lower() not in {parts.hostname, f"{parts.hostname}:443"}:
            raise _refusal("port", f"it has a user or an unusual port: {_COPY_IT}")
        return cls(*_discord(parts))


def _split(url: Secret) -> SplitResult:
    parts = None
    if _PLAIN.fullmatch(url.reveal().strip()):
        try:
            parts = urlsplit(url.reveal().strip())
            _ = parts.port  # raises ValueError for an invalid port
        except ValueError:
            parts = None
    if parts is None or not parts.hostname:  # raise outside the except block: its error quotes the URL
        raise _refusal("url", "it is not a valid URL")
    return parts


def _check_loopback(parts: SplitResult) -> None:
    netloc = _LOOPBACK_NETLOC.fullmatch(parts.netloc)
    if not netloc:
        raise _refusal("host", "its host, port or user has invalid characters: write it as http://127.0.0.1:PORT/PATH")
    if netloc["port"] and not 0 < int(netloc["port"]) < 65536:
        raise _refusal("port", "its port is not between 1 and 65535")
    if not all(_PATH_AND_QUERY.fullmatch(part) for part in (parts.path, parts.query)):
        raise _refusal("path", "its path has invalid characters, such as a backslash: use / or percent-encode them")


def _discord(parts: SplitResult) -> tuple[str, str, Secret, Secret, tuple[Secret, ...]]:
    found = _PATH.fullmatch(parts.path)
    if not found:
        raise _refusal("path", f"its path is not /api/webhooks with an id and a token: {_COPY_IT}")
    if rest := (found["rest"] or "").strip("/"):
        if rest in {"slack", "github"}:
            raise _refusal("path", f"it ends in /{rest}: remove that, because signalpost uses Discord's own format")
        raise _refusal("path", "there is text after its token: remove it")
    if not _ID.fullmatch(found["id"]):
        raise _refusal("id", f"its id is not 17 to 20 digits: {_COPY_IT}")
    if not _TOKEN.fullmatch(found["token"]):
        raise _refusal("token", f"its token is too short or has invalid characters: {_COPY_IT}")
    threads = [value for name, value in parse_qsl(parts.query, keep_blank_values=True) if name == "thread_id"]
    if any(not _THREAD.fullmatch(thread) for thread in threads) or len(threads) > 1:
        raise _refusal("thread_id", "its thread_id is not a single number: copy the thread's id, or omit it")
    query = urlencode([("wait", "true"), *(("thread_id", thread) for thread in threads)])
    return (
        f"{found['id']}-{_hash(found['token'])}",
        API_HOST,
        Secret(f"{API}/webhooks/{found['id']}/{found['token']}?{query}"),
        Secret(f"{API}/webhooks/{found['id']}/{found['token']}"),
        (Secret(found["token"]),),
    )


def _loopback(parts: SplitResult) -> tuple[str, str, Secret, Secret, tuple[Secret, ...]]:
    path = parts.path or "/"
    base = f"{parts.scheme}://{parts.netloc}{path}"
    kept = "&".join(pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] != "wait")
    query = f"{kept}&{_WAIT}" if kept else _WAIT
    host = parts.netloc.rpartition("@")[2]
    return f"local-{_hash(host + path)}", host, Secret(f"{base}?{query}"), Secret(base), _hidden(parts, path)


def _hidden(parts: SplitResult, path: str) -> tuple[Secret, ...]:
    """The secret parts of a local URL. The server may forward to Discord, so its token may be real.

    They are the whole path, the password, the token of a webhook's path, and every other part of 16 or more
    characters, unless it is all digits.
    """
    long = [part for part in _LONG_PART.findall(f"{path}?{parts.query}") if not part.isdigit()]
    found = (path, parts.password, *_WEBHOOK_TOKEN.findall(path), *long)
    return tuple(Secret(each) for each in found if each)


def _hash(text: str) -> str:
    return blake2s(text.encode(), digest_size=6).hexdigest()


def _refusal(part: str, problem: str) -> InvalidConfiguration:
    """An error that names the invalid part of the URL but does not show it."""
    return InvalidConfiguration(f"the webhook's URL cannot be used: {problem}", code="invalid-webhook", field=part)
