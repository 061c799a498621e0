"""The Discord sink: how Discord behaves and how we respond.

Webhooks. A webhook is a URL whose last part is a password. `POST` to it shows a message. With `wait=true` the answer is
200 and the message, and its id is the receipt; without, it is 204, even if the message is not saved. So every send
waits. A path without a version uses an API that is years old, so every request goes to `/api/v10`, whatever the URL
says.

Lengths. They are counted in code points after trimming, and the limits are inclusive: content 2,000; 10 embeds; title
256; description 4,096; 25 fields of name 256 and value 1,024, neither empty; footer 2,048; and 6,000 over all of these
in all embeds of a message. If one limit is exceeded, Discord refuses the whole message (400, code 50035).

Rates. The headers `X-RateLimit-*` describe the bucket. All webhooks get the same bucket hash, so we keep a bucket per
hash and webhook. One IP may send 50 requests a second. A channel also has a hidden limit of about 30 messages a minute,
shared by all its webhooks: a 429 while requests remain comes from that limit and says nothing about the bucket. 10,000
answers of 401, 403 or 429 in ten minutes ban the IP.

Cloudflare. It sits in front of Discord and sends its own answers: 429 or 403 as HTML, or as JSON without `retry_after`.
They concern the whole IP, not one webhook. Discord's own answers carry `Via` and `X-RateLimit-*`.

Unknown outcomes. Discord has no idempotency key, and a webhook's token does not permit looking up a message. After a
cut connection, a timeout or any 5xx the message may have been shown. So the footer of a signal or an alert carries a
short id that is the same in every attempt, and a later attempt says `may repeat`. After a 200 whose body breaks off,
the message was almost certainly shown: that counts as no answer, so that it is rarely sent again.

Edits. `PATCH` of a message changes it and notifies nobody. Repeating one shows nothing twice, so an edit without an
answer counts as not shown. Only the webhook that posted a message can edit it, with the message's `thread_id`. 404 with
code 10008 means that the message was deleted, or that the webhook was moved: its own data says in which channel it
posts. In an archived thread an edit is refused (50083) until a post reopens the thread. Edits of messages older than an
hour have a limit per channel, which no header shows (30046).

Permanent failures. 404 with code 10015 (deleted) and 401 with code 50027 (wrong token): send nothing more to such a
webhook. Any other 4xx refuses the message, not the webhook.

Sources: Discord's documentation at commit c98d64bc (2026-08-06), its OpenAPI specification at 74fda0fa (2026-07-18).

Modules: `address` (parses the URL), `escape` and `limits` (text that fits), `cards` (what people see), `message`
(notifications as one message), `outcome` (an answer as a receipt or evidence), `webhook` (the sink),
`service` (all webhooks on one session). See docs/why/0013-our-own-discord-client.md.
"""
