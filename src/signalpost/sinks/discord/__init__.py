"""Discord: its limits, and what we make of them.

What it does. A webhook is a URL whose last part is a password. `POST` to it shows a message. With `wait=true` the
answer is 200 and the message, and its id is the receipt; without, it is 204, and a message that is not saved brings no
error at all. So every send waits. Without a version in the path an answer of years ago is spoken, so every request
goes to `/api/v10`, whatever the URL said.

Lengths are counted in code points after trimming, each limit including its number: content 2,000; 10 embeds; title 256;
description 4,096; 25 fields of name 256 and value 1,024, neither empty; footer 2,048; and 6,000 over all of these in
all embeds of a message. One too many, and the whole message is refused (400, code 50035).

Rates. An answer tells the bucket it was counted in (`X-RateLimit-*`), and the same hash comes back for every webhook:
a bucket is kept for (hash, webhook). 50 requests a second for one IP. Beside these there is a limit of about 30
messages a minute for a channel, shared by all its webhooks and told by no header: a 429 while requests remain is that
one, and says nothing about the bucket. 10,000 answers of 401, 403 or 429 in ten minutes ban the IP.

Cloudflare stands before it all and answers by itself: 429 or 403 as HTML, or as JSON without `retry_after`. That is the
whole IP's trouble, not one webhook's. Discord's own answers carry `Via` and `X-RateLimit-*`.

What nobody can know. There is no idempotency key, and with a webhook's token alone no message can be looked up. After a
cut connection, a timeout or any 5xx the message may have been shown. So each embed's footer carries a short id that is
the same in every attempt, and an attempt after such an end says `may repeat`. Once a 200 was read, a message whose body
then breaks off was almost surely shown: that counts as no answer, so that it is tried again seldom.

What is refused for good: 404 with code 10015 (deleted) and 401 with 50027 (wrong token). Such a webhook must not be
asked again. Other 4xx refuse the message, not the webhook.

Sources: Discord's documentation at commit c98d64bc (2026-08-06), its OpenAPI specification at 74fda0fa (2026-07-18).

Rooms: `address` (a URL, checked), `escape` and `limits` (text that fits), `embed*` (a notification as an embed),
`message` (notifications as one message), `outcome` (an answer as a receipt or evidence), `webhook` (the sink),
`service` (all webhooks on one session). See docs/why/0013-our-own-discord-client.md.
"""
