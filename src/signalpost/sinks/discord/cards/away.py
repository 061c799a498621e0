"""The card of a digest, which lists the signals that were missed while the service or a feed was unavailable."""

from typing import Any

from signalpost.domain.digest import Digest, MissedSignal
from signalpost.sinks.discord.cards.body import edit, embed, footer, post
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.cards.wording import DOT, duration_text, name_of, packed, prefixed, small, tag

_MOST_LINES = 20
_LONGEST_NUMBERS = 27


def away_card(digest: Digest, look: Look, view: View) -> dict[str, Any]:
    """The body of a digest: a warning not to chase, then a line for each signal."""
    count = len(digest.signals)
    missed = "1 signal missed" if count == 1 else f"{count} signals missed"
    headline = prefixed("", f"AWAY {duration_text(digest.timestamp - digest.since)}{DOT}{missed}", view)
    results = "Results as of now" if any(each.standing for each in digest.signals) else "Not followed"
    lines = [
        "**Too late to enter: do not chase them.**",
        f"Down from {tag(digest.since, 't')} to {tag(digest.timestamp, 't')}",
        "",
        *map(_line, digest.signals[:_MOST_LINES]),
        *([f"and {count - _MOST_LINES} more"] if count > _MOST_LINES else []),
        *small(f"{results}; not in this channel's recap"),
    ]
    numbers = packed((f"#{each.number}" for each in digest.signals), _LONGEST_NUMBERS, " ")
    made = embed(lines, look.colours.grey, digest.timestamp, footer(look, numbers[0], marks=view.marks))
    return edit(headline, [made]) if view.is_edit else post(look, [headline], [made], is_silent=view.is_replay)


def _line(missed: MissedSignal) -> str:
    side = "long" if missed.side.sign > 0 else "short"
    standing = f"{DOT}{missed.standing}" if missed.standing else ""
    return f"{tag(missed.known_at, 't')}{DOT}{name_of(missed.pair)} {side}{standing}"
