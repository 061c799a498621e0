import copy
import gc
import json
import pickle
import traceback

import msgspec
import pytest

from signalpost.secret import Secret, redacted

TEXT = "hunter2-hunter2"


@pytest.mark.parametrize("show", [str, repr, format, "{}".format, "{!r:>20}".format, "%s".__mod__, ascii])
def test_a_secret_is_masked_in_every_text_conversion(show) -> None:
    assert TEXT not in show(Secret(TEXT))
    assert "***" in show(Secret(TEXT))


def test_a_format_aligns_the_mask() -> None:
    assert f"{Secret(TEXT):>6}" == "   ***"


def test_only_reveal_returns_a_secret() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize("dump", [pickle.dumps, json.dumps, msgspec.json.encode, msgspec.to_builtins])
def test_a_secret_cannot_be_pickled_or_serialized(dump) -> None:
    with pytest.raises(TypeError) as caught:
        dump(Secret(TEXT))
    assert TEXT not in "".join(traceback.format_exception(caught.value))


def test_a_traceback_that_shows_variables_does_not_show_a_secret() -> None:
    secret = Secret(TEXT)
    try:
        raise RuntimeError(f"{secret}")  # noqa: TRY301
    except RuntimeError as error:
        printed = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "secret = " in printed
    assert TEXT not in printed.replace(f"TEXT = {TEXT!r}", "")


def test_secrets_of_the_same_text_are_equal_but_plain_text_is_not() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert hash(Secret(TEXT)) == hash(Secret(TEXT))
    assert Secret(TEXT) != Secret("another-one")
    assert Secret(TEXT) != TEXT
    assert Secret("\ud800") == Secret("\ud800")


def test_an_empty_secret_is_false() -> None:
    assert not Secret("")
    assert Secret("x")


def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("POST /api/webhooks/123/abc-DEF_1.2 HTTP/1.1", "POST /api/webhooks/123/*** HTTP/1.1"),
        (
            "https://discord.com/api/v10/webhooks/1/tok?wait=true",
            "https://discord.com/api/v10/webhooks/1/***?wait=true",
        ),
        ("/webhooks/1/tok/messages/7", "/webhooks/1/***/messages/7"),
        ("'/webhooks/1/tok' and \"/webhooks/2/kot\"", "'/webhooks/1/***' and \"/webhooks/2/***\""),
        ("/webhooks/1", "/webhooks/1"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_the_token_of_any_webhooks_path_is_masked(text: str, masked: str) -> None:
    assert redacted(text) == masked


@pytest.fixture(scope="module", autouse=True)
def _no_garbage_of_other_tests() -> None:
    """So that each collection here takes little time."""
    gc.collect()
    gc.freeze()


def test_every_living_secret_is_masked_anywhere_in_a_text() -> None:
    secret = Secret("a-token-of-mine")
    assert redacted("key=a-token-of-mine!") == "key=***!"
    del secret
    gc.collect()
    assert redacted("key=a-token-of-mine!") == "key=a-token-of-mine!"


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.swapcase])
def test_a_secret_is_masked_in_any_case(spell) -> None:
    kept = Secret("A-Token+of.Mine")
    assert redacted(f"İ ß unknown: {spell(kept.reveal())}!") == "İ ß unknown: ***!"
    assert redacted(spell("/webhooks/1/tok")) == spell("/webhooks/1/") + "***"


def test_a_secret_that_contains_another_is_masked_whole() -> None:
    inner, outer = Secret("inner-secret"), Secret("outer/inner-secret/outer")
    assert redacted(f"{outer.reveal()} {inner.reveal()}") == "*** ***"


def test_the_second_of_two_equal_secrets_is_still_masked_after_the_first_is_deleted() -> None:
    first, second, third = (Secret("a-known-secret-xx") for _ in range(3))
    del first, third
    gc.collect()
    assert redacted(second.reveal()) == "***"


def test_a_short_secret_masks_no_words() -> None:
    kept = Secret("and")
    assert redacted("this and that") == "this and that"
    assert kept
