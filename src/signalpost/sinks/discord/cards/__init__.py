"""The messages that people see: pure functions from what happened to the exact body of a Discord message.

A trade is one card: posted when the signal is new, then edited to each later state (`signal_card`). An edit notifies
nobody, so a change that readers must not miss also posts a short companion with a link to the card (`companion`).
Alerts, analyses, status reports and announcements have cards of their own.

Contract with programs: only the content of a new, live signal begins with BUY or SELL. Prices are in plain text in the
content and in a code block in the card. The first line of a content is at most 36 characters long, a title 30, and a
table 26 wide, or 28 with long prices, so that a phone wraps only prose.

Modules: `look` (an operator's settings) and `view` (what one destination sees); `wording` (numbers, times, names and
lines), `table` and `ticket` (the levels of a trade), `state` (what happened to it), `signal`, `companion`, `alert` and
`reports` (the messages), `body` (their common parts).
"""
