"""When the next request may leave: windows, buckets, waits, backoff and the breaker, all pure.

Limits of a destination, and how they are kept:

    50 requests a second from one address        a window of the host, shared by its lanes
    a bucket of each webhook, given in headers   a window with the limit and the period from the headers;
                                                 5 per 2 s until the first answer
    about 30 messages a minute of one channel,   28 per 60 s, shared by the webhooks that are known to post to the
    in no header                                 same channel
    Retry-After                                  a pause of the channel, or of the host
    10,000 refusals in 10 minutes are a ban      50 pause the destination, 500 the host
    the operator's limit                         a window of that many messages a minute

Discord counts a request when it arrives, which is some time between its beginning and its end here. If a window counted
from the beginning, it would let one request too many through whenever fast ones follow a slow one. So a window counts
a request from its end, and a request that has not ended always counts. Only the host's window counts from the
beginning, with a guard of 50 ms: otherwise one hanging destination would block the others.

Nothing here sleeps, reads a clock or draws a random number. `now` is in seconds of a monotonic clock, and `jitter` is a
number from 0 up to 1. A part of each window is reserved for URGENT and HIGH (`limits.usable_slots`).
"""
