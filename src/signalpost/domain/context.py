"""Extra facts attached to a value: a short, ordered, frozen mapping of names to plain values."""

import math
from collections.abc import ItemsView, Iterable, Iterator, Mapping

from signalpost.domain.exact import integer_of
from signalpost.domain.text import required_text, text_of
from signalpost.errors import InvalidValue, as_text, shown

Fact = str | int | float | bool | None


class Context(Mapping[str, Fact]):
    """An immutable mapping that keeps its order and can be hashed.

    Names are strings. Strings, 64-bit integers, finite floats, booleans and None are kept. Anything else (a Decimal, a
    time, a nested list) is converted to text, so that it can be stored and shown. Two contexts are equal only if their
    order is the same, because people see the order. Raises InvalidValue for a name that is empty or not a string, and
    if `facts` is not a mapping.
    """

    __slots__ = ("_facts",)
    _facts: dict[str, Fact]

    def __init__(self, facts: Mapping[str, object] | Iterable[tuple[str, object]] = ()) -> None:
        try:
            given = dict(facts)
        except (TypeError, ValueError):
            text = f"the context is {shown(facts)}: use a mapping, such as {{'spread': 0.8}}"
            raise InvalidValue(text, code="not-a-mapping", field="context", value=shown(facts)) from None
        self._facts = {required_text(name, "a name in the context"): _plain(value) for name, value in given.items()}

    def __getitem__(self, name: str) -> Fact:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def items(self) -> ItemsView[str, Fact]:
        """The names and facts, in order."""
        return self._facts.items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return self._typed() == other._typed()

    def __hash__(self) -> int:
        return hash(self._typed())

    def __repr__(self) -> str:
        return f"Context({self._facts!r})"

    def _typed(self) -> tuple[tuple[str, type, Fact], ...]:
        # 1, 1.0 and True are equal in Python, but people read them differently.
        return tuple((name, type(value), value) for name, value in self._facts.items())


def read_context(value: Mapping[str, object], name: str) -> Context:
    """`value` as a Context; `name` is the field in errors."""
    try:
        return Context(value)
    except InvalidValue as error:
        raise InvalidValue.of_all(fault._replace(field=name) for fault in error.errors) from None


def _plain(value: object) -> Fact:
    if type(value) is str:  # fast path: most facts are strings
        return text_of(value, "a fact in the context")
    if value is None or isinstance(value, bool):
        return value
    number = integer_of(value)
    if number is not None and -(2**63) <= number < 2**63:
        return number
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    return text_of(as_text(value), "a fact in the context")


NO_CONTEXT = Context()
