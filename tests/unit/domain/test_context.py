import copy
import pickle
import sys
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from signalpost import Context, InvalidValue
from tests.surface.errors import facts_of


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_facts_of_json_types_are_kept_unchanged_and_in_order() -> None:
    facts = {"z": "text", "a": -(2**63), "most": 2**63 - 1, "share": 0.5, "open": True, "none": None}
    context = Context(facts)
    assert dict(context) == facts
    assert list(context) == list(facts)
    assert len(context) == 6
    assert context["open"] is True


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (np.int64(3), 3),
        (np.float64(0.5), 0.5),
        (np.float32(1.1), "1.1"),
        (np.bool_(True), "True"),
        (Decimal("1.10"), "1.10"),
        (datetime(2025, 8, 20, tzinfo=UTC), "2025-08-20 00:00:00+00:00"),
        ([1, {"a": 2}], "[1, {'a': 2}]"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**63, "9223372036854775808"),
        (-(2**63) - 1, "-9223372036854775809"),
        (10**5000, "<unprintable int>"),
        (Unprintable(), "<unprintable Unprintable>"),
        ("a\ud800", "a\ufffd"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_other_fact_is_converted_so_that_it_can_be_stored_and_shown(given: object, kept: object) -> None:
    fact = Context({"fact": given})["fact"]
    assert (type(fact), fact) == (type(kept), kept)


def test_pairs_a_series_and_a_context_make_the_same_context() -> None:
    context = Context({"b": 1, "a": 2})
    assert Context([("b", 1), ("a", 2)]) == Context(pd.Series({"b": 1, "a": 2})) == Context(context) == context
    assert Context() == Context({})


@pytest.mark.parametrize("given", [None, 5, "abc", [5], [("a", 1, 2)], [([], 1)]], ids=repr)
def test_anything_but_a_mapping_is_refused(given: object) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Context(given)  # type: ignore[arg-type]
    ((code, field, value, _),) = facts_of(refusal.value)
    assert (code, field) == ("not-a-mapping", "context")
    assert str(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "code", "value"), [(1, "not-text", "1"), ("", "missing", None), (" ", "missing", None)]
)
def test_a_name_that_is_empty_or_not_text_is_refused(name: object, code: str, value: str | None) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Context({name: 1})  # type: ignore[dict-item]
    assert [(fault.code, fault.value) for fault in facts_of(refusal.value)] == [(code, value)]


def test_order_and_kind_of_the_facts_count_because_people_see_them() -> None:
    assert Context({"a": 1, "b": 2}) != Context({"b": 2, "a": 1})
    different = [Context({"a": fact}) for fact in (1, 1.0, True, "1")]
    assert len(set(different)) == 4
    assert Context({"a": 1}) != {"a": 1}


def test_changing_the_original_mapping_does_not_change_the_context() -> None:
    facts: dict[str, object] = {"a": 1}
    context = Context(facts)
    facts["a"] = 2
    assert context["a"] == 1
    with pytest.raises(TypeError):
        context["a"] = 2  # type: ignore[index]


def test_a_context_survives_copying_and_shows_its_facts() -> None:
    context = Context({"a": 1, "b": None})
    for twin in (copy.copy(context), copy.deepcopy(context), pickle.loads(pickle.dumps(context))):
        assert twin == context
        assert hash(twin) == hash(context)
    assert repr(context) == "Context({'a': 1, 'b': None})"


@pytest.mark.parametrize("fact", ["text", 0.5])
def test_a_fact_costs_few_calls_because_no_protocol_is_checked(fact: object) -> None:
    facts = {f"name {number}": fact for number in range(200)}
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        Context(facts)
    finally:
        sys.setprofile(None)
    assert calls / len(facts) < 15
