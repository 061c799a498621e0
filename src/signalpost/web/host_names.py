"""Which names in the header Host are answered without a token.

A page of another site can have its own name resolve to this machine (DNS rebinding), and then read answers as if they
were its own. The browser still sends that name in Host. Such a name is public: it has a dot and is not an address.
"""

import re
import socket
from http import HTTPStatus
from ipaddress import ip_address

from signalpost.domain.text import shown
from signalpost.web.problem import Problem

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+?)\.?(:\d{1,5})?", re.ASCII)


def is_local_name(header: str | None, listens_on: str) -> bool:
    """Whether Host is a name that no other site can send.

    That is an address, a name without a dot (`localhost`, a container's name), this machine's own name, or the name
    that the service listens on. No browser leaves the header out.
    """
    if header is None:
        return True
    found = _HOST.fullmatch(header.strip())
    name = found["name"].strip("[]").lower() if found else ""
    own = {listens_on.lower(), socket.gethostname().lower()}
    return bool(name) and (_is_address(name) or _is_single(name) or name in own)


def foreign_name(header: str) -> Problem:
    """The refusal of a name that is not local."""
    return Problem(
        HTTPStatus.MISDIRECTED_REQUEST,
        f"this service does not answer to the name {shown(header)}: ask it by its address or as localhost, or present "
        "a token",
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_single(name: str) -> bool:
    """Whether it is a name of the local network: no public name is without a dot, or ends in `.localhost`."""
    return "." not in name or name.endswith(".localhost")
