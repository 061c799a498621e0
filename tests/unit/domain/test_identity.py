from datetime import UTC, datetime

import pytest

from signalpost.domain.identity import content_id, slug, strategy_slug

ONE = datetime(2025, 8, 20, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("MA Unified", "ma-unified"), ("  Trend_2.0! ", "trend-2-0"), ("x" * 60, "x" * 60)],
)
def test_a_plain_name_becomes_lowercase_letters_digits_and_dashes(name: str, expected: str) -> None:
    assert slug(name) == expected


@pytest.mark.parametrize(
    "names", [("\xdcn\xef", "\xdcn\xee"), ("\u65e5\u672c", "\u65e5\u8a9e"), ("x" * 61, "x" * 62), ("!", "?")]
)
def test_a_name_with_an_ambiguous_slug_gets_a_hash(names: tuple[str, str]) -> None:
    one, other = map(slug, names)
    assert one != other
    assert one.isascii()
    assert not one.startswith("-")
    assert len(one) <= 70


def test_the_word_strategy_is_dropped_at_the_end() -> None:
    assert strategy_slug("MA Unified Strategy") == "ma-unified"
    assert strategy_slug("Strategy") == "strategy"


def test_a_content_id_is_the_same_only_for_the_same_content() -> None:
    contents = [("a", "b"), ("a\x1fb",), ("ab", ""), ("a", None), ("a", "None"), ("a", 1), ("a", "1")]
    ids = {content_id("alert", ONE, *content) for content in contents}
    assert len(ids) == len(contents)
    assert content_id("API Down", ONE, "a") == content_id("API Down", ONE, "a")
    assert content_id("API Down", ONE, "a").startswith("api-down:20250820T010000Z:")
    assert content_id("alert", ONE.replace(microsecond=1), "a") != content_id("alert", ONE, "a")
