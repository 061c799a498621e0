"""A test client for the local Discord, with a manual clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from signalpost.sandbox.rules.discord import LocalDiscord, Outcome
from signalpost.sandbox.rules.exchange import HttpRequest, Moment
from signalpost.sandbox.rules.limits import OFF, Limits

HOOK = "signals-free"
TOKEN = "token-of-the-test"
START = datetime(2025, 8, 20, 1, 0, tzinfo=UTC)
AGENT = {"user-agent": "tests"}
JSON = {"content-type": "application/json"}


class Caller:
    """A client of one Discord that has the webhook HOOK."""

    def __init__(self, limits: Limits = OFF, **settings: Any) -> None:
        self.discord = LocalDiscord(limits, **settings)
        if not settings.get("open"):
            self.discord.guild.register(HOOK, TOKEN)
        self.seconds = 1000.0

    @property
    def now(self) -> Moment:
        return Moment(self.seconds, START + timedelta(seconds=self.seconds - 1000))

    def send(self, method: str, body: Any = None, *, message: str | None = None, **changes: Any) -> Outcome:
        """Send `body` (JSON, or bytes as they are) to HOOK, with planned faults; `changes` modify the request."""
        path = f"/api/v10/webhooks/{changes.pop('webhook', HOOK)}/{changes.pop('token', TOKEN)}"
        path += f"/messages/{message}" if message else ""
        content = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        headers = {**AGENT, **changes.pop("headers", JSON)}
        request = HttpRequest(method, path, headers=headers, body=content)._replace(**changes)
        return self.discord.answer(request, self.now, self.discord.fault_for(request))

    def post(self, body: Any = None, *, wait: str = "true", **changes: Any) -> Outcome:
        return self.send("POST", {"content": "hello"} if body is None else body, query={"wait": wait}, **changes)

    def shown(self, channel: str = HOOK) -> list[dict[str, Any]]:
        return self.discord.guild.messages(channel)


def json_of(outcome: Outcome) -> Any:
    """Decode the JSON of an answer."""
    assert outcome.answer is not None
    return msgspec.json.decode(outcome.answer.body)


def status(outcome: Outcome) -> int:
    assert outcome.answer is not None
    return outcome.answer.status


def refusal(outcome: Outcome) -> tuple[int, int]:
    """Status and code of a refusal."""
    return status(outcome), json_of(outcome)["code"]


def problems(outcome: Outcome) -> dict[str, list[str]]:
    """The codes of a 50035 by path, as in `embeds.0.title`."""
    assert refusal(outcome) == (400, 50035), json_of(outcome)
    return dict(_flattened(json_of(outcome)["errors"], ()))


def _flattened(tree: dict[str, Any], path: tuple[str, ...]) -> Any:
    for name, below in tree.items():
        if name == "_errors":
            assert all(each["message"] for each in below)
            yield ".".join(path), [each["code"] for each in below]
        else:
            yield from _flattened(below, (*path, name))
