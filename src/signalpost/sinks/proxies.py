"""The proxy that this machine's environment names for what leaves it: `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

They are read as curl and Python's own libraries read them, in small letters first. `HTTP_PROXY` concerns plain http,
which signalpost speaks to this machine alone, and that is never proxied.
"""

from base64 import b64encode
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

from signalpost.secret import Secret

_VARIABLE_BY_KIND = {"https": "HTTPS_PROXY", "all": "ALL_PROXY"}
_USUAL_PORT = 80


class Proxy(NamedTuple):
    """A proxy, and why it cannot be used if so."""

    variable: str
    """The variable that names it."""
    place: str
    """Its host and port: all of it that may be shown."""
    authorization: Secret | None = None
    """The header Proxy-Authorization."""
    problem: str | None = None
    """Why it is not used; None if it is."""
    hidden: tuple[Secret, ...] = ()
    """Held here so that `redacted` knows them."""

    @property
    def url(self) -> str:
        """Its URL, without a user and a password."""
        return f"http://{self.place}"


def proxy_for(host: str) -> Proxy | None:
    """The proxy through which https requests to `host` go; None for a direct connection."""
    proxies = getproxies_environment()
    for kind, variable in _VARIABLE_BY_KIND.items():
        if text := proxies.get(kind, "").strip():
            return None if proxy_bypass_environment(host, proxies) else _parsed(variable, text)
    return None


def _parsed(variable: str, text: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")  # as curl reads it
        host, port, user, password = parts.hostname, parts.port, parts.username, parts.password
    except ValueError:
        host = None
    if not host or not host.isprintable():
        return Proxy(variable, "", problem="it is not the URL of a proxy: set it as http://HOST:PORT")
    place = f"{f'[{host}]' if ':' in host else host}:{port or _USUAL_PORT}"
    if parts.scheme.lower() != "http":
        return Proxy(variable, place, problem="only http:// proxies are supported, and no SOCKS or https:// ones")
    if user is None:
        return Proxy(variable, place)
    pair = f"{unquote(user)}:{unquote(password or '')}"
    authorization = Secret(f"Basic {b64encode(pair.encode()).decode()}")
    hidden = (Secret(password or ""), Secret(unquote(password or "")), Secret(authorization.reveal().partition(" ")[2]))
    return Proxy(variable, place, authorization, hidden=hidden)
