"""Each limit of a message is exact to the code point: at the limit is accepted, one more is refused."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalpost.sandbox.rules.message_form import length
from tests.unit.sandbox.caller import Caller, problems, status

WIDE = "\U0010ffff"
"""One code point, two units of UTF-16, four bytes of UTF-8."""


def _embed(**parts: Any) -> dict[str, Any]:
    return {"embeds": [{"title": "t", **parts}]}


LIMITED = {
    "content": (2000, lambda text: {"content": text}),
    "embeds.0.title": (256, lambda text: _embed(title=text)),
    "embeds.0.description": (4096, lambda text: _embed(description=text)),
    "embeds.0.fields.0.name": (256, lambda text: _embed(fields=[{"name": text, "value": "v"}])),
    "embeds.0.fields.0.value": (1024, lambda text: _embed(fields=[{"name": "n", "value": text}])),
    "embeds.0.footer.text": (2048, lambda text: _embed(footer={"text": text})),
    "embeds.0.author.name": (256, lambda text: _embed(author={"name": text})),
    "username": (80, lambda text: {"content": "x", "username": text}),
}


@pytest.mark.parametrize("path", LIMITED)
@pytest.mark.parametrize("character", ["x", "é", WIDE])
def test_a_text_is_measured_in_code_points(path: str, character: str) -> None:
    most, made = LIMITED[path]
    assert status(Caller().post(made(character * most))) == 200
    assert path in problems(Caller().post(made(character * (most + 1))))


@pytest.mark.parametrize("path", [path for path in LIMITED if path.startswith("embeds")])
def test_white_space_around_a_text_of_an_embed_does_not_count(path: str) -> None:
    most, made = LIMITED[path]
    assert status(Caller().post(made(f" \n{'x' * most}\t "))) == 200


@pytest.mark.parametrize(
    "made", [lambda n: {"embeds": [{"title": "t"}] * n}, lambda n: _embed(fields=[{"name": "n", "value": "v"}] * n)]
)
def test_a_message_has_at_most_ten_embeds_and_25_fields(made: Any) -> None:
    most = 10 if len(made(2)["embeds"]) == 2 else 25
    assert status(Caller().post(made(most))) == 200
    assert problems(Caller().post(made(most + 1)))


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_filled = _texts.filter(lambda text: text.strip() != "")
_urls = st.sampled_from([None, "https://e.x/a", "http://e.x"])
_fields = st.fixed_dictionaries({"name": _filled, "value": _filled}, optional={"inline": st.booleans() | st.none()})
_embeds = st.fixed_dictionaries(
    {"title": _filled},
    optional={
        "description": _texts | st.none(),
        "url": _urls,
        "color": st.integers(0, 0xFFFFFF) | st.none(),
        "timestamp": st.datetimes().map(lambda at: at.isoformat() + "Z") | st.none(),
        "footer": st.fixed_dictionaries({"text": _texts}, optional={"icon_url": _urls}) | st.none(),
        "author": st.fixed_dictionaries({"name": _texts}, optional={"url": _urls}) | st.none(),
        "image": st.fixed_dictionaries({"url": st.just("attachment://a.png")}) | st.none(),
        "fields": st.lists(_fields, max_size=25) | st.none(),
    },
)
_messages = st.fixed_dictionaries(
    {"content": _filled},
    optional={
        "embeds": st.lists(_embeds, max_size=10) | st.none(),
        "username": st.none() | st.text("abc xyz", min_size=1, max_size=80),
        "tts": st.booleans() | st.none(),
        "flags": st.sampled_from([None, 0, 4, 4096, 4100]),
        "allowed_mentions": st.none()
        | st.fixed_dictionaries({"parse": st.lists(st.sampled_from(["users", "roles", "everyone"]), unique=True)})
        | st.fixed_dictionaries(
            {"parse": st.just([]), "users": st.lists(st.integers(0, 2**63).map(str), max_size=100)}
        ),
    },
).filter(lambda fields: sum(map(length, fields.get("embeds") or [])) <= 6000)


@given(_messages)
def test_a_message_within_every_limit_is_accepted_and_shown(fields: dict[str, Any]) -> None:
    caller = Caller()
    assert status(caller.post(fields)) == 200
    assert len(caller.shown()[0]["embeds"]) == len(fields.get("embeds") or [])


@st.composite
def _sizes_of_6000(draw: st.DrawFn) -> list[int]:
    cuts = draw(st.lists(st.integers(1, 5999), min_size=1, max_size=9, unique=True))
    edges = [0, *sorted(cuts), 6000]
    return [end - start for start, end in pairwise(edges)]


@given(_sizes_of_6000().filter(lambda sizes: max(sizes) <= 4096), st.integers(0, 9))
def test_all_embeds_together_have_at_most_6000_code_points(sizes: list[int], chosen: int) -> None:
    embeds: list[dict[str, Any]] = [{"description": "x" * size} for size in sizes]
    assert status(Caller().post({"embeds": embeds})) == 200
    embeds[chosen % len(embeds)]["title"] = "x"
    assert problems(Caller().post({"embeds": embeds})) == {"embeds": ["MAX_EMBED_SIZE_EXCEEDED"]}


@pytest.mark.parametrize(
    ("nearly", "more"),
    [
        (6000, {"title": "x"}),
        (6000, {"description": "x"}),
        (6000, {"footer": {"text": "x"}}),
        (6000, {"author": {"name": "x"}}),
        (5999, {"fields": [{"name": "x", "value": "x"}]}),
    ],
)
def test_each_kind_of_text_counts_towards_the_6000(nearly: int, more: dict[str, Any]) -> None:
    filled = {"description": "x" * 4096, "footer": {"text": "x" * (nearly - 4096)}}
    assert status(Caller().post({"embeds": [filled]})) == 200
    assert problems(Caller().post({"embeds": [filled, more]})) == {"embeds": ["MAX_EMBED_SIZE_EXCEEDED"]}


def test_white_space_around_texts_does_not_count_towards_the_6000() -> None:
    filled = {"description": f"  {'x' * 4096}\n", "footer": {"text": f" {'x' * (6000 - 4096)} "}}
    assert status(Caller().post({"embeds": [filled]})) == 200
