"""Builds a value from the sender's fields, or reports all faults under the sender's own names. Pure."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from signalpost.domain.spellings import FoundFields
from signalpost.errors import Fault, InvalidValue

T = TypeVar("T")
_BETWEEN_FIELDS = frozenset({"wrong-side", "wrong-order", "not-after"})
"""Codes of faults between two fields. They are ignored while one of the two is a stand-in."""


def make(
    build: Callable[..., T], read: FoundFields, required: Mapping[str, Fault], stand_ins: Mapping[str, object]
) -> T:
    """`build(**fields)` from the fields in `read`. Raises InvalidValue with all faults together.

    `required` has the fault to report for each required field if it is missing. `stand_ins` has a valid value for each,
    which replaces a missing or invalid one so that the other fields are checked too.
    """
    faulty = {fault.field for fault in read.faults}
    fields = {field: value for field, value in read.fields.items() if read.called[field] not in faulty}
    faults = [*read.faults, *(fault for field, fault in required.items() if field not in read.called)]
    stood_in = {field: stand_ins[field] for field in required if field not in fields}
    while True:
        try:
            made = build(**fields, **stood_in)
            break
        except InvalidValue as error:
            found = [(field_of(fault), fault) for fault in error.errors]
            for field, fault in found:
                # With a stand-in, only faults of fields that were sent count, and only those of a single field. What is
                # missing may have been sent with a fault.
                is_gone = fault.code == "missing" and field not in fields and faults
                if not is_gone and (not stood_in or (field in fields and fault.code not in _BETWEEN_FIELDS)):
                    faults.append(in_their_words(fault, read.called.get(field, field)))
            wrong = [field for field, _ in found if field in fields]
            if not wrong:
                break
            for field in wrong:
                fields.pop(field, None)
                if field in required:
                    stood_in[field] = stand_ins[field]
    if faults:
        raise InvalidValue.of_all(faults)
    return made


def field_of(fault: Fault) -> str:
    """The field of a fault; every text begins with it."""
    return fault.field or fault.text.partition(" ")[0]


def in_their_words(fault: Fault, name: str) -> Fault:
    """`fault`, with its field renamed to the sender's `name`."""
    field = field_of(fault)
    text = f"{name}{fault.text.removeprefix(field)}" if fault.text.startswith(f"{field} ") else fault.text
    return fault._replace(field=name, text=text)
