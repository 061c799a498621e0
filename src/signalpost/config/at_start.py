"""What a person should know of a configuration when a service starts with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from signalpost.config.destination import DestinationConfig, HttpAddress
from signalpost.domain.destinations import USUAL_DESTINATIONS
from signalpost.sinks.discord.address import API_HOST
from signalpost.sinks.proxies import proxy_for

ONLY_WEBHOOK = "DISCORD_WEBHOOK_URL"
ONLY_DESTINATION = "default"
"""The name of the one destination where `DISCORD_WEBHOOK_URL` is the only webhook."""

NO_WEBHOOK_SET = (
    f"no webhook is set, so every notification will be refused: set {ONLY_WEBHOOK}, or "
    f"{', '.join(usual.variable for usual in USUAL_DESTINATIONS)}"
)

_LOOPBACK = re.compile(r"localhost|::1|127(\.\d{1,3}){3}", re.ASCII)


def told_at_start(
    destinations: Sequence[DestinationConfig],
    home: Path,
    http: HttpAddress | None,
    environment: Mapping[str, str],
    *,
    dry_run: bool,
) -> Iterator[str]:
    """Each thing to know, the gravest first; `environment` is this process's."""
    if dry_run:
        yield f"DRY RUN: nothing goes to Discord, all goes to the sandbox (signalpost sandbox); the data is in {home}"
    yield from _of_webhooks([each.name for each in destinations])
    yield from _of_shared_webhooks(destinations)
    if any(each.webhook_id is not None for each in destinations):
        yield from _of_proxy(environment)
    if http is not None and not _is_this_machine(http.host):
        yield f"SIGNALPOST_HTTP is {http.host}: others can reach it, and read its tokens unless TLS stands before it"


def _of_webhooks(names: Sequence[str]) -> Iterator[str]:
    if not names:
        yield NO_WEBHOOK_SET
    elif names == [ONLY_DESTINATION]:
        yield f"only {ONLY_WEBHOOK} is set: all tiers and all alerts go to that one channel"
    else:
        missing = ", ".join(usual.name for usual in USUAL_DESTINATIONS if usual.name not in names)
        if missing:
            yield f"no webhook for {missing}: what would go there is refused"


def _of_shared_webhooks(destinations: Sequence[DestinationConfig]) -> Iterator[str]:
    names_by_webhook: dict[str, list[str]] = {}
    for each in destinations:
        names_by_webhook.setdefault(each.address.identity, []).append(each.name)
    for *others, last in names_by_webhook.values():
        if others:
            yield f"{', '.join(others)} and {last} have the same webhook: they share its readers and its limits"


def _of_proxy(environment: Mapping[str, str]) -> Iterator[str]:
    proxy = proxy_for(API_HOST)
    if proxy is None:
        return
    small, capitals = proxy.variable.lower(), proxy.variable
    variable = small if environment.get(small) else capitals  # small letters win, as in curl
    is_other = variable == small and environment.get(capitals, "") not in ("", environment[small])
    unused = f"; {capitals} has another value and is not used" if is_other else ""
    if proxy.problem is None:
        yield f"messages to Discord go through the proxy {proxy.place} ({variable}{unused})"
    else:
        yield f"{variable} is ignored, and messages go to Discord directly: {proxy.problem}{unused}"


def _is_this_machine(host: str) -> bool:
    return _LOOPBACK.fullmatch(host.lower()) is not None
