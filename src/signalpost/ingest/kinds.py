"""The kinds of payload, and the names of their fields. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import Any

import msgspec

from signalpost.domain import spellings
from signalpost.domain.exact import non_negative
from signalpost.domain.making import make
from signalpost.domain.notification import Payload
from signalpost.domain.reports import Alert, Announcement, MarketAnalysis, SystemStatus
from signalpost.domain.sent import as_sent
from signalpost.domain.signal import Signal
from signalpost.domain.spellings import FieldNames, FoundFields, read_fields
from signalpost.domain.text import text_of
from signalpost.errors import Fault, InvalidValue, shown
from signalpost.ingest.send_options import facts, is_option

_MOST_SUGGESTIONS = 5
"""How many unknown names of one request get a suggestion: not all, because each suggestion takes a while."""
_CLOSE_ENOUGH = 0.75
"""The least similarity, from 0 to 1, at which a known name is suggested."""
_MOST_UNKNOWN = 100
"""How many unknown names of one request are reported: thousands would not help."""


class Kind:
    """One kind of payload: its field names and its constructor."""

    def __init__(
        self,
        payload: type[Payload],
        plural: str,
        id_field: str,
        names: FieldNames,
        sample: Mapping[str, object],
        build: Callable[..., Payload] | None = None,
        required: Iterable[str] | None = None,
    ) -> None:
        self.word = str(payload.__struct_config__.tag)
        self.payload = payload
        self.plural = plural
        self.id_field = id_field
        self.names = names
        self.sample = sample
        """A valid value for each required field, and for others that an entry point can require."""
        self.required = tuple(sample) if required is None else tuple(required)
        self._build = payload if build is None else build

    def read(self, data: Mapping[str, Any], *, has_options: bool = True) -> FoundFields:
        """The fields in `data`. Unknown names are faults: otherwise a misspelled `stop_loss` would be lost.

        With `has_options`, the options of `read_options` are allowed too.
        """
        read = read_fields(data.items(), self.names)
        unknown = [
            name
            for name in read.unknown
            if not (has_options and is_option(name)) and not self._is_kind(name, data[name])
        ]
        return read._replace(faults=(*read.faults, *self._unknown(unknown)))

    def made(
        self, read: FoundFields, missing: Callable[[str], Fault] | None = None, also: Iterable[str] = ()
    ) -> Payload:
        """Create the payload. Raises InvalidValue with all faults, each under the sender's name for the field.

        `missing` creates the fault for a missing required field. The optional fields in `also` are required too.
        """
        reported = missing or (lambda field: spellings.missing(field, self.names))
        return make(self._build, read, {field: reported(field) for field in (*self.required, *also)}, self.sample)

    def _is_kind(self, name: str, value: object) -> bool:
        """True for the `kind` that a payload's `to_json` writes."""
        return name.strip().lower() == "kind" and value == self.word

    def _unknown(self, names: Iterable[str]) -> Iterable[Fault]:
        for number, name in enumerate(islice(names, _MOST_UNKNOWN)):
            near = self._nearest(name) if number < _MOST_SUGGESTIONS else None
            hint = f" (did you mean {near}?)" if near else ""
            text = f"{shown(name)} is not a field of {self.plural}{hint}; put extra facts into `context`"
            yield Fault("unknown-field", text, as_sent(name), shown(name), near)

    def _nearest(self, name: str) -> str | None:
        return next(iter(get_close_matches(name.strip().lower()[:40], self._known, n=1, cutoff=_CLOSE_ENOUGH)), None)

    @cached_property
    def _known(self) -> list[str]:
        known = {name for names in self.names.spellings.values() for name in names}
        return sorted(known | {"priority", "user_tier", "tier", "tiers", "context"})


def _duration(value: Any) -> timedelta:
    """Parse seconds, or ISO 8601 text such as `PT1H`, which `to_json` writes."""
    try:
        if isinstance(value, str) and not value.strip().isdigit():
            return msgspec.convert(text_of(value, "uptime"), timedelta)
        return timedelta(seconds=float(non_negative(value, "uptime")))
    except (msgspec.ValidationError, OverflowError):
        raise InvalidValue.of(
            "uptime", value, "use a number of seconds, or text such as 'PT1H'", code="not-a-duration"
        ) from None


def _status(**fields: Any) -> SystemStatus:
    if "uptime" in fields and not isinstance(fields["uptime"], timedelta):
        fields["uptime"] = _duration(fields["uptime"])
    return SystemStatus(**fields)


def _with_facts(payload: Callable[..., Payload]) -> Callable[..., Payload]:
    def build(**fields: Any) -> Payload:
        if "context" in fields:
            fields["context"] = facts(fields["context"])
        return payload(**fields)

    return build


def _of(payload: type[Payload], plural: str, id_field: str, also: Mapping[str, str], **sample: object) -> Kind:
    """A kind with the field names of `payload`; its id is also called `id`, and those in `also` have a second name."""
    others = {**also, id_field: "id"}
    names = {name: ((name, others[name]) if name in others else (name,),) for name in payload.__struct_fields__}
    build = _status if payload is SystemStatus else _with_facts(payload)
    return Kind(payload, plural, id_field, FieldNames(names), sample, build)


SIGNAL = Kind(Signal, "signals", "signal_id", spellings.SIGNAL, spellings.STAND_INS, None, spellings.REQUIRED)
KINDS = (
    SIGNAL,
    _of(Alert, "alerts", "alert_id", {"alert_type": "type"}, alert_type="-", severity="info", title="-"),
    _of(MarketAnalysis, "analyses", "analysis_id", {"text": "message"}, title="-", text="-"),
    _of(Announcement, "announcements", "announcement_id", {"text": "message"}, title="-", text="-"),
    _of(SystemStatus, "statuses", "status_id", {}, status="-"),
)
KIND_BY_PATH = {kind.plural: kind for kind in KINDS}
"""The path is below `/api/v1/`."""
KIND_BY_PAYLOAD = {kind.payload: kind for kind in KINDS}
