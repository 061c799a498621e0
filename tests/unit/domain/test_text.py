import pytest

from signalpost.domain.text import id_of, required_text, text_of
from signalpost.errors import InvalidValue, as_text, shown
from tests.surface.errors import Facts, facts_of


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Loud(str):
    """A subclass of str."""

    __slots__ = ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("a\0b", "a\0b"),
        ("\xe9", "\xe9"),
        ("a\ud800b", "a\ufffdb"),
        ("\ud83d\ude00", "\U0001f600"),
        (Loud("x"), "x"),
    ],
    ids=ascii,
)
def test_text_is_kept_except_for_lone_surrogates(given: str, expected: str) -> None:
    text = text_of(given, "title")
    assert (type(text), text) == (str, expected)
    assert text.encode().decode() == expected


@pytest.mark.parametrize("given", [None, 1, b"x", [], 10**5000, Unprintable()], ids=lambda given: type(given).__name__)
def test_anything_but_text_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        text_of(given, "title")
    assert facts_of(refusal.value) == [Facts("not-text", "title", shown(given))]
    assert shown(given) in str(refusal.value)


@pytest.mark.parametrize("given", ["", "  ", "\n\t"])
def test_a_required_text_is_not_blank(given: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        required_text(given, "title")
    assert facts_of(refusal.value) == [Facts("missing", "title")]
    assert required_text(" x ", "title") == " x "


def test_an_id_is_trimmed_and_may_be_200_characters_long() -> None:
    assert id_of(f" {'x' * 200}\n", "signal_id") == "x" * 200


@pytest.mark.parametrize("given", ["x" * 201, "a\nb", "a\0b", "a\u202eb"], ids=ascii)
def test_an_id_that_is_too_long_or_not_printable_is_refused_in_a_short_error(given: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        id_of(given, "signal_id")
    code = "too-long" if len(given) > 200 else "not-printable"
    assert facts_of(refusal.value) == [Facts(code, "signal_id", shown(given), "200")]
    assert len(str(refusal.value)) < 160


def test_an_error_can_show_any_value_and_stays_short() -> None:
    assert shown("a'b") == '"a\'b"'
    assert shown(1.5) == "1.5"
    assert shown(Unprintable()) == as_text(Unprintable()) == "<unprintable Unprintable>"
    assert shown(10**5000) == "<unprintable int>"
    assert shown("x" * 58) == f"'{'x' * 58}'"
    assert shown("x" * 59) == f"'{'x' * 56}..."
    assert as_text("x" * 100) == "x" * 100
