"""The state of a stream, which is committed together with the stream's signals."""

from datetime import datetime
from typing import NamedTuple


class StreamState(NamedTuple):
    """Everything that a strategy's stream has to remember. It is committed with the signals of the last candle."""

    stream: str
    fingerprint: str
    """Everything that the state depends on, such as a configuration. A state with another fingerprint is not used."""
    watermark: datetime
    """The time of the last candle."""
    state: bytes
