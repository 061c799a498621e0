"""The prices at which a trade takes profit, and how much of it is closed at each."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from signalpost.domain.exact import Number, decimal_of, percentage, rounded, total
from signalpost.domain.levels import is_zero
from signalpost.domain.value import Faults
from signalpost.errors import Fault, InvalidValue, shown

MOST_TARGETS = 10
_WHOLE = 100


class Target(msgspec.Struct, frozen=True):
    """A price at which a trade takes profit.

    `share` is the part to close there, in per cent of the initial size: above 0 and at most 100, or None if not given.
    A share can be text such as `50%`. Raises InvalidValue, also for a price of 0.
    """

    price: Decimal
    share: Decimal | None = None

    if TYPE_CHECKING:

        def __init__(self, price: Number, share: Number | None = None) -> None: ...

    def __post_init__(self) -> None:
        price = decimal_of(self.price, "price")
        if price == 0:
            text = "price is 0: omit a target that is not set"
            raise InvalidValue(text, code="out-of-range", field="price", value="0", limit="not 0")
        msgspec.structs.force_setattr(self, "price", price)
        if self.share is not None:
            msgspec.structs.force_setattr(self, "share", percentage(self.share, "share"))


GivenTarget = Target | Number | tuple[Number, Number | None] | Mapping[str, Number | None]
"""The types that a signal accepts for a target."""


def targets_of(value: Any, name: str) -> tuple[Target, ...]:
    """`value` as targets: a list of prices, pairs of price and share, mappings with both, or Targets.

    Raises InvalidValue with `name` as the field: for anything else, more than 10 targets, shares for only some of them,
    or shares of more than 100 together.
    """
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidValue.of(name, value, "use a list of prices, or of pairs of price and share", code="not-a-list")
    given = tuple(islice(value, MOST_TARGETS + 1))
    if len(given) > MOST_TARGETS:
        problem = f"{name} has more than {MOST_TARGETS} targets: send at most {MOST_TARGETS}"
        raise InvalidValue(problem, code="too-many", field=name, value=shown(value), limit=str(MOST_TARGETS))
    targets, faults = [], []
    for number, each in enumerate(given, 1):
        try:
            targets.append(each if type(each) is Target else _target(each))
        except InvalidValue as error:
            text = f"{name} has an invalid target {number}: "
            faults += [fault._replace(text=text + fault.text, field=name) for fault in error.errors]
    if not faults and any(each.share is not None for each in targets):
        faults += _wrong_shares(targets, name)
    if faults:
        raise InvalidValue.of_all(faults)
    return tuple(targets)


def shares_of(targets: Sequence[Target]) -> tuple[Decimal, ...]:
    """The share of each target: as given, or equal parts of 100, rounded half to even to 18 decimals."""
    equal = rounded(Fraction(_WHOLE, len(targets) or 1))
    return tuple(equal if each.share is None else each.share for each in targets)


def agreed(price: Decimal | None, targets: tuple[Target, ...], faults: Faults) -> dict[str, object]:
    """`take_profit` and `targets`, each completed from the other. If they contradict each other, adds to `faults`."""
    if not targets:
        return {"take_profit": price, "targets": () if price is None else (Target(price),)}
    first = targets[0].price
    if price is not None and price != first:
        text = f"take_profit is {price}, but the first of targets is {first}: send only one of them"
        faults.found.append(Fault("conflict", text, "take_profit", str(price), f"targets: {first}"))
    return {"take_profit": first if price is None else price, "targets": targets}


def changed(changes: Mapping[str, Any], targets: Sequence[Target]) -> dict[str, object]:
    """`take_profit` and `targets` of a copy that changes one of them or both.

    A new `take_profit` replaces the price of the first target and leaves the others; None removes all targets.
    """
    price = changes.get("take_profit")
    if "targets" in changes:
        return {"take_profit": price, "targets": changes["targets"]}
    is_only = len(targets) <= 1 and all(target.share is None for target in targets)
    if price is None or is_only or is_zero(price):
        return {"take_profit": price, "targets": ()}
    return {"take_profit": price, "targets": ((price, targets[0].share), *targets[1:])}


def _target(value: Any) -> Target:
    if isinstance(value, Mapping) and "price" in value and value.keys() <= {"price", "share"}:
        return Target(value["price"], value.get("share"))
    if isinstance(value, list | tuple) and len(value) == 2:
        return Target(*value)
    return Target(value)


def _wrong_shares(targets: Sequence[Target], name: str) -> Iterable[Fault]:
    shares = [each.share for each in targets if each.share is not None]
    if len(shares) < len(targets):
        text = f"{name} gives a share to only {len(shares)} of {len(targets)} targets: give one to all, or to none"
        yield Fault("missing", text, name, str(len(shares)), str(len(targets)))
    elif (whole := total(shares)) > _WHOLE:
        text = f"{name} has shares of {whole} per cent in total: use at most {_WHOLE}"
        yield Fault("out-of-range", text, name, str(whole), str(_WHOLE))
