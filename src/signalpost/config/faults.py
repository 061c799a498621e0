"""Gathers everything that is wrong in any source, so that it is reported together."""

from signalpost.errors import Fault, InvalidConfiguration


class Faults(list[Fault]):
    """What is wrong, in the order in which it was found."""

    def add(self, text: str, code: str, field: str | None = None) -> None:
        """Add one thing that is wrong: `text` says where, what, and what to do."""
        self.append(Fault(code, text, field))

    def add_all(self, place: str, error: InvalidConfiguration) -> None:
        """Add what an error says of the setting that stands at `place`."""
        field = place.rpartition(": ")[2].removesuffix(" (a flag)")
        self.extend(each._replace(text=f"{place}: {each.text}", field=field) for each in error.errors)
