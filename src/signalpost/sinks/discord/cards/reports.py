"""The cards of market analyses, status reports and announcements, which people wrote for people.

Operators write analyses and announcements, so their Markdown and line breaks stay. A status may come from a program, so
its text is escaped.
"""

import re
from datetime import datetime
from typing import Any

from signalpost.domain.context import Fact
from signalpost.domain.reports import Announcement, MarketAnalysis, SystemStatus
from signalpost.sinks.discord.cards.body import edit, embed, footer, post
from signalpost.sinks.discord.cards.look import Look
from signalpost.sinks.discord.cards.view import View
from signalpost.sinks.discord.cards.wording import (
    HEADLINE,
    NOTE,
    SMALL_LINE,
    context_texts,
    count_text,
    duration_text,
    fact_text,
    first_sentence,
    name_of,
    one_line,
    prefixed,
    since_text,
    small,
    small_facts,
    tag,
    ticket_symbol,
    whole_title,
)
from signalpost.sinks.discord.escape import cleaned, escaped

_OPERATIONAL, _DEGRADED, _DOWN, _INFO = "OPERATIONAL", "DEGRADED", "DOWN", "INFO"
_WORD_BY_STATUS = {
    **dict.fromkeys(("operational", "ok", "up", "online", "healthy", "running", "started"), _OPERATIONAL),
    **dict.fromkeys(("degraded", "warning", "maintenance", "starting", "stopping"), _DEGRADED),
    **dict.fromkeys(("down", "offline", "critical", "error", "failed", "unhealthy", "outage"), _DOWN),
}
_SIDE_FIRST = re.compile(r"\W*(?:BUY|SELL)\b", re.IGNORECASE)
_STYLED = re.compile(r"[*_#>`|~\[-]")
_FENCE = "```"
_MOST_TEXT = 3000
_MOST_STATUS = 1500


def analysis_card(analysis: MarketAnalysis, look: Look, view: View) -> dict[str, Any]:
    """The body of an analysis: the thesis in bold, then the text as it was written."""
    title = cleaned(analysis.title, _MOST_TEXT)
    pair = analysis.pair
    if pair is not None and not title.startswith((ticket_symbol(pair), name_of(pair))):
        title = f"{ticket_symbol(pair)}: {title}"
    headline = prefixed("ANALYSIS", title, view)
    lines = [
        *whole_title(title, headline),
        _with_bold_thesis(_written(analysis.text)),
        *small_facts([*(fact_text(name, value) for name, value in analysis.context.items()), *context_texts(view)]),
        *(small(escaped(f"By {look.producer}", NOTE)) if look.producer.strip() else []),
        *small(f"A view, not a signal. {look.disclaimer.rstrip('.')}."),
    ]
    made = embed(lines, look.colours.violet, analysis.timestamp, _footer(look, view, "Market analysis"))
    return _message(look, view, headline, made)


def announcement_card(announcement: Announcement, look: Look, view: View) -> dict[str, Any]:
    """The body of an announcement, as it was written; a headline that looks like a signal is marked as a note."""
    title = one_line(cleaned(announcement.title, _MOST_TEXT))
    headline = prefixed("NOTE" if _SIDE_FIRST.match(title) else "", title, view)
    lines = [*whole_title(title, headline), _written(announcement.text), *small_facts(context_texts(view))]
    made = embed(lines, look.colours.violet, announcement.timestamp, _footer(look, view, "Announcement"))
    return _message(look, view, headline, made)


def status_card(status: SystemStatus, look: Look, view: View, since: datetime | None = None) -> dict[str, Any]:
    """The body of a status report; `since` is when the trouble began, if not at the time of the report.

    The first line of the message is the headline, the second what happened, the others what readers notice. A single
    line that is too long for a headline is what happened.
    """
    word = _WORD_BY_STATUS.get(status.status.lower(), _INFO)
    headline, what, rest = _status_texts(status)
    lines = [
        _status_line(word, what, rest, status.timestamp, since),
        *small_facts([*_figures(status), *context_texts(view)]),
    ]
    made = embed(
        filter(None, lines), _status_colour(word, look), status.timestamp, _footer(look, view, "System status")
    )
    shown = headline or ("" if word != _INFO else escaped(status.status, SMALL_LINE))
    is_silent = word in {_OPERATIONAL, _INFO}
    return _message(look, view, prefixed(word, shown, view), made, is_silent=is_silent)


def _message(look: Look, view: View, headline: str, made: dict[str, Any], *, is_silent: bool = False) -> dict[str, Any]:
    if view.is_edit:
        return edit(headline, [made])
    return post(look, [headline], [made], is_silent=is_silent or view.is_replay)


def _footer(look: Look, view: View, name: str) -> str:
    return footer(look, name, marks=view.marks)


def _written(text: str) -> str:
    """`text` as it was written; a code block that was cut is closed."""
    kept = cleaned(text, _MOST_TEXT)
    return f"{kept}\n{_FENCE}" if kept.count(_FENCE) % 2 else kept


def _with_bold_thesis(text: str) -> str:
    """`text` with its first sentence in bold, unless it begins with Markdown of its own."""
    first, end, rest = text.partition("\n")
    if _STYLED.match(first):
        return text
    thesis, more = first_sentence(first, keeps_end=True)
    return f"**{thesis}**{' ' if more else ''}{more}{end}{rest}"


def _status_texts(status: SystemStatus) -> tuple[str, str, str]:
    """The headline, what happened and the rest, each empty if the message lacks it."""
    if not status.message.strip():
        return "", "", ""
    text = escaped(status.message, _MOST_STATUS)
    first, _, more = text.partition("\n")
    if more.strip():
        return first, *first_sentence(more, keeps_end=True)
    word = _WORD_BY_STATUS.get(status.status.lower(), _INFO)
    if len(word) + len(first) + 3 <= HEADLINE:
        return first.removesuffix("."), "", ""
    return first_sentence(first)[0], *first_sentence(first, keeps_end=True)


def _status_line(word: str, what: str, rest: str, at: datetime, since: datetime | None) -> str:
    if word in {_DEGRADED, _DOWN}:
        began = since_text(at if since is None else since)
        bold = f"**{what.rstrip('.')}** {began}." if what else f"S{began[1:]}."
        return f"{bold} {rest}".strip()
    bold = f"**{what}**" if what else ""
    lasted = (
        "" if since is None else f"It lasted {duration_text(at - since)}, from {tag(since, 't')} to {tag(at, 't')}."
    )
    return " ".join(filter(None, (bold, lasted, rest)))


def _status_colour(word: str, look: Look) -> int:
    colours = look.colours
    by_word = {_OPERATIONAL: colours.green, _DEGRADED: colours.orange, _DOWN: colours.red}
    return by_word.get(word, colours.grey)


def _figures(status: SystemStatus) -> list[str]:
    up = [] if status.uptime is None else [f"up {duration_text(status.uptime)}"]
    return up + [_figure(name, value) for name, value in status.metrics.items()]


def _figure(name: str, value: Fact) -> str:
    """A count stands before its name, as in `3 waiting`; any other value stands after it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return escaped(f"{count_text(value)} {name.replace('_', ' ')}", SMALL_LINE)
    return fact_text(name, value)
