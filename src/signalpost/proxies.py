"""The proxy set in the environment: `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`.

They are read as by curl and Python's own libraries, lower-case names first. `HTTP_PROXY` is ignored: signalpost uses
plain http only on this machine, without a proxy.
"""

from base64 import b64encode
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from signalpost.secret import Secret

_VARIABLE_BY_KIND = {"https": "HTTPS_PROXY", "all": "ALL_PROXY"}
_USUAL_PORT = 80


class Proxy(NamedTuple):
    """A proxy, with the reason if it cannot be used."""

    variable: str
    """The environment variable that sets it."""
    place: str
    """Host and port, the only parts that may be shown."""
    authorization: Secret | None = None
    """The value of the header Proxy-Authorization."""
    problem: str | None = None
    """The reason it is not used; None if it is used."""
    hidden: tuple[Secret, ...] = ()
    """Kept alive so that `redacted` masks them."""

    @property
    def url(self) -> str:
        """Its URL without user and password."""
        return f"http://{self.place}"

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a request by aiohttp through it."""
        if self.authorization is None:
            return {"proxy": self.url}
        return {"proxy": self.url, "proxy_headers": {"Proxy-Authorization": self.authorization.reveal()}}


def proxy_for(host: str) -> Proxy | None:
    """The proxy for https requests to `host`; None for a direct connection."""
    from urllib.request import (  # type: ignore[attr-defined]  # typeshed lacks them; a late import: it takes 30 ms
        getproxies_environment,
        proxy_bypass_environment,
    )

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
        return Proxy(variable, "", problem="this is not a valid proxy URL: set it as http://HOST:PORT")
    place = f"{f'[{host}]' if ':' in host else host}:{port or _USUAL_PORT}"
    if parts.scheme.lower() != "http":
        return Proxy(variable, place, problem="only http:// proxies are supported, not SOCKS or https:// ones")
    if user is None:
        return Proxy(variable, place)
    pair = f"{unquote(user)}:{unquote(password or '')}"
    authorization = Secret(f"Basic {b64encode(pair.encode()).decode()}")
    hidden = (Secret(password or ""), Secret(unquote(password or "")), Secret(authorization.reveal().partition(" ")[2]))
    return Proxy(variable, place, authorization, hidden=hidden)
