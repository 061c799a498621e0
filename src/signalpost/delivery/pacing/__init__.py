"""When the next request may leave: windows, buckets, holds, backoff and the breaker, all pure.

What is known of the far end, and what follows:

    50 requests a second from one address        a window of the host, shared by its lanes
    a bucket of each webhook, told in headers    a window with the limit and the period that the answers tell;
                                                 5 per 2 s until the first answer
    about 30 messages a minute of one channel,   28 per 60 s, shared by the webhooks that are known to show in one
    told in no header                            channel
    Retry-After                                  a hold of the channel, or of the host
    10,000 refusals in 10 minutes are a ban      50 pause the destination, 500 the host
    what the operator wants                      so many messages a minute

A far end counts a request when it arrives, which is between our beginning and our end of it. A window that counts from
the beginning lets one more through whenever a slow request is followed by fast ones. So a window here counts a request
from its end, and one that has not ended is always within; only the host's, where one hanging destination must not hold
the others, counts from the beginning and keeps a guard of 50 ms.

Nothing here sleeps, asks for the time or draws a number: `now` is seconds of a monotonic clock, `jitter` a number from
0 up to 1, and every answer is a value. Of each window a part is kept for what is urgent (`limits.slots_open`).
"""
