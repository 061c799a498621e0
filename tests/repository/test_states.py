import re

from signalpost.domain import delivery
from signalpost.domain.delivery import NEXT_STATES, DeliveryState
from tests.repository.sources import ROOT

PAGE = (ROOT / "docs" / "reference" / "states.md").read_text(encoding="utf-8")
DRAWN = {(start, end) for start, end in re.findall(r"^ +(\[\*\]|\w+) --> (\[\*\]|\w+)", PAGE, re.MULTILINE)}
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
