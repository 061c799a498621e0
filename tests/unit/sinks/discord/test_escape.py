import re
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signalpost.sinks.discord.escape import cleaned, cut, escaped, is_blank

HARM = st.text(st.one_of(st.characters(), st.sampled_from("\\*_`~|<>[]()#@-\n\r\t \u200b\u200d\u202e\ufe0f\U0001f1e9")))
FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 1.5 % (a-b) & 2>1", "plain text, 1.5 % (a-b) & 2>1"),
        ("**bold** *it*", r"\*\*bold\*\* \*it\*"),
        ("snake_case and EUR_USD", "snake_case and EUR_USD"),
        ("_it_ __under__", r"\_it\_ \_\_under\_\_"),
        ("a__b", r"a\_\_b"),
        ("~~gone~~ and ~5", r"\~\~gone\~\~ and ~5"),
        ("||hidden|| a|b", r"\|\|hidden\|\| a|b"),
        ("`code` ```block```", r"\`code\` \`\`\`block\`\`\`"),
        ("back\\slash", r"back\\slash"),
        ("# head\n > quote\n>>> all", "\\# head\n \\> quote\n\\>>> all"),
        ("-# small", "-\\# small"),
        ("a # b - c", "a # b - c"),
        ("- 5", "- 5"),
        ("[shown](https://evil.example)", r"\[shown](https://evil.example)"),
        ("<@1> <@&2> <#3> <:e:4> <t:5> </c:6>", r"\<@1> \<@&2> \<#3> \<:e:4> \<t:5> \</c:6>"),
        ("@everyone @here @you a@b.c", "@\u200beveryone @\u200bhere @you a@b.c"),
        ("https://x.example/a_b_c?d=_e_#f now", "https://x.example/a_b_c?d=_e_#f now"),
        ("<https://x.example>", r"\<https://x.example>"),
        ("(https://x.example/a)*b*", r"(https://x.example/a)\*b\*"),
    ],
)
def test_markdown_and_mentions_are_shown_literally(text: str, shown: str) -> None:
    assert escaped(text, 1000) == shown


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (" \t a\tb \n", "a b"),
        ("a\r\nb\rc\u2028d\u2029e\x0bf\x0cg\x85h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("a\0b\x1fc\x7fd\x9fe", "abcde"),
        ("\u202eevil\u202c \u2066x\u2069 \u200ey\u200f", "evil x y"),
        ("a\ud800b\udfffc", "abc"),
        ("\ufeffa\ufffe\uffff", "a"),
        (FAMILY, FAMILY),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
    ],
)
def test_invisible_characters_are_removed(text: str, kept: str) -> None:
    assert cleaned(text, 1000) == kept


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\0", "\u200b", "\u200b\u200d\u00ad", "\u3000\u00a0", "\u2800", "\u3164", "\u202e", "\ufeff"]
)
def test_a_blank_value_is_shown_as_a_dash(text: str) -> None:
    assert escaped(text, 100) == cleaned(text, 100) == "-"


@pytest.mark.parametrize("text", ["a", "\u00e9", "\U0001f600", " \u200bx", "0"])
def test_a_visible_value_is_not_blank(text: str) -> None:
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abcde\u2026"),
        ("abcd fgh", 6, "abcd\u2026"),
        (r"abcd\*ef", 6, "abcd\u2026"),
        (r"abc\\\*ef", 7, r"abc\\" + "\u2026"),
        ("abe\u0301\u0302def", 5, "ab\u2026"),
        (f"ab{FAMILY}cd", 6, "ab\u2026"),
        ("ab\U0001f44b\U0001f3fdcd", 4, "ab\u2026"),
        ("ab\u2764\ufe0fcd", 4, "ab\u2026"),
        ("a\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7bc", 5, "a\U0001f1e9\U0001f1ea\u2026"),
        ("a\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7bc", 4, "a\U0001f1e9\U0001f1ea\u2026"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007fab", 3, "\u2026"),
        ("see https://x.example/path for more", 20, "see\u2026"),
        ("https://x.example/path for more", 12, "https://x.e\u2026"),
        ("see https://x.example/ abc", 24, "see https://x.example/\u2026"),
        ("abc", 1, "\u2026"),
    ],
)
def test_text_is_not_cut_inside_an_escape_a_grapheme_or_a_link(text: str, most: int, kept: str) -> None:
    assert cut(text, most) == kept


def test_an_endless_grapheme_is_cut() -> None:
    assert len(cut("a" + "\u0301" * 1000, 500)) == 500


def test_an_unprocessed_rest_is_marked_by_an_ellipsis() -> None:
    assert escaped("\0" * 5000 + "end", 100) == "-"
    assert escaped("a" + "\0" * 5000 + "end", 100) == "a\u2026"


@given(HARM, st.integers(1, 300))
@example("\\" * 100, 5)
@example("*" * 100, 6)
@example("_" * 301, 300)
def test_a_shown_text_fits_is_trimmed_and_is_never_empty(text: str, most: int) -> None:
    for shown in (escaped(text, most), cleaned(text, most)):
        assert 0 < len(shown) <= most
        assert shown == shown.strip()
        assert not is_blank(shown)
        assert not any(category(each) == "Cs" or (category(each) == "Cc" and each != "\n") for each in shown)


@given(HARM)
def test_a_shown_text_never_formats_links_or_mentions(text: str) -> None:
    shown = escaped(text, 4096)
    links = re.sub(r"https?://[^\s*`<\[~|@\\()>\]\"']+", "", shown)
    plain = re.sub(r"\\[^0-9A-Za-z\s]", ".", links)  # as Discord reads it: an escaped sign is not markdown
    assert not re.search(r"[*`<\[]|~~|\|\||@everyone|@here|^[ ]*>|^[ ]*-?#", plain, re.MULTILINE)
    assert not re.search(r"__|(?<!\w)_|_(?!\w)", plain, re.ASCII)


@given(st.text(st.characters(categories=["L", "N", "Zs"], exclude_characters="\u3164\u115f\u1160\uffa0"), min_size=1))
def test_letters_and_digits_are_not_changed(text: str) -> None:
    assert escaped(text, 1000) == (text.strip() or "-") or len(text) > 1000
