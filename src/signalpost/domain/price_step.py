"""The distance between the levels of a trade that cause price notes."""

import re
from decimal import Decimal
from typing import NamedTuple, Self

from signalpost.domain.distance import PERCENT, PIPS, pip_of
from signalpost.domain.exact import positive, product
from signalpost.domain.trade import Trade, risk_of
from signalpost.domain.words import Word
from signalpost.errors import InvalidValue

_STEP = re.compile(r"(?P<amount>[0-9.]{1,12}) ?(?P<unit>R|pips|%)", re.ASCII | re.IGNORECASE)
_HUNDREDTH = Decimal("0.01")


class StepUnit(Word):
    """The unit of a step."""

    R = "R"
    """The risk of the trade, from its entry to its initial stop."""
    PIPS = PIPS
    PERCENT = PERCENT
    """Of the entry, without leverage."""


class PriceStep(NamedTuple):
    """A distance in price, such as 0.5R, 20 pips or 1%. `of` reads one."""

    amount: Decimal
    unit: StepUnit

    @classmethod
    def of(cls, text: str) -> Self:
        """A step from text such as `0.5R`, `20 pips` or `1%`. Raises InvalidValue."""
        if (found := _STEP.fullmatch(text.strip())) is None:
            advice = "use a number with its unit, such as 0.5R, 20 pips or 1%"
            raise InvalidValue.of("price_notes", text, advice, code="invalid-step", limit="R, pips, %")
        unit = next(each for each in StepUnit if each.value.lower() == found["unit"].lower())
        return cls(positive(found["amount"], "price_notes"), unit)

    def __str__(self) -> str:
        blank = " " if self.unit is StepUnit.PIPS else ""
        return f"{self.amount:f}{blank}{self.unit.value}"

    def size(self, trade: Trade) -> Decimal | None:
        """The step in price, exactly. None without an initial stop for R, and if the trade is not counted in pips."""
        unit = {
            StepUnit.R: risk_of(trade),
            StepUnit.PIPS: pip_of(trade.signal.pair),
            StepUnit.PERCENT: product(trade.entry.copy_abs(), _HUNDREDTH) or None,
        }[self.unit]
        return None if unit is None else product(unit, self.amount)


USUAL_STEP = PriceStep(Decimal("0.5"), StepUnit.R)
