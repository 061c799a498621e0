"""`signalpost tokens`: manages the tokens of the HTTP API."""

import sys
from typing import TYPE_CHECKING, Any

import click

from signalpost.cli.options import Flags, configured
from signalpost.cli.output import examples, json_option, say, say_json
from signalpost.cli.time_format import utc_second
from signalpost.config import Config
from signalpost.config.parsers import advice
from signalpost.delivery.routing import ranks_of
from signalpost.domain.instant import iso
from signalpost.domain.tier import UserTier
from signalpost.errors import InvalidValue

if TYPE_CHECKING:
    from signalpost.web.tokens import Token, TokensFile

_SCOPES = ("api", "tradingview", "freqtrade", "metrics")
_json_option = json_option("Print JSON.")


@examples(
    "signalpost tokens add my-bot",
    "signalpost tokens add my-chart --scope tradingview --tier premium",
    "signalpost tokens revoke my-bot",
)
@click.group()
def tokens() -> None:
    """Manage the tokens that programs need to send to `signalpost serve`. Changes take effect at once.

    Only a hash of each token is stored, in tokens.json in the data folder. A token is shown once, when it is created.
    """


@tokens.command()
@click.argument("name")
@click.option(
    "--tier",
    default="free",
    show_default=True,
    help="The highest tier it may send to, and the tier of requests without one.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(_SCOPES),
    help="What it may use; can be repeated.  [default: api]",
)
@_json_option
@configured
def add(name: str, tier: str, scopes: tuple[str, ...], as_json: bool, flags: Flags) -> None:
    """Create a token called NAME and show it. It cannot be shown again."""
    from signalpost.web.tokens import Scope, TokensFile

    wanted = tuple(Scope(each) for each in dict.fromkeys(scopes or ("api",)))
    if sys.__stdout__ is None:
        raise click.UsageError("Standard output is closed, so the token cannot be shown. Open it.")
    config = flags.config()
    highest = UserTier(tier)
    _check_tier(highest, config)
    file = TokensFile(config.home)
    made, text = file.add(name, highest, wanted)
    try:
        if as_json:
            say_json({**_plain(made), "token": text.reveal()})
            return
        say(
            f"Token {name} (tier {made.tier}, scope {', '.join(wanted)}). Store it now; it cannot be shown again.",
            err=True,
        )
        say(text.reveal())
    except OSError:  # the token was not shown
        file.revoke(name)
        say(f"Token {name} was revoked, because it could not be shown.", err=True)
        raise


def _check_tier(tier: UserTier, config: Config) -> None:
    """Reject a tier that no route serves. A single webhook for everything serves any tier."""
    known = ranks_of(config.tiers)
    if config.everything_to is None and tier not in known:
        text = (
            f"--tier is {str(tier)!r}, which is not a tier: {advice(tier, known)} (or define it with a table "
            f"[tiers.{tier}] in the settings file, which --config or SIGNALPOST_CONFIG names)"
        )
        raise InvalidValue(text, code="unknown-word", field="--tier", value=str(tier), limit=", ".join(known))


@tokens.command("list")
@_json_option
@configured
def list_(as_json: bool, flags: Flags) -> None:
    """List the tokens with their tiers, scopes and creation times."""
    known = _file(flags).read()
    if as_json:
        say_json(*map(_plain, known))
        return
    for each in known:
        say(f"{each.name}: tier {each.tier}; scope {', '.join(each.scopes)}; created {utc_second(each.made_at)}")
    if not known:
        say("There are no tokens yet. Create one with `signalpost tokens add NAME`.")


@tokens.command()
@click.argument("name")
@_json_option
@configured
def revoke(name: str, as_json: bool, flags: Flags) -> None:
    """Revoke the token called NAME. It stops working at once."""
    gone = _file(flags).revoke(name)
    if as_json:
        say_json({**_plain(gone), "revoked": True})
    else:
        say(f"Token {name} was revoked.")


def _file(flags: Flags) -> "TokensFile":
    from signalpost.web.tokens import TokensFile

    return TokensFile(flags.config().home)


def _plain(token: "Token") -> dict[str, Any]:
    return {"name": token.name, "tier": token.tier, "scopes": list(token.scopes), "made_at": iso(token.made_at)}
