"""Escapes text so that Discord shows it literally: no formatting, mentions, hidden text or reversed direction.

Backslashes are added only where Discord would see markdown, so that a program that reads the message finds few of
them. Links stay links. Invisible characters (control characters, lone surrogates, direction marks) are removed.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from unicodedata import category

BLANK = "-"
"""Shown instead of an empty value, which Discord refuses."""

_ELLIPSIS = "\u2026"
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]"
)
_LOOKS_EMPTY = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that render as blanks."""
_LINK = re.compile(r"https?://[^\s<>\[\]()`*|~@\\\"']+")
_MARKDOWN = re.compile(
    rf"(?P<link>{_LINK.pattern})"
    r"|(?P<mark>[\\*`<\[]|^[ ]*(?:-(?=#))?[#>]|~(?=~)|(?<=~)~|\|(?=\|)|(?<=\|)\||(?<![A-Za-z0-9])_|_(?![A-Za-z0-9]))"
    r"|@(?=everyone|here)",
    re.MULTILINE,
)
_MAY_BE_MARKDOWN = re.compile(r"[\\*`<\[~|_#>@]")
_LONGEST_LINK = 2048
_LONGEST_GRAPHEME = 40
_OFTEN_THE_SAME = 100
"""Texts up to this length are cached, because they are likely to recur."""
_SLACK = 64
_JOINER = "\u200d"


def cleaned(text: str, most: int) -> str:
    """Remove invisible characters, trim and cut to `most` characters; `-` if nothing is left."""
    return _fitted(text, most, _clean)


def escaped(text: str, most: int) -> str:
    """Clean `text` like `cleaned`, and escape markdown and mentions."""
    return _escaped_cached(text, most) if len(text) <= _OFTEN_THE_SAME else _fitted(text, most, _escape)


@lru_cache(maxsize=512)
def _escaped_cached(text: str, most: int) -> str:
    """Cached, because a service's messages share few titles, headlines and names."""
    return _fitted(text, most, _escape)


def cut(text: str, most: int) -> str:
    """Cut clean text to `most` characters, never inside an escape, a link or a grapheme."""
    if len(text) <= most:
        return text
    end = _outside_grapheme(text, _outside_link(text, most - 1))
    kept = text[:end].rstrip()
    if (len(kept) - len(kept.rstrip("\\"))) % 2:
        kept = kept[:-1]
    return kept + _ELLIPSIS


def is_blank(text: str) -> bool:
    """True if `text` shows nothing visible."""
    if text.isascii():
        return not text.strip()
    return all(each.isspace() or each in _LOOKS_EMPTY or category(each) in {"Cc", "Cf"} for each in text)


def _fitted(text: str, most: int, change: Callable[[str], str]) -> str:
    for reach in (most + _SLACK, 4 * most):  # a text that is far too long is not processed to its end
        shown = change(text[:reach])
        if len(text) <= reach or len(shown) > most:
            break
    if is_blank(shown):
        return BLANK
    needs_ellipsis = len(text) > reach and len(shown) <= most
    return cut(shown + _ELLIPSIS if needs_ellipsis else shown, most)


def _clean(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.strip()
    return _UNSEEN.sub("", _LINE_ENDS.sub("\n", text).replace("\t", " ")).strip()


def _escape(text: str) -> str:
    clean = _clean(text)
    return _MARKDOWN.sub(_as_written, clean) if _MAY_BE_MARKDOWN.search(clean) else clean


def _as_written(found: re.Match[str]) -> str:
    if found["link"]:
        return found["link"]
    if found["mark"]:
        return f"{found['mark'][:-1]}\\{found['mark'][-1]}"
    return "@\u200b"


def _outside_link(text: str, end: int) -> int:
    for link in _LINK.finditer(text, max(0, end - _LONGEST_LINK)):
        if link.start() < end < link.end() and link.start() > 0:
            return link.start()
    return end


def _outside_grapheme(text: str, end: int) -> int:
    for at in range(end, max(0, end - _LONGEST_GRAPHEME) - 1, -1):
        if at == 0 or not _is_joined(text, at):
            return at
    return end


def _is_joined(text: str, at: int) -> bool:
    """True if the character at `at` joins the one before it."""
    after = text[at]
    if category(after)[0] == "M" or after == _JOINER or text[at - 1] == _JOINER:
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f":  # skin tones, tags of flags
        return True
    return _is_regional(after) and _regionals_before(text, at) % 2 == 1


def _regionals_before(text: str, at: int) -> int:
    start = at
    while start > 0 and at - start < _LONGEST_GRAPHEME and _is_regional(text[start - 1]):
        start -= 1
    return at - start


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
