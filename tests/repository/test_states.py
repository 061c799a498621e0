import re
from contextlib import suppress

from signalpost.domain import delivery
from signalpost.domain.change import CancelOrder, Close, ExpireOrder, Fill, Reopen, Update
from signalpost.domain.delivery import NEXT_STATES, DeliveryState
from signalpost.domain.life import after
from signalpost.errors import NotPossible
from tests.repository.sources import ROOT
from tests.unit.domain.trades import LIMIT, SECOND, trade

PAGE = (ROOT / "docs" / "reference" / "states.md").read_text(encoding="utf-8")
DRAWN, DRAWN_OF_A_SIGNAL = (
    {(start, end) for start, end in re.findall(r"^ +(\[\*\]|\w+) --> (\[\*\]|\w+)", text, re.MULTILINE)}
    for text in PAGE.split("## The states of a signal")
)
BORN = {("[*]", "pending"), ("[*]", "suppressed")}


def test_the_diagram_of_states_matches_the_table_in_the_code() -> None:
    table = {(str(start), str(end)) for start, ends in NEXT_STATES.items() for end in ends}
    ends = {(str(state), "[*]") for state in DeliveryState if state.is_terminal}
    assert BORN | table | ends == DRAWN


def test_the_docstring_of_states_matches_the_diagram() -> None:
    documented = re.findall(r"^    (-|\w+) +(\w+) {2,}\S", delivery.__doc__ or "", re.MULTILINE)[1:]
    assert {("[*]" if start == "-" else start, end) for start, end in documented} == {
        (start, end) for start, end in DRAWN if end != "[*]"
    }


def test_the_diagram_of_a_signal_matches_the_rules() -> None:
    filled, closed = Fill(price="1.1"), Close(price="1.1")
    orders = [
        trade(*changes, **LIMIT) for changes in ((), (filled,), (filled, closed), (CancelOrder(),), (ExpireOrder(),))
    ]
    moves = {("[*]", str(trade().state)), ("[*]", str(trade(**LIMIT).state))}
    for made in orders:
        for change in (filled, Update(target_hit=3), closed, CancelOrder(), ExpireOrder(), Reopen()):
            with suppress(NotPossible):
                moves.add((str(made.state), str(after(made, change, SECOND).state)))
    assert {(start, end) for start, end in moves if start != end} == DRAWN_OF_A_SIGNAL
