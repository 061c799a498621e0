"""`signalpost tokens`: who may come in by HTTP."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from signalpost.cli.configuration import configured
from signalpost.cli.output import json_option, say, say_json

if TYPE_CHECKING:
    from signalpost.config import Config
    from signalpost.domain.tier import UserTier
    from signalpost.web.tokens import Token, TokensFile

_SCOPES = ("api", "tradingview", "freqtrade")
_json_option = json_option("Print JSON.")


@click.group(
    short_help="Make, list and revoke the tokens of the HTTP API.",
    epilog="""
    \b
    Examples:
      signalpost tokens add my-bot
      signalpost tokens add my-chart --scope tradingview --tier premium
      signalpost tokens revoke my-bot
    """,
)
def tokens() -> None:
    """Say who may send by HTTP to `signalpost serve`, which notices a change at once.

    Only a hash of each token is kept, in tokens.json in the data folder: a token is shown once, when it is made.
    """


@tokens.command()
@click.argument("name")
@click.option("--tier", default="free", show_default=True, help="The highest tier it may send for, and its usual one.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(_SCOPES),
    help="What it opens; can be repeated.  [default: api]",
)
@_json_option
@configured
def add(
    name: str, tier: str, scopes: tuple[str, ...], as_json: bool, home: Path | None, config_file: Path | None
) -> None:
    """Make a token called NAME, and show it: it cannot be shown again."""
    from signalpost.cli.configuration import configuration
    from signalpost.domain.tier import UserTier
    from signalpost.web.tokens import Scope, TokensFile

    wanted = tuple(Scope(each) for each in dict.fromkeys(scopes or ("api",)))
    if sys.__stdout__ is None:
        raise click.UsageError("standard output is closed, and a token is shown there once: leave it open")
    config = configuration(home, config_file)
    highest = UserTier(tier)
    _check_tier(highest, config)
    file = TokensFile(config.home)
    made, text = file.add(name, highest, wanted)
    try:
        if as_json:
            say_json({**_plain(made), "token": text.reveal()})
            return
        say(f"Token {name} (tier {made.tier}; {', '.join(wanted)}). Keep it: it is not shown again.", err=True)
        say(text.reveal())
    except OSError:  # nobody has seen it
        file.revoke(name)
        say(f"token {name} is taken back", err=True)
        raise


def _check_tier(tier: "UserTier", config: "Config") -> None:
    """Refuse a tier for which every signal would be refused; a single webhook takes those of any."""
    from signalpost.config.parsers import advice
    from signalpost.delivery.routing import ranks_of
    from signalpost.errors import InvalidValue

    known = ranks_of(config.tiers)
    if config.everything_to is None and tier not in known:
        raise InvalidValue(
            f"--tier is {str(tier)!r}, and there is no such tier: {advice(tier, known)} (or add it to the file of "
            "settings, which --config names)",
            code="unknown-word",
            field="--tier",
            value=str(tier),
            limit=", ".join(known),
        )


@tokens.command("list")
@_json_option
@configured
def list_(as_json: bool, home: Path | None, config_file: Path | None) -> None:
    """List the tokens: names, tiers, scopes and when they were made."""
    known = _file(home, config_file).read()
    if as_json:
        for each in known:
            say_json(_plain(each))
        return
    for each in known:
        say(f"{each.name}: tier {each.tier}; {', '.join(each.scopes)}; made {each.made_at:%Y-%m-%d %H:%M}Z")
    if not known:
        say("there are no tokens yet: make one with `signalpost tokens add NAME`")


@tokens.command()
@click.argument("name")
@_json_option
@configured
def revoke(name: str, as_json: bool, home: Path | None, config_file: Path | None) -> None:
    """Forget the token called NAME: from now on nobody comes in with it."""
    gone = _file(home, config_file).revoke(name)
    say(json.dumps({**_plain(gone), "revoked": True}) if as_json else f"token {name} is revoked")


def _file(home: Path | None, config_file: Path | None) -> "TokensFile":
    from signalpost.cli.configuration import configuration
    from signalpost.web.tokens import TokensFile

    return TokensFile(configuration(home, config_file).home)


def _plain(token: "Token") -> dict[str, Any]:
    from signalpost.domain.instant import iso

    return {"name": token.name, "tier": token.tier, "scopes": list(token.scopes), "made_at": iso(token.made_at)}
